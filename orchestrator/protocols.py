"""The three named ways to run the paper's experiment; each choice is a field (paper, IV.D; docs/protocols.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

DIMENSIONS = ("valence", "arousal")
# What decides the labels that are scored: fields of the protocol, then of the corpus's options, as they are given.
LABEL_FIELDS = {
    "gold": "--gold",
    "label_delay_seconds": "--label-delay",
    "label_shift": "delay by",
    "label_rounding": "rounding",
    "label_decimals": "decimals",
}
LABEL_OPTIONS = {"label_range": "--label-range", "raters": "--raters"}
TERMS = {"windows_a_step": "batch size"}  # of fields that have another name on disk than in texts

PAPER_EPOCHS = 100  # section IV.D
PAPER_FOLDS = 8  # section IV.D

# The paper gives neither; ours.
DEFAULT_WINDOWS_A_STEP = 8
DEFAULT_ORDER = "shuffled"
SCALINGS = ("participant", "train", "none", "both")
# How labels are rounded: after a mean of what float32 holds of them, or of the decimals that stand in the files.
LABEL_ROUNDINGS = ("float32", "float64")
# How labels are moved by a delay: each frame takes the label nearest to its time and the delay, or all of a recording's
# are moved by the same number of frames. The first mixes two numbers if the delay falls in the middle of two frames.
LABEL_SHIFTS = ("nearest", "whole-frames")
# By what an epoch is the best: the least loss; or loss and both mean absolute errors, which improve together.
BEST_BY = ("loss", "loss-and-mae")
INNER_SHARE = 0.2  # strict: the share of the training participants that chooses epoch and configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Everything that decides what a score means, apart from the corpus, the configuration and the seed."""

    name: str
    epochs: int
    num_folds: int
    gold: str  # mean | median | ccc-centred | ccc-centred-avec | ewe
    label_decimals: int | None  # the gold standard is rounded to so many decimals
    label_delay_seconds: float  # labels are moved earlier by this reaction lag of the raters
    scaling: str  # one of SCALINGS
    loss: str  # mse | ccc | ccc-window
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
    label_rounding: str = field(default="float32", metadata={"later": True})  # one of LABEL_ROUNDINGS
    best_by: str = field(default="loss", metadata={"later": True})  # one of BEST_BY
    head: str = field(default="frame", metadata={"later": True})  # one of models.sizes.HEADS
    group_by: str | None = field(default=None, metadata={"later": True})  # column whose groups are in one fold each
    label_shift: str = field(default="nearest", metadata={"later": True})  # one of LABEL_SHIFTS
    defence: str | None = field(default=None, metadata={"later": True})  # of features, as data.defences writes it


# Fields that older plans do not have, as those were run.
OF_OLDER_PLANS: Mapping[str, object] = {one.name: one.default for one in fields(Protocol) if one.metadata.get("later")}

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

# The authors' code, but for its head: one window per step, a target per window, the best epoch chosen on the reported
# fold.
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
    label_rounding="float64",
    best_by="loss-and-mae",
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


def head_in_words(fields: Mapping[str, object]) -> str | None:
    """Return what follows the recurrence, of a protocol's fields, where it has to be said: of `published`, by any head.

    The head of `published` is that of the paper's text, whose sizes are Table III's, and not that of the uploaded code.
    """
    if fields.get("head", "frame") == "authors":
        return "that of the authors' code: the whole window into 1000 neurons and 2 outputs, without a non-linearity"
    if fields.get("name") == "published":
        return (
            "10 neurons, ReLU and 2 outputs per frame, averaged over the window; the authors' uploaded code has"
            " another, on the whole window: --head authors"
        )
    return None


def num_inputs(scaling: str, num_features: int) -> int:
    """Count what a network takes in of features: with `both` each comes with the person's own mean and deviation."""
    return 3 * num_features if scaling == "both" else num_features


PROTOCOLS = {protocol.name: protocol for protocol in (DESCRIBED, PUBLISHED, STRICT)}
