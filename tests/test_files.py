"""Reading what the project wrote: what is no JSON object is named, with its place."""

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.files import read_json


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
