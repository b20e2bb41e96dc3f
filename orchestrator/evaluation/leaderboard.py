"""`leaderboard.csv`: every configuration, the best first, stopped ones after the finished; then the baselines."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator import measures
from orchestrator.csv_text import protected
from orchestrator.evaluation import results
from orchestrator.planning.plan import Plan
from orchestrator.run_records import TrialResult
from tune_spaces.method import hyper_parameters

BASELINE = "baseline"  # the status of a baseline's row
FIRST = ("rank", "uid", "network")
MIDDLE = ("status", "selection_loss")
LAST = ("model_size_mib", "protocol", "corpus")
ADDED = ("ccc", "ccc_window")  # keys of the measures whose other keys come last: newer than the columns before


def leaderboard_csv(
    plan: Plan, found: Sequence[TrialResult], baselines: Mapping[str, Mapping[str, float]] | None = None
) -> str:
    """Return the leaderboard without any timing, so that two runs of one plan can be compared byte by byte.

    Baselines come last, without a rank: their name stands in the place of the network. What a row lacks is empty.
    """
    rows = [*_configurations(plan, found), *_baselines(plan, baselines or {})]
    return "\n".join([",".join(columns()), *(",".join(map(_text, row)) for row in rows)]) + "\n"


def columns() -> list[str]:
    """Return the names of the columns."""
    names = [one.name for one in hyper_parameters()]
    return [*FIRST, *names, *MIDDLE, *measures.listed_keys(), *LAST, *_added_keys()]


def _added_keys() -> list[str]:
    keys = [key for name in ADDED for key in measures.keys_of_scores(measures.measure_of(name))]
    return [key for key in keys if key not in measures.listed_keys()]


def _configurations(plan: Plan, found: Sequence[TrialResult]) -> Iterator[list[object]]:
    for rank, result in enumerate([*results.ranking(found), *results.stopped_ranking(found)], start=1):
        yield [
            rank,
            result.uid,
            result.network,
            *(getattr(result.hparams, one.name) for one in hyper_parameters()),
            result.status,
            result.selection_loss,
            *(result.scores[key] for key in measures.listed_keys()),
            result.model_size_mib,
            *_common(plan),
            *(result.scores.get(key) for key in _added_keys()),
        ]


def _baselines(plan: Plan, baselines: Mapping[str, Mapping[str, float]]) -> Iterator[list[object]]:
    for name, scores in baselines.items():
        if scores:
            first = [None, None, name, *(None for _ in hyper_parameters()), BASELINE, None]
            yield [
                *first,
                *(scores.get(key) for key in measures.listed_keys()),
                None,
                *_common(plan),
                *(scores.get(key) for key in _added_keys()),
            ]


def _common(plan: Plan) -> tuple[str, str]:
    protocol = plan.protocol.name + (" (optimistic)" if plan.protocol.optimistic else "")
    return protocol, "synthetic" if plan.corpus.synthetic else plan.corpus.kind


def _text(value: object) -> str:
    if isinstance(value, str):
        return protected(value)
    return "" if value is None else str(value)
