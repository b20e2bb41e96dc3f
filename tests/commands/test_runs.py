"""`runs list`, and `latest` as a name wherever a run is asked for."""

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.commands.option_types import RunFolder, RunName
from orchestrator.errors import InputError
from orchestrator.planning.past_runs import latest_run, past_runs
from orchestrator.run_folder import PLAN_FILE, SUMMARY_FILE


def make(folder: Path, name: str, started: str | None, *, model: bool = False, **summary: Any) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    (made / PLAN_FILE).write_text(json.dumps({"method": "au", "started": started, "corpus": {"synthetic": True}}))
    if summary:
        (made / SUMMARY_FILE).write_text(json.dumps(summary))
    if model:
        (made / "model").mkdir()
        (made / "model" / "card.json").write_text("{}")
    return made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs by their plans' times, whose names are in another order, and what is none."""
    runs = tmp_path / "runs"
    best = {"network": "bigru"}
    make(runs, "b", "2026-01-03T00:00:00+00:00")
    make(runs, "c", "2026-01-02T00:00:00+02:00", model=True, status="finished", best=best, ccc_valence=0.5)
    make(runs, "a", "2026-01-01T23:30:00+00:00", status="interrupted", best=None, ccc_arousal=None)
    (runs / "report-1").mkdir()
    (runs / "a-file").write_text("")
    monkeypatch.chdir(tmp_path)
    return runs


def test_runs_are_in_the_order_in_which_they_began(place: Path) -> None:
    assert [one.folder.name for one in past_runs(place)] == ["b", "a", "c"]
    assert [one.status for one in past_runs(place)] == ["unfinished", "interrupted", "finished"]
    late = make(place, "late", None)
    os.utime(late / PLAN_FILE, (0, 2_000_000_000))  # in 2033
    (place / "a" / PLAN_FILE).write_text("{")
    assert past_runs(place)[0].folder == late
    assert {one.folder.name: one.status for one in past_runs(place)}["a"] == "damaged"


def test_a_damaged_run_is_never_the_latest(place: Path) -> None:
    """Its file's time is the moment of the damage; and what is known of its corpus is told."""
    (place / "c" / PLAN_FILE).write_text('{"method":')
    (place / "c" / SUMMARY_FILE).write_text(json.dumps({"status": "finished", "synthetic": True, "ccc_valence": 0.5}))
    (place / "a" / SUMMARY_FILE).write_text('{"status":')
    assert past_runs(place)[0].folder == place / "c"
    assert latest_run() == place / "b"
    with pytest.raises(InputError, match=r"none with model/card.json, and 1 with a damaged plan.json"):
        latest_run(with_file="model/card.json")
    listed = CliRunner().invoke(cli, ["runs", "list"]).output
    assert "3 runs in runs; latest is b" in listed
    assert "0.500*" in listed
    assert {one.folder.name: one.status for one in past_runs(place)} == {
        "a": "damaged",
        "b": "unfinished",
        "c": "damaged",
    }


def test_latest_is_the_run_that_began_last(place: Path) -> None:
    assert latest_run() == place / "b"
    assert latest_run(with_file="model/card.json") == place / "c"
    with pytest.raises(InputError, match=r"latest: found 3 runs in runs, none with x; expected the folder of a run"):
        latest_run(with_file="x")
    with pytest.raises(InputError, match="latest: found no run in "):
        latest_run(place / "report-1")


@pytest.mark.parametrize(
    ("words", "parameter", "expected"),
    [
        (["predict", "--model", "latest", "--input", "x"], "place", "c"),
        (["score", "--model", "latest", "--data", "x"], "place", "c"),
        (["export", "--model", "latest", "--format", "onnx", "--output", "x"], "place", "c"),
        (["benchmark", "inference", "--model", "latest"], "place", "c"),
        (["tune", "--resume", "latest"], "resume", "b"),
        (["track", "latest"], "directory", "b"),
        (["audit", "latest", "runs/a"], "runs", ("b", "runs/a")),
        (["tune", "--extend", "latest"], "extend", "b"),
        (["data", "forget", "P1", "--run", "latest"], "runs", ("b",)),
        (["compare", "latest", "runs/a"], "runs", ("b", "runs/a")),
        (["fuse", "latest", "runs/a", "--output", "x"], "runs", ("b", "runs/a")),
    ],
)
def test_every_command_that_takes_a_run_takes_latest(
    place: Path, words: list[str], parameter: str, expected: str | tuple[str, str]
) -> None:
    assert place.is_dir()
    group: click.Group = cli
    command = click.Command("")
    while words:
        name, *words = words
        command = group.commands[name]
        if not isinstance(command, click.Group):
            break
        group = command
    found = command.make_context(name, words).params[parameter]
    many = found if isinstance(found, tuple) else (found,)
    wanted = expected if isinstance(expected, tuple) else (expected,)
    assert [str(one) for one in many] == [str(place / one) if "/" not in one else one for one in wanted]


