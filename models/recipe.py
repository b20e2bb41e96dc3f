"""What a configuration is trained with; data only, for plans without torch (paper, sections IV.B, IV.D)."""

from dataclasses import asdict, dataclass

from models.sizes import TRUNK_NAMES, cell_of

ORDERS = ("shuffled", "in-order")
KEPT = ("last", "best")

# Mean and standard deviation of the three colours, of images in [0, 1]: those that torchvision's ImageNet weights
# were trained with, and those of the authors' code, (x - 0.5) / 0.5.
NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
# What a trunk's batch normalisations do in training: take each step's statistics and follow them, or keep those of
# the weights they started from.
BATCH_NORMS = ("train", "frozen")
# Ours: smaller images end as maps of 1 x 1, of which batch normalisation cannot train on a single one.
SMALLEST_IMAGE = 33

WEIGHTS_NONE = "none"
WEIGHTS_IMAGENET = "imagenet"

# With a trunk only: what is said of action units stays as short as it was.
TRUNK_FIELDS = ("trunk", "image_size", "normalisation", "batch_norm", "trunk_weights")


def normalisation_of(weights: str) -> str:
    """Name the normalisation that belongs to `--weights`: "imagenet" for ImageNet's own, "half" for all others."""
    return "imagenet" if weights == WEIGHTS_IMAGENET else "half"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One configuration's network and training; Adam throughout (section IV.B).

    `order`: "shuffled" draws a fresh order of the training windows every epoch, "in-order" goes through the
    series one after the other. `keep`: the model that scores is the "last" epoch's, or the "best" one's on
    the validation series (the first on ties). `loss` and `target` are keys of `models.losses`;
    `partial_window` is "pad" or "drop".

    For images `trunk` names what turns a frame into features ("resnet18"), trained with the rest; `image_size` is
    the pixels of a frame's side, `normalisation` a key of NORMALISATIONS, `batch_norm` one of BATCH_NORMS, and
    `trunk_weights` records what the trunk starts from: "none" (the seed), "imagenet", or a file's digest.
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
    trunk: str | None = None
    image_size: int = 0
    normalisation: str = "half"
    batch_norm: str = "train"
    trunk_weights: str = WEIGHTS_NONE

    def __post_init__(self) -> None:
        """Refuse names and numbers that cannot be trained (ValueError)."""
        cell_of(self.network)
        for name, value, known in (
            ("order", self.order, ORDERS),
            ("keep", self.keep, KEPT),
            ("trunk", self.trunk, (None, *TRUNK_NAMES)),
            ("normalisation", self.normalisation, tuple(NORMALISATIONS)),
            ("batch_norm", self.batch_norm, BATCH_NORMS),
        ):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}: expected one of {', '.join(map(str, known))}")
        for name in ("hidden_size", "sequence_length", "num_layers", "epochs", "windows_a_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, found {self.learning_rate}")
        if self.trunk is not None and self.image_size < SMALLEST_IMAGE:
            raise ValueError(f"image_size must be at least {SMALLEST_IMAGE} pixels, found {self.image_size}")

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the fields for JSON, in the order of their declaration; those of images with a trunk only."""
        fields = asdict(self)
        return fields if self.trunk else {name: v for name, v in fields.items() if name not in TRUNK_FIELDS}
