"""Reported configurations trained again by other seeds and draws of the folds."""

from collections.abc import Sequence

from models.sizes import title_of
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.queries import FRAME_CCC, LEVELS, WINDOW_CCC, method_name, protocol_label, summary_of
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Column, Row, Table
from orchestrator.run_records import RepeatedScore


def repeats(searches: Sequence[Search]) -> Table | None:
    """Return the mean over the repeats of each repeated configuration with both intervals; None without repeats."""
    rows = [
        row
        for search in searches
        for one in summary_of(search).repeats or ()
        if len(one.uids) > 1
        for row in _rows(search, one)
    ]
    if not rows:
        return None
    words = {"method": "Method", "network": "Network", "protocol": "Protocol", "dimension": "Dimension"}
    return Table(
        name="repeats",
        title="Repeats by other seeds and folds",
        caption="The best configuration of each network, trained anew by other seeds and draws of the folds: mean over "
        "all folds of all repeats, the least and the largest mean of a repeat, and two 95 % intervals: the corrected "
        "resampled t (Nadeau and Bengio 2003) over folds and repeats, and the jackknife over participants. The choice "
        "of the configuration is not repeated.",
        columns=[
            *(Column(key=key, heading=heading, numeric=False) for key, heading in words.items()),
            Column(key="ccc_of", heading="CCC of", numeric=False),
            Column(key="mean", heading="mean"),
            Column(key="least", heading="least", group="Repeats"),
            Column(key="largest", heading="largest", group="Repeats"),
            Column(key="low", heading="from", group="Resampled t"),
            Column(key="high", heading="to", group="Resampled t"),
            Column(key="people_low", heading="from", group="Participants"),
            Column(key="people_high", heading="to", group="Participants"),
            Column(key="repeats", heading="repeats", group="Number of"),
            Column(key="folds", heading="folds", group="Number of"),
            Column(key="people", heading="people", group="Number of"),
            Column(key="seeds", heading="Seeds", numeric=False),
        ],
        rows=rows,
    )


def _rows(search: Search, one: RepeatedScore) -> list[Row]:
    rows: list[Row] = []
    for key in (FRAME_CCC, WINDOW_CCC):
        for dimension in DIMENSIONS:
            found = one.estimates.get(f"{key}_{dimension}")
            if found is None:
                continue
            ends = (found.low, found.high, found.people_low, found.people_high)
            line = [
                cells.plain(method_name(search.plan["method"])),
                cells.plain(title_of(one.network)),
                cells.plain(protocol_label(search)),
                cells.plain(dimension),
                cells.plain(LEVELS[key]),
                *(cells.ours(value) for value in (found.value, min(found.by_repeat), max(found.by_repeat))),
                *(cells.ours(value, absent=cells.DASH) for value in ends),
                *(cells.ours(value, digits=None) for value in (len(one.uids), *one.made_of(found))),
                cells.plain(", ".join(map(str, one.seeds))),
            ]
            rows.append(Row(cells=line, synthetic=search.synthetic, first=not rows))
    return rows
