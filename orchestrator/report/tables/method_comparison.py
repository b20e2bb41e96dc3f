"""Paired comparison of results over participants: methods, networks of a method, and the baselines.

The participant is the unit: frames of one person are no independent draws (orchestrator/estimators/paired.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from models.sizes import title_of
from orchestrator.estimators.intervals import Interval
from orchestrator.estimators.paired import CAVEAT, compare, holm, own_interval, p_value
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import selected_on_reported
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.blocks import Block, blocks, protocol_fields
from orchestrator.report.person_scores import People, of_baseline, of_network, of_reported
from orchestrator.report.queries import compared_configurations, is_same_corpus, method_name, protocol_label
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table

# What decides which frames and labels are scored, and by whom the reported model was chosen.
SAME_FIELDS = (
    "name",
    "num_folds",
    "group_by",
    "gold",
    "label_decimals",
    "label_rounding",
    "label_delay_seconds",
    "label_shift",
    "target",
    "epoch_choice",
    "best_by",
)
KEYS = {"people": "n", "difference": "difference", "low": "from", "high": "to", "p": "p", "p_holm": "p (Holm)"}
AFTER_SELECTION = "p after selection"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One of two results: what it is called, its people, and whether they chose it."""

    words: str
    search: Search
    people: People | None
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """First minus second in one dimension: of what is reported (None without sums by person), of the people's own."""

    reported: Interval | None
    own: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two results in one dimension, and their difference or why there is none."""

    first: Side
    second: Side
    dimension: str
    outcome: Difference | str


def comparisons(searches: Sequence[Search]) -> Table:
    """Return the table of all pairs of methods, of networks within a method, and of each method with its baselines."""
    found = [
        Pair(first=first, second=second, dimension=dimension, outcome=compared(first, second, dimension))
        for first, second in _pairs(blocks(searches))
        for dimension in DIMENSIONS
    ]
    made = [pair.outcome for pair in found if isinstance(pair.outcome, Difference)]
    of_reported_p = iter(holm([p_value(one.reported) for one in made if one.reported is not None]))
    of_own_p = iter(holm([p_value(one.own) for one in made]))
    rows = []
    for pair in found:
        values = [cells.missing()] * (2 * len(KEYS))
        if isinstance(pair.outcome, Difference):
            values = [*_cells(pair.outcome.reported, of_reported_p), *_cells(pair.outcome.own, of_own_p)]
        rows.append(_row(pair, values))
    return Table(
        name="comparisons",
        title="Results compared over participants",
        caption="First minus second, over the people whom both score: methods with the same protocol, networks of one "
        "method, and a method's best configuration with its baselines. CCC: difference of the CCC of frames as it is "
        "reported, mean over the folds, with its 95 % interval and the p of its t. People: mean difference of the "
        "participants' own CCC, each weighing the same, with the paired t over them. Holm: p corrected for the number "
        "of tests in its column. n: people; those with constant labels count in their fold's CCC and have none of "
        f"their own. {AFTER_SELECTION}: {CAVEAT}.",
        columns=_columns(),
        rows=rows,
        remarks=() if rows else ("Needs two methods with the same protocol, two networks, or baselines.",),
    )


def _pairs(found: Sequence[Block]) -> Iterator[tuple[Side, Side]]:
    """Yield which results are compared: methods, then networks, then baselines."""
    leads = [side_of(block.lead) for block in found]
    for first, second in combinations(leads, 2):
        if first.search.plan["protocol"]["name"] == second.search.plan["protocol"]["name"]:
            yield first, second
    for block in found:
        yield from combinations(_networks(block), 2)
    for lead in leads:
        for name, baseline in BASELINES.items():
            people = of_baseline(lead.search, name)
            # A constant has a CCC of 0 by definition: nothing to compare.
            if people is not None and baseline.features != "none":
                yield lead, Side(words=name, search=lead.search, people=people, selected=False)


def side_of(search: Search, words: str | None = None) -> Side:
    """Return what a search reports as one side of a comparison, called `words`, else by its method."""
    return Side(
        words=method_name(search.plan["method"]) if words is None else words,
        search=search,
        people=of_reported(search),
        selected=_selected(search, compared_configurations(search)),
    )


def _networks(block: Block) -> list[Side]:
    """Return the best configuration of each network; none of searches before their people were recorded."""
    names = sorted({trial.network for search in block.searches for trial in search.trials})
    sides = []
    for network in names:
        best = block.best(network)
        people = None if best is None else of_network(best[0], network)
        if best is not None and people is not None:
            words = f"{method_name(best[0].plan['method'])}, {title_of(network)}"
            selected = _selected(best[0], best[1].num_compared)
            sides.append(Side(words=words, search=best[0], people=people, selected=selected))
    return sides


def _selected(search: Search, num_compared: int) -> bool:
    return selected_on_reported(num_compared, search.plan["protocol"].get("epoch_choice", "last"))


def _row(pair: Pair, values: Sequence[Cell]) -> Row:
    first, second = pair.first, pair.second
    labels = " / ".join(dict.fromkeys(protocol_label(side.search) for side in (first, second)))
    remark = f"not compared: {pair.outcome}" if isinstance(pair.outcome, str) else remark_on(first, second)
    line = [cells.plain(f"{first.words} − {second.words}"), cells.plain(labels), cells.plain(pair.dimension)]
    return Row(
        cells=[*line, *values, cells.plain(remark)],
        synthetic=first.search.synthetic or second.search.synthetic,
        first=pair.dimension == DIMENSIONS[0],
    )


def _columns() -> list[Column]:
    return [
        Column(key="methods", heading="Compared", numeric=False),
        Column(key="protocol", heading="Protocol", numeric=False),
        Column(key="dimension", heading="Dimension", numeric=False),
        *(Column(key=key, heading=heading, group="CCC") for key, heading in KEYS.items()),
        *(Column(key=f"own_{key}", heading=heading, group="People") for key, heading in KEYS.items()),
        Column(key="remark", heading="Remark", numeric=False),
    ]


def _cells(one: Interval | None, corrected: Iterator[float]) -> list[Cell]:
    """Return of how many people, a difference, its ends, p, and the next corrected p; dashes without sums by person."""
    if one is None:
        return [cells.missing()] * len(KEYS)
    p_values = (p_value(one), next(corrected))
    return [
        cells.ours(one.num_people, digits=None),
        *(cells.ours(value) for value in (one.estimate, one.low, one.high)),
        *map(cells.p_value, p_values),
    ]


def why_not(first: Search, second: Search) -> str | None:
    """Return why two searches cannot be compared person by person; None when they can."""
    if not is_same_corpus(first, second):
        one, two = (search.plan["corpus"]["sha256"][:8] for search in (first, second))
        return f"different corpora (sha256 {one} and {two})"
    fields, others = protocol_fields(first), protocol_fields(second)  # an older plan has not all of them
    differ = [key for key in SAME_FIELDS if fields.get(key) != others.get(key)]
    return f"the protocols differ in {', '.join(differ)}" if differ else None


def compared(first: Side, second: Side, dimension: str) -> Difference | str:
    """Return first minus second in one dimension, over the people whom both scored, or why there is none."""
    if reason := why_not(first.search, second.search):
        return reason
    for side in (first, second):
        if side.people is None:
            return f"the participants' scores of {side.words} are not recorded"
    assert first.people is not None
    assert second.people is not None
    one, other = first.people, second.people
    own = own_interval(one.own[dimension], other.own[dimension])
    if own is None:
        shared = len(one.own[dimension].keys() & other.own[dimension].keys())
        return f"{shared} of the participants has a score in both, expected 2"
    reported = None
    if one.folds is not None and other.folds is not None:
        found = compare(one.folds[dimension], other.folds[dimension])
        reported = None if found is None else found.reported
    return Difference(reported=reported, own=own)


def remark_on(first: Side, second: Side) -> str:
    """Return what a reader of a difference has to know: whose people chose, and which frames were scored."""
    words = ("", f"{AFTER_SELECTION} of the first", f"{AFTER_SELECTION} of the second", AFTER_SELECTION)
    chosen = words[first.selected + 2 * second.selected]
    return "; ".join(filter(None, [chosen, _stride_remark(first.search, second.search)]))


def _stride_remark(first: Search, second: Search) -> str:
    """Return that the methods score different frames of the same people."""
    strides = [(search.plan.get("images") or {}).get("frame_stride", 1) for search in (first, second)]
    if strides[0] == strides[1]:
        return ""
    return "scored frames differ: " + " and ".join("all" if n == 1 else f"1 of {n}" for n in strides)
