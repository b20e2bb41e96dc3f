"""Tables that the paper has not: the optimism of protocols, what the CCC is of, the raters' ceiling, the searches."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.measures import HIGH, LOW, Measure, in_table, measure_of
from orchestrator.protocols import PROTOCOLS
from orchestrator.report import cells
from orchestrator.report.cells import Cell, Column, Row, Table
from orchestrator.report.collecting import Listed
from orchestrator.report.evidence import Search
from orchestrator.report.reading import (
    command_for,
    from_summary,
    is_same_corpus,
    method_name,
    methods,
    of_method,
    protocol_label,
    summary_of,
)

FAILURES_SHOWN = 20
# What must agree before the difference of two protocols is the protocols' own; protocols differ in the rest.
SAME_IN_PROTOCOLS = ("epochs", "num_folds", "gold", "label_delay_seconds", "loss")
OTHER_RUN = "not alike"
TRIAL_COUNTS = ("finished", "failed", "stopped")


def optimism(searches: Sequence[Search]) -> Table:
    """Return what each protocol reports, beside the score corrected for selection, and the differences to strict."""
    rows: list[Row] = []
    for method in methods():
        by_name = {str(one.plan["protocol"]["name"]): one for one in reversed(of_method(searches, method))}
        rows += [_optimism_row(method, dimension, by_name) for dimension in DIMENSIONS]
    missing = [
        f"{method_name(method)}, {name}: {cells.NOT_RUN}; {command_for(method, searches, protocol=name)}"
        for method in methods()
        for name in PROTOCOLS
        if name not in {one.plan["protocol"]["name"] for one in of_method(searches, method)}
    ]
    columns = [Column(key="method", heading="Method", numeric=False), Column(key="score", heading="CCC", numeric=False)]
    for name in ("published", "described"):
        columns.append(Column(key=f"{name}_reported", heading="reported", group=name))
        columns.append(Column(key=f"{name}_corrected", heading="corrected", group=name))
    columns.append(Column(key="strict_reported", heading="reported", group="strict"))
    columns += [
        Column(key=f"{name}_optimism", heading=f"{name} − strict", group="optimism")
        for name in ("published", "described")
    ]
    return Table(
        name="optimism",
        title="Optimism of the protocols",
        caption="CCC by frame, ± standard deviation over the folds. published chooses epoch and configuration on the "
        "reported people, described the configuration; corrected: each fold scored by the configuration that the other "
        "folds choose. In strict nobody who is reported chooses anything. A difference is given where corpus, folds, "
        "epochs, gold standard, loss and grid are the same.",
        columns=columns,
        rows=rows,
        remarks=missing,
    )


def _optimism_row(method: str, dimension: str, by_name: Mapping[str, Search]) -> Row:
    key = f"ccc_{dimension}"
    reported = {name: from_summary(by_name.get(name), key) for name in PROTOCOLS}
    line = [cells.plain(method_name(method)), cells.plain(dimension)]
    for name in ("published", "described"):
        line += [reported[name], from_summary(by_name.get(name), f"ccc_corrected_{dimension}")]
    line.append(reported["strict"])
    for name in ("published", "described"):
        if {name, "strict"} <= set(by_name) and not _alike(by_name[name], by_name["strict"]):
            line.append(cells.missing(OTHER_RUN))
        else:
            line.append(cells.difference(reported[name], reported["strict"]))
    synthetic = any(one.synthetic for one in by_name.values())
    return Row(cells=line, synthetic=synthetic, first=dimension == DIMENSIONS[0])


def _alike(one: Search, other: Search) -> bool:
    """Tell whether two searches differ in their protocol alone."""
    fields, others = one.plan["protocol"], other.plan["protocol"]
    same = all(fields.get(key) == others.get(key) for key in SAME_IN_PROTOCOLS)
    return same and is_same_corpus(one, other) and _points(one) == _points(other)


def _points(search: Search) -> set[str]:
    """Return the configurations of a search; their uids differ between protocols."""
    return {f"{point.get('network')} {sorted(point.get('hparams', {}).items())}" for point in search.plan["trials"]}


def _columns_of(measure: Measure) -> Iterator[Column]:
    """Yield the columns of a measure: itself, the ends of its interval, its difference to another one."""
    assert measure.column is not None
    yield Column(key=measure.column, heading=measure.heading, group=measure.group)
    if "interval" in measure.over_folds:
        # The first measure's keep the keys that they had when it was the only one.
        prefix = "" if measure.column == "frame" else f"{measure.column}_"
        yield Column(key=f"{prefix}{LOW}", heading="from", group=measure.group)
        yield Column(key=f"{prefix}{HIGH}", heading="to", group=measure.group)
    if measure.difference_to is not None:
        other = measure_of(measure.difference_to)
        yield Column(key=f"{measure.column}_difference", heading=f"− {other.column}s", group=measure.group)


def _cells_of(measure: Measure, search: Search, dimension: str) -> Iterator[Cell]:
    key = f"{measure.key}_{dimension}"
    yield from_summary(search, key)
    if "interval" in measure.over_folds:
        yield from (from_summary(search, f"{key}_{end}") for end in (LOW, HIGH))
    if measure.difference_to is not None:
        yield cells.difference(from_summary(search, key), from_summary(search, f"{measure.difference_to}_{dimension}"))


def measures(searches: Sequence[Search]) -> Table:
    """Return the CCC by frame, window and participant of every search, and the raters' own agreement."""
    rows = [
        Row(cells=_measures_of(search, dimension), synthetic=search.synthetic, first=dimension == DIMENSIONS[0])
        for search in searches
        for dimension in DIMENSIONS
    ]
    return Table(
        name="measures",
        title="What the CCC is of, and the ceiling",
        caption="The same predictions, scored by frame (± standard deviation over the folds; 95 % bootstrap interval "
        "over participants), by window means (as the published code reports), and as the mean of the participants' own "
        "CCC. Ridge: linear regression on single frames. Ceiling: mean CCC of a rater with the mean of the others, on "
        "the same frames and folds; share: CCC of frames ÷ ceiling.",
        columns=[
            Column(key="method", heading="Method", numeric=False),
            Column(key="protocol", heading="Protocol", numeric=False),
            Column(key="dimension", heading="Dimension", numeric=False),
            *(column for measure in in_table() for column in _columns_of(measure)),
            Column(key="ridge", heading="ridge"),
            Column(key="raters", heading="raters", group="ceiling"),
            Column(key="share", heading="share", group="ceiling"),
        ],
        rows=rows,
    )


