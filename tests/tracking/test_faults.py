"""MLflow that misbehaves: slow and wrong servers, foreign databases, deleted runs, full disks, killed processes."""
# ruff: noqa: F811

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.files import locked
from orchestrator.report.collect import collect
from orchestrator.run_folder import TRACKING_LOCK
from orchestrator.tracking import limits as tracking_limits
from orchestrator.tracking import location, ui
from orchestrator.tracking import schema as tracking_schema
from orchestrator.tracking import tracker as tracking
from orchestrator.tracking.client import connect
from orchestrator.tracking.models import download_model, log_figures
from orchestrator.tracking.reader import StoreReader
from tests.conftest import LEFT_OPEN, ROOT, Disk, Run
from tests.search.faulty_server import RUN_ID, misbehaving
from tests.tracking.test_tracker import (  # noqa: F401 - fixtures
    EXPERIMENT,
    UIDS,
    empty_store,
    make_failure,
    make_plan,
    make_result,
    make_summary,
    output,
    runs_in,
    split,
    uri,
)

pytestmark = LEFT_OPEN
ENDS_WITHIN_SECONDS = 60.0  # a deadline, far above what it takes and below what would be waited for otherwise


@pytest.fixture
def _short_limit(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(uri)  # MLflow is imported by now: that is not what is timed
    monkeypatch.setattr(tracking_limits, "CALL_SECONDS", 3.0)


@pytest.mark.usefixtures("_short_limit")
def test_a_server_that_drips_holds_nobody_beyond_the_limit(output: Path, tmp_path: Path) -> None:
    """A byte a second never exceeds MLflow's own limit, which is between two bytes."""
    with misbehaving("drip") as server:
        report = tracking.write_missing(output, server.address)
        assert report.missing == UIDS
        assert "no call to it finished within 3 s" in str(report)
        assert f"track {output}" in str(report)
        for ask in (
            lambda: collect(StoreReader(server.address, tmp_path), (), ()),
            lambda: download_model(RUN_ID, tmp_path, server.address),
            lambda: log_figures(RUN_ID, server.address, {"seconds": 1.0}, {}),
        ):
            with pytest.raises(InputError, match="no call to it finished within 3 s"):
                ask()
        with locked(output / TRACKING_LOCK, wait_seconds=0.0):
            pass  # nobody holds it


@pytest.mark.parametrize("command", ["predict", "report"])
def test_a_process_ends_also_while_files_drip(command: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """MLflow downloads files in threads that the interpreter waits for."""
    files = {"plan.json": b" " * 10_000, "summary.json": b"{}"}
    files |= {f"model/{name}": b" " * 10_000 for name in ("card.json", "one", "two")}
    rest = ["--output", str(tmp_path / "out")]
    if command == "predict":
        (tmp_path / "in").mkdir()
        rest = ["--output", str(tmp_path / "out.csv"), "--model", RUN_ID, "--input", str(tmp_path / "in")]
    code = "import orchestrator.tracking.limits as limits, mlflow.tracking; limits.CALL_SECONDS = 12.0"
    code += "; from orchestrator.cli import cli; cli()"
    with misbehaving("drip files", files=files) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, command, "--tracking-uri", server.address, *rest],
            cwd=ROOT,
            env=environment,
            timeout=ENDS_WITHIN_SECONDS,
            check=False,
            capture_output=True,
            text=True,
        )
    assert any("/artifacts/1/run/artifacts/" in path for path in server.asked), done.stderr
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "no call to it finished within 12 s" in done.stderr


def test_a_large_file_has_more_time() -> None:
    limit = tracking_limits.Limit()
    limit.renew(num_bytes=100 * 2**20)
    assert limit.seconds == tracking_limits.CALL_SECONDS + 1600
    limit.renew(num_bytes=10**15)
    assert limit.seconds == tracking_limits.LONGEST_CALL_SECONDS


def test_a_server_that_answers_braces_is_none_of_mlflows(output: Path, tmp_path: Path) -> None:
    with misbehaving("braces") as server:
        report = tracking.write_missing(output, server.address)
        assert "it gave no experiment 'affect-au', also when asked to make one: is it an MLflow server?" in str(report)
        assert "deleted" not in str(report)
        with pytest.raises(InputError, match="no experiment at all"):
            collect(StoreReader(server.address, tmp_path), (), ())


