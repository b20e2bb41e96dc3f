"""What `compare` prints and writes: a table of 80 columns, and comparisons.csv."""

from typing import Any

from orchestrator.csv_text import as_text, protected
from orchestrator.errors import cut, printable
from orchestrator.estimators.intervals import Interval, ccc_in_words, with_ends
from orchestrator.estimators.paired import CAVEAT
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.run_comparison import Comparison
from orchestrator.report.tables.cells import written_p

LONGEST_PLACE = 45  # ours: characters of a run's name in the table
OWN = "people's own CCC"
COLUMNS = (
    *("first", "second", "dimension", "participants"),
    *("ccc_first", "ccc_second", "ccc_difference", "ccc_low", "ccc_high"),
    *("people_difference", "people_low", "people_high", "p", "p_holm", "own_people"),
)


def text(found: Comparison) -> str:
    """Return the runs, what differs, and the table of differences; no line of the tables is longer than 80."""
    lines = [f"{'run':48s}" + "".join(f"{f'CCC {d}':>16s}" for d in DIMENSIONS)]
    for number, run in enumerate(found.runs, 1):
        place = f"{number} {cut(printable(run.place), LONGEST_PLACE)}"
        lines.append(f"{place:48s}" + "".join(f"{ccc_in_words(run.score(d)):>16s}" for d in DIMENSIONS))
    lines += [printable(f"differs   {line}") for line in found.differing] or ["differs   nothing in the plans"]
    lines.append(f"{'first - second':15s}{'CCC as reported':>24s}{OWN:>24s}{'p':>8s}{'Holm':>9s}")
    for one in found.pairs:
        name = f"{one.first} - {one.second} {one.dimension}"
        intervals = f"{with_ends(one.reported):>24s}{with_ends(one.own):>24s}"
        lines.append(f"{name:15s}{intervals}{written_p(one.p):>8s}{written_p(one.p_holm):>9s}")
    lines += [
        "In brackets: 95 % intervals over people. p: of the people's own CCC, by flips of",
        f"signs; Holm: corrected for all {len(found.pairs)} tests of the table.",
        f"{CAVEAT}.",
    ]
    if any(run.search.synthetic for run in found.runs):
        lines.append("SYNTHETIC recordings: the figures say nothing about people.")
    return "\n".join(lines)


def as_csv(found: Comparison) -> str:
    """Return the table with all digits; empty cells where the sums by person are not recorded.

    `participants` counts the people of `ccc_difference`, `own_people` those of `people_difference` and p, whose labels
    vary.
    """
    rows: list[list[Any]] = [list(COLUMNS)]
    for one in found.pairs:
        first, second = found.runs[one.first - 1], found.runs[one.second - 1]
        rows.append(
            [
                *(protected(run.place) for run in (first, second)),
                *(one.dimension, "" if one.reported is None else one.reported.num_people),
                *("" if (value := run.score(one.dimension)) is None else value for run in (first, second)),
                *_numbers(one.reported),
                *_numbers(one.own),
                *(one.p, one.p_holm, one.own.num_people),
            ]
        )
    return as_text(rows)


def _numbers(one: Interval | None) -> list[Any]:
    return [""] * 3 if one is None else [one.estimate, one.low, one.high]