def _measures_of(search: Search, dimension: str) -> list[Cell]:
    summary = summary_of(search)
    frame = from_summary(search, f"ccc_{dimension}")
    ceiling = cells.ours((summary.rater_agreement or {}).get(dimension))
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
    ]


def listing(listed: Sequence[Listed]) -> Table:
    """Return every search of the store, reported or not, and why not."""
    words = ("run", "name", "method", "protocol", "corpus", "started (UTC)", "status")
    return Table(
        name="searches",
        title="Searches in the store",
        caption="All searches of the experiments read, the latest first. Reported is the latest finished one of each "
        "method and protocol (real recordings before synthetic ones, whole searches before single configurations), or "
        "what --run names.",
        columns=[
            *(Column(key=word.split()[0], heading=word.capitalize(), numeric=False) for word in words),
            *(Column(key=word, heading=word, group="Configurations") for word in TRIAL_COUNTS),
            Column(key="note", heading="In this report", numeric=False),
        ],
        rows=[_listed(one) for one in listed],
    )


def _listed(one: Listed) -> Row:
    run = one.run
    started = datetime.fromtimestamp(run.start_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    tags = [run.tags.get(key, cells.DASH) for key in ("method", "protocol", "corpus")]
    words = [run.run_id[:8], run.name, *tags, started, run.status.lower()]
    counts = [
        cells.ours(run.metrics.get(key), digits=0, source=(run.run_id, key), absent=cells.DASH)
        for key in (f"trials_{word}" for word in TRIAL_COUNTS)
    ]
    note = cells.plain("; ".join(filter(None, ["reported" if one.reported else "", one.note])))
    return Row(cells=[*map(cells.plain, words), *counts, note], synthetic=run.tags.get("synthetic") == "true")


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
