"""Which columns of a file of labels are raters: not the keys they pressed, the rows, or what sums them up."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from orchestrator.corpora.findings import NOT_ASKED_FOR, Findings, shortened
from orchestrator.corpora.read_options import RATERS_OPTION
from orchestrator.corpora.tables.action_units import is_bookkeeping
from orchestrator.corpora.tables.column_kinds import FEW_VALUES, counts_by_name, is_spread, is_summary, only_counts
from orchestrator.corpora.tables.columns import Columns
from orchestrator.errors import cut
from orchestrator.protocols import DIMENSIONS

DIMENSION_PREFIX = re.compile(rf"^({'|'.join(DIMENSIONS)})_(?=.)", re.IGNORECASE)
# Names of a column that holds the labels by itself: what stands beside one is about them, and no other rater.
THE_LABELS = frozenset({"value", "values", "rating", "ratings", "score", "label", "labels", "annotation", *DIMENSIONS})
_A_COUNT = f"counts rows; {RATERS_OPTION} takes it"


def raters_of_file(columns: Columns, dimension: str, findings: Findings) -> tuple[str, ...] | None:
    """Return the columns of raters of one dimension's file; None with a problem if there is none."""
    numbers = [name for name in columns.names if not is_bookkeeping(name)]
    texts = [name for name in columns.text if not is_bookkeeping(name)]
    if not findings.options.current:
        raters = tuple(numbers)
    else:
        left_out = _asked(numbers, findings) if findings.options.raters else _left_out(columns, numbers, dimension)
        raters = tuple(name for name in numbers if name not in left_out)
        for name, why in left_out.items():
            findings.drop(f"column {cut(name)} in labels of {dimension}", why, recording=columns.path.name)
    for name in texts:
        if raters and findings.options.current:
            findings.drop(
                f"column {cut(name)} in labels of {dimension}", "text, no labels", recording=columns.path.name
            )
            continue
        row = next((row for row, entry in enumerate(columns.text[name]) if entry), 0)
        found = f"{columns.text[name][row]!r} in column {name}"
        findings.problem(columns.where(row), found=found, expected="a finite number")
    if texts and not (raters and findings.options.current):
        return None
    if not raters:
        asked = bool(findings.options.raters and numbers)
        what = f"no column that {RATERS_OPTION} asks for" if asked else "no column of a rater"
        found = f"{what} among {shortened(map(cut, numbers))}" if numbers else what
        expected = "a time and one column per rater"
        findings.problem(columns.header, found=found, expected=expected, kind=RATERS_OPTION if asked else None)
        return None
    return raters


def raters_of_table(raters: Mapping[str, Iterable[str]], findings: Findings) -> dict[str, str]:
    """Return which raters that columns `valence_<rater>` name are none, and why; `raters` by dimension."""
    names = list(dict.fromkeys(name for some in raters.values() for name in some if name))
    if not findings.options.current:
        return {}
    return _asked(names, findings) if findings.options.raters else _by_name(names)


def _asked(names: Sequence[str], findings: Findings) -> dict[str, str]:
    return {name: NOT_ASKED_FOR for name in names if not findings.asks_for(name, DIMENSION_PREFIX.sub("", name))}


def _left_out(columns: Columns, names: Sequence[str], dimension: str) -> dict[str, str]:
    others = [one for one in DIMENSIONS if one != dimension]
    out = {
        name: f"of {other}, not of {dimension}"
        for name in names
        for other in others
        if name.lower() == other or name.lower().startswith(f"{other}_")
    }
    rest = [name for name in names if name not in out]
    out |= _by_name(rest)
    for name in rest:
        if name not in out and _counts_rows(columns, name):
            out[name] = _A_COUNT
    rest = [name for name in rest if name not in out]
    labels = [name for name in rest if name.lower() in THE_LABELS]
    if labels and len(rest) > 1:
        why = f"beside {labels[0]}, which holds the labels; {RATERS_OPTION} takes it"
        out |= {name: why for name in rest if name != labels[0]}
    return out


def _by_name(names: Sequence[str]) -> dict[str, str]:
    """Leave out counts, spreads, and what sums up several others; `names` may have a dimension before them."""
    out = {}
    for name in names:
        bare = DIMENSION_PREFIX.sub("", name)
        if counts_by_name(bare):
            out[name] = f"a count or a code by its name, no rater; {RATERS_OPTION} takes it"
        elif is_spread(bare):
            out[name] = f"how much raters differ, no rater; {RATERS_OPTION} takes it"
    rest = [name for name in names if name not in out]
    summaries = [name for name in rest if is_summary(DIMENSION_PREFIX.sub("", name))]
    others = [name for name in rest if name not in summaries]
    if summaries and len(others) == 1:
        out |= dict.fromkeys(others, f"beside {summaries[0]}; {RATERS_OPTION} takes it")
    elif len(others) > 1:
        out |= dict.fromkeys(summaries, f"sums up the raters, no rater; {RATERS_OPTION} takes it")
    return out


def _counts_rows(columns: Columns, name: str) -> bool:
    values = columns.numbers_of(name)
    values = values[np.isfinite(values)]
    return len(values) >= FEW_VALUES and bool((values == np.round(values)).all()) and only_counts([values])
