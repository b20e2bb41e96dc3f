"""Reading what the project wrote: what is no JSON object is named, with its place."""

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.files import PARTIAL, beside, read_json, remove_partials


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n"a": 1,\n}', r"a\.json:3: found .*expected JSON"),
        (b"\xff{}", "bytes that are no text"),
        (b"[1]", "found a JSON list; expected a JSON object"),
        (None, "found No such file"),
    ],
)
def test_a_file_that_is_no_object_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "a.json")


def test_an_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}


def test_what_killed_processes_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    left = [beside(tmp_path / "table.csv", PARTIAL), beside(tmp_path / "trials" / "result.json", PARTIAL)]
    kept = [beside(tmp_path / "tracking.json", PARTIAL), tmp_path / ".mine.partial", tmp_path / "mine.partial"]
    for file in (*left, *kept):
        file.touch()
    remove_partials(tmp_path, but=("tracking.json",))
    assert [file for file in left if file.exists()] == []
    assert all(file.exists() for file in kept)
