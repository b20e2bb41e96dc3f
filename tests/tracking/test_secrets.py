"""Log-ins in addresses of MLflow stores: nowhere but in the process, its environment and a file of its owner's."""
# ruff: noqa: F811

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from orchestrator.errors import InputError, printable
from orchestrator.planning import launch
from orchestrator.tracking import address as tracking_address
from orchestrator.tracking import secrets, tracker, ui
from orchestrator.tracking.address import hide_arguments, hide_password, public_address, remember, whole_address
from orchestrator.tracking.client import open_to_read
from orchestrator.tracking.location import resolve_tracking_uri
from orchestrator.tracking.records import artifact_files
from tests.conftest import LEFT_OPEN, ROOT, Disk, Run
from tests.search.faulty_server import misbehaving
from tests.search.small_searches import make_request
from tests.tracking.test_tracker import (  # noqa: F401 - fixtures
    UIDS,
    empty_store,
    make_plan,
    make_result,
    make_summary,
    output,
    runs_in,
    ui_process,
    uri,
)

pytestmark = LEFT_OPEN
PASSWORD = "zq9/S3@cr#e t%41+x"  # as typed: with all that ends a part of an address, and a percent-encoded A
PARTS = ("zq9", "S3@cr", "S3%40cr", "cr#e", "tA+x", "t%41")
SECRET = ".tracking-secret.json"


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_address, "_whole", {})
    monkeypatch.setattr(tracking_address, "_secrets", {})
    for name in ("MLFLOW_TRACKING_URI", tracking_address.COMMAND_LINE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def with_login(address: str) -> str:
    return address.replace("://", f"://us er:{PASSWORD}@")


def assert_clean(text: str) -> None:
    assert not [part for part in PARTS if part in text], text


def files_with_secrets(folder: Path) -> Iterator[str]:
    """Yield the files of a folder, by their relative name, in whose bytes a part of the password stands."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(part.encode() in path.read_bytes() for part in PARTS):
            yield path.relative_to(folder).as_posix()


@pytest.mark.parametrize(
    ("address", "user", "password", "host"),
    [
        ("postgresql://u:s3cret@h:5432/db", "u", "s3cret", "h"),
        ("postgresql+psycopg2://u:pa/s3cret@h/db", "u", "pa/s3cret", "h"),
        ("mysql+pymysql://u:p@s3cret@h/db?charset=utf8", "u", "p@s3cret", "h"),
        ("mssql+pyodbc://u:p#s3cret w@h/db?driver=x", "u", "p#s3cret w", "h"),
        ("postgresql://u:p%40%2Fs3cret@h/db", "u", "p@/s3cret", "h"),
        ("postgresql://u:100%s3cret@[::1]:5/db", "u", "100%s3cret", "::1"),
        ("postgresql://u:p?s3cret=1@h/db?sslmode=require", "u", "p?s3cret=1", "h"),
        ("postgresql://u:p?s3cret@h/db", "u", "p?s3cret", "h"),
        ("postgresql://u@x.org:s3cret:w@h/db", "u@x.org", "s3cret:w", "h"),
    ],
)
def test_a_login_is_taken_out_and_reaches_the_driver_as_it_was_meant(
    address: str, user: str, password: str, host: str
) -> None:
    public = remember(address)
    assert "s3cret" not in public
    assert public.startswith(address.split("://", maxsplit=1)[0])
    parsed = make_url(whole_address(public))
    assert (parsed.username, parsed.password, parsed.host) == (user, password, host)
    assert remember(public) == public
    assert whole_address(public) == whole_address(address)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://h/?token=a@s3cret/b#c", "https://h/?token=***"),
        ("postgresql://h/db?sslmode=require&password=s3 cret", "postgresql://h/db?sslmode=require&password=***"),
        ("http://h:5000/mlflow?api_key=s3cret&x-pa%73s=s3cret", "http://h:5000/mlflow?api_key=***&x-pa%73s=***"),
        ("mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BPWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
        ("https://ghp_s3cret0@h", "https://***@h"),
        ("http://h:5000", "http://h:5000"),
        ("sqlite:////home/a@b/x.db", "sqlite:////home/a@b/x.db"),
        ("postgresql:///db?host=/run", "postgresql:///db?host=/run"),
    ],
)
def test_queries_and_tokens_are_taken_out_and_other_addresses_stay(address: str, public: str) -> None:
    assert resolve_tracking_uri(address) == public
    assert make_url(whole_address(public)).get_backend_name() in address


@pytest.mark.parametrize(
    "address",
    [
        "ftp://u:pa ss/s3cret@h",
        "postgresql:u:s3cret@h/db",
        "u:s3cret@h",
        "http://u:s3cret",
        "sqlite:///x?password=s3cret",
        "postgres://u:s3cret@h/db",
        "HTTP:/h/?token=s3cret",
    ],
)
def test_an_address_that_is_refused_is_shown_without_its_login(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--tracking-uri: found") as refused:
        resolve_tracking_uri(address)
    assert "s3cret" not in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI: found") as refused:
        resolve_tracking_uri()
    assert "s3cret" not in str(refused.value)


def test_libraries_messages_lose_what_this_process_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in pieces, encoded, quoted; and unknown ones if they look like it. The rest of a text stays."""
    remember(with_login("postgresql://h/db"))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok3n-of-mine")
    decoded = "zq9/S3@cr#e tA+x"
    for text in (PASSWORD, decoded, repr(decoded), json.dumps({"a": decoded}), "zq9%2FS3%40cr%23e%20tA%2Bx"):
        assert_clean(hide_password(f"failed with {text}!"))
    assert_clean(hide_password(f"failed: {with_login('postgresql://h/db')}"))
    assert hide_password("Bearer tok3n-of-mine") == "Bearer ***"
    for text, hidden in {
        "see http://h:5000/, or (http://u:s3@h:5000); a": "see http://h:5000/, or (http://***@h:5000); a",
        "Pool(host='h'): url: /?token=abc/api": "Pool(host='h'): url: /?token=***",
        "ftp://u:pa ss@h gone": "ftp://***@h gone",
        "sqlite:////home/a@b/x.db: locked": "sqlite:////home/a@b/x.db: locked",
    }.items():
        assert hide_password(text) == hidden


def test_what_requests_and_sqlalchemy_say_is_hidden() -> None:
    """The real messages of a server that refuses and of a driver that is not there."""
    address = with_login("http://127.0.0.1:9")
    client = open_to_read(remember(address))
    with pytest.raises(Exception, match="failed with exception") as failed:
        client.search_experiments()
    assert_clean(hide_password(str(failed.value)))
    with pytest.raises(InputError) as refused:
        open_to_read(remember(with_login("mssql+pymssql://h/db")))
    assert_clean(str(refused.value))


def test_a_command_line_keeps_its_words_but_for_logins() -> None:
    words = ["tune", "--seed", "0", "--data", "a@b", "--tracking-uri=postgresql://u:0@h/db?token=x", "http://u:x@h"]
    expected = [
        "tune",
        "--seed",
        "0",
        "--data",
        "a@b",
        "--tracking-uri=postgresql://***@h/db?token=***",
        "http://***@h",
    ]
    remember("postgresql://u:seed@h")
    assert hide_arguments(words) == expected


def test_the_environment_is_left_without_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers inherit it; the process itself still knows."""
    address = with_login("http://h:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert resolve_tracking_uri() == "http://***@h:5000"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://***@h:5000"
    assert resolve_tracking_uri() == "http://***@h:5000"
    assert "zq9%2FS3%40cr" in whole_address("http://***@h:5000")


def old_run(folder: Path, address: str) -> None:
    """A finished run as versions until 2026-11 left it."""
    arguments = ["tune", "--method", "au", "--tracking-uri", address]
    make_plan(folder, tracking={"tracking_uri": address, "experiment": "affect-au"}, arguments=arguments)
    for uid in UIDS:
        make_result(folder, uid)
    summary = make_summary(folder)
    (folder / "summary.json").write_text(json.dumps(summary | {"mlflow": {"tracking_uri": address, "run_id": None}}))
    (folder / "tracking.json").write_text(json.dumps({"tracking_uri": address, "run_id": None, "children": {}}))
    os.utime(folder / "summary.json", (1e9, 1e9))


def test_an_old_runs_login_is_moved_into_a_file_of_its_owner(tmp_path: Path) -> None:
    """Whatever the umask; the files keep the rest and their times, and a second time changes nothing."""
    folder, address = tmp_path / "run", with_login("postgresql://h:5432/db")
    old_run(folder, address)
    before = {name: json.loads((folder / name).read_text()) for name in ("plan.json", "summary.json", "tracking.json")}
    umask = os.umask(0)
    try:
        secrets.move_out(folder)
    finally:
        os.umask(umask)
    public = "postgresql://***@h:5432/db"
    assert list(files_with_secrets(folder)) == [SECRET]
    assert (folder / SECRET).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [SECRET]
    plan = json.loads((folder / "plan.json").read_text())
    changed = {"tracking": {"tracking_uri": public, "experiment": "affect-au"}}
    assert plan == before["plan.json"] | changed | {"arguments": [*before["plan.json"]["arguments"][:-1], public]}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary == before["summary.json"] | {"mlflow": {"tracking_uri": public, "run_id": None}}
    assert (folder / "summary.json").stat().st_mtime == 1e9
    stamps = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    secrets.move_out(folder)
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == stamps
    assert SECRET not in artifact_files(folder)
    tracking_address._whole.clear()
    with pytest.raises(InputError, match="whose log-in is not known"):
        whole_address(public)
    secrets.recall(folder)
    assert make_url(whole_address(public)).password == "zq9/S3@cr#e tA+x"


def test_what_the_environment_says_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that was changed since: resuming takes no option."""
    old_run(tmp_path, "http://u:before@h:5000")
    secrets.move_out(tmp_path)
    tracking_address._whole.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:after@h:5000")
    secrets.recall(tmp_path)
    assert whole_address("http://***@h:5000") == "http://u:after@h:5000"


def test_a_store_that_was_written_to_has_no_login_in_it(tmp_path: Path, uri: str) -> None:
    """Database, artifacts, description of an old run's search; nor have the terminal and the run's folder."""
    folder = tmp_path / "run"
    with ui_process(uri) as address:
        old_run(folder, with_login(address))
        report = tracker.write_missing(folder)
        assert report.complete, report
        assert_clean(str(report))
        tracking_address._whole.clear()
        assert tracker.write_missing(folder).present == 3  # by the file alone
    store = Path(uri.removeprefix("sqlite:///")).parent
    assert (store / "mlflow.db").is_file()
    assert list(store.rglob("plan.json"))
    assert not list(files_with_secrets(store))
    assert list(files_with_secrets(folder)) == [SECRET]
    (parent,) = [run for run in runs_in(uri) if run.data.tags["kind"] == "search"]
    assert "--tracking-uri 'http://***@127.0.0.1:" in parent.data.tags["mlflow.note.content"]


def test_every_word_of_a_failing_server_is_shown_without_logins(tmp_path: Path, run_command: Run) -> None:
    """It repeats the log-in that it got, decoded, and sends escape sequences; in the commands' own processes."""
    folder = tmp_path / "run"
    make_plan(folder)
    make_result(folder, UIDS[0])
    with misbehaving("repeat") as server:
        address = with_login(server.address)
        commands = (
            ("track", folder, "--tracking-uri", address),
            ("report", "--tracking-uri", address, "--output", tmp_path / "report"),
            ("export", "--format", "pt2", "--output", tmp_path / "x", "--model", "ab" * 16, "--tracking-uri", address),
            ("track", folder, f"uri={address}"),
        )
        for command in commands:
            done = run_command(*command)
            assert done.returncode in (1, 2)
            assert_clean(done.stdout + done.stderr)
            assert "\x1b" not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
        assert [one for one in server.headers if one]
    assert not list(files_with_secrets(folder))


def test_ps_shows_an_address_without_its_login(tmp_path: Path, environment: dict[str, str]) -> None:
    """The process leaves its own command line; the page's program gets the address in its environment."""
    make_plan(tmp_path)
    make_result(tmp_path, UIDS[0])
    with misbehaving("drip") as server:
        words = ["track", str(tmp_path), "--tracking-uri", with_login(server.address)]
        with subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE
        ) as process:
            until = time.monotonic() + 60
            while not server.asked and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
            process.kill()
    assert_clean(shown)
    assert f"--tracking-uri\0http://***@{server.address[7:]}\0" in shown
    assert server.headers[0].startswith("Basic ")
    public = remember(with_login("postgresql://h/db"))
    assert_clean(" ".join(ui.ui_command(public)))
    assert ui.ui_environment(public)["MLFLOW_BACKEND_STORE_URI"] == whole_address(public)


