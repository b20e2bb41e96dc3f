"""What a run leaves on disk and in MLflow keeps its keys, their order, and its numbers."""

import json
from pathlib import Path

import pytest

from orchestrator.files import json_text
from orchestrator.run_folder import RESULT_FILE, SUMMARY_FILE
from orchestrator.run_records import Summary, TrialResult
from tests import golden
from tests.old_runs import unpacked

KINDS: dict[str, type[TrialResult] | type[Summary]] = {RESULT_FILE: TrialResult, SUMMARY_FILE: Summary}


def flat(value: object, where: str = "") -> list[tuple[str, object]]:
    """Every value of a JSON text with its place, in the order of the text."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [(where, type(value).__name__), *(pair for key, one in items for pair in flat(one, f"{where}.{key}"))]
    return [(where, value)]


@pytest.mark.parametrize("method", golden.METHODS)
def test_a_fixed_run_leaves_what_it_left_before(method: str, tmp_path: Path) -> None:
    found = golden.texts(golden.run(method, tmp_path))
    for name, text in found.items():
        expected = flat(json.loads((golden.FOLDER / method / name).read_text()))
        own = flat(json.loads(text))
        assert [place for place, _ in own] == [place for place, _ in expected], name
        for (place, value), (_, before) in zip(own, expected, strict=True):
            # Two epochs differ between processors in the last bits of float32.
            close = pytest.approx(before, rel=1e-3, abs=1e-4) if isinstance(before, float) else before
            assert value == close, (name, place)


@pytest.mark.parametrize("method", golden.METHODS)
def test_records_and_metrics_are_those_of_the_files_byte_by_byte(method: str, tmp_path: Path) -> None:
    folder = golden.FOLDER / method
    for name, kind in KINDS.items():
        text = (folder / name).read_text()
        assert json_text(kind.from_json(json.loads(text), name).to_json()) == text
    uid = json.loads((folder / RESULT_FILE).read_text())["uid"]
    result = tmp_path / uid / RESULT_FILE
    result.parent.mkdir()
    result.write_text((folder / RESULT_FILE).read_text())
    metrics = golden.metrics({"started": golden.WHEN}, result, folder / SUMMARY_FILE)
    assert metrics == (folder / "metrics.json").read_text()


def test_records_of_older_runs_are_written_as_they_were_read(tmp_path: Path) -> None:
    files = [file for name in KINDS for file in unpacked(tmp_path).rglob(name)]
    assert len(files) > 4
    for file in files:
        record = KINDS[file.name].from_json(json.loads(file.read_text()), file)
        assert json_text(record.to_json()) == file.read_text(), file
        assert not record.newer
