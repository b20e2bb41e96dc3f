"""`report --summary`: one page for people who decide, from the same store and in the same style as the report."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import InputError
from orchestrator.files import write_text
from orchestrator.output_checks import check_output
from orchestrator.report.collect import Collection, collect
from orchestrator.report.configuration_points import points
from orchestrator.report.figures import draw_measured
from orchestrator.report.make import store_of
from orchestrator.report.rendering import Report, as_html
from orchestrator.report.search_record import Search
from orchestrator.report.tables.privacy_price import privacy_price
from orchestrator.report.tables.summary import summary
from orchestrator.tracking.reader import StoreReader

OPTION = "--summary"
TITLE = "Affect recognition: accuracy, privacy and cost"
FILE_NAME = "summary.html"
USE = "research use only; no legal advice"
NO_FIGURE = "not drawn: no configuration has both accuracy and privacy measured"


def page_path(given: Path) -> Path:
    """Return the page's file: the given one if its name ends in .html, else `summary.html` in the given folder."""
    return given if given.suffix.lower() == ".html" and not given.is_dir() else given / FILE_NAME


def make_summary(  # noqa: PLR0913 - the options of `report`
    tracking_uri: str,
    experiments: Sequence[str],
    runs: Sequence[str],
    path: Path,
    *,
    corpus: str | None = None,
    force: bool = False,
    price_per_hour: float | None = None,
) -> Collection:
    """Write the page about the searches of a store to `path`, as the report takes them; return what it is about.

    `tracking_uri`, `experiments`, `runs`, `corpus` and `price_per_hour` as of `make_report`.
    Raises InputError: as `make_report` for the store and the searches; for a file that exists unless `force`, for one
    that is the store's, and for one that cannot be written.
    """
    check_output(OPTION, path, inputs=store_of(tracking_uri), force=force)
    with TemporaryDirectory(prefix="report-") as folder:
        collection = collect(StoreReader(tracking_uri, Path(folder)), experiments, runs, corpus)
        text = as_html(compose(collection, price_per_hour))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise InputError.of(OPTION, found=found, expected="a file that can be written") from error
    return collection


def _people(searches: Sequence[Search]) -> list[tuple[str, str]]:
    """Return how many people were recorded; an interval may be over fewer, whose labels say something."""
    counts = sorted({int(one.plan["corpus"].get("participants") or 0) for one in searches} - {0})
    return [("People", " or ".join(map(str, counts)))] if counts else []


def compose(collection: Collection, price_per_hour: float | None = None) -> Report:
    """Return the page's content: a table, its rows compared, the figure if there is one, and what the words mean."""
    found = points(collection.searches, collection.audits)
    figures = draw_measured(found, price_per_hour)
    facts = [("Use", USE), ("Made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))]
    facts += [] if collection.corpus is None else [("Recordings", collection.corpus.title)]
    facts += _people(collection.searches)
    facts += [] if figures else [("Figure", NO_FIGURE)]
    tables = [summary(found, price_per_hour), privacy_price(found)]
    return Report(
        title=TITLE,
        facts=facts,
        tables=[one for one in tables if one is not None],
        figures=figures,
        contradictions=False,
    )
