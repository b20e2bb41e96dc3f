"""The one list of measures and costs: results, summary, MLflow, report, UI and documentation come from it.

A new measure is one `Measure` in `MEASURES` and the function that computes it from a fold's moments. Readers go through
the functions below, never through a copy of their own. No torch, no scipy, no MLflow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.ccc import Moments, ccc, is_constant, mae, mse, pearson
from orchestrator.estimators.intervals import Interval, participant_interval, pooled_interval
from orchestrator.estimators.participants import has_constant_gold, participant_mean
from orchestrator.estimators.sums import PersonMoments
from orchestrator.protocols import DIMENSIONS

Value = float | int | bool | None  # None: there is no such value, as of a person whose gold standard is constant

SPREAD, LOW, HIGH = "sd", "low", "high"  # suffixes of a measure's keys
HIGHER, LOWER = "higher", "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldMoments:
    """What the measures of one fold are computed from: its held-out people's moments, of frames and of windows."""

    frames: Mapping[str, PersonMoments]
    windows: Mapping[str, PersonMoments] | None  # None: of a result that is older than they

    def pooled(self, dimension: str) -> Moments:
        """Add up the moments of all frames."""
        return _sum(self.frames, dimension)

    def pooled_windows(self, dimension: str) -> Moments:
        """Add up the moments of all windows' means."""
        assert self.windows is not None, "an older result is not scored anew"
        return _sum(self.windows, dimension)


