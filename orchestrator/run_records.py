"""What a run writes down, typed: a trial's result or failure, a fold, a federation's rounds, the summary.

A damaged record is refused with its file and field; keys of a newer version are kept (json_records.py). What is
measured stands in `scores`, by the keys of measures.py. No torch, no scipy, no MLflow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from models.ccc import Moments
from orchestrator import json_records, measures
from orchestrator.estimators.facts import IntervalFacts, PairedDifference, RaterFacts, RepeatedEstimate
from orchestrator.estimators.sums import PersonMoments
from orchestrator.files import JsonObject
from orchestrator.json_records import KEYS, OPTIONAL
from orchestrator.measures import FoldMoments, Value
from tune_spaces.method import HParams

CURVES = ("train_loss", "validation_loss", "ccc_valence", "ccc_arousal")  # of each epoch, means over the folds
FINISHED, STOPPED = "finished", "stopped"  # a trial's ends; a stopped one has a result without weights
METRIC = "metric"  # metadata of a field: its key in MLflow

Curve = Mapping[str, tuple[float | None, ...]]  # fold means of each epoch; under `<name>_sd` their spread
Newer = Mapping[str, object]
Sums = Mapping[str, Mapping[str, tuple[float | int, ...]]]  # person -> dimension -> the sums of Moments


def people_of_sums(sums: Sums) -> dict[str, PersonMoments]:
    """Return moments that a file has as sums."""
    return {
        person: {dimension: Moments.from_list(own) for dimension, own in of_person.items()}
        for person, of_person in sums.items()
    }


def sums_of(people: Mapping[str, PersonMoments]) -> Sums:
    """Return moments as a file has them."""
    return {
        person: {dimension: tuple(moments.to_list()) for dimension, moments in of_person.items()}
        for person, of_person in people.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScore:
    """Scores of a configuration on the held-out people of one fold; losses of the chosen epoch.

    `moments` has by participant and dimension the sums of models.ccc.Moments over frames, `window_moments` over the
    means of windows (None: of a result that is older than they). A summary has `uid`, the configuration that the fold
    reports, and no moments; a report from MLflow has neither, nor participants.
    """

    uid: str | None = field(default=None, metadata={OPTIONAL: "uid"})
    fold: int
    participants: tuple[str, ...] = ()
    chosen_epoch: int | None = None
    selection_loss: float | None = None
    train_loss: float | None = None
    scores: Mapping[str, Value] = field(default_factory=dict, metadata={KEYS: measures.fold_keys})
    moments: Sums | None = field(default=None, metadata={OPTIONAL: "moments"})
    window_moments: Sums | None = field(default=None, metadata={OPTIONAL: "window_moments"})
    newer: Newer = field(default_factory=dict)

    def people(self) -> FoldMoments:
        """Return the moments of each held-out participant's frames and windows."""
        windows = None if self.window_moments is None else people_of_sums(self.window_moments)
        return FoldMoments(frames=people_of_sums(self.moments or {}), windows=windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureRecord:
    """The secure sums of a round, all folds together: how many are in each fold's sum, who was lost in which stage.

    Bytes by stage are the true sizes of what was sent; `bits` are those of the rings, by part of the vector.
    """

    survivors: tuple[int, ...]
    lost: tuple[str, ...]
    bits: Mapping[str, int]
    bytes_down: Mapping[str, int]
    bytes_up: Mapping[str, int]
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """One round of a federation, all folds together; losses and scores by fold."""

    round: int
    seconds: float = field(metadata={METRIC: "seconds"})
    trained: int = field(metadata={METRIC: "clients_trained"})
    failed: tuple[str, ...] = field(metadata={METRIC: "clients_failed"})
    refused: tuple[str, ...] = field(metadata={METRIC: "clients_refused"})
    bytes_down: int = field(metadata={METRIC: "bytes_down"})
    bytes_up: int = field(metadata={METRIC: "bytes_up"})
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    ccc_valence: tuple[float, ...]
    ccc_arousal: tuple[float, ...]
    own_ccc_valence: tuple[float, ...] = ()
    own_ccc_arousal: tuple[float, ...] = ()
    secure: SecureRecord | None = field(default=None, metadata={OPTIONAL: "secure"})
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationRecord:
    """What the rounds took in all (paper, section IV.D); a summary and MLflow have the totals alone.

    `own_ccc_*` are of the clients' own networks after the last round; None without such.
    """

    rounds: int = field(metadata={METRIC: "rounds"})
    clients: int = field(metadata={METRIC: "clients"})
    bytes_up: int = field(metadata={METRIC: "bytes_up"})
    bytes_down: int = field(metadata={METRIC: "bytes_down"})
    failures: int = field(metadata={METRIC: "failures"})
    wall_seconds: float
    paper_seconds: float = field(metadata={METRIC: "paper_seconds"})  # the clients' training time / their number
    own_ccc_valence: float | None = None
    own_ccc_arousal: float | None = None
    first_failure: str | None = field(default=None, metadata={OPTIONAL: "by_round"})
    # Of secure sums: what the server learns of single people beside them; None: the sums are not secure.
    left_apart: tuple[str, ...] | None = field(default=None, metadata={OPTIONAL: "left_apart"})
    by_round: tuple[RoundRecord, ...] | None = field(default=None, metadata={OPTIONAL: "by_round"})
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """`result.json`: one configuration on all folds. What a report from MLflow does not have, has a default."""

    uid: str
    network: str
    hparams: HParams
    status: str
    synthetic: bool | None = None
    protocol: str | None = None
    optimistic: bool | None = None
    epochs: int | None = None
    training_seconds: float | None
    num_parameters: int | None
    model_size_mib: float | None
    selection_loss: float  # mean over the folds
    scores: Mapping[str, Value] = field(metadata={KEYS: measures.score_keys})
    folds: tuple[FoldScore, ...]
    curve: Curve
    federation: FederationRecord | None
    started: str | None = None
    ended: str | None = None
    # Of a repeat of a reported configuration: which, from 1 on, and its seed.
    repeat: int | None = field(default=None, metadata={OPTIONAL: "repeat"})
    seed: int | None = field(default=None, metadata={OPTIONAL: "repeat"})
    backend: str | None = field(default=None, metadata={OPTIONAL: "backend"})  # of models.backends; None: older
    precision: str | None = field(default=None, metadata={OPTIONAL: "precision"})  # of a GPU; None: a CPU, or older
    newer: Newer = field(default_factory=dict)

    def score(self, key: str) -> float:
        """Return one of the scores that every finished configuration has."""
        value = self.scores[key]
        assert value is not None, (self.uid, key)
        return float(value)

    @classmethod
    def from_json(cls, raw: object, source: Path | str) -> Self:
        """Return the result in a JSON object; InputError names `source` and the damaged field."""
        return json_records.from_json(cls, raw, source)

    def to_json(self) -> JsonObject:
        """Return the content of `result.json`."""
        return json_records.to_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`failure.json`: a configuration that has no result, and why."""

    uid: str
    network: str
    hparams: HParams
    kind: str = ""  # the exception's name
    message: str = ""  # its first line
    traceback: str = ""
    unwritten: str | None = field(default=None, metadata={OPTIONAL: "unwritten"})  # why the record is not in its folder
    repeat: int | None = field(default=None, metadata={OPTIONAL: "repeat"})  # as of TrialResult
    newer: Newer = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: object, source: Path | str) -> Self:
        """Return the failure in a JSON object; InputError names `source` and the damaged field."""
        return json_records.from_json(cls, raw, source)

    def to_json(self) -> JsonObject:
        """Return the content of `failure.json`."""
        return json_records.to_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The configuration of the least mean validation loss."""

    network: str
    hparams: HParams
    uid: str
    loss: float
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedScore:
    """A reported configuration trained again by other seeds and draws of the folds; the first is the run's own.

    `uids` and `seeds` are of the repeats that finished, of so many `planned`; `estimates` by `ccc_<dimension>` and
    `ccc_window_<dimension>`.
    """

    network: str
    hparams: HParams
    uid: str
    uids: tuple[str, ...]
    seeds: tuple[int, ...]
    planned: int
    failed: int
    folds: int
    people: int
    estimates: Mapping[str, RepeatedEstimate]
    newer: Newer = field(default_factory=dict)

    def made_of(self, estimate: RepeatedEstimate) -> tuple[int, int]:
        """Return how many folds and people of it have a scored frame; of an older summary how many there are."""
        folds, people = estimate.folds, estimate.people
        return self.folds if folds is None else folds, self.people if people is None else people


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonScore:
    """One participant's own scores in what is reported."""

    participant: str
    fold: int
    scores: Mapping[str, Value] = field(metadata={KEYS: measures.people_keys})
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVarianceRecord:
    """By dimension the figures of evaluation.label_variance.LabelVariance, None with fewer than two labelled people.

    `warning`: what a run says where its scaling takes away what most labels consist of.
    """

    valence: Mapping[str, float | int] | None
    arousal: Mapping[str, float | int] | None
    warning: str | None = None
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCounts:
    """How many configurations ended how; `stopped` by the scheduler."""

    planned: int
    finished: int
    failed: int
    stopped: int = 0
    newer: Newer = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return {"planned": self.planned, "finished": self.finished, "failed": self.failed, "stopped": self.stopped}

    @property
    def compared(self) -> int:
        """Return how many the best one was chosen among; a stopped one has lost by then, a failed one had no part."""
        return self.finished + self.stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`summary.json`: what a search found; scores are None if nothing finished (docs/outputs.md)."""

    status: str
    command: str = ""
    method: str = ""
    protocol: str = ""
    protocol_fields: Mapping[str, object] = field(default_factory=dict)
    optimistic: bool | None = None
    synthetic: bool | None = None
    corpus: Mapping[str, object] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    seed: int | None = None
    best: Best | None
    scores: Mapping[str, Value] = field(default_factory=dict, metadata={KEYS: measures.score_keys})
    # How each interval was made, by the key of its score; None: of a search before that was recorded.
    intervals: Mapping[str, IntervalFacts] | None = field(default=None, metadata={OPTIONAL: "intervals"})
    baseline: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rater_agreement: Mapping[str, float] | None = None
    raters: Mapping[str, RaterFacts] | None = field(default=None, metadata={OPTIONAL: "raters"})
    folds: tuple[FoldScore, ...] = ()
    participants: tuple[PersonScore, ...] | None = None  # None: of a search before they were recorded
    training_seconds: float | None = None
    search_seconds: float | None = None
    model_size_mib: float | None = None
    num_parameters: int | None = None
    trials: TrialCounts | None = None
    federation: FederationRecord | None = None
    mlflow: Mapping[str, str | None] = field(default_factory=dict)
    # Why a baseline has no scores, by its name. None: of a search before these two were recorded.
    baseline_left_out: Mapping[str, str] | None = field(default=None, metadata={OPTIONAL: "baseline_left_out"})
    label_variance: LabelVarianceRecord | None = field(default=None, metadata={OPTIONAL: "baseline_left_out"})
    # The reported score minus a baseline's, by its name and dimension; None: of a search before that was recorded.
    against_baselines: Mapping[str, Mapping[str, PairedDifference]] | None = field(
        default=None, metadata={OPTIONAL: "against_baselines"}
    )
    # Of the best configuration of each network; None: no repeats were asked for.
    repeats: tuple[RepeatedScore, ...] | None = field(default=None, metadata={OPTIONAL: "repeats"})
    # What follows the recurrence, in words; None where it is the paper's own. Of `published` it is always said.
    head: str | None = field(default=None, metadata={OPTIONAL: "head"})
    # What the baselines see of images, in words; None where there are none.
    baseline_columns: str | None = field(default=None, metadata={OPTIONAL: "baseline_columns"})
    # By the clock, all parts of a resumed run; None: of a search, or a part of one, before it was recorded.
    wall_seconds: float | None = field(default=None, metadata={OPTIONAL: "wall_seconds"})
    # People whom `data forget` has removed, with whom the scores were computed; None: none.
    forgotten: int | None = field(default=None, metadata={OPTIONAL: "forgotten"})
    newer: Newer = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: object, source: Path | str) -> Self:
        """Return the summary in a JSON object; InputError names `source` and the damaged field."""
        return json_records.from_json(cls, raw, source)

    def to_json(self) -> JsonObject:
        """Return the content of `summary.json`."""
        return json_records.to_json(self)
