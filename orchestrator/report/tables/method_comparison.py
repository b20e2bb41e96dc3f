"""Paired comparison of methods: the same participants under both, bootstrap interval and Wilcoxon test.

The participant is the unit: frames of one person are no independent draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from models.seeds import seed_for
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.predictions import Scores, own_ccc, read, recorded_ccc
from orchestrator.report.queries import is_same_corpus, method_name, protocol_label
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Column, Row, Table

DRAWS = 10_000  # of the bootstrap; ours
INTERVAL = (2.5, 97.5)  # per cent
SEED = 0  # of the report, so that two reports of one store agree
LEAST_PEOPLE = 2
# What decides which frames and labels are scored, and by whom the reported model was chosen.
SAME_FIELDS = ("name", "num_folds", "gold", "label_decimals", "label_delay_seconds", "target", "epoch_choice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """First minus second, over the people that both have scored."""

    num_people: int
    mean: float
    low: float
    high: float
    p_value: float


def comparisons(searches: Sequence[Search]) -> Table:
    """Return the table of all pairs of methods within each protocol, or why a pair is not compared."""
    scores = {search.run_id: participant_scores(search) for search in searches}
    found: list[tuple[Search, Search, str, Comparison | str]] = []
    for first, second in combinations(searches, 2):
        if first.plan["method"] == second.plan["method"]:
            continue
        if first.plan["protocol"]["name"] != second.plan["protocol"]["name"]:
            continue
        reason = why_not(first, second)
        for dimension in DIMENSIONS:
            outcome = reason or _compared(scores[first.run_id], scores[second.run_id], dimension, first, second)
            found.append((first, second, dimension, outcome))
    adjusted = iter(holm([one.p_value for *_, one in found if isinstance(one, Comparison)]))
    rows = []
    for first, second, dimension, outcome in found:
        words = f"{method_name(first.plan['method'])} − {method_name(second.plan['method'])}"
        line = [cells.plain(words), cells.plain(_protocols(first, second)), cells.plain(dimension)]
        if isinstance(outcome, str):
            line += [cells.missing()] * 6 + [cells.plain(f"not compared: {outcome}")]
        else:
            line += [
                cells.ours(outcome.num_people, digits=None),
                *(cells.ours(value) for value in (outcome.mean, outcome.low, outcome.high)),
                *(cells.ours(value, digits=4) for value in (outcome.p_value, next(adjusted))),
                cells.plain(_stride_remark(first, second)),
            ]
        synthetic = first.synthetic or second.synthetic
        rows.append(Row(cells=line, synthetic=synthetic, first=dimension == DIMENSIONS[0]))
    return Table(
        name="comparisons",
        title="Methods compared over participants",
        caption="Difference of the participants' own CCC, first method minus second, over the people whom both score: "
        f"mean, 95 % bootstrap interval ({DRAWS:,} draws of people, seed {SEED}), two-sided Wilcoxon signed-rank test, "
        "and its p corrected for the number of tests in this table (Holm).",
        columns=_columns(),
        rows=rows,
        remarks=() if rows else ("Needs two methods with the same protocol.",),
    )


def _columns() -> list[Column]:
    return [
        Column(key="methods", heading="Methods", numeric=False),
        Column(key="protocol", heading="Protocol", numeric=False),
        Column(key="dimension", heading="Dimension", numeric=False),
        Column(key="people", heading="people"),
        Column(key="mean", heading="mean", group="Difference"),
        Column(key="low", heading="from", group="Difference"),
        Column(key="high", heading="to", group="Difference"),
        Column(key="p", heading="p", group="Wilcoxon"),
        Column(key="p_holm", heading="p (Holm)", group="Wilcoxon"),
        Column(key="remark", heading="Remark", numeric=False),
    ]


def why_not(first: Search, second: Search) -> str | None:
    """Return why two searches cannot be compared person by person; None when they can."""
    if not is_same_corpus(first, second):
        one, two = (search.plan["corpus"]["sha256"][:8] for search in (first, second))
        return f"different corpora (sha256 {one} and {two})"
    fields, others = first.plan["protocol"], second.plan["protocol"]
    differ = [key for key in SAME_FIELDS if fields.get(key) != others.get(key)]
    return f"the protocols differ in {', '.join(differ)}" if differ else None


def _protocols(first: Search, second: Search) -> str:
    return " / ".join(dict.fromkeys([protocol_label(first), protocol_label(second)]))


def _stride_remark(first: Search, second: Search) -> str:
    """Return that the methods score different frames of the same people."""
    strides = [(search.plan.get("images") or {}).get("frame_stride", 1) for search in (first, second)]
    if strides[0] == strides[1]:
        return ""
    return "scored frames differ: " + " and ".join("all" if n == 1 else f"1 of {n}" for n in strides)


def participant_scores(search: Search) -> Scores | None:
    """Return each participant's CCC from the summary, else from the predictions; None where neither has them."""
    recorded = recorded_ccc(search)
    if recorded is not None or search.predictions is None:
        return recorded
    import pyarrow as pa

    try:
        scores = own_ccc(read(search.predictions))
    except (OSError, KeyError, pa.ArrowException):  # a file of something else
        return None
    return scores if any(scores.values()) else None


def _compared(
    one: Scores | None, other: Scores | None, dimension: str, first: Search, second: Search
) -> Comparison | str:
    for scores, search in ((one, first), (other, second)):
        if scores is None:
            return f"the participants' scores of {method_name(search.plan['method'])} are not recorded"
    assert one is not None
    assert other is not None
    people = sorted(set(one[dimension]) & set(other[dimension]))
    if len(people) < LEAST_PEOPLE:
        return f"{len(people)} participants have a score in both"
    differences = np.array([one[dimension][person] - other[dimension][person] for person in people])
    return compare(differences, "paired", str(first.plan["method"]), str(second.plan["method"]), dimension)


def compare(differences: np.ndarray, *address: str) -> Comparison:
    """Compare by one difference a participant; `address` seeds the draws."""
    from scipy.stats import wilcoxon

    generator = np.random.default_rng(seed_for(SEED, *address))
    drawn = differences[generator.integers(len(differences), size=(DRAWS, len(differences)))].mean(axis=1)
    low, high = np.percentile(drawn, INTERVAL)
    # Without any difference the test has nothing to rank.
    p_value = float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0
    return Comparison(
        num_people=len(differences),
        mean=float(differences.mean()),
        low=float(low),
        high=float(high),
        p_value=p_value,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down p values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
