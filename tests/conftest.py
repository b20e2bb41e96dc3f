"""Shared by the tests that run whole searches: one small synthetic corpus, one local Ray, one MLflow store."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
COMMAND_SECONDS = 240

# For the tests and for all that they start. Two test processes share two cores: more threads only get into each
# other's way. Ray's workers run at niceness 15 unless told otherwise: beside another test process they would starve.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_worker_niceness", "0")
# A shell's background ignores Ctrl-C, and all that is started there inherits it: the tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What takes seconds whatever a test does with it: Ray, other processes, a browser, a search.
SLOW_FIXTURES = {
    *("ray_cluster", "run_command", "run_inside", "run_here", "here", "browser"),
    *("finished_search", "synthetic_store", "odd_store"),
}
# Files whose tests start such things by themselves, or take seconds for another reason.
SLOW_FILES = {
    "corpora/video/test_faces.py",
    "faults/test_race.py",
    "fed/test_batch_norm.py",
    "fed/test_ray_actors.py",
    "inference/test_export.py",
    "inference/test_follow.py",
    "inference/test_logged.py",
    "planning/test_hyper_parameters.py",
    "search/test_ends.py",
    "search/test_federated_places.py",
    "search/test_lost_nodes.py",
    "test_make.py",
    "test_readme.py",
    "tracking/test_faults.py",
    "tracking/test_secrets.py",
    "tracking/test_tracker.py",
}
# Files in the order in which they are dealt, measured; all others follow as they are collected. What takes long begins
# early, so that the two processes end together. tests/fed/test_ray_actors.py ends the Ray that the tests share.
LONGEST_FIRST = (
    "test_make.py",
    "fed/test_ray_actors.py",
    "test_readme.py",
    "search/test_federated_kills.py",
    "search/test_packs.py",
    "commands/test_commands.py",
    "test_image_methods.py",
    "search/test_lost_nodes.py",
    "search/test_search.py",
    "search/test_ends.py",
    "test_privacy_tutorial.py",
    "test_nothing_leaves.py",
    "search/test_federated_places.py",
    "search/test_worker_deaths.py",
    "search/test_hung_workers.py",
    "test_api.py",
    "tracking/test_secrets.py",
    "report/test_report.py",
    "test_secure_sums.py",
    "search/test_full_disk.py",
    "planning/test_hyper_parameters.py",
    "inference/test_logged.py",
    "test_old_runs.py",
    "browser/test_report_page.py",
    "browser/test_ui.py",
    "tracking/test_faults.py",
    "tracking/test_tracker.py",
    "inference/test_follow.py",
    "inference/test_export.py",
    "search/test_repeats.py",
    "search/test_extension.py",
    "search/test_wall_clock.py",
    "report/test_corpus.py",
    "commands/test_unforeseen.py",
    "inference/test_frame_rate.py",
    "inference/test_features.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` leaves out, and let the longest files come first."""
    for item in items:
        if name_of(item) in SLOW_FILES or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(name_of(item), len(places)))


def name_of(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).as_posix()


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six synthetic people, 24 s each: 600 frames."""
    from orchestrator.corpora.synthetic.tree import synthesize

    return synthesize(tmp_path_factory.mktemp("corpus") / "small", participants=6, seconds=24.0, seed=4)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an MLflow store of the tests' own."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, store: str) -> dict[str, str]:
    """The environment for commands in processes of their own: nothing of the user's is read or written."""
    return {
        **os.environ,
        "AFFECT_ORCHESTRATOR_CACHE": str(tmp_path_factory.mktemp("cache")),
        "MLFLOW_TRACKING_URI": store,
        "COLUMNS": "120",
    }


Run = Callable[..., "subprocess.CompletedProcess[str]"]
StartRay = Callable[[], None]


