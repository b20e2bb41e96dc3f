"""What privacy costs in accuracy: each two configurations that were run, compared over the people whom both scored."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from orchestrator.estimators.paired import CAVEAT, holm
from orchestrator.estimators.permutation import paired_sign_flip_p
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.configuration_points import Point
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from orchestrator.report.tables.method_comparison import AFTER_SELECTION, Difference, Side, compared, remark_on, side_of
from orchestrator.report.tables.summary import ends_text


def privacy_price(points: Sequence[Point]) -> Table | None:
    """Return a row per pair and dimension; None with fewer than two configurations that were run.

    Compared are people's own CCC, which are recorded of every method: labels of a federation stay with its clients.
    """
    sides = [side_of(one.search, one.title) for one in points if one.search is not None]
    found = [
        (first, second, dimension, compared(first, second, dimension))
        for first, second in combinations(sides, 2)
        for dimension in DIMENSIONS
    ]
    if not found:
        return None
    corrected = iter(
        holm([_p(first, second, dimension) for first, second, dimension, one in found if isinstance(one, Difference)])
    )
    rows = []
    for first, second, dimension, outcome in found:
        named = [cells.plain(f"{first.words} \N{MINUS SIGN} {second.words}"), cells.plain(dimension)]
        rows.append(
            Row(
                cells=[*named, *_difference(outcome, corrected), _remark(outcome, remark_on(first, second))],
                first=dimension == DIMENSIONS[0],
                synthetic=first.search.synthetic or second.search.synthetic,
            )
        )
    return Table(
        name="privacy-price",
        title="What one configuration costs in accuracy against another",
        caption="First minus second: the mean difference of the people's own CCC, each person weighing the same, with "
        "its 95 % interval over the people whom both scored; below 0 the first is less accurate. p is of the same test "
        "as that of the command compare, flips of signs, by Holm corrected for all rows. Below 0.05 a difference is "
        "shown; else none is, which is not equality. The CCC above are of all frames of a fold together, so their "
        f"difference is another number. {AFTER_SELECTION}: {CAVEAT}.",
        columns=[
            Column(key="compared", heading="Compared", numeric=False, once=True),
            Column(key="dimension", heading="Dimension", numeric=False),
            Column(key="difference", heading="Difference", numeric=False),
            Column(key="p_holm", heading="p (Holm)"),
            Column(key="people", heading="people"),
            Column(key="remark", heading="Remark", numeric=False),
        ],
        rows=rows,
        stacked=True,
    )


def _p(first: Side, second: Side, dimension: str) -> float:
    """Return the p that `compare` gives two runs: exact for few people, which a t is not."""
    assert first.people is not None
    assert second.people is not None
    return paired_sign_flip_p(first.people.own[dimension], second.people.own[dimension])


def _difference(outcome: Difference | str, corrected: Iterator[float]) -> list[Cell]:
    if isinstance(outcome, str):
        return [cells.missing()] * 3
    own = outcome.own
    text = f"{cells.signed(own.estimate, cells.CCC_DIGITS)} {ends_text(own.low, own.high)}"
    return [
        Cell(text=text, value=own.estimate, kind="difference"),
        cells.p_value(next(corrected)),
        cells.ours(own.num_people, digits=None),
    ]


def _remark(outcome: Difference | str, remark: str) -> Cell:
    return cells.plain(f"not compared: {outcome}" if isinstance(outcome, str) else remark)
