"""Tables beyond the paper's: what each CCC is computed over, rater agreement as an upper bound, searches, failures."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from orchestrator.measures import HIGH, LOW, Measure, in_table, measure_of
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.blocks import leads
from orchestrator.report.collect import Listed
from orchestrator.report.corpora import SHOWN, name_of_run, sha256_of_run
from orchestrator.report.queries import (
    from_baseline,
    from_summary,
    method_name,
    protocol_label,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from orchestrator.run_records import Summary
from orchestrator.tracking.reader import RecordedRun

FAILURES_SHOWN = 20
TRIAL_COUNTS = ("finished", "failed", "stopped")


def _shows_ends(measure: Measure) -> bool:
    """Return whether the table has room for a measure's interval: that of the first one; all are in summary.json."""
    return measure.key == in_table()[0].key and "interval" in measure.over_folds


def _columns_of(measure: Measure) -> Iterator[Column]:
    """Yield the columns of a measure: itself, the ends of its interval, its difference to another one."""
    assert measure.column is not None
    yield Column(key=measure.column, heading=measure.heading, group=measure.group)
    if _shows_ends(measure):
        yield Column(key=LOW, heading="from", group=measure.group)
        yield Column(key=HIGH, heading="to", group=measure.group)
    if measure.difference_to is not None:
        other = measure_of(measure.difference_to)
        yield Column(key=f"{measure.column}_difference", heading=f"− {other.column}s", group=measure.group)


def _cells_of(measure: Measure, dimension: str, cell: Callable[[str], Cell]) -> Iterator[Cell]:
    """Yield a measure's cells in the order of its columns; `cell` makes one of the key of a score."""
    key = f"{measure.key}_{dimension}"
    yield cell(key)
    if _shows_ends(measure):
        yield from (cell(f"{key}_{end}") for end in (LOW, HIGH))
    if measure.difference_to is not None:
        yield cells.difference(cell(key), cell(f"{measure.difference_to}_{dimension}"))


def measures(searches: Sequence[Search]) -> Table:
    """Return the CCC by frame, window and participant of each protocol's best search, and the raters' agreement."""
    rows = [
        Row(cells=line, synthetic=search.synthetic, first=number == 0)
        for search in leads(searches)
        for number, line in enumerate(
            [
                *(_measures_of(search, dimension) for dimension in DIMENSIONS),
                *(
                    _baseline_of(search, name, dimension)
                    for name, scores in summary_of(search).baseline.items()
                    for dimension in DIMENSIONS
                    if scores
                ),
            ]
        )
    ]
    return Table(
        name="measures",
        title="What the CCC is of, and the ceiling",
        caption="The same predictions, scored by frame (± standard deviation over the folds; 95 % interval over "
        "participants), by window means (as the published code reports), and as the mean of the participants' own CCC. "
        "Below each method its baselines, on the same folds. "
        "Ridge: linear regression on single frames. Raters: what a prediction's CCC with the mean of the raters can "
        "reach, the root of that mean's reliability, by fold; share: CCC of frames ÷ ceiling; one rater: mean CCC of a "
        "rater with the mean of the others, which is no ceiling.",
        columns=[
            Column(key="method", heading="Method", numeric=False),
            Column(key="protocol", heading="Protocol", numeric=False),
            Column(key="dimension", heading="Dimension", numeric=False),
            *(column for measure in in_table() for column in _columns_of(measure)),
            Column(key="ridge", heading="ridge"),
            Column(key="ceiling", heading="ceiling", group="raters"),
            Column(key="share", heading="share", group="raters"),
            Column(key="raters", heading="one rater", group="raters"),
        ],
        rows=rows,
    )


def _measures_of(search: Search, dimension: str) -> list[Cell]:
    summary = summary_of(search)
    frame = from_summary(search, f"ccc_{dimension}")
    ceiling = _ceiling(summary, dimension)
    ridge = summary.baseline.get("ridge", {}).get(f"ccc_{dimension}")
    return [
        cells.plain(method_name(search.plan["method"])),
        cells.plain(protocol_label(search)),
        cells.plain(dimension),
        *(
            cell
            for measure in in_table()
            for cell in _cells_of(measure, dimension, lambda key: from_summary(search, key))
        ),
        cells.ours(ridge, source=(search.run_id, f"ridge_ccc_{dimension}"), absent=cells.DASH),
        ceiling,
        _share(frame, ceiling),
        cells.ours((summary.rater_agreement or {}).get(dimension)),
    ]


