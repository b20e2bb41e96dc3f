"""Every number the paper publishes, with its table and row, and where the paper contradicts itself.

Mase, Leesakul, Yang, Figueredo, Torres Torres: arXiv:2111.07344v1. Table I is in tune_spaces, beside the grids.
"""

from dataclasses import dataclass

TITLE = "Towards Privacy-Preserving Affect Recognition: A Two-Level Deep Learning Architecture"
ARXIV = "arXiv:2111.07344v1"

# Method of this project -> the method's name in Tables I and III; `fl-au` has no number in the paper.
METHOD_NAMES = {"images": "Raw Images", "au": "Action Units", "fl": "Federated Learning"}
# Order of the paper's tables, then what only this project has.
METHOD_ORDER = ("images", "au", "fl", "fl-au")
NETWORKS = ("bigru", "bilstm", "rnn")  # in the order of the tables


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanCCC:
    """One row of Table II: the mean over the folds."""

    method: str
    network: str
    valence: float
    arousal: float
    notes: tuple[str, ...] = ()


TABLE_2 = (
    MeanCCC(method="images", network="bigru", valence=0.415, arousal=0.504),
    MeanCCC(method="images", network="bilstm", valence=0.476, arousal=0.515, notes=("arousal-of-images",)),
    MeanCCC(method="images", network="rnn", valence=0.471, arousal=0.486),
    MeanCCC(method="au", network="bigru", valence=0.347, arousal=0.401, notes=("images-beat-units",)),
    MeanCCC(method="au", network="bilstm", valence=0.269, arousal=0.365),
    MeanCCC(method="au", network="rnn", valence=0.183, arousal=0.228),
    MeanCCC(method="fl", network="bigru", valence=0.393, arousal=0.273),
    MeanCCC(method="fl", network="bilstm", valence=0.426, arousal=0.390, notes=("images-beat-units",)),
    MeanCCC(method="fl", network="rnn", valence=0.304, arousal=0.197),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """One row of Table III; seconds are of inference on 100 and 500 images."""

    method: str
    network: str  # the row's best network by Table II; Table III does not name it
    privacy: str  # asserted, not measured
    valence: float
    arousal: float
    training_minutes: float
    size_mb: float
    seconds_100: float
    seconds_500: float


TABLE_3 = (
    Efficiency(
        method="images",
        network="bilstm",
        privacy="Low",
        valence=0.476,
        arousal=0.516,
        training_minutes=315.4,
        size_mb=43,
        seconds_100=17.509,
        seconds_500=22.921,
    ),
    Efficiency(
        method="au",
        network="bigru",
        privacy="Average",
        valence=0.347,
        arousal=0.401,
        training_minutes=141.5,
        size_mb=98,
        seconds_100=1.351,
        seconds_500=2.962,
    ),
    Efficiency(
        method="fl",
        network="bilstm",
        privacy="High",
        valence=0.426,
        arousal=0.390,
        training_minutes=599.2,
        size_mb=53,
        seconds_100=19.720,
        seconds_500=26.860,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One row of Table IV, in the group of the method it is compared with; None is the paper's dash."""

    group: str  # a method of this project
    model: str
    reference: str | None  # of the paper's list; None: the paper's own model
    valence: float
    arousal: float | None
    notes: tuple[str, ...] = ()


GROUPS = {
    "images": "Non-federated processing of raw images",
    "au": "Non-federated processing of action units or landmarks",
    "fl": "Federated processing of raw images",
    "fl-au": "Federated processing of action units",
}
TABLE_4 = (
    Study(group="images", model="CNN + LSTM", reference="[29] Tzirakis 2017", valence=0.620, arousal=0.435),
    Study(group="images", model="DNN", reference="[20] Ortega 2019", valence=0.379, arousal=0.464, notes=("ortega",)),
    Study(group="images", model="CNN + LSTM", reference="[6] Chao 2015", valence=0.538, arousal=0.336),
    Study(group="images", model="CNN + RNN", reference="[12] Khorrami 2016", valence=0.474, arousal=None),
    Study(
        group="images",
        model="2D CNN + ConvLSTM + 3D CNN",
        reference="[15] Lee 2018",
        valence=0.546,
        arousal=None,
    ),
    Study(
        group="images",
        model="CNN + BiLSTM",
        reference=None,
        valence=0.476,
        arousal=0.514,
        notes=("arousal-of-images",),
    ),
    Study(group="au", model="LSTM", reference="[6] Chao 2015", valence=0.483, arousal=0.137),
    Study(group="au", model="SVM", reference="[30] Valstar 2016", valence=0.507, arousal=0.272),
    Study(group="au", model="BiLSTM + SVM", reference="[10] Han 2017", valence=0.394, arousal=0.265),
    Study(group="au", model="BiGRU", reference=None, valence=0.347, arousal=0.401, notes=("headline",)),
    Study(group="fl", model="CNN + BiLSTM", reference=None, valence=0.426, arousal=0.390, notes=("headline",)),
)

HEADLINE_VALENCE, HEADLINE_AROUSAL = 0.426, 0.401  # abstract and section VI


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One place where the paper disagrees with itself; `where` names its sections and tables."""

    name: str
    where: str
    text: str


CONTRADICTIONS = (
    Contradiction(
        name="arousal-of-images",
        where="Tables II, III and IV; sections V.A and V.B",
        text="The arousal CCC of CNN-BiLSTM on raw images is 0.515 in Table II and section V.A, 0.516 in Table III, "
        "and 0.514 in Table IV and section V.B. Each table here is compared with its own figure.",
    ),
    Contradiction(
        name="headline",
        where="Abstract and section VI; Tables II and IV",
        text="The headline, 0.426 for valence and 0.401 for arousal, is of no single model: valence is of the "
        "federated CNN-BiLSTM (whose arousal is 0.390), arousal of the BiGRU on action units (whose valence is 0.347).",
    ),
    Contradiction(
        name="images-beat-units",
        where="Section V.A; Table II",
        text="Section V.A ranks federated images second in both dimensions and says that images outperform action "
        "units. By Table II the best arousal CCC is 0.401 on action units and 0.390 on federated images; BiGRU (0.401, "
        "0.273) and RNN (0.228, 0.197) agree with the table, not with the sentence.",
    ),
    Contradiction(
        name="size-of-units",
        where="Section V.A; Tables I and III",
        text="Section V.A explains the short times on action units by a less complex network. By Table III its model "
        "is the largest of the three (98, against 43 and 53), as follows from Table I: 6 layers of 512 units.",
    ),
    Contradiction(
        name="megabytes",
        where="Tables I and III",
        text="Model sizes are headed MB. With float32 parameters 43 and 53 are the MiB of Table I's configurations "
        "(42.8 and 52.7), so MiB are compared here; the 98 of action units is neither their MiB (96.6) nor their MB "
        "(101.3).",
    ),
    Contradiction(
        name="ortega",
        where="Section V.B; Table IV",
        text="Section V.B counts [20] among the studies with better valence on images; Table IV gives it 0.379, below "
        "the paper's 0.476. The same section calls the four studies CNNs with LSTMs; [20] is a DNN in the table.",
    ),
    Contradiction(
        name="no-validation-set",
        where="Sections IV.B and IV.D",
        text="Section IV.B chooses the configurations by validation loss; section IV.D has training folds and one "
        "evaluated fold, and no validation set. So the reported people chose the configuration (see the optimism).",
    ),
    Contradiction(
        name="divided-time",
        where="Section IV.D; Table III",
        text="Section IV.D divides the federated training time by the number of participants, for clients that train "
        "at once. Whether Table III's 599.2 minutes are before or after the division is not said.",
    ),
    Contradiction(
        name="two-levels",
        where="Title, abstract and section III; Tables I to IV",
        text="The title and the abstract propose one architecture of two levels. The experiments have each level "
        "alone: action units are not federated, and what is federated are images. Both at once (fl-au) has no "
        "published figure.",
    ),
)
