"""The measured privacy of each configuration: the word of Table III, and the attacks behind it."""

from collections.abc import Sequence

from orchestrator.audit.level import LEVEL_RULE, Level
from orchestrator.audit.records import Attack
from orchestrator.report import paper
from orchestrator.report.configuration_points import Point
from orchestrator.report.own_options import SECURE
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table

QUANTITY = "Data privacy level"


def level_rows(method: str, name: Cell, points: Sequence[Point], *, absent: tuple[str, str] | None = None) -> list[Row]:
    """Return Table III's rows of a method's privacy: ours, the paper's assertion, and no difference of words.

    `absent` names a method that was not run; what was measured of it is read all the same.
    """
    published = {row.method: row.privacy for row in paper.TABLE_3}
    rows = []
    for one in points:
        if one.configuration.method != method:
            continue
        beside = [SECURE] if one.configuration.secure else []
        beside += [f"defence {one.defence}"] if one.defence is not None else []
        theirs = cells.DASH if beside else published.get(method, cells.DASH)
        quantity = f"{QUANTITY}, with {', '.join(beside)}" if beside else QUANTITY
        row = [name, cells.plain(quantity), _word(one.level), cells.plain(theirs), cells.missing()]
        rows.append(Row(cells=row, synthetic=one.synthetic, absent=absent if one.level.word is None else None))
    return rows


def _word(found: Level) -> Cell:
    if found.word is None or found.decisive is None:
        return cells.missing(cells.NOT_MEASURED)
    part = ", measured in part" if found.missing else ""
    return cells.plain(f"{found.word} ({found.decisive.name}{part})")


def privacy(points: Sequence[Point]) -> Table | None:
    """Return every attack that counts for each configuration, with the rule below; None if nothing was measured."""
    if all(one.level.word is None for one in points):
        return None
    rows = [row for one in points for row in _rows(one)]
    words = {"configuration": "Configuration", "leaves": "What leaves a person", "level": "Privacy", "attack": "Attack"}
    return Table(
        name="privacy",
        title="Privacy, measured",
        caption=f"Each attack that counts for a configuration, with 95 % intervals over people. {LEVEL_RULE}",
        columns=[
            *(Column(key=key, heading=heading, numeric=False) for key, heading in words.items()),
            Column(key="statistic", heading="Statistic", numeric=False),
            Column(key="value", heading="value"),
            Column(key="low", heading="from", group="95 %"),
            Column(key="high", heading="to", group="95 %"),
            Column(key="chance", heading="chance"),
            Column(key="people", heading="people"),
            Column(key="verdict", heading="Verdict", numeric=False),
        ],
        rows=rows,
    )


def _rows(one: Point) -> list[Row]:
    found = one.level
    word = cells.missing(cells.NOT_MEASURED) if found.word is None else cells.plain(found.word)
    lead = [cells.plain(one.title), cells.plain(one.configuration.leaves), word]
    measured = [[*lead, *_attack(attack)] for attack in found.attacks]
    absent = [
        [*lead, cells.plain(name), *[cells.missing()] * 6, cells.missing(cells.NOT_MEASURED)] for name in found.missing
    ]
    return [
        Row(cells=row, first=number == 0, synthetic=one.synthetic) for number, row in enumerate([*measured, *absent])
    ]


def _attack(one: Attack) -> list[Cell]:
    main = one.main
    numbers = [cells.ours(value, absent=cells.DASH) for value in (main.value, main.lower, main.upper, main.chance)]
    return [
        cells.plain(one.name),
        cells.plain(main.name),
        *numbers,
        cells.ours(one.people, digits=0),
        cells.plain(one.verdict),
    ]
