"""The three named ways to run the paper's experiment; each choice is a field (paper, IV.D; docs/protocols.md)."""

from dataclasses import dataclass, field

DIMENSIONS = ("valence", "arousal")
TERMS = {"windows_a_step": "batch size"}  # of fields that have another name on disk than in texts

PAPER_EPOCHS = 100  # section IV.D
PAPER_FOLDS = 8  # section IV.D

# The paper gives neither; ours.
DEFAULT_WINDOWS_A_STEP = 8
DEFAULT_ORDER = "shuffled"
SCALINGS = ("participant", "train", "none", "both")
INNER_SHARE = 0.2  # strict: the share of the training participants that chooses epoch and configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Everything that decides what a score means, apart from the corpus, the configuration and the seed."""

    name: str
    epochs: int
    num_folds: int
    gold: str  # mean | median | ccc-centred | ewe
    label_decimals: int | None  # the gold standard is rounded to so many decimals
    label_delay_seconds: float  # labels are moved earlier by this reaction lag of the raters
    scaling: str  # one of SCALINGS
    loss: str  # mse | ccc
    target: str  # frame | window-mean
    partial_window: str  # pad | drop
    windows_a_step: int
    order: str  # shuffled | in-order
    epoch_choice: str  # last | best-on-held-out | best-on-inner
    optimistic: bool  # the reported fold chose something
    # mean | tapered: how a model's predictions of overlapping windows become a trace. Training and scores have windows
    # that do not overlap, so it decides no result and is in no uid.
    joining: str = field(default="mean", metadata={"later": True, "decides": False})
    # Which draw of the folds: 0 has neighbours in the corpus's order (the paper's), others are of repeats.
    fold_draw: int = field(default=0, metadata={"later": True})


DESCRIBED = Protocol(
    name="described",
    epochs=PAPER_EPOCHS,
    num_folds=PAPER_FOLDS,
    gold="mean",
    label_decimals=None,
    label_delay_seconds=0.0,
    scaling="participant",
    loss="mse",
    target="frame",
    partial_window="pad",
    windows_a_step=DEFAULT_WINDOWS_A_STEP,
    order=DEFAULT_ORDER,
    epoch_choice="last",
    optimistic=False,
    joining="tapered",
)

# The authors' code: one window per step, a target a window, the best epoch chosen on the fold that is reported.
PUBLISHED = Protocol(
    name="published",
    epochs=PAPER_EPOCHS,
    num_folds=PAPER_FOLDS,
    gold="mean",
    label_decimals=2,
    label_delay_seconds=0.0,
    scaling="participant",
    loss="mse",
    target="window-mean",
    partial_window="drop",
    windows_a_step=1,
    order="in-order",
    epoch_choice="best-on-held-out",
    optimistic=True,
    joining="tapered",
)

STRICT = Protocol(
    name="strict",
    epochs=PAPER_EPOCHS,
    num_folds=PAPER_FOLDS,
    gold="mean",
    label_decimals=None,
    label_delay_seconds=0.0,
    scaling="train",
    loss="mse",
    target="frame",
    partial_window="pad",
    windows_a_step=DEFAULT_WINDOWS_A_STEP,
    order=DEFAULT_ORDER,
    epoch_choice="best-on-inner",
    optimistic=False,
    joining="tapered",
)


def num_inputs(scaling: str, num_features: int) -> int:
    """Count what a network takes in of features: with `both` each comes with the person's own mean and deviation."""
    return 3 * num_features if scaling == "both" else num_features


PROTOCOLS = {protocol.name: protocol for protocol in (DESCRIBED, PUBLISHED, STRICT)}