def test_ids_and_names_of_a_server_never_lead_out_of_a_folder(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b" / "inside"
    inside.mkdir(parents=True)
    refused = pytest.raises(InputError, match=r"a run with the id '\.\./\.\./\.\./evil'")
    with misbehaving("fetch", run_id="../../../evil", files={"plan.json": b"evil"}) as server, refused:
        collect(StoreReader(server.address, inside), (), ())
    for name in ("model/../../../../evil", "model//evil", "model/%2e%2e/%2e%2e/evil"):
        files = {"model/card.json": b"{}", name: b"evil"}
        with misbehaving("fetch", files=files) as server, contextlib.suppress(InputError):
            download_model(RUN_ID, inside, server.address)
    assert not [path for path in tmp_path.rglob("evil") if inside not in path.parents]


def test_a_run_id_of_tracking_json_is_an_id_or_nothing(output: Path, uri: str) -> None:
    tracking.write_missing(output, uri)
    state = json.loads((output / "tracking.json").read_text())
    assert tracking.tracking_identity(output) is not None
    for wrong in ("../../x", state["run_id"].upper(), state["run_id"] + "\n", 5, None):
        (output / "tracking.json").write_text(json.dumps(state | {"run_id": wrong}))
        assert tracking.tracking_identity(output) is None
        assert tracking.write_missing(output, uri).run_id == state["run_id"]


def test_a_stores_texts_do_not_steer_the_terminal(tmp_path: Path, run_command: Run) -> None:
    with misbehaving("fetch", run_name="a\x1b]0;title\x07run", files={"plan.json": b"{}"}) as server:
        done = run_command("report", "--tracking-uri", server.address, "--output", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert "a\\x1b]0;title\\x07run: summary.json is not in the store" in done.stderr
    assert "\x1b" not in done.stderr


def configurations_in(uri: str) -> list[str]:
    """The uids in the view of all configurations."""
    client = connect(uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == EXPERIMENT]
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'configuration'")
    return sorted(run.data.tags["uid"] for run in runs)


def test_a_deleted_searchs_configurations_are_listed_once(output: Path, uri: str) -> None:
    """The new parent run takes them over; somebody's own runs stay where they are."""
    first = tracking.write_missing(output, uri)
    client = connect(uri)
    mine = client.create_run(first.experiment_id, tags={"mlflow.parentRunId": first.run_id, "kind": "configuration"})
    children = {run.info.run_id for run in runs_in(uri)} - {first.run_id, mine.info.run_id}
    client.delete_run(first.run_id)
    again = tracking.write_missing(output, uri)
    assert again.complete, again
    assert again.run_id != first.run_id
    assert (again.written, again.present) == (0, 3)
    client.delete_run(mine.info.run_id)
    parent, by_uid = split(runs_in(uri))
    assert parent.info.run_id == again.run_id
    assert sorted(by_uid) == list(UIDS)
    assert {run.info.run_id for run in by_uid.values()} == children
    assert {item.path for item in client.list_artifacts(again.run_id)} >= {"plan.json", "summary.json"}


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_restored_search_is_one_search_again(output: Path, uri: str, forgotten: bool) -> None:
    """Also in a store where an earlier version wrote the configurations twice, and without tracking.json."""
    first = tracking.write_missing(output, uri)
    client = connect(uri)
    client.delete_run(first.run_id)
    for run in runs_in(uri):
        client.delete_run(run.info.run_id)
    second = tracking.write_missing(output, uri)
    assert (second.written, configurations_in(uri)) == (3, list(UIDS))
    for run in runs_in(uri, view=2):
        client.restore_run(run.info.run_id)
    assert configurations_in(uri) == sorted([*UIDS, *UIDS])
    if forgotten:
        (output / "tracking.json").unlink()
    third = tracking.write_missing(output, uri)
    assert third.complete, third
    assert first.run_id is not None
    assert second.run_id is not None
    assert "4 runs that were there twice deleted (MLflow can restore them)" in str(third)
    assert third.run_id == (min(first.run_id, second.run_id) if forgotten else second.run_id)
    assert sorted(split(runs_in(uri))[1]) == list(UIDS)
    assert len(runs_in(uri, view=2)) == 4
    assert tracking.write_missing(output, uri).removed == 0


def older_schema(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
        connection.execute("DROP TABLE logged_model_params")  # as before MLflow had it
        connection.commit()


def somebody_elses(database: Path) -> None:
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()


def a_text(database: Path) -> None:
    database.write_text("no database at all\n" * 100)


def a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def an_empty_file(database: Path) -> None:
    database.write_bytes(b"")


WRONG = {
    older_schema: "schema 0123456789ab of another MLflow version; expected schema",
    somebody_elses: "a database of something else; expected an MLflow store",
    a_text: "file is not a database",
    a_folder: "which is no file",
    an_empty_file: "which is empty",
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.items(), ids=[one.__name__ for one in WRONG])
def test_a_database_that_is_no_store_of_ours_is_named_and_left_alone(
    spoil: Callable[[Path], None], said: str, output: Path, uri: str, tmp_path: Path
) -> None:
    """By `ui`, `report` and `track`: MLflow would change it, or end with a traceback."""
    database = location.database_path(uri)
    assert database is not None
    spoil(database)
    before = database.read_bytes() if database.is_file() else b""
    with pytest.raises(InputError, match=said):
        ui.serve_ui(uri, 0)
    with pytest.raises(InputError, match=said):
        StoreReader(uri, tmp_path)
    with pytest.raises(InputError, match=said):
        download_model(RUN_ID, tmp_path, uri)
    if spoil is not an_empty_file:  # which a new store may be made in
        report = tracking.write_missing(output, uri)
        assert report.missing == UIDS
        assert said in str(report)
    assert (database.read_bytes() if database.is_file() else b"") == before


def test_the_page_of_a_locked_database_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_schema, "LOCKED_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="database is locked"):
            ui.serve_ui(uri, 0)


def test_the_schema_is_the_installed_mlflows(uri: str) -> None:
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (tracking_schema.schema_head(),)
        ]
    # As a database server is asked, whatever its driver.
    assert tracking_schema._read_server(uri) == tracking_schema._read_file(Path(uri.removeprefix("sqlite:///")))


def processes_of(session: int) -> list[str]:
    """The commands of the living processes of a session."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if folder.name.isdecimal():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


@contextlib.contextmanager
def started_ui(uri: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """`ui` in a process of its own, and the session of what it started."""
    port = free_port()
    command = [sys.executable, "-m", "orchestrator", "ui", "--tracking-uri", uri, "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.startswith("MLflow UI: ") for line in process.stdout), "it did not start"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield process, int(children[0])
        finally:
            process.kill()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at Linux's processes")
def test_a_killed_ui_leaves_no_server_behind(uri: str) -> None:
    with started_ui(uri) as (process, session):
        assert len(processes_of(session)) >= 3  # the keeper, `mlflow ui`, its web server
        assert not [command for command in processes_of(session) if "sqlite" in command]
        process.kill()
        process.wait()
        until = time.monotonic() + ENDS_WITHIN_SECONDS
        while processes_of(session) and time.monotonic() < until:
            time.sleep(0.1)
        assert processes_of(session) == []


def test_a_full_disk_costs_tracking_json_and_nothing_else(full_disk: Disk, uri: str) -> None:
    """The store has everything; nothing raises, and there is no half file."""
    output = full_disk.folder / "run"
    make_plan(output)
    make_result(output, UIDS[0])
    make_failure(output, UIDS[1])
    make_summary(output)
    (output / "tracking.json").write_text("{}")
    full_disk.fill()
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    report = tracker.close(60.0)
    assert (report.written, report.missing, report.finished) == (2, (), True)
    assert report.complete
    assert "tracking.json was not written (OSError: [Errno 28] No space left on device" in str(report)
    assert (output / "tracking.json").read_text() == "{}"
    again = tracking.write_missing(output, uri)
    assert (again.complete, again.present) == (True, 2)
    (full_disk.folder / "filling").unlink()
    assert tracking.write_missing(output, uri).state_problem is None
    assert tracking.tracking_identity(output) is not None


def test_without_room_for_a_lock_nothing_is_written_and_track_does_it_later(full_disk: Disk, uri: str) -> None:
    output = full_disk.folder / "run"
    make_plan(output)
    make_result(output, UIDS[0])
    full_disk.use_up_inodes()
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    for report in (tracker.close(60.0), tracking.write_missing(output, uri)):
        assert report.missing == UIDS[:1]
        assert "No space left on device" in str(report)
        assert f"nothing is lost: `python -m orchestrator track {output}`" in str(report)
    (full_disk.folder / "empty-0").unlink()
    (full_disk.folder / "empty-1").unlink()
    assert tracking.write_missing(output, uri).complete


def test_what_cannot_be_tracked_later_is_not_promised(output: Path) -> None:
    """plan.json or the whole folder was removed while the server was away."""
    with misbehaving("braces") as server:
        for remove in ((output / "plan.json").unlink, lambda: shutil.rmtree(output)):
            tracker = tracking.Tracker(output, server.address, EXPERIMENT)
            tracker.start()
            until = time.monotonic() + ENDS_WITHIN_SECONDS
            while tracker.problem is None and time.monotonic() < until:
                time.sleep(0.05)
            remove()
            report = tracker.close(60.0)
            assert not report.complete
            assert "nothing is lost" not in str(report)
            gone = output / "plan.json" if output.is_dir() else output
            assert str(report).endswith(f"; {gone} is gone: `track` cannot write them later")
        assert not output.exists()  # and is not made again


def test_a_folder_that_is_removed_is_not_made_again(output: Path, uri: str) -> None:
    """What the store has by then stays there."""
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    until = time.monotonic() + ENDS_WITHIN_SECONDS
    while tracking.tracking_identity(output) is None and time.monotonic() < until:
        time.sleep(0.05)
    output.rename(output.with_name("removed"))  # at once: the writer may be writing into it
    tracker.changed()
    report = tracker.close(60.0)
    assert report.run_id is not None
    assert not output.exists()


def test_a_plan_that_is_removed_during_a_search_is_still_known(output: Path, uri: str) -> None:
    (output / "trials" / UIDS[1] / "result.json").rename(output / "later")
    tracker = tracking.Tracker(output, uri, EXPERIMENT)
    tracker.start()
    until = time.monotonic() + ENDS_WITHIN_SECONDS
    while tracking.tracking_identity(output) is None and time.monotonic() < until:
        time.sleep(0.05)
    (output / "plan.json").unlink()
    (output / "later").rename(output / "trials" / UIDS[1] / "result.json")
    tracker.changed()
    report = tracker.close(60.0)
    assert (report.written, report.complete) == (3, True)
    with pytest.raises(InputError, match=r"no plan\.json"):
        tracking.write_missing(output, uri)