def _baseline_of(search: Search, name: str, dimension: str) -> list[Cell]:
    ceiling, cell = _ceiling(summary_of(search), dimension), partial(from_baseline, search, name)
    return [
        cells.plain(f"baseline {name}"),
        cells.plain(protocol_label(search)),
        cells.plain(dimension),
        *(made for measure in in_table() for made in _cells_of(measure, dimension, cell)),
        cells.missing(),
        ceiling,
        _share(cell(f"ccc_{dimension}"), ceiling),
        cells.missing(),
    ]


def _ceiling(summary: Summary, dimension: str) -> Cell:
    facts = (summary.raters or {}).get(dimension)
    return cells.ours(facts.ceiling.value if facts is not None and facts.ceiling is not None else None)


def _share(frame: Cell, ceiling: Cell) -> Cell:
    if frame.value is None or ceiling.value is None or ceiling.value <= 0:
        return cells.missing()
    return cells.ours(frame.value / ceiling.value, digits=2)


def listing(listed: Sequence[Listed]) -> Table:
    """Return every search of the store, reported or not, and why not."""
    # The last column of every CSV file is `corpus`, a warning; these are the recordings.
    headings = {"run": "Run", "name": "Name", "method": "Method", "protocol": "Protocol", "recordings": "Corpus"}
    headings |= {"started": "Started (UTC)", "status": "Status"}
    return Table(
        name="searches",
        title="Searches in the store",
        caption="All searches of the experiments read, the latest first. A report is about one corpus. Of it, reported "
        "is the search with the least validation loss of each method, network and protocol, every field of the "
        "protocol alike, or what --run names.",
        columns=[
            *(Column(key=key, heading=heading, numeric=False) for key, heading in headings.items()),
            *(Column(key=word, heading=word, group="Configurations") for word in TRIAL_COUNTS),
            Column(key="note", heading="In this report", numeric=False),
        ],
        rows=[_listed(one) for one in listed],
    )


def _listed(one: Listed) -> Row:
    run = one.run
    started = datetime.fromtimestamp(run.start_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    tags = [run.tags.get(key, cells.DASH) for key in ("method", "protocol")]
    words = [run.run_id[:8], run.name, *tags, _recordings(run), started, run.status.lower()]
    counts = [
        cells.ours(run.metrics.get(key), digits=0, source=(run.run_id, key), absent=cells.DASH)
        for key in (f"trials_{word}" for word in TRIAL_COUNTS)
    ]
    note = cells.plain("; ".join(filter(None, ["reported" if one.reported else "", one.note])))
    # A search that is merely listed has no number in a table, so it asks for no warning.
    synthetic = one.reported and run.tags.get("synthetic") == "true"
    return Row(cells=[*map(cells.plain, words), *counts, note], synthetic=synthetic)


def _recordings(run: RecordedRun) -> str:
    parts = [run.tags.get("corpus", cells.DASH), name_of_run(run), sha256_of_run(run)[:SHOWN]]
    if run.tags.get("synthetic") == "true":
        parts.append("synthetic")
    return ", ".join(filter(None, parts))


def failures(searches: Sequence[Search]) -> Table | None:
    """Return the configurations that failed in the reported searches; None where all went well."""
    rows = []
    for search in searches:
        for failure in search.failures[:FAILURES_SHOWN]:
            line = [
                cells.plain(method_name(search.plan["method"])),
                cells.plain(protocol_label(search)),
                cells.plain(failure.name),
                cells.plain(" ".join(failure.message.split())),
            ]
            rows.append(Row(cells=line, synthetic=search.synthetic))
    if not rows:
        return None
    words = ("method", "protocol", "configuration", "reason")
    return Table(
        name="failures",
        title="Configurations that failed",
        caption=f"Left out of every table above; at most {FAILURES_SHOWN} of a search are shown.",
        columns=[Column(key=word, heading=word.capitalize(), numeric=False) for word in words],
        rows=rows,
    )
