"""The command `report`: from the address of a store to a folder of files."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import InputError
from orchestrator.files import write_bytes, write_text
from orchestrator.output_checks import check_output_folder
from orchestrator.protocols import head_in_words
from orchestrator.report.blocks import leads
from orchestrator.report.collect import Collection, collect
from orchestrator.report.configuration_points import points
from orchestrator.report.figures import draw_all, draw_measured
from orchestrator.report.figures.files import FORMATS
from orchestrator.report.queries import protocol_label
from orchestrator.report.rendering import Report, by_file
from orchestrator.report.search_record import Search
from orchestrator.report.tables import efficiency, method_comparison, optimism, paper_tables, privacy, repeats, results
from orchestrator.report.tables import searches as beyond_tables
from orchestrator.run_folder import FIGURES_FOLDER, new_folder
from orchestrator.tracking.address import public_address
from orchestrator.tracking.location import ARTIFACTS_NAME, database_path
from orchestrator.tracking.reader import StoreReader

TITLE = "Affect recognition: our searches beside the paper"
NOT_ALWAYS = ("privacy", "repeats", "failures")  # tables that some reports do not have
TABLES = ("results", "table-1", "table-2", "table-3", "table-4", "optimism", "measures", "comparisons", "searches")
FILES = {"report.html", "report.md", *(f"{name}.csv" for name in (*TABLES, *NOT_ALWAYS))}


def make_report(  # noqa: PLR0913 - the options of `report`
    tracking_uri: str,
    experiments: Sequence[str],
    runs: Sequence[str],
    output: Path,
    *,
    corpus: str | None = None,
    force: bool = False,
    price_per_hour: float | None = None,
) -> Collection:
    """Write the report of a store's searches of one corpus into `output` and return what it is about.

    Raises InputError and leaves everything as it was: a store that does not answer, an unknown experiment, run or
    corpus, an output folder in the store's own, or with something in it but an earlier report that `force` lets it
    replace.

    The searches are those of the store at `tracking_uri`, of its `experiments` and `runs` if some are named;
    `price_per_hour`, if given, adds what training costs.
    """
    check_output_folder("--output", output, inputs=store_of(tracking_uri))
    with _claimed(output, force=force):
        with TemporaryDirectory(prefix="report-") as folder:
            collection = collect(StoreReader(tracking_uri, Path(folder)), experiments, runs, corpus)
            content = by_file(compose(collection, tracking_uri, price_per_hour))
        _write(output, content)
    return collection


def compose(collection: Collection, tracking_uri: str, price_per_hour: float | None = None) -> Report:
    """Return the report of the searches found; a price per hour of training adds what each cost."""
    searches = collection.searches
    places = points(searches, collection.audits)
    tables = [
        results.results(places, searches, price_per_hour),
        paper_tables.table_1(searches),
        paper_tables.table_2(searches),
        efficiency.table_3(searches, collection.runs, places),
        paper_tables.table_4(searches),
        optimism.optimism(searches),
        beyond_tables.measures(searches),
        method_comparison.comparisons(searches),
        beyond_tables.listing(collection.listed),
    ]
    others = [privacy.privacy(places), repeats.repeats(searches), beyond_tables.failures(searches)]
    facts = [*_corpus_facts(collection), *_heads(searches)]
    details = [
        ("Made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("MLflow store", public_address(tracking_uri)),
        ("Searches", f"{len(searches)} reported of {len(collection.listed)} in the store"),
        ("Cells of the paper's tables", "ours | paper | ours − paper; ± is the standard deviation over the folds"),
    ]
    if any(one.synthetic for one in searches):
        details.append(("In brackets", "differences between a synthetic corpus and RECOLA; they mean nothing"))
    return Report(
        title=TITLE,
        facts=facts,
        details=details,
        leading="by-method",
        tables=[*tables, *(one for one in others if one is not None)],
        figures=[*draw_all(leads(searches)), *draw_measured(places, price_per_hour)],
        figure_files=True,
    )


def _heads(searches: Sequence[Search]) -> list[tuple[str, str]]:
    """Return what follows the recurrence in the searches where that has to be said."""
    found: dict[str, str] = {}
    for one in searches:
        words = head_in_words(one.plan["protocol"])
        if words is not None:
            found.setdefault(words, protocol_label(one))
    return [(f"Head, {label}", words) for words, label in found.items()]


def _corpus_facts(collection: Collection) -> list[tuple[str, str]]:
    if collection.corpus is None:
        return []
    facts = [("Corpus", collection.corpus.title)]
    if collection.others:
        words = "; ".join(f"{one.title}, finished searches: {one.searches}" for one in collection.others)
        facts.append(("Other corpora in the store", f"{words}. --corpus chooses one"))
    return facts


def store_of(tracking_uri: str) -> dict[str, Path | None]:
    """Return the files of a store on this machine."""
    database = database_path(tracking_uri)
    return {
        "the store": database,
        "the store's artifacts": None if database is None else database.parent / ARTIFACTS_NAME,
    }


@contextmanager
def _claimed(output: Path, *, force: bool) -> Iterator[None]:
    """Claim a new folder, an empty one, or by force an earlier report's; after a failure no new folder is left."""
    if not (output.is_dir() and _is_report(output)):
        with new_folder(output):  # before the store is read: that can take long
            yield
        return
    if not force:
        found = f"{output}, which holds a report"
        raise InputError.of("--output", found=found, expected="a new folder, or --force to replace the report")
    yield


def _is_report(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    pictures = folder / FIGURES_FOLDER
    own = not pictures.exists() or (pictures.is_dir() and all(_is_picture(path) for path in pictures.iterdir()))
    return own and {"report.html", "report.md"} <= names <= FILES | {FIGURES_FOLDER}


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.removeprefix(".") in FORMATS


def _write(output: Path, content: Mapping[str, str | bytes]) -> None:
    """Write all files aside, then put them in place, the page last; what is no more is removed."""
    names = [name for name in content if not name.startswith(f"{FIGURES_FOLDER}/")]
    assert set(names) <= FILES, set(names) - FILES
    try:
        with TemporaryDirectory(prefix=".report-", dir=output) as aside:
            for name, one in content.items():
                if isinstance(one, str):
                    write_text(Path(aside) / name, one)
                else:
                    write_bytes(Path(aside) / name, one)
            shutil.rmtree(output / FIGURES_FOLDER, ignore_errors=True)
            if len(names) < len(content):
                (Path(aside) / FIGURES_FOLDER).rename(output / FIGURES_FOLDER)
            for name in names:
                (Path(aside) / name).replace(output / name)
        for name in FILES - set(names):
            (output / name).unlink(missing_ok=True)
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a directory that can be written") from error
