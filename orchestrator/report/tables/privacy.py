"""The measured privacy of each configuration: the word of Table III, and the attacks behind it."""

from collections.abc import Sequence

from orchestrator.audit.level import CONFIGURATIONS, LEVEL_RULE, Configuration, Level, level
from orchestrator.audit.records import Attack, Audit
from orchestrator.report import paper
from orchestrator.report.own_options import SECURE
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table

QUANTITY = "Data privacy level"


def level_rows(method: str, name: Cell, audits: Sequence[Audit], *, absent: tuple[str, str] | None = None) -> list[Row]:
    """Return Table III's rows of a method's privacy: ours, the paper's assertion, and no difference of words.

    `absent` names a method that was not run; what was measured of it is read all the same.
    """
    published = {row.method: row.privacy for row in paper.TABLE_3}
    rows = []
    for one in CONFIGURATIONS:
        found = level(one, audits)
        if one.method != method or not (one.always or found.word):
            continue
        theirs = cells.DASH if one.secure else published.get(method, cells.DASH)
        quantity = f"{QUANTITY}, with {SECURE}" if one.secure else QUANTITY
        row = [name, cells.plain(quantity), _word(found), cells.plain(theirs), cells.missing()]
        rows.append(Row(cells=row, synthetic=_fake(one, audits), absent=absent if found.word is None else None))
    return rows


def _word(found: Level) -> Cell:
    if found.word is None or found.decisive is None:
        return cells.missing(cells.NOT_MEASURED)
    part = ", measured in part" if found.missing else ""
    return cells.plain(f"{found.word} ({found.decisive.name}{part})")


def privacy(audits: Sequence[Audit]) -> Table | None:
    """Return every attack that counts for each configuration, with the rule below; None without an audit."""
    if not audits:
        return None
    rows: list[Row] = []
    for one in CONFIGURATIONS:
        found = level(one, audits)
        if one.always or found.word:
            rows += _rows(one, found, _fake(one, audits))
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


def _rows(one: Configuration, found: Level, synthetic: bool) -> list[Row]:
    word = cells.missing(cells.NOT_MEASURED) if found.word is None else cells.plain(found.word)
    lead = [cells.plain(one.title), cells.plain(one.leaves), word]
    measured = [[*lead, *_attack(attack)] for attack in found.attacks]
    absent = [
        [*lead, cells.plain(name), *[cells.missing()] * 6, cells.missing(cells.NOT_MEASURED)] for name in found.missing
    ]
    return [Row(cells=row, first=number == 0, synthetic=synthetic) for number, row in enumerate([*measured, *absent])]


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


def _fake(one: Configuration, audits: Sequence[Audit]) -> bool:
    return any(audit.synthetic for audit in audits if one.of(audit))