def test_the_login_is_kept_before_anything_runs(tmp_path: Path, small_corpus: Path) -> None:
    """A process that is killed before its search begins can be resumed, too."""
    launch.prepare(make_request(small_corpus, tmp_path / "run", with_login("http://127.0.0.1:9")), claim=True)
    assert load_text(tmp_path / "run" / "plan.json")["tracking"]["tracking_uri"] == "http://***@127.0.0.1:9"
    assert list(files_with_secrets(tmp_path / "run")) == [SECRET]


def test_a_search_and_its_resume_keep_the_login_out_of_everything(
    tmp_path: Path, run_command: Run, small_corpus: Path, environment: dict[str, str]
) -> None:
    """A real search over HTTP, in its own process; then an old plan with the password in it is resumed."""
    folder = tmp_path / "run"
    words = ["--method", "au", "--network", "rnn", "--epochs", "1", "--folds", "2", "--num-cpus", "1", "--no-log-model"]
    grid = [f"--set={pair}" for pair in ("learning_rate=0.001", "hidden_size=4", "sequence_length=50", "num_layers=1")]
    with misbehaving("repeat") as server:
        address = with_login(server.address)
        done = run_command(
            *("tune", *words, *grid, "--data", small_corpus, "--output", folder),
            env={**environment, "MLFLOW_TRACKING_URI": address},
        )
        assert done.returncode == 0, done.stderr
        assert_clean(done.stdout + done.stderr)
        assert list(files_with_secrets(folder)) == [SECRET]
        plan = json.loads((folder / "plan.json").read_text())
        assert plan["tracking"]["tracking_uri"] == public_address(address)
        login = server.headers[0]
        assert login.startswith("Basic ")

        (folder / SECRET).unlink()
        plan["tracking"]["tracking_uri"] = address
        plan["arguments"] = [*plan["arguments"], "--tracking-uri", address]
        (folder / "plan.json").write_text(json.dumps(plan))
        server.headers.clear()
        done = run_command("tune", "--resume", folder)
        assert done.returncode == 0, done.stderr
        assert_clean(done.stdout + done.stderr)
        assert list(files_with_secrets(folder)) == [SECRET]
        assert set(server.headers) == {login}
        assert load_text(folder / "plan.json")["tracking"]["tracking_uri"] == public_address(address)

        copied = tmp_path / "copied"
        shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(SECRET))
        done = run_command("track", copied)
        assert done.returncode == 1
        assert "whose log-in is not known" in done.stdout


def test_a_login_that_cannot_be_moved_out_is_not_uploaded(full_disk: Disk) -> None:
    """On a full disk an old plan stays as it is, and `track` says so and ends."""
    old_run(full_disk.folder / "run", with_login("http://127.0.0.1:9"))
    full_disk.fill()
    with pytest.raises(InputError, match=r"plan\.json: found a log-in that cannot be moved out .*No space left"):
        tracker.write_missing(full_disk.folder / "run")
    assert load_text(full_disk.folder / "run" / "plan.json")["tracking"]["tracking_uri"].startswith("http://us er:")
    assert not list((full_disk.folder / "run").glob(f"{SECRET}*"))


def load_text(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_control_characters_are_shown_as_numbers() -> None:
    assert printable("a\tb\nc\x1b[2J\x07\x9b\x7f\r") == "a\tb\nc\\x1b[2J\\x07\\x9b\\x7f\\x0d"
