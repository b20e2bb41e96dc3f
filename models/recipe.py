"""What a configuration is trained with; data only, for plans without torch (paper, sections IV.B, IV.D)."""

from dataclasses import asdict, dataclass

from models.sizes import cell_of

ORDERS = ("shuffled", "in-order")
KEPT = ("last", "best")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One configuration's network and training; Adam throughout (section IV.B).

    `order`: "shuffled" draws a fresh order of the training windows every epoch, "in-order" goes through the
    series one after the other. `keep`: the model that scores is the "last" epoch's, or the "best" one's on
    the validation series (the first on ties). `loss` and `target` are keys of `models.losses`;
    `partial_window` is "pad" or "drop".
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

    def __post_init__(self) -> None:
        """Refuse names and numbers that cannot be trained (ValueError)."""
        cell_of(self.network)
        for name, value, known in (("order", self.order, ORDERS), ("keep", self.keep, KEPT)):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}: expected one of {', '.join(known)}")
        for name in ("hidden_size", "sequence_length", "num_layers", "epochs", "windows_a_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, found {self.learning_rate}")

    def to_dict(self) -> dict[str, str | int | float]:
        """Give the fields for JSON, in the order of their declaration."""
        return asdict(self)
