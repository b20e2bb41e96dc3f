"""`report` on what the product recorded: its numbers are those of MLflow and summary.json, its text is only text."""

import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.sizes import title_of
from orchestrator.errors import InputError
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.use_statement import STATEMENT
from orchestrator.protocols import DIMENSIONS
from orchestrator.report import make, paper
from orchestrator.report.figures import Figure
from orchestrator.report.rendering import BANNER, SYNTHETIC_ROW, escaped
from orchestrator.tracking import tracker
from orchestrator.tracking.client import connect, open_to_read
from tests.conftest import LEFT_OPEN, ROOT, Run, read_summary
from tests.report.conftest import FORMULA, NASTY, Store
from tests.report.page import Page

pytestmark = LEFT_OPEN
TABLES = ("results", "table-1", "table-2", "table-3", "table-4", "optimism", "measures", "comparisons", "searches")
HARMLESS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "nav", "main", "section", "div", "p"),
    *("h1", "h2", "dl", "dt", "dd", "ul", "ol", "li", "a", "b", "strong", "span", "sup", "figure", "figcaption", "img"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}


def write(store: Store, output: Path, *, runs: tuple[str, ...] = ()) -> Page:
    make.make_report(store.uri, (), runs, output, force=True)
    return Page((output / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the reports of the module's fixtures, which are made before, are drawn: pictures have their own tests."""
    monkeypatch.setattr(make, "draw_all", lambda _: ())


@pytest.fixture(scope="module")
def synthetic_output(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report") / "synthetic"
    write(synthetic_store, output)
    return output


@pytest.fixture(scope="module")
def synthetic(synthetic_output: Path) -> Page:
    return Page((synthetic_output / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def odd_output(odd_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report") / "odd"
    write(odd_store, output)
    return output


def parent_runs(store: Store) -> dict[str, dict[str, Any]]:
    """The summaries of a store's searches, by the id of their run."""
    found = {}
    for output in store.outputs.values():
        identity = tracker.tracking_identity(output)
        assert identity is not None
        found[identity["run_id"]] = read_summary(output)
    return found


def in_summary(summary: dict[str, Any], key: str) -> float:
    """The number of summary.json that a metric of the parent run is a copy of."""
    baseline, _, measure = key.partition("_ccc_")
    if baseline in summary["baseline"]:
        return float(summary["baseline"][baseline][f"ccc_{measure}"])
    if key.startswith("trials_"):
        return float(summary["trials"][key.removeprefix("trials_")])
    if key == "training_minutes":
        return float(summary["training_seconds"]) / 60
    return float(summary[key])


def test_every_number_is_that_of_mlflow_and_of_the_summary(synthetic: Page, synthetic_store: Store) -> None:
    client, summaries = open_to_read(synthetic_store.uri), parent_runs(synthetic_store)
    seen: dict[str, set[str]] = {"parent": set(), "metric": set(), "param": set()}
    for cell in synthetic.cells():
        if "data-run" not in cell.attributes:
            continue
        run_id, key = cell.attributes["data-run"], cell.attributes["data-key"]
        run = client.get_run(run_id)
        if key in run.data.params and key not in run.data.metrics:
            assert cell.value == float(run.data.params[key]), key
            seen["param"].add(key)
            continue
        assert cell.value == run.data.metrics[key], key
        seen["metric"].add(key)
        if "data-sd" in cell.attributes:
            assert float(cell.attributes["data-sd"]) == run.data.metrics[f"{key}_sd"]
        if run_id in summaries:
            assert cell.value == in_summary(summaries[run_id], key), key
            seen["parent"].add(key)
    assert {"ccc_valence", "ccc_corrected_arousal", "ccc_window_valence", "ridge_ccc_arousal"} < seen["parent"]
    assert {"training_minutes", "model_size_mib", "trials_finished", "ccc_participant_valence"} < seen["parent"]
    assert seen["param"] == {"learning_rate", "hidden_size", "sequence_length", "num_layers"}


def test_what_is_read_is_the_value_rounded(synthetic: Page) -> None:
    checked = 0
    for cell in synthetic.cells():
        if "data-value" in cell.attributes and re.fullmatch(r"\(?[−+]?\d+\.\d+\)?", cell.text):
            decimals = len(cell.text.strip("()").split(".")[1])
            shown = float(cell.text.strip("()").replace("−", "-"))
            assert abs(shown - cell.value) <= 0.5 * 10**-decimals + 1e-12, cell
            checked += 1
    assert checked > 50


def test_differences_are_ours_minus_the_papers(synthetic: Page) -> None:
    published = {(paper.METHOD_NAMES[row.method], row.network): row for row in paper.TABLE_2}
    checked, method, baselines = 0, "", set()
    for row in synthetic.tables["table-2"].rows:
        if not row:
            continue
        method = row["method"].text or method
        if row["network"].text.startswith("baseline "):
            baselines.add(row["network"].text.removeprefix("baseline "))
            cells = [row[f"{dimension}_{part}"] for dimension in DIMENSIONS for part in ("ours", "paper", "difference")]
            assert ["data-value" in cell.attributes for cell in cells] == [True, False, False] * 2
            continue
        network = {title_of(name): name for name in paper.NETWORKS}[row["network"].text]
        for dimension in ("valence", "arousal"):
            theirs = row[f"{dimension}_paper"]
            if (method, network) not in published:
                assert theirs.text == "–"
                continue
            assert theirs.value == getattr(published[method, network], dimension)
            if "data-value" in row[f"{dimension}_ours"].attributes:
                expected = row[f"{dimension}_ours"].value - theirs.value
                assert row[f"{dimension}_difference"].value == expected
                assert row[f"{dimension}_difference"].text == f"({expected:+.3f})".replace("-", "−")
                checked += 1
    assert checked == 6  # au: two networks described, one strict
    assert baselines == set(BASELINES)


def test_a_nested_search_of_one_network_has_the_summarys_score_in_table_two(
    synthetic: Page, synthetic_store: Store
) -> None:
    summary = read_summary(synthetic_store.outputs["strict"])
    (row,) = [
        row
        for row in synthetic.tables["table-2"].rows
        if row and row["protocol"].text.startswith("strict") and row["network"].text == "RNN"
    ]
    for dimension in ("valence", "arousal"):
        assert row[f"{dimension}_ours"].value == pytest.approx(summary[f"ccc_{dimension}"], abs=1e-12)
        sd = float(row[f"{dimension}_ours"].attributes["data-sd"])
        assert sd == pytest.approx(summary[f"ccc_{dimension}_sd"], abs=1e-12)


def test_the_ceiling_is_the_raters_and_unknown_for_a_federation(synthetic: Page, synthetic_store: Store) -> None:
    summary = read_summary(synthetic_store.outputs["units"])
    agreement, raters = summary["rater_agreement"], summary["raters"]
    rows = {
        (row["protocol"].text, row["dimension"].text, "data-value" in row["raters"].attributes): row
        for row in synthetic.tables["measures"].rows
        if row
    }
    described = next(protocol for protocol, _, known in rows if known and protocol.startswith("described"))
    for dimension in ("valence", "arousal"):
        row = rows[described, dimension, True]
        assert row["raters"].value == agreement[dimension]
        assert row["ceiling"].value == raters[dimension]["ceiling"]["value"] > agreement[dimension]
        assert row["share"].value == row["frame"].value / raters[dimension]["ceiling"]["value"]
        assert rows[described, dimension, False]["ceiling"].text == "not recorded"
        assert rows[described, dimension, False]["raters"].text == "not recorded"  # fl-au


def test_the_optimism_is_the_difference_to_strict_where_only_the_protocol_differs(synthetic: Page) -> None:
    rows = [row for row in synthetic.tables["optimism"].rows if row]
    au = [row for row in rows if "data-value" in row["strict_reported"].attributes]
    assert len(au) == 2
    for row in au:
        assert row["published_reported"].text == "not run"
        assert row["described_optimism"].text == "not alike"  # bigru was searched in one of the two only
    assert "tune --method au --protocol published" in synthetic.text


def test_inference_is_not_measured_until_it_is(odd_store: Store, tmp_path: Path) -> None:
    """What `benchmark inference --record` writes: two metrics and a tag of the search's run."""
    shutil.copytree(odd_store.outputs["odd"].parent, tmp_path / "store", symlinks=True)
    store = Store(uri=f"sqlite:///{tmp_path}/store/mlflow.db", outputs={})
    identity = tracker.tracking_identity(odd_store.outputs["odd"])
    assert identity is not None
    client = open_to_read(store.uri)
    for measured in (False, True):
        if measured:
            client.log_metric(identity["run_id"], "inference_seconds_100", 1 / 3)
            client.set_tag(identity["run_id"], "inference_device", NASTY)
        page = write(store, tmp_path / "report")
        rows = [row for row in page.tables["table-3"].rows if row]
        found = [row for row in rows if row["quantity"].text.startswith("Inference, 100")]
        own = [row["value_ours"] for row in found if "data-value" in row["value_ours"].attributes]
        assert [cell.value for cell in own] == ([1 / 3] if measured else [])
        assert any(NASTY in row["quantity"].text for row in rows) == measured
        assert {row["value_ours"].text for row in found} - {"0.333"} == (set() if measured else {"not measured"})


def test_a_missing_method_says_what_would_run_it(synthetic: Page, odd_output: Path) -> None:
    """The command names the recordings that a search was given, made ones too, and how they were read and scored."""
    (words,) = [line for line in synthetic.text.splitlines() if "--method images" in line]
    assert re.search(r"--method images --data \S+ --folds 3 \(needs a video", words)
    odd = Page((odd_output / "report.html").read_text(encoding="utf-8"))
    (words,) = [line for line in odd.text.splitlines() if "--method images" in line]
    assert re.search(r"--method images --data '.*<img src=x onerror=alert\(1\)>.csv' --folds 3 \(needs a video", words)


def test_the_statement_of_use_is_at_the_foot(synthetic_output: Path) -> None:
    page = (synthetic_output / "report.html").read_text(encoding="utf-8")
    assert page.split("</main>")[1].count(STATEMENT) == 1
    assert (synthetic_output / "report.md").read_text(encoding="utf-8").endswith(f"\n\n{escaped(STATEMENT)}\n")


def test_a_synthetic_corpus_is_on_every_page_and_table_and_a_real_one_is_not(
    synthetic: Page, synthetic_output: Path, odd_output: Path
) -> None:
    assert {name for name, table in synthetic.tables.items() if BANNER in table.caption} == set(TABLES)
    markdown = (synthetic_output / "report.md").read_text(encoding="utf-8")
    assert markdown.count(BANNER) == 1 + len(TABLES)
    for name in TABLES:
        with (synthetic_output / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["corpus"] for row in rows} <= {SYNTHETIC_ROW, ""}
        assert any(row["corpus"] == SYNTHETIC_ROW for row in rows), name
    odd = Page((odd_output / "report.html").read_text(encoding="utf-8"))
    for name in ("table-1", "table-2", "table-3", "table-4"):
        assert BANNER not in odd.tables[name].caption
        assert SYNTHETIC_ROW not in (odd_output / f"{name}.csv").read_text(encoding="utf-8")
        # Nor is a table of one's own people compared with RECOLA's.
        cells = [cell for row in odd.tables[name].rows for key, cell in row.items() if key.endswith("_difference")]
        assert cells
        assert {cell.text for cell in cells} == {"–"}


def test_csv_has_the_full_values(synthetic_output: Path, synthetic_store: Store) -> None:
    summary = read_summary(synthetic_store.outputs["units"])
    with (synthetic_output / "measures.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "Action Units"]
    described = [row for row in rows if row["protocol"].startswith("described")]
    assert [float(row["frame"]) for row in described] == [summary["ccc_valence"], summary["ccc_arousal"]]
    assert [float(row["frame_sd"]) for row in described] == [summary["ccc_valence_sd"], summary["ccc_arousal_sd"]]


def test_an_odd_experiment_is_right_and_harmless(odd_output: Path, odd_store: Store) -> None:
    page = Page((odd_output / "report.html").read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.tags} <= HARMLESS
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on") or key == "style"]
    assert all(
        attributes["src"].startswith("data:image/svg+xml;base64,") for tag, attributes in page.tags if tag == "img"
    )
    # The names are there, as text.
    names = [row["name"].text for row in page.tables["searches"].rows if row]
    assert any(NASTY in name for name in names)
    (failure,) = [row for row in page.tables["failures"].rows if row]
    assert failure["reason"].text == FORMULA
    notes = {row["name"].text: row["note"].text for row in page.tables["searches"].rows if row}
    assert sorted(notes.values()) == ["no configuration finished", "reported", "still running, or broken off"]
    markdown = (odd_output / "report.md").read_text(encoding="utf-8")
    assert "<img" not in markdown
    assert "<script" not in markdown
    assert len({line.count("|") - line.count("\\|") for line in markdown.splitlines() if FORMULA[:10] in line}) <= 2
    with (odd_output / "failures.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reason"] == f"'{FORMULA}"  # a spreadsheet shows it and computes nothing
    summary = read_summary(odd_store.outputs["odd"])
    cells = [
        row["valence_ours"]
        for row in page.tables["table-4"].rows
        if row and "data-run" in row["valence_ours"].attributes
    ]
    assert {cell.value for cell in cells} == {summary["ccc_valence"]}


def test_the_page_allows_its_own_style_and_nothing_from_outside(odd_output: Path, synthetic_output: Path) -> None:
    for output in (odd_output, synthetic_output):
        text = (output / "report.html").read_text(encoding="utf-8")
        page = Page(text)
        (policy,) = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        assert policy.split("; ")[:3] == ["default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:"]
        order = [tag for tag, attributes in page.tags if tag == "style" or "http-equiv" in attributes]
        assert order == ["meta", "style"]
        for _, attributes in page.tags:
            for key in ("href", "src"):
                assert attributes.get(key, "#").startswith(("#", "data:", "figures/"))  # beside the page
        assert "url(" not in page.style
        assert "@import" not in page.style


def test_figures_are_pictures_without_a_life_of_their_own(
    odd_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script><text>{NASTY}</text></svg>"
    figure = Figure(name="traces", title=f'"{NASTY}', caption=FORMULA, svg=svg)
    monkeypatch.setattr(make, "draw_all", lambda _: (figure,))
    page = write(odd_store, tmp_path / "report")
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).decode() == svg
    assert image["alt"] == f'"{NASTY}. {FORMULA}'
    assert {tag for tag, _ in page.tags} <= HARMLESS


def test_named_runs_are_reported_instead_of_the_latest(synthetic_store: Store, tmp_path: Path) -> None:
    identity = tracker.tracking_identity(synthetic_store.outputs["strict"])
    assert identity is not None
    page = write(synthetic_store, tmp_path / "report", runs=(identity["run_id"][:10],))
    notes = [row["note"].text for row in page.tables["searches"].rows if row]
    assert sorted(notes) == ["not asked for", "not asked for", "reported"]
    for run, words in (
        ("0123456789", "the run id of one search"),
        (identity["run_id"][:2], "the run id of one search"),
    ):
        with pytest.raises(InputError, match=words):
            make.make_report(synthetic_store.uri, (), (run,), tmp_path / "other")


def test_the_latest_of_a_method_and_protocol_is_reported(odd_store: Store, tmp_path: Path) -> None:
    """A search again: the earlier one is listed with the id of the one that took its place."""
    store = tmp_path / "store"
    shutil.copytree(odd_store.outputs["odd"].parent, store, symlinks=True)
    again = tmp_path / "again"
    shutil.copytree(odd_store.outputs["odd"], again)
    (again / "tracking.json").unlink()
    plan = json.loads((again / "plan.json").read_text())
    (again / "plan.json").write_text(json.dumps(plan | {"started": "2035-01-01T00:00:00+00:00", "name": "again"}))
    uri = f"sqlite:///{store}/mlflow.db"
    assert tracker.write_missing(again, uri).complete
    page = write(Store(uri=uri, outputs={}), tmp_path / "report")
    notes = {row["name"].text: row for row in page.tables["searches"].rows if row}
    (new,) = [row for name, row in notes.items() if name.startswith("again:")]
    assert new["note"].text == "reported"
    (old,) = [row["note"].text for name, row in notes.items() if NASTY in name]
    assert old == f"{new['run'].text} is reported for this method and protocol"


def test_a_store_that_was_moved_is_read_whole(odd_store: Store, odd_output: Path, tmp_path: Path) -> None:
    """The recorded addresses of the artifacts are those of another machine."""
    original = odd_store.outputs["odd"].parent
    (tmp_path / "moved").mkdir()
    shutil.copy(original / "mlflow.db", tmp_path / "moved")
    shutil.copytree(original / "artifacts", tmp_path / "moved" / "artifacts")
    hidden = original.with_name("hidden")
    original.rename(hidden)
    try:
        write(Store(uri=f"sqlite:///{tmp_path}/moved/mlflow.db", outputs={}), tmp_path / "report")
    finally:
        hidden.rename(original)
    for name in ("table-2.csv", "measures.csv", "comparisons.csv"):
        assert (tmp_path / "report" / name).read_text() == (odd_output / name).read_text()


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("summary.json", None, "summary.json is not in the store"),
        ("plan.json", "{", "plan.json cannot be read"),
        ("summary.json", '{"best": NaN}', "summary.json cannot be read: summary.json: found NaN"),
        ("summary.json", '{"status": "finished", "best": 3}', "summary.json: best: found 3; expected"),
        ("summary.json", '{"status": "finished", "best": null}', "no configuration finished"),
        ("plan.json", "[1]", "plan.json cannot be read: plan.json: found a JSON list"),
        ("plan.json", "{}", "is not of this project"),
    ],
)
def test_artifacts_that_are_gone_or_broken_are_said(
    odd_store: Store, tmp_path: Path, name: str, content: str | None, note: str
) -> None:
    original = odd_store.outputs["odd"].parent
    shutil.copy(original / "mlflow.db", tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    identity = tracker.tracking_identity(odd_store.outputs["odd"])
    assert identity is not None
    artifacts = tmp_path / "artifacts" / identity["run_id"] / "artifacts"
    shutil.copytree(original / "artifacts" / identity["run_id"] / "artifacts", artifacts)
    original_artifacts = original / "artifacts"
    original_artifacts.rename(original / "elsewhere")
    try:
        (artifacts / name).unlink() if content is None else (artifacts / name).write_text(content)
        page = write(Store(uri=uri, outputs={}), tmp_path / "report")
    finally:
        (original / "elsewhere").rename(original_artifacts)
    assert any(note in row["note"].text for row in page.tables["searches"].rows if row)
    assert "table-2" not in page.tables
    assert "Not run, in table-2.csv only: Raw Images; Action Units; Federated Learning" in page.text


def test_a_folder_that_no_report_wrote_is_left_alone(odd_store: Store, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    output.mkdir()
    (output / "thesis.csv").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        make.make_report(odd_store.uri, (), (), output)
    assert [path.name for path in output.iterdir()] == ["thesis.csv"]
    write(odd_store, tmp_path / "report")
    with pytest.raises(InputError, match="--force to replace the report"):
        make.make_report(odd_store.uri, (), (), tmp_path / "report")
    make.make_report(odd_store.uri, (), (), tmp_path / "report", force=True)  # its own is written anew
    (tmp_path / "report" / "thesis.csv").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        make.make_report(odd_store.uri, (), (), tmp_path / "report")


def test_bad_options_are_named(odd_store: Store, run_here: Run, tmp_path: Path) -> None:
    for words, said in (
        (("--tracking-uri", f"sqlite:///{tmp_path}/none.db"), "--tracking-uri: found no database at"),
        (("--tracking-uri", odd_store.uri, "--experiment", "affect-xyz"), "--experiment: found 'affect-xyz'"),
        (("--tracking-uri", odd_store.uri, "--run", "nonsense"), "--run: found 'nonsense'"),
        (("--tracking-uri", "http://127.0.0.1:9"), "--tracking-uri: found http://127.0.0.1:9"),
    ):
        done = run_here("report", *words, "--output", tmp_path / "report")
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert not (tmp_path / "report").exists()
    assert not (tmp_path / "none.db").exists()


def test_a_report_that_fails_leaves_everything_as_it_was(
    odd_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(f"sqlite:///{tmp_path}/empty.db").create_experiment("somebody-else-s")
    stores = ((f"sqlite:///{tmp_path}/none.db", ()), (f"sqlite:///{tmp_path}/empty.db", ()), (odd_store.uri, ("xyz",)))
    own = tmp_path / "own"
    own.mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    for uri, experiments in stores:
        for output in (tmp_path / "new" / "report", own):
            with pytest.raises(InputError):
                make.make_report(uri, experiments, (), output)
            assert sorted(path.name for path in tmp_path.iterdir()) == before
            assert not list(own.iterdir())
    # A disk that fills up half-way: neither half a report nor one of two ages.
    write(odd_store, tmp_path / "report")
    texts = {path: path.read_text() for path in (tmp_path / "report").iterdir()}
    written: list[Path] = []

    def fill_up(path: Path, text: str) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.write_text("anew " + text)

    monkeypatch.setattr(make, "write_text", fill_up)
    for output in (tmp_path / "report", tmp_path / "new" / "report"):
        written.clear()
        with pytest.raises(InputError, match="No space left"):
            make.make_report(odd_store.uri, (), (), output, force=True)
        assert len(written) == 3
    assert {path: path.read_text() for path in (tmp_path / "report").iterdir()} == texts
    assert not (tmp_path / "new").exists()


def test_the_command_needs_neither_torch_nor_ray(synthetic_store: Store, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom orchestrator.cli import cli\n"
        f"cli(['report', '--tracking-uri', {synthetic_store.uri!r}, '--output', 'out'], standalone_mode=False)\n"
        "print(sorted({'torch', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
    assert {path.name for path in tmp_path.iterdir()} <= {"out", ".config", ".cache"}  # no mlruns
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html",
        "report.md",
        "figures",
        *(f"{n}.csv" for n in TABLES),
    }
