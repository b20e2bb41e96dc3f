"""The first table of a report: what each method reached, against what, how private it is, and what it cost."""

from collections.abc import Sequence

from models.sizes import title_of
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.configuration_points import SECONDS_PER_MINUTE, Point
from orchestrator.report.cost_words import mib_words, minutes_words, money_words, sent_words
from orchestrator.report.figures.best_baseline import best_baselines
from orchestrator.report.queries import (
    best_of,
    command_for,
    is_of_given_recordings,
    method_name,
    methods,
    protocol_label,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from orchestrator.report.tables.summary import NO_BASELINE, ends_text, with_ends
from tune_spaces.catalogue import find_method


def results(points: Sequence[Point], searches: Sequence[Search], price_per_hour: float | None = None) -> Table:
    """Return two rows for each configuration that was run, and a line for each method that was not.

    `points` are those of `configuration_points.points`, `searches` all that are reported. A price per hour of training
    adds a column.
    """
    shown = [one for one in points if one.search is not None]
    federated = any(one.federated for one in shown)
    return Table(
        name="results",
        title="Results",
        caption="The best search of each method. CCC of frames on people who were not trained on; square brackets: "
        "95 % intervals over people. Difference: ours minus the best baseline's, over the people whom both scored. "
        "Ceiling: what the raters' agreement allows at most. Privacy: the word of the attack that gets furthest. "
        "Minutes: training on all folds. Sent: between clients and server, in all rounds of all folds."
        + ("" if price_per_hour is None else f" Money: hours of training at {price_per_hour:g} per hour."),
        columns=[
            Column(key="configuration", heading="Method", numeric=False, once=True),
            Column(key="model", heading="Network, protocol", numeric=False, once=True),
            Column(key="dimension", heading="Dimension", numeric=False),
            Column(key="ccc", heading="CCC", numeric=False),
            Column(key="baseline", heading="Best baseline", numeric=False),
            Column(key="difference", heading="Difference", numeric=False),
            Column(key="ceiling", heading="Ceiling"),
            Column(key="privacy", heading="Privacy", numeric=False, once=True),
            Column(key="minutes", heading="Minutes", once=True),
            Column(key="mib", heading="MiB", once=True),
            *([Column(key="sent", heading="Sent", numeric=False, once=True)] if federated else []),
            *([] if price_per_hour is None else [Column(key="money", heading="Money", once=True)]),
        ],
        rows=[_row(one, dimension, price_per_hour, sent=federated) for one in shown for dimension in DIMENSIONS],
        remarks=[
            *(_absent(method, points, searches) for method in methods() if not _has(searches, method)),
            *_unaudited(shown),
        ],
        stacked=True,
    )


def _has(searches: Sequence[Search], method: str) -> bool:
    return any(one.plan["method"] == method for one in searches)


def _absent(method: str, points: Sequence[Point], searches: Sequence[Search]) -> str:
    """Return the line of a method that was not run: the command that would, and its privacy if that was measured."""
    words = [one.level.word for one in points if one.configuration.method == method and one.level.word is not None]
    measured = f" (privacy measured: {words[0]})" if words else ""
    frames = find_method(method).features == "frames" and any(map(is_of_given_recordings, searches))
    needed = " (needs a video of each recording)" if frames else ""
    return f"{method_name(method)}: {cells.NOT_RUN}{measured}; {command_for(method, searches)}{needed}"


def _unaudited(shown: Sequence[Point]) -> list[str]:
    """Return the line of what was run and not attacked: the command that would."""
    names = [one.title for one in shown if one.level.word is None]
    return [f"Privacy {cells.NOT_MEASURED} of {', '.join(names)}: python -m orchestrator audit RUN"] if names else []


def _row(one: Point, dimension: str, price_per_hour: float | None, *, sent: bool) -> Row:
    search = one.search
    assert search is not None
    minutes = None if one.seconds is None else one.seconds / SECONDS_PER_MINUTE
    facts = (summary_of(search).raters or {}).get(dimension)
    ceiling = None if facts is None or facts.ceiling is None else facts.ceiling.value
    found = [
        cells.plain(one.title),
        cells.plain(f"{title_of(best_of(search).network)}, {protocol_label(search)}"),
        cells.plain(dimension),
        with_ends(one.score(dimension), run=search.run_id, key=f"ccc_{dimension}"),
        *_baseline(search, dimension),
        cells.ours(ceiling),
        _privacy(one),
        _number(minutes_words(one), minutes),
        _number(mib_words(one), one.mib),
    ]
    if sent:
        found.append(_number(sent_words(one), one.sent_bytes) if one.federated else cells.plain(sent_words(one)))
    if price_per_hour is not None:
        found.append(_number(money_words(one, price_per_hour), one.money(price_per_hour)))
    return Row(cells=found, synthetic=one.synthetic, first=dimension == DIMENSIONS[0])


def _baseline(search: Search, dimension: str) -> list[Cell]:
    """Return the best baseline that is no constant, and ours minus it, over people."""
    best = best_baselines([search]).get(dimension)
    if best is None:
        return [cells.missing(NO_BASELINE), cells.missing()]
    name, value = best
    against = Cell(text=f"{name} {cells.written(value, cells.CCC_DIGITS)}", value=value, name=name)
    apart = (summary_of(search).against_baselines or {}).get(name, {}).get(dimension)
    if apart is None:
        return [against, cells.missing()]
    text = f"{cells.signed(apart.value, cells.CCC_DIGITS)} {ends_text(apart.low, apart.high)}"
    ends = None if apart.low is None or apart.high is None else (apart.low, apart.high)
    return [against, Cell(text=text, value=apart.value, ends=ends, kind="difference")]


def _privacy(one: Point) -> Cell:
    if one.level.word is None or one.level.decisive is None:
        return cells.missing(cells.NOT_MEASURED)
    return cells.plain(f"{one.level.word} ({one.level.decisive.name}{', in part' if one.level.missing else ''})")


def _number(text: str, value: float | None) -> Cell:
    return cells.missing(text) if value is None else Cell(text=text, value=value, kind="ours")
