"""Table III: what each method costs, measured and by the paper's formula (paper, sections IV.D and V.A)."""

from collections.abc import Mapping, Sequence

from models.sizes import title_of
from orchestrator.audit.level import LEVEL_RULE
from orchestrator.protocols import DIMENSIONS
from orchestrator.report import paper
from orchestrator.report.blocks import headline
from orchestrator.report.configuration_points import Point
from orchestrator.report.queries import (
    LEVELS,
    best_of,
    command_for,
    from_summary,
    method_name,
    methods,
    papers_measure,
    protocol_label,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from orchestrator.report.tables.paper_tables import DIFFERENCE, OURS, THEIRS, WHICH_CCC, triple
from orchestrator.report.tables.privacy import level_rows
from orchestrator.tracking.reader import RecordedRun
from tune_spaces.catalogue import find_method

FRAMES_OF_INFERENCE = (100, 500)
DEVICE_TAG = "inference_device"
SECONDS_PER_MINUTE = 60
SMALL = 1.0  # minutes or MiB

Line = tuple[str, Cell, Cell, int]  # quantity, ours, the paper's, decimals of the difference


def table_3(searches: Sequence[Search], runs: Mapping[str, RecordedRun], points: Sequence[Point] = ()) -> Table:
    """Return Table III, a block of rows for each method; `runs` are the searches' by id, `points` their privacy."""
    published = {row.method: row for row in paper.TABLE_3}
    rows: list[Row] = []
    for method in methods():
        search, theirs = headline(searches, method), published.get(method)
        name = cells.plain(method_name(method))
        absent = (method_name(method), "") if search is None else None
        model = [name, *_model(method, searches, search, theirs)]
        rows.append(Row(cells=model, first=True, synthetic=_fake(search), absent=absent))
        rows += level_rows(method, name, points, absent=absent)
        lines = [*_scores(search, theirs), *_training(method, search, theirs)]
        lines += [_size(search, theirs), *_inference(_run_of(search, runs), theirs)]
        for quantity, own, value, digits in lines:
            compared = triple(own, value, digits=digits, search=search)
            line = [name, cells.plain(quantity), *compared]
            rows.append(Row(cells=line, synthetic=_fake(search), absent=absent))
    return Table(
        name="table-3",
        title="Table III: efficiency",
        caption="The best configuration of each method, in the protocol named; training of all folds. The paper's "
        "formula divides the clients' training times by their number (section IV.D). MiB of one model with float32 "
        f"numbers. {WHICH_CCC} Privacy is a word in the paper; here it is measured by attacks, or not. {LEVEL_RULE}",
        columns=[
            Column(key="method", heading="Method", numeric=False),
            Column(key="quantity", heading="Quantity", numeric=False),
            Column(key="value_ours", heading=OURS),
            Column(key="value_paper", heading=THEIRS),
            Column(key="value_difference", heading=DIFFERENCE),
        ],
        rows=rows,
    )


def _fake(search: Search | None) -> bool:
    return search is not None and search.synthetic


def _model(
    method: str, searches: Sequence[Search], search: Search | None, theirs: paper.Efficiency | None
) -> list[Cell]:
    words = f"{cells.NOT_RUN}: {command_for(method, searches)}"
    if search is not None:
        network = best_of(search).network
        words = f"{title_of(network)}, {protocol_label(search)}"
    their_words = cells.missing() if theirs is None else cells.plain(title_of(theirs.network))
    return [cells.plain("Network, protocol"), cells.plain(words), their_words, cells.missing()]


def _scores(search: Search | None, theirs: paper.Efficiency | None) -> list[Line]:
    lines: list[Line] = []
    for dimension in DIMENSIONS:
        value = None if theirs is None else getattr(theirs, dimension)
        notes = (
            ("arousal-of-images",) if theirs is not None and (theirs.method, dimension) == ("images", "arousal") else ()
        )
        key = papers_measure(search)
        own = from_summary(search, f"{key}_{dimension}")
        of = "" if search is None else f" of {LEVELS[key]}"
        lines.append((f"{dimension.capitalize()} CCC{of}", own, cells.paper(value, notes=notes), 3))
    return lines


def _training(method: str, search: Search | None, theirs: paper.Efficiency | None) -> list[Line]:
    """Return minutes measured and by the formula; without clients the two are one, and the paper's is both."""
    federated = find_method(method).federated
    absent = cells.NOT_RUN if search is None else cells.NOT_RECORDED
    summary = None if search is None else summary_of(search)
    wall = None if summary is None else summary.training_seconds
    record = None if summary is None else summary.federation
    formula = (None if record is None else record.paper_seconds) if federated else wall
    source = None if search is None else (search.run_id, "training_minutes")
    minutes = None if theirs is None else theirs.training_minutes
    notes = ("divided-time",) if federated else ()
    return [
        (
            "Training, measured (min)",
            cells.ours(_minutes(wall), digits=_digits(_minutes(wall)), source=source, absent=absent),
            cells.paper(None if federated else minutes, digits=1),
            1,
        ),
        (
            "Training, paper's formula (min)",
            cells.ours(_minutes(formula), digits=_digits(_minutes(formula)), absent=absent),
            cells.paper(minutes, digits=1, notes=notes),
            1,
        ),
    ]


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / SECONDS_PER_MINUTE


def _digits(value: float | None) -> int:
    """Return the paper's one decimal, or more where a small value would be written as nothing."""
    return 1 if value is None or value >= SMALL else 3


def _size(search: Search | None, theirs: paper.Efficiency | None) -> Line:
    notes = ("megabytes", "size-of-units") if theirs is not None and theirs.method == "au" else ("megabytes",)
    value = cells.paper(None if theirs is None else theirs.size_mb, digits=0, notes=notes)
    size = None if search is None else summary_of(search).model_size_mib
    return "Model size (MiB)", from_summary(search, "model_size_mib", digits=_digits(size)), value, 1


def _run_of(search: Search | None, runs: Mapping[str, RecordedRun]) -> RecordedRun | None:
    return None if search is None or search.run_id is None else runs.get(search.run_id)


def _inference(run: RecordedRun | None, theirs: paper.Efficiency | None) -> list[Line]:
    """Return the times that `benchmark inference --record` left in the search's run, and where they were taken."""
    device = "" if run is None else run.tags.get(DEVICE_TAG, "")
    lines: list[Line] = []
    for count in FRAMES_OF_INFERENCE:
        own = cells.missing(cells.NOT_MEASURED)
        if run is not None:
            key = f"inference_seconds_{count}"
            own = cells.ours(run.metrics.get(key), source=(run.run_id, key), absent=cells.NOT_MEASURED)
        value = None if theirs is None else getattr(theirs, f"seconds_{count}")
        where = f"s on {device}" if device and own.value is not None else "s"
        lines.append((f"Inference, {count} frames ({where})", own, cells.paper(value), 3))
    return lines