@pytest.fixture(scope="session")
def run_command(environment: dict[str, str]) -> Run:
    """Run `python -m orchestrator ...` to its end and return it; the exit code is the test's to judge."""

    def run(*arguments: object, **settings: Any) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "orchestrator", *map(str, arguments)]
        return subprocess.run(
            command,
            **{"cwd": ROOT, "env": environment, "timeout": COMMAND_SECONDS, **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def run_inside(environment: dict[str, str], ray_cluster: StartRay, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, on the tests' shared Ray; as `run_command`, without the start of a process."""
    ray_cluster()
    return inside(environment, monkeypatch)


@pytest.fixture
def run_here(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same without Ray: a search trains in this process, see tests/search/trained_here.py."""
    from tests.search.trained_here import trained_here

    run = inside(environment, monkeypatch)

    def alone(*arguments: object, **settings: Any) -> Any:
        with trained_here():
            return run(*arguments, **settings)

    return alone


@pytest.fixture
def here() -> Iterator[None]:
    """Searches of a test train in this process, without Ray."""
    from tests.search.trained_here import trained_here

    with trained_here():
        yield


def inside(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command in this process."""
    from click.testing import CliRunner

    from orchestrator.cli import cli

    changed = {key: value for key, value in environment.items() if os.environ.get(key) != value}

    def run(*arguments: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> Any:
        monkeypatch.chdir(cwd)
        words = [str(word) for word in arguments]
        result = CliRunner().invoke(cli, words, env={**changed, **(env or {})}, prog_name="python -m orchestrator")
        failed = result.exception is not None and not isinstance(result.exception, SystemExit)
        trace = "".join(traceback.format_exception(result.exception)) if failed else ""
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr + trace)

    return run


SAID = "said.txt"  # beside a finished search: what it printed

# Ray leaves sockets and pipes of its workers to the garbage collector; MLflow a connection to its database.
LEFT_OPEN = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[StartRay]:
    """Starts the local Ray that the searches of one test session share; again, where a test has ended it."""
    import ray

    from orchestrator.planning.plan import SearchOptions
    from orchestrator.search import cluster

    with contextlib.ExitStack() as sessions, one_worker():

        def start() -> None:
            if not ray.is_initialized():
                sessions.enter_context(cluster.ray_session(SearchOptions(num_cpus=2)))

        start()
        yield start


@contextlib.contextmanager
def one_worker() -> Iterator[None]:
    """Searches of this process train one pack after the other: a second worker's start is longer than their training.

    Ray keeps both its CPUs, which federations need. Commands in processes of their own train two packs at once.
    """
    from ray import tune

    with pytest.MonkeyPatch.context() as patch:
        make = tune.TuneConfig
        patch.setattr(tune, "TuneConfig", lambda **settings: make(max_concurrent_trials=1, **settings))
        yield


def made_once(places: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills, once for all test processes, and that is only to be read then."""
    from orchestrator.files import locked

    base = places.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with locked(folder / "lock", wait_seconds=COMMAND_SECONDS):
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def finished_search(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of four configurations on a real Ray, its store and what it printed beside it."""
    from tests.search.small_searches import search

    def make(folder: Path) -> None:
        request.getfixturevalue("ray_cluster")()
        corpus = request.getfixturevalue("small_corpus")
        with (folder / SAID).open("w") as file, contextlib.redirect_stdout(file):
            assert search(corpus, folder / "run", f"sqlite:///{folder}/mlflow.db") == 0

    return made_once(tmp_path_factory, "finished-search", make) / "run"


@contextlib.contextmanager
def without_figures() -> Iterator[None]:
    """Searches without what takes longest at their end, for tests that do not look at it."""
    from orchestrator.report.figures import files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", lambda *_, beside=None, **__: [beside and beside()][:0])
        yield


@contextlib.contextmanager
def without_baselines_and_figures() -> Iterator[None]:
    """Searches without what is most of a small one, for tests that look at neither."""
    from orchestrator.evaluation.baselines import BASELINES
    from orchestrator.evaluation.search_baselines import Measured
    from orchestrator.search import run

    none = Measured(traces=dict.fromkeys(BASELINES, ()), left_out=dict.fromkeys(BASELINES, "not looked at here"))
    with without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "measure", lambda *_, **__: none)
        yield


@pytest.fixture
def no_figures() -> Iterator[None]:
    """The first for a whole test."""
    with without_figures():
        yield


@pytest.fixture
def only_trials() -> Iterator[None]:
    """The second for a whole test."""
    with without_baselines_and_figures():
        yield


@dataclass(frozen=True)
class Disk:
    """A small disk of its own."""

    folder: Path

    def fill(self) -> None:
        """Leave no free byte on it."""
        with contextlib.suppress(OSError), (self.folder / "filling").open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
        with contextlib.suppress(OSError), (self.folder / "filling").open("ab", buffering=0) as file:
            while file.write(b"\0"):
                pass

    def use_up_inodes(self) -> None:
        """Leave no room for another file on it."""
        with contextlib.suppress(OSError):
            for number in range(100_000):
                (self.folder / f"empty-{number}").touch(exist_ok=False)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 1 MiB and 200 files, still empty; for root on Linux only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        yield Disk(folder=folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def read_summary(output: Path) -> dict[str, Any]:
    """Read a run's summary, refusing NaN."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} in summary.json")

    found: dict[str, Any] = json.loads((output / "summary.json").read_text(), parse_constant=refuse)
    return found
