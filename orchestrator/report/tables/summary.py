"""One row per configuration for people who decide: how accurate, against what, how private, at what cost."""

from collections.abc import Sequence
from dataclasses import replace

from models.sizes import title_of
from orchestrator.audit.level import LEVEL_RULE
from orchestrator.audit.records import TITLES
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.configuration_points import SECONDS_PER_MINUTE, Ends, Point
from orchestrator.report.cost_words import mib_words, minutes_words, money_words, sent_words
from orchestrator.report.figures.best_baseline import best_baselines
from orchestrator.report.queries import best_of, protocol_label, summary_of
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table

NO_BASELINE = "no baseline recorded"
NO_INTERVAL = "no interval"


def summary(points: Sequence[Point], price_per_hour: float | None = None) -> Table:
    """Return the table; what was not run or not measured says so, and money is a column only where it has a price."""
    money = price_per_hour is not None
    return Table(
        name="summary",
        title="Accuracy, privacy and cost of each configuration",
        caption="CCC of frames on people who were not trained on: 1 agrees with the raters' mean, 0 is no agreement. "
        "In square brackets: 95 % intervals over people. Difference: ours minus the best baseline's, over the people "
        "whom both scored. Privacy is the word of the attack that gets furthest; its advantage is 0 for chance and 1 "
        "for certainty. Minutes, MiB, bytes and money are of training the best configuration on all folds.",
        columns=[
            Column(key="configuration", heading="Configuration", numeric=False),
            Column(key="leaves", heading="What leaves a person", numeric=False),
            Column(key="model", heading="Network, protocol", numeric=False),
            *(column for dimension in DIMENSIONS for column in _columns(dimension)),
            Column(key="privacy", heading="Privacy", numeric=False),
            Column(key="advantage", heading="Advantage", numeric=False),
            Column(key="minutes", heading="Minutes"),
            Column(key="mib", heading="MiB"),
            Column(key="sent", heading="Sent"),
            *([Column(key="money", heading="Money")] if money else []),
        ],
        rows=[_row(one, price_per_hour) for one in points if not one.unknown],
        remarks=_remarks(points, price_per_hour),
        stacked=True,
    )


def _columns(dimension: str) -> list[Column]:
    group = dimension.capitalize()
    return [
        Column(key=dimension, heading="CCC", group=group, numeric=False),
        Column(key=f"{dimension}_baseline", heading="best baseline, difference", group=group, numeric=False),
    ]


def _remarks(points: Sequence[Point], price_per_hour: float | None) -> list[str]:
    unknown = [one.title for one in points if one.unknown]
    words = [f"{cells.NOT_RUN.capitalize()} and {cells.NOT_MEASURED}: {', '.join(unknown)}."] if unknown else []
    decisive = {one.level.decisive.name: one.level.decisive for one in points if one.level.decisive is not None}
    words += [f"{name} ({TITLES.get(one.attack, one.attack)}): {one.threat}" for name, one in decisive.items()]
    words += [
        LEVEL_RULE,
        "A word is of the attacks that were run: no attack is the strongest, and no word is a legal assessment.",
        f"“{cells.NOT_MEASURED}” is said of everything that was not run; nothing is estimated.",
    ]
    if price_per_hour is not None:
        words.append(f"Money: hours of training at {price_per_hour:g} per hour, in the currency of that price.")
    return words


def _row(one: Point, price_per_hour: float | None) -> Row:
    found = [
        cells.plain(one.title),
        cells.plain(one.configuration.leaves),
        *_accuracy(one),
        *_privacy(one),
        *_cost(one, price_per_hour),
    ]
    return Row(cells=found, synthetic=one.synthetic, first=True)


def _accuracy(one: Point) -> list[Cell]:
    if one.search is None:
        return [cells.missing(cells.NOT_MEASURED)] * (1 + 2 * len(DIMENSIONS))
    found = [cells.plain(f"{title_of(best_of(one.search).network)}, {protocol_label(one.search)}")]
    for dimension in DIMENSIONS:
        found += [
            with_ends(one.score(dimension), run=one.search.run_id, key=f"ccc_{dimension}"),
            _baseline(one.search, dimension),
        ]
    return found


def with_ends(found: Ends | None, *, run: str | None = None, key: str | None = None) -> Cell:
    """Return the cell of a CCC with its interval in square brackets; `run` and `key`: what MLflow has it as."""
    if found is None:
        return cells.missing(cells.NOT_MEASURED)
    text = f"{cells.written(found.value, cells.CCC_DIGITS)} {ends_text(found.lower, found.upper)}"
    ends = None if found.lower is None or found.upper is None else (found.lower, found.upper)
    return Cell(text=text, value=found.value, ends=ends, kind="ours", run=run, key=None if run is None else key)


def ends_text(lower: float | None, upper: float | None) -> str:
    """Return an interval in square brackets, or that there is none."""
    if lower is None or upper is None:
        return f"({NO_INTERVAL})"
    return f"[{cells.written(lower, cells.CCC_DIGITS)}, {cells.written(upper, cells.CCC_DIGITS)}]"


def _baseline(search: Search, dimension: str) -> Cell:
    """Return the best baseline that is no constant, and how far the search is from it, over people."""
    best = best_baselines([search]).get(dimension)
    if best is None:
        return cells.missing(NO_BASELINE)
    name, value = best
    text = f"{name} {cells.written(value, cells.CCC_DIGITS)}"
    apart = (summary_of(search).against_baselines or {}).get(name, {}).get(dimension)
    if apart is not None:
        text += f", {cells.signed(apart.value, cells.CCC_DIGITS)} {ends_text(apart.low, apart.high)}"
    return Cell(text=text, value=value, name=name, kind="text")


def _privacy(one: Point) -> list[Cell]:
    decisive = one.level.decisive
    if one.level.word is None or decisive is None:
        return [cells.missing(cells.NOT_MEASURED)] * 2
    part = f", measured in part: without {', '.join(one.level.missing)}" if one.level.missing else ""
    leak = with_ends(one.leak)
    return [
        cells.plain(f"{one.level.word}{part}"),
        replace(leak, text=f"{leak.text} {decisive.name}", name=decisive.name),
    ]


def _cost(one: Point, price_per_hour: float | None) -> list[Cell]:
    money = price_per_hour is not None
    if one.search is None:
        return [cells.missing(cells.NOT_MEASURED)] * (4 if money else 3)
    minutes = None if one.seconds is None else one.seconds / SECONDS_PER_MINUTE
    found = [_number(minutes_words(one), minutes), _number(mib_words(one), one.mib)]
    found += [_number(sent_words(one), one.sent_bytes)]
    if price_per_hour is not None:
        found.append(_number(money_words(one, price_per_hour), one.money(price_per_hour)))
    return found


def _number(text: str, value: float | None) -> Cell:
    return cells.missing(text) if value is None else Cell(text=text, value=value, kind="ours")
