"""`data forget`: a person's copies leave the cache, others' stay; what stays in runs is listed."""

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.corpora.cache import CACHE_VARIABLE, write_checked
from orchestrator.corpora.person_copies import copies_of
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.clients import make_clients
from orchestrator.evaluation.person_traces import FRAMES, NAMED, ROWS, UNREADABLE, WEIGHTS, traces
from orchestrator.files import locked, sha256_of
from orchestrator.protocols import DESCRIBED
from tests.corpora.writers import three_people, write_table

KEY = "0123456789abcdef01234567"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two people's tables, pictures and features, and no runs beside it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.chdir(tmp_path)
    for name in (f"participants-{KEY}", f"frames-{KEY}", f"synthetic-{KEY}"):
        (folder / name).mkdir(parents=True)
    (folder / f"frames-{KEY}" / "images.u8").write_bytes(b"face")
    (folder / f"synthetic-{KEY}" / "P1.csv").write_text("nobody")
    for number, name in enumerate(("P1", "P16")):
        write_checked(folder / f"participants-{KEY}" / f"{number}.parquet", name.encode(), f"abc {name}")
    write_checked(folder / f"features-{KEY}.safetensors", b"features", "features")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that held P1 out in one fold and trained on P1 in others."""
    folder = tmp_path / "runs" / "one"
    trial = folder / "trials" / "aaaa"
    for made in (folder / "model", trial / "checkpoint" / "0", folder / "figures"):
        made.mkdir(parents=True)
    texts = {
        "plan.json": {"method": "au"},
        "summary.json": {"participants": [{"participant": "P1"}]},
        "curves.json": {"rnn": [0.1]},
        "tracking.json": {"tracking_uri": "sqlite:///x.db", "run_id": "abab"},
        "model/card.json": {"folds": [{"held_out": ["P1", "P2"]}]},
        "trials/aaaa/result.json": {"folds": [{"moments": {"P1": [1]}}]},
        "trials/bbbb.json": {"folds": [{"moments": {"P16": [1]}}]},
    }
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content))
    for name in ("model/model.safetensors", "trials/aaaa/predictions.safetensors", "trials/aaaa/checkpoint/0/state"):
        (folder / name).write_bytes(b"\0 P1 \xff")
    for name in ("au-traces.svg", "au-agreement.pdf", "by-method.png", "au-learning.svg"):
        (folder / "figures" / name).write_text("<svg/>")
    (folder / "run.log").write_text("reading P16\nclient P1: gone\n")
    pq.write_table(pa.table({"participant": ["P1", "P2"], "session": ["", ""]}), folder / "predictions.parquet")
    return folder


def forget(*words: object) -> Result:
    return CliRunner().invoke(cli, ["data", "forget", *map(str, words)])


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def contents(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in names(folder)}


def test_a_person_leaves_the_cache_and_others_stay(place: Path) -> None:
    done = forget("P1", "--yes")
    assert done.exit_code == 0, done.output
    table = f"participants-{KEY}/1.parquet"
    assert names(place) == {table, f"{table}.sha256", f"synthetic-{KEY}/P1.csv"}
    removed = [line.split()[1].rstrip(":") for line in done.output.splitlines() if line.startswith("removes ")]
    assert {str(Path(one).relative_to(place)) for one in removed} == {
        f"participants-{KEY}/0.parquet",
        f"participants-{KEY}/0.parquet.sha256",
        f"frames-{KEY}",
        f"features-{KEY}.safetensors",
        f"features-{KEY}.safetensors.sha256",
    }
    assert "not removed  trained weights" in done.output
    assert "the cache holds nothing of this person" in forget("P1").output


def test_tables_that_do_not_say_whose_they_are_go_too(place: Path) -> None:
    folder = place / f"participants-{KEY}"
    (folder / "1.parquet.sha256").write_text("{")
    (folder / ".2.parquet.partial").write_bytes(b"half of somebody")
    write_checked(folder / "3.parquet", b"P3", "abc P3")
    ((_, own),) = copies_of("P1").tables
    assert {path.name for path in own} == {
        ".2.parquet.partial",
        *("0.parquet", "0.parquet.sha256", "1.parquet", "1.parquet.sha256"),
    }


def test_the_tables_of_a_federation_s_clients_are_found_and_made_anew(place: Path, tmp_path: Path) -> None:
    people = [dataclasses.replace(one, participant=f"A {one.participant}") for one in three_people(num_rows=40)]
    corpus = open_corpus(write_table(tmp_path / "own.parquet", people))
    clients = make_clients(corpus, DESCRIBED, None)
    forget(corpus.participants[1], "--yes")
    left = sorted(path.name for path in (place / f"participants-{corpus.sha256[:24]}").iterdir())
    assert left == ["0.parquet", "0.parquet.sha256", "2.parquet", "2.parquet.sha256"]
    assert make_clients(corpus, DESCRIBED, None) == clients


def test_nothing_is_removed_unasked(place: Path) -> None:
    before = contents(place)
    done = forget("P1")
    assert done.exit_code == 2
    assert "5 paths to remove or change and nobody to ask; expected --yes" in done.output
    assert contents(place) == before


@pytest.mark.parametrize("answer", ["n", "y"])
def test_at_a_terminal_the_answer_decides(place: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    before = names(place)
    monkeypatch.setattr("orchestrator.commands.forget._at_a_terminal", lambda: True)
    done = CliRunner().invoke(cli, ["data", "forget", "P1"], input=f"{answer}\n")
    assert done.exit_code == 0, done.output
    assert (names(place) == before) == (answer == "n")
    assert ("nothing was removed" in done.output) == (answer == "n")


def test_what_another_process_writes_is_kept_and_said(place: Path) -> None:
    with locked(place / f"participants-{KEY}.lock", wait_seconds=0):
        done = forget("P1", "--yes")
    assert done.exit_code == 1
    assert f"kept      {place}/participants-{KEY}/0.parquet, where another process is at work" in done.output
    assert (place / f"participants-{KEY}" / "0.parquet").is_file()
    assert not (place / f"frames-{KEY}").exists()


@pytest.mark.usefixtures("place")
def test_what_of_a_run_stays_is_listed_path_by_path(run: Path) -> None:
    (run / "notes.txt").write_text("P1 was late")
    done = forget("P1", "--yes")
    assert done.exit_code == 0, done.output
    assert f"not removed  {run / 'notes.txt'}: {NAMED}\n" in done.output
    assert f"not removed  {run / 'model/model.safetensors'}: {WEIGHTS}\n" in done.output
    assert {path.name for path in (run / "figures").iterdir()} == {"au-learning.svg"}
    assert "MLflow's copies at sqlite:///x.db, run abab " in done.output
    assert f"not removed  {run / 'summary.json'}" not in done.output
    for name in ("curves.json", "plan.json", "bbbb.json"):
        assert name not in done.output


def test_the_traces_of_a_person_in_a_run(run: Path) -> None:
    found = {one.path.relative_to(run): one.what for one in traces(run, "P1")}
    for name in ("summary.json", "model/card.json", "trials/aaaa/result.json", "run.log"):
        assert found[Path(name)] == NAMED
    assert found[Path("predictions.parquet")] == ROWS
    assert found[Path("trials/aaaa/predictions.safetensors")] == FRAMES
    for name in ("model/model.safetensors", "trials/aaaa/checkpoint/0/state"):
        assert found[Path(name)] == WEIGHTS
    assert Path("figures/au-traces.svg") in found


def test_a_run_without_the_person_has_nothing_of_them(run: Path) -> None:
    assert traces(run, "P3") == []
    assert [one.path.name for one in traces(run, "P16") if one.what == NAMED] == ["run.log", "bbbb.json"]


def test_what_cannot_be_read_is_listed(run: Path) -> None:
    (run / "moments.json").write_text("{")
    (run / "predictions.parquet").write_bytes(b"PAR1")
    assert [(one.path.name, one.what) for one in traces(run, "P3")] == [
        ("moments.json", UNREADABLE),
        ("predictions.parquet", UNREADABLE),
    ]


def test_trials_behind_a_link_are_looked_through(run: Path, tmp_path: Path) -> None:
    shared = (run / "trials").rename(tmp_path / "shared")
    (run / "trials").symlink_to(shared)
    assert shared / "aaaa" / "result.json" in {one.path for one in traces(run, "P1")}


def test_a_folder_above_the_run_says_nothing_of_its_files(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "packs" / "checkpoint"
    moved.parent.mkdir()
    run.rename(moved)
    assert [one.what for one in traces(moved, "P1") if one.path.name == "summary.json"] == [NAMED]


def test_bad_input_is_one_line(place: Path, tmp_path: Path) -> None:
    before = contents(place)
    done = forget("P1", "--yes", "--run", tmp_path)
    assert (done.exit_code, done.output) == (
        2,
        f"error: --run: found {tmp_path} without plan.json; expected the folder of a run\n",
    )
    assert forget(" ", "--yes").output == "error: PARTICIPANT: found an empty name; expected the id of a participant\n"
    assert contents(place) == before