Folds = Sequence[FoldMoments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure of valence and of arousal; on disk its keys are `<key>_valence` and `<key>_arousal`.

    `of_fold` computes it from a fold's moments for one dimension; None: it is one of the whole run, by another rule.
    `over_folds` says what is made of the folds: their `mean`, `sd` and `interval`; nothing for facts about a fold.
    """

    key: str
    title: str
    meaning: str  # a sentence for docs/outputs.md
    level: str  # what is scored: frame | window | participant
    better: str | None  # higher | lower; None: a fact, neither good nor bad
    of_fold: Callable[[FoldMoments, str], Value] | None
    over_folds: tuple[str, ...] = ("mean",)
    interval: Callable[[Folds, str], Interval | None] | None = None  # over the people of all folds
    of_person: Callable[[Moments], Value] | None = None  # of one participant's frames, for `participants`
    unit: str = ""  # of labels in [-1, 1]: none
    null: str = "nothing finished"  # when a summary has null
    headline: bool = False  # in the leaderboard, the UI's columns, and a metric per fold in MLflow
    column: str | None = None  # key of its column in the report's table of measures; None: not in it
    heading: str = ""
    group: str = ""
    difference_to: str | None = None  # key of the measure that the report shows the difference to


def _sum(people: Mapping[str, PersonMoments], dimension: str) -> Moments:
    return sum((person[dimension] for person in people.values()), Moments.zero())


def _of_dimension(folds: Folds, dimension: str) -> list[dict[str, Moments]]:
    return [{name: person[dimension] for name, person in fold.frames.items()} for fold in folds]


def _window_interval(folds: Folds, dimension: str) -> Interval | None:
    windows = [fold.windows for fold in folds]
    if None in windows:
        return None
    return pooled_interval([{name: own[dimension] for name, own in (one or {}).items()} for one in windows])


MEASURES: tuple[Measure, ...] = (
    Measure(
        key="ccc",
        title="CCC",
        meaning="CCC by frame",
        level="frame",
        better=HIGHER,
        of_fold=lambda fold, dimension: ccc(fold.pooled(dimension)),
        over_folds=("mean", "sd", "interval"),
        interval=lambda folds, dimension: pooled_interval(_of_dimension(folds, dimension)),
        of_person=lambda moments: None if has_constant_gold(moments) else ccc(moments),
        headline=True,
        column="frame",
        heading="CCC",
        group="of frames",
    ),
    Measure(
        key="ccc_window",
        title="CCC of window means",
        meaning="CCC of the windows' means",
        level="window",
        better=HIGHER,
        of_fold=lambda fold, dimension: ccc(fold.pooled_windows(dimension)),
        over_folds=("mean", "interval"),
        interval=_window_interval,
        column="window",
        heading="CCC",
        group="of windows",
        difference_to="ccc",
    ),
    Measure(
        key="ccc_participant",
        title="CCC of participants",
        meaning="mean of the participants' own CCC; a constant prediction counts 0, a constant gold standard has none",
        level="participant",
        better=HIGHER,
        of_fold=lambda fold, dimension: participant_mean({p: m[dimension] for p, m in fold.frames.items()}),
        over_folds=("mean", "interval"),
        interval=lambda folds, dimension: participant_interval(_of_dimension(folds, dimension)),
        column="participant",
        heading="CCC",
        group="of participants",
    ),
    Measure(
        key="pearson",
        title="Pearson",
        meaning="Pearson's correlation over the same frames",
        level="frame",
        better=HIGHER,
        of_fold=lambda fold, dimension: pearson(fold.pooled(dimension)),
        column="pearson",
        heading="Pearson",
    ),
    Measure(
        key="mse",
        title="MSE",
        meaning="mean squared error over the same frames",
        level="frame",
        better=LOWER,
        of_fold=lambda fold, dimension: mse(fold.pooled(dimension)),
    ),
    Measure(
        key="mae",
        title="MAE",
        meaning="mean absolute error over the same frames",
        level="frame",
        better=LOWER,
        of_fold=lambda fold, dimension: mae(fold.pooled(dimension)),
    ),
    Measure(
        key="constant",
        title="constant",
        meaning="true if predictions or gold standard do not vary; the CCC is 0 then",
        level="frame",
        better=None,
        of_fold=lambda fold, dimension: is_constant(fold.pooled(dimension)),
        over_folds=(),
    ),
    Measure(
        key="num_frames",
        title="frames",
        meaning="scored frames",
        level="frame",
        better=None,
        of_fold=lambda fold, dimension: fold.pooled(dimension).n,
        over_folds=(),
        of_person=lambda moments: moments.n,
        unit="frames",
    ),
    Measure(
        key="ccc_corrected",
        title="CCC, selection-corrected",
        meaning="CCC by frame, corrected for the choice of the configuration ([statistics.md](statistics.md))",
        level="frame",
        better=HIGHER,
        of_fold=None,
        over_folds=("mean", "interval"),
        null="nothing was selected, the reported folds chose the epochs too, or the scheduler stopped all but one",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cost of a configuration, or of a whole search (`of_search`); less is better."""

    key: str
    title: str
    meaning: str
    unit: str
    of_search: bool = False
    column: str | None = None  # the metric that the UI shows of it
    integer: bool = False


COSTS: tuple[Cost, ...] = (
    Cost(
        key="training_seconds",
        title="training",
        meaning="of the best configuration, all folds, wall-clock",
        unit="s",
        column="training_minutes",  # tracking.points.TRAINING_MINUTES
    ),
    Cost(key="search_seconds", title="search", meaning="sum of all trainings' times", unit="s", of_search=True),
    Cost(key="wall_seconds", title="clock", meaning="absent if a part is not known", unit="s", of_search=True),
    Cost(key="model_size_mib", title="size", meaning="of one model, float32", unit="MiB", column="model_size_mib"),
    Cost(key="num_parameters", title="parameters", meaning="of one model", unit="", integer=True),
    Cost(key="epochs", title="epochs", meaning="trained, in `result.json`", unit="epochs", integer=True),
)


def keys(measure: Measure) -> tuple[str, ...]:
    """Return the keys of a measure's means: valence, arousal."""
    return tuple(f"{measure.key}_{dimension}" for dimension in DIMENSIONS)


def measure_of(key: str) -> Measure:
    """Return the measure with this key; KeyError for an unknown one."""
    return {measure.key: measure for measure in MEASURES}[key]


def fold_keys() -> tuple[str, ...]:
    """Return the keys of what is measured in each fold."""
    return tuple(key for measure in MEASURES if measure.of_fold for key in keys(measure))


def averaged() -> tuple[Measure, ...]:
    """Return the measures that are averaged over the folds."""
    return tuple(measure for measure in MEASURES if measure.of_fold and "mean" in measure.over_folds)


def score_keys() -> tuple[str, ...]:
    """Return the keys of a whole run's scores, in the order of `summary.json`: means, spreads, ends of intervals."""
    return tuple(key for measure in MEASURES if measure.over_folds for key in keys_of_scores(measure))


def keys_of_scores(measure: Measure) -> Iterator[str]:
    """Yield the keys of a measure's means, of their spreads, and of the ends of their intervals."""
    yield from keys(measure)
    if "sd" in measure.over_folds:
        yield from (f"{key}_{SPREAD}" for key in keys(measure))
    if "interval" in measure.over_folds:
        yield from (f"{key}_{end}" for key in keys(measure) for end in (LOW, HIGH))


def people_keys() -> tuple[str, ...]:
    """Return the keys of what is measured of each participant on their own."""
    return tuple(key for measure in MEASURES if measure.of_person for key in keys(measure))


def headlines() -> tuple[Measure, ...]:
    """Return the measures that lists show."""
    return tuple(measure for measure in MEASURES if measure.headline)


def in_table() -> tuple[Measure, ...]:
    """Return the measures that have a column in the report's table."""
    return tuple(measure for measure in MEASURES if measure.column)


def headline_keys() -> tuple[str, ...]:
    """Return the keys of their means."""
    return tuple(key for measure in headlines() for key in keys(measure))


def listed_keys() -> tuple[str, ...]:
    """Return the keys of the headlines' means, each followed by its spread if it has one."""
    return tuple(
        name
        for measure in headlines()
        for key in keys(measure)
        for name in (key, *([f"{key}_{SPREAD}"] if SPREAD in measure.over_folds else []))
    )


def of_fold(moments: FoldMoments) -> dict[str, Value]:
    """Compute every measure of one held-out fold, dimension by dimension; no score of a dimension without frames."""
    there = {one: moments.pooled(one).n > 0 for one in DIMENSIONS}
    return {
        f"{one.key}_{dimension}": one.of_fold(moments, dimension) if there[dimension] or not one.better else None
        for dimension in DIMENSIONS
        for one in MEASURES
        if one.of_fold
    }


def of_person(frames: PersonMoments) -> dict[str, Value]:
    """Compute what is measured of one participant, from the moments of their own frames, measure by measure."""
    return {
        f"{measure.key}_{dimension}": measure.of_person(frames[dimension])
        for measure in MEASURES
        if measure.of_person
        for dimension in DIMENSIONS
    }


def intervals(folds: Folds) -> dict[str, Interval]:
    """Compute the 95 % interval over participants of every measure that has one, by the keys of the means."""
    found = {
        f"{measure.key}_{dimension}": measure.interval(folds, dimension)
        for measure in MEASURES
        if measure.interval
        for dimension in DIMENSIONS
    }
    return {key: interval for key, interval in found.items() if interval is not None}


def ends(intervals_of: Mapping[str, Interval]) -> dict[str, Value]:
    """Return both ends of intervals by the keys that files have them under."""
    return {f"{key}_{end}": getattr(interval, end) for key, interval in intervals_of.items() for end in (LOW, HIGH)}


def documentation() -> str:
    """Return the rows of docs/outputs.md's table that are about measures and costs."""
    rows = []
    for measure in MEASURES:
        names = [f"`{measure.key}_*`"]
        if "sd" in measure.over_folds:
            names.append(f"`{measure.key}_*_{SPREAD}`")
        if "interval" in measure.over_folds:
            names += [f"`{measure.key}_*_{end}`" for end in (LOW, HIGH)]
        rows.append(f"| {', '.join(names)} | {measure.level} | {_words(measure)} |")
    rows += [f"| `{cost.key}` | {'search' if cost.of_search else 'configuration'} | {_cost(cost)} |" for cost in COSTS]
    return "\n".join(["| key | of | meaning |", "|---|---|---|", *rows]) + "\n"


def _words(measure: Measure) -> str:
    parts = [measure.meaning + (f", in {measure.unit}" if measure.unit else "")]
    if measure.better:
        parts.append(f"{measure.better} is better")
    if not measure.over_folds:
        parts.append("per fold and participant only" if measure.of_person else "per fold only")
    elif measure.of_fold is None:
        ends_too = ", 95 % interval over participants" if "interval" in measure.over_folds else ""
        parts.append(f"of the whole run{ends_too}; null if {measure.null}")
    else:
        ways = {"mean": "mean over the folds", "sd": "standard deviation over them (dividing by k - 1)"}
        ways["interval"] = "95 % interval over participants"
        parts.append(f"per fold; {', '.join(ways[way] for way in measure.over_folds)}; null if {measure.null}")
    return "; ".join(parts)


def _cost(cost: Cost) -> str:
    return cost.meaning + (f", {cost.unit}" if cost.unit else "")


if __name__ == "__main__":
    print(documentation(), end="")
