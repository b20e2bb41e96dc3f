"""Training settings of a configuration; data only, so that plans need no torch (paper, sections IV.B, IV.D)."""

from dataclasses import asdict, dataclass

from models.sizes import BACKBONE_NAMES, DEFAULT_HEAD, HEADS, network_of

ORDERS = ("shuffled", "in-order")
KEPT = ("last", "best", "best-together")

# Mean and standard deviation of the three colours, of images in [0, 1]: those that torchvision's ImageNet weights
# were trained with, and those of the authors' code, (x - 0.5) / 0.5.
NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
# What a backbone's batch normalisations do in training: take each step's statistics and follow them, or keep those of
# the weights they started from.
BATCH_NORMS = ("train", "frozen")
# Ours: smaller images end as maps of 1 x 1, of which batch normalisation cannot train on a single one.
SMALLEST_IMAGE = 33

WEIGHTS_NONE = "none"
WEIGHTS_IMAGENET = "imagenet"

# With a backbone only: what is said of action units stays as short as it was.
BACKBONE_FIELDS = ("backbone", "image_size", "normalisation", "batch_norm", "backbone_weights")
# The spelling of older checkpoints, which stays.
ON_DISK = {"backbone": "trunk", "backbone_weights": "trunk_weights"}
# What compares one value per window: the target that a head with one output per window has.
WINDOW_TARGET = "window-mean"


def normalisation_of(weights: str) -> str:
    """Name the normalisation that belongs to `--weights`: "imagenet" for ImageNet's own, "half" for all others."""
    return "imagenet" if weights == WEIGHTS_IMAGENET else "half"


def misfit(head: str, loss: str, target: str, partial_window: str) -> str | None:
    """Return why a head or a loss does not go with a target and with partial windows; None if they do."""
    if head == "authors" and target != WINDOW_TARGET:
        return f"head authors, one output per window, beside target {target}"
    if head == "authors" and partial_window != "drop":
        return "head authors, which takes whole windows, beside partial windows that are not dropped"
    if loss == "ccc-window" and target == WINDOW_TARGET:
        return f"loss ccc-window, the CCC within a window, beside target {target}, one value per window"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One configuration's network and training; Adam throughout (section IV.B).

    `order`: "shuffled" draws a fresh order of the training windows every epoch, "in-order" goes through the
    series one after the other. `keep`: the model that scores is the "last" epoch's, or the "best" one's on
    the validation series (the first on ties), or with "best-together" that of the last epoch whose loss and mean
    absolute errors were all less than those of the one kept before (the authors' code). `loss` and `target` are keys
    of `models.losses`; `partial_window` is "pad" or "drop". `head` is one of HEADS: "frame" gives an output per
    frame, "authors" one per window, which all its frames share.

    For images `backbone` names what turns a frame into features ("resnet18"), trained with the rest; `image_size` is
    the pixels of a frame's side, `normalisation` a key of NORMALISATIONS, `batch_norm` one of BATCH_NORMS, and
    `backbone_weights` records what the backbone starts from: "none" (the seed), "imagenet", or a file's digest.
    """

    network: str
    learning_rate: float
    hidden_size: int
    sequence_length: int
    num_layers: int
    epochs: int
    loss: str
    target: str
    partial_window: str
    windows_a_step: int
    order: str
    keep: str
    backbone: str | None = None
    image_size: int = 0
    normalisation: str = "half"
    batch_norm: str = "train"
    backbone_weights: str = WEIGHTS_NONE
    head: str = DEFAULT_HEAD

    def __post_init__(self) -> None:
        """Refuse names and numbers that cannot be trained (ValueError)."""
        network_of(self.network)
        for name, value, known in (
            ("order", self.order, ORDERS),
            ("keep", self.keep, KEPT),
            ("head", self.head, HEADS),
            ("backbone", self.backbone, (None, *BACKBONE_NAMES)),
            ("normalisation", self.normalisation, tuple(NORMALISATIONS)),
            ("batch_norm", self.batch_norm, BATCH_NORMS),
        ):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}: expected one of {', '.join(map(str, known))}")
        for name in ("hidden_size", "sequence_length", "num_layers", "epochs", "windows_a_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        problem = misfit(self.head, self.loss, self.target, self.partial_window)
        if problem is not None:
            raise ValueError(problem)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, found {self.learning_rate}")
        if self.backbone is not None and self.image_size < SMALLEST_IMAGE:
            raise ValueError(f"image_size must be at least {SMALLEST_IMAGE} pixels, found {self.image_size}")

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the fields for JSON, in the order of their declaration; those of images with a backbone only.

        The default head is left out, so that checkpoints that are older than it are still taken up.
        """
        left_out = {*(() if self.backbone else BACKBONE_FIELDS), *(("head",) if self.head == DEFAULT_HEAD else ())}
        return {ON_DISK.get(name, name): value for name, value in asdict(self).items() if name not in left_out}
