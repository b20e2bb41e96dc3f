"""What the cache holds is listed by kind, and removed; nothing else in its folder is touched."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.corpora.cache import CACHE_VARIABLE, read_checked, write_checked
from orchestrator.corpora.cache_entries import KINDS, entries, remove_entries
from orchestrator.corpora.synthetic.tree import cached_synthetic
from orchestrator.errors import InputError
from orchestrator.files import locked

KEY, OTHER = "0123456789abcdef01234567", "fedcba9876543210fedcba98"
MIB = 2**20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of people's tables, frames and features, and files that are none of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    for name in (f"participants-{KEY}", f"frames-{KEY}", f"frames-{OTHER}", f".frames-{OTHER}.x1y2"):
        (folder / name).mkdir(parents=True)
        (folder / name / "content").write_bytes(bytes(MIB))
    write_checked(folder / f"features-{KEY}.safetensors", bytes(MIB), "features")
    (folder / f"frames-{KEY}.lock").write_text("")
    (folder / "frames-mine").write_text("a file of the user's")
    (folder / "thesis.tex").write_text("years")
    (folder / f"participants-{KEY} copy").mkdir()
    for path in folder.rglob("*"):
        os.utime(path, (0, 86_400 * 365))  # 1971-01-01
    os.utime(folder / f"frames-{KEY}" / "content", (0, 86_400 * 366))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_entries_have_all_that_belongs_to_them(place: Path) -> None:
    found = {(one.kind, one.key): one for one in entries(place)}
    assert set(found) == {("participants", KEY), ("frames", KEY), ("frames", OTHER), ("features", KEY)}
    assert found["frames", OTHER].num_bytes == 2 * MIB
    assert {path.name for path in found["frames", OTHER].paths} == {f"frames-{OTHER}", f".frames-{OTHER}.x1y2"}
    assert len(found["features", KEY].paths) == 2
    assert entries(place)[-1].written == 86_400 * 366
    assert entries(place / "none") == []
    with pytest.raises(InputError, match=f"{CACHE_VARIABLE}: found .*: Not a directory"):
        entries(place / "thesis.tex")


def test_the_list_says_what_there_is_of_people(place: Path) -> None:
    lines = CliRunner().invoke(cli, ["cache", "list"]).output.splitlines()
    assert lines == [
        f"cache     {place}: 4 entries, 5.0 MiB",
        f"participants 1 entry, 1.0 MiB, 1971-01-01: {KINDS['participants']}",
        f"frames       2 entries, 3.0 MiB, 1971-01-01 to 1971-01-02: {KINDS['frames']}",
        f"features     1 entry, 1.0 MiB, 1971-01-01: {KINDS['features']}",
    ]


def test_a_kind_is_removed_and_nothing_else(place: Path) -> None:
    before = names(place)
    done = CliRunner().invoke(cli, ["cache", "remove", "frames"])
    assert done.output == f"removed   2 entries, 3.0 MiB in {place}\n"
    gone = {f"frames-{KEY}", f"frames-{OTHER}", f".frames-{OTHER}.x1y2"}
    assert before - names(place) == gone
    assert names(place) - before == {f"frames-{OTHER}.lock"}
    CliRunner().invoke(cli, ["cache", "remove", "all"])
    assert {one for one in names(place) if not one.endswith(".lock")} == {
        "frames-mine",
        "thesis.tex",
        f"participants-{KEY} copy",
    }
    assert read_checked(place / f"features-{KEY}.safetensors", "features") is None
    assert CliRunner().invoke(cli, ["cache", "remove", "all"]).output == f"removed   nothing in {place}\n"
    assert CliRunner().invoke(cli, ["cache", "remove"]).exit_code == 2
    assert CliRunner().invoke(cli, ["cache", "remove", "faces"]).exit_code == 2


def test_what_is_being_written_stays(place: Path) -> None:
    with locked(place / f"frames-{KEY}.lock"):
        gone, busy = remove_entries(entries(place))
    assert [(one.kind, one.key) for one in busy] == [("frames", KEY)]
    assert len(gone) == 3
    assert (place / f"frames-{KEY}" / "content").is_file()


def test_the_embedded_corpus_is_one_of_them_and_is_made_anew(place: Path) -> None:
    made = cached_synthetic(participants=1, seconds=1.0)
    kinds = [one.kind for one in entries(place) if made in one.paths]
    assert kinds == ["synthetic"]
    remove_entries([one for one in entries(place) if one.kind == "synthetic"])
    assert not made.exists()
    assert cached_synthetic(participants=1, seconds=1.0) == made
    assert made.is_dir()


def test_a_link_is_removed_and_not_what_it_leads_to(place: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "content").write_text("x")
    (place / f"participants-{OTHER}").symlink_to(tmp_path / "far")
    remove_entries(entries(place))
    assert (tmp_path / "far" / "content").read_text() == "x"
    assert not (place / f"participants-{OTHER}").exists()


def test_clear_removes_everything_of_the_cache_only_with_consent(place: Path) -> None:
    before = names(place)
    refused = CliRunner().invoke(cli, ["cache", "clear"])
    assert refused.exit_code == 2
    assert "error: cache clear: found 4 entries, 5.0 MiB and nobody to ask; expected --yes" in refused.output
    assert names(place) == before
    done = CliRunner().invoke(cli, ["cache", "clear", "--yes"])
    assert done.exit_code == 0
    assert f"removed   4 entries, 5.0 MiB in {place}" in done.output
    assert entries(place) == []
    assert {"frames-mine", "thesis.tex", f"participants-{KEY} copy"} <= names(place)
    assert CliRunner().invoke(cli, ["cache", "clear"]).exit_code == 0
