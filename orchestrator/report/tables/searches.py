"""Tables that the paper has not: what the CCC is of, the raters' ceiling, the searches of the store, failures."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from orchestrator.measures import HIGH, LOW, Measure, in_table, measure_of
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.blocks import leads
from orchestrator.report.collect import Listed
from orchestrator.report.corpora import SHOWN, name_of_run, sha256_of_run
from orchestrator.report.queries import (
    from_summary,
    method_name,
    protocol_label,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
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


def _cells_of(measure: Measure, search: Search, dimension: str) -> Iterator[Cell]:
    key = f"{measure.key}_{dimension}"
    yield from_summary(search, key)
    if _shows_ends(measure):
        yield from (from_summary(search, f"{key}_{end}") for end in (LOW, HIGH))
    if measure.difference_to is not None:
        yield cells.difference(from_summary(search, key), from_summary(search, f"{measure.difference_to}_{dimension}"))


def measures(searches: Sequence[Search]) -> Table:
    """Return the CCC by frame, window and participant of each protocol's best search, and the raters' agreement."""
    rows = [
        Row(cells=_measures_of(search, dimension), synthetic=search.synthetic, first=dimension == DIMENSIONS[0])
        for search in leads(searches)
        for dimension in DIMENSIONS
    ]
    return Table(
        name="measures",
        title="What the CCC is of, and the ceiling",
        caption="The same predictions, scored by frame (± standard deviation over the folds; 95 % interval over "
        "participants), by window means (as the published code reports), and as the mean of the participants' own CCC. "
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
    facts = (summary.raters or {}).get(dimension)
    ceiling = cells.ours(facts.ceiling.value if facts is not None and facts.ceiling is not None else None)
    share = cells.missing()
    if frame.value is not None and ceiling.value is not None and ceiling.value > 0:
        share = cells.ours(frame.value / ceiling.value, digits=2)
    ridge = summary.baseline.get("ridge", {}).get(f"ccc_{dimension}")
    return [
        cells.plain(method_name(search.plan["method"])),
        cells.plain(protocol_label(search)),
        cells.plain(dimension),
        *(cell for measure in in_table() for cell in _cells_of(measure, search, dimension)),
        cells.ours(ridge, source=(search.run_id, f"ridge_ccc_{dimension}"), absent=cells.DASH),
        ceiling,
        share,
        cells.ours((summary.rater_agreement or {}).get(dimension)),
    ]


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