def test_a_folder_of_that_name_is_meant_itself(place: Path) -> None:
    (place.parent / "latest").mkdir()
    assert RunName().convert("latest", None, None) == "latest"
    assert RunFolder().convert("latest", None, None) == Path("latest")


def test_python_takes_latest_too(place: Path) -> None:
    from orchestrator import api

    assert api.load_run("latest").folder == place / "b"
    with pytest.raises(InputError, match="one run twice"):
        api.compare("latest", place / "b")


def test_report_takes_latest_by_its_id_in_mlflow(place: Path) -> None:
    """`report` reads the store, so that a folder stands for the id that it keeps; an id stays as it is."""
    command = cli.commands["report"]
    for name in ("latest", "runs/b"):
        (place / "b" / "tracking.json").write_text(json.dumps({"tracking_uri": "sqlite:///x.db", "run_id": "0a" * 16}))
        found = command.make_context("report", ["--run", name, "--run", "12ab"])
        assert found.params["runs"] == ("0a" * 16, "12ab")
    with pytest.raises(InputError, match=r"--run: found runs/a, not in MLflow; expected a run there"):
        command.make_context("report", ["--run", "runs/a"])


def test_fuse_refuses_one_run_twice(place: Path) -> None:
    done = CliRunner().invoke(cli, ["fuse", "latest", "runs/b", "--output", "fused"])
    assert place.is_dir()
    assert (done.exit_code, done.output) == (
        2,
        "error: fuse: found one input twice: runs/b; expected different runs or tables\n",
    )


def test_without_runs_latest_is_refused_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["tune", "--resume", "latest"])
    assert (done.exit_code, done.output) == (
        2,
        "error: latest: found no run in runs; expected the folder of a run\n",
    )
    done = CliRunner().invoke(cli, ["runs", "list"])
    assert (done.exit_code, done.output) == (0, "no run in runs\n")
    done = CliRunner().invoke(cli, ["runs", "list", "elsewhere"])
    assert done.exit_code == 2
    assert done.output.startswith("error: runs: found elsewhere: No such file or directory; expected a folder")


def test_the_list_says_what_came_of_each_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    lines = CliRunner().invoke(cli, ["runs", "list"]).output.splitlines()
    assert [line.split() for line in lines[3:]] == [
        ["b", "2026-01-03", "au", "unfinished"],
        ["a", "2026-01-01", "au", "interrupted"],
        ["c", "2026-01-01", "au", "finished", "bigru", "0.500*"],
        ["*", "of", "a", "SYNTHETIC", "corpus:", "says", "nothing", "about", "people"],
        ["3", "runs", "in", "runs;", "latest", "is", "b"],
    ]
    assert CliRunner().invoke(cli, ["runs", "list", str(place)]).output.splitlines()[-1] == f"3 runs in {place}"


def test_names_as_runs_get_them_fit_80_columns(place: Path) -> None:
    name, best = "tune-images-20261127-074852", {"network": "bilstm"}
    made = make(place, name, None, status="interrupted", best=best, ccc_valence=0.5, ccc_arousal=-0.25)
    (made / PLAN_FILE).write_text(json.dumps({"method": "images", "corpus": {"synthetic": True}}))
    lines = CliRunner().invoke(cli, ["runs", "list"]).output.splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [one for one in lines[:-1] if name in one]
    assert line.split()[2:] == ["images", "interrupted", "bilstm", "0.500*", "-0.250*"]
