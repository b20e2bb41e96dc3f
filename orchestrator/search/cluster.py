"""Connection to Ray, local or a cluster, and refusal of trials that need more resources than it has."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray

from orchestrator.errors import InputError
from orchestrator.planning.plan import SearchOptions
from orchestrator.process.interrupts import take_as_ctrl_c
from orchestrator.process.processors import num_processors
from orchestrator.process.run_log import errors_into
from orchestrator.run_folder import LOG_FILE
from orchestrator.search.lifeline import Alive, Answering, Lifeline, end_process, kill_marked
from orchestrator.search.local_ray import LOOPBACK, MARK, RAYS_PART, environment, temporary_folder, token

CONNECT_SECONDS = 5.0
STORAGE_CHECK_SECONDS = 60.0
ROOT = Path(__file__).parents[2]
QUIET = {"log_to_driver": False, "logging_level": "ERROR"}
ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what the user meant
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer output prints its banner even when told to be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the CSV and TensorBoardX loggers cost more than they tell
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": os.environ.get("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
}


def check_resources(options: SearchOptions) -> None:
    """Refuse before the start what no node can hold; InputError shows the arithmetic."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for option, key, wanted in (
        ("--cpus-per-trial", "CPU", options.cpus_per_trial),
        ("--gpus-per-trial", "GPU", options.gpus_per_trial),
    ):
        largest = max(float(node.get(key, 0)) for node in nodes)
        if wanted > largest:
            raise InputError.of(
                option,
                found=f"{wanted:g}",
                expected=f"at most {largest:g}, the {key}s of the largest Ray node",
            )


@dataclass(slots=True, kw_only=True)
class Session:
    """A Ray in use; `closing` is called, briefly, if Ray dies under this process."""

    closing: list[Callable[[], object]] = field(default_factory=list)

    def close(self) -> None:
        """Close what can be closed."""
        for close in self.closing:
            with contextlib.suppress(Exception):
                close()


@contextlib.contextmanager
def ray_session(options: SearchOptions, output: Path | None = None) -> Iterator[Session]:
    """Connect to the cluster at `--address` or start a local Ray; end only what was started here.

    With `output`, the run's folder: what Ray writes to stderr goes into its log, SIGTERM is Ctrl-C, and if Ray dies the
    process ends with a word and code 5. InputError if Ray cannot be had. A Ray that is there already is only used.
    """
    if ray.is_initialized():
        check_resources(options)
        yield Session()
        return
    log = output / LOG_FILE if output is not None else None
    was_there = log is not None and log.exists()
    session = Session()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(environment(ENVIRONMENT))
            if output is not None:
                stack.enter_context(_without_handlers())
            if options.address:
                _check_address(options.address)
                stack.enter_context(errors_into(log))
                checks, end = _connect(options, output, session)
            else:
                checks, end = _start(options, output, session, stack, log)
            stack.callback(ray.shutdown)
            if output is not None:
                take_as_ctrl_c()  # Ray's native part has put its own handler there
                lifeline = Lifeline(checks, end)
                lifeline.start()
                stack.callback(lifeline.stop)
            check_resources(options)
            yield session
    except InputError:
        if log is not None and not was_there:
            log.unlink(missing_ok=True)  # a folder in which nothing began is free again
        raise


def _start(
    options: SearchOptions, output: Path | None, session: Session, stack: contextlib.ExitStack, log: Path | None
) -> tuple[dict[str, Alive], Callable[[str], None]]:
    """Start a local Ray that listens on loopback only and leaves nothing behind."""
    folder = stack.enter_context(temporary_folder())
    mark = MARK, folder.name
    stack.enter_context(environment({LOOPBACK: "0", MARK: folder.name, **token()}))
    stack.enter_context(_loopback())
    stack.enter_context(_without_monitors())
    stack.enter_context(errors_into(log))
    _forget_token()
    stack.callback(_forget_token)
    try:
        ray.init(
            address="local",
            num_cpus=options.num_cpus or num_processors(),
            num_gpus=None,
            include_dashboard=False,
            job_config=_job(),
            _temp_dir=str(folder / RAYS_PART),
            **QUIET,
        )
    except BaseException as error:
        kill_marked(*mark)
        if not isinstance(error, Exception):
            raise
        raise _not_started(folder.parent, error) from error
    node = ray._private.worker._global_node
    checks: dict[str, Alive] = {
        f"Ray's {title} died": partial(_runs, infos[0].process)
        for kind, title in (("raylet", "raylet"), ("gcs_server", "GCS"))
        if (infos := node.all_processes.get(kind))
    }
    return checks, partial(end_process, how_on=_how_on(output), close=session.close, mark=mark, folder=folder)


def _not_started(base: Path, error: Exception) -> InputError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0]
    free = shutil.disk_usage(base).free / 2**20
    return InputError.of(
        "Ray",
        found=f"none could be started: {first} (its temporary folder is in {base}, {free:.0f} MiB free)",
        expected="a local Ray that starts; TMPDIR moves its temporary folder",
    )


def _connect(
    options: SearchOptions, output: Path | None, session: Session
) -> tuple[dict[str, Alive], Callable[[str], None]]:
    """Connect to a cluster, with our packages for its workers."""
    packages = [str(ROOT / name) for name in ("orchestrator", "models", "fed", "tune_spaces")]
    client = str(options.address).startswith("ray://")
    try:
        ray.init(
            address=options.address,
            runtime_env={"py_modules": packages},
            **({} if client else {"job_config": _job()}),
            **QUIET,
        )
    except ConnectionError as error:
        raise InputError.of(
            "--address",
            found=f"{options.address}: {error}",
            expected="a running Ray of the same Ray and Python versions, its token here, RAY_AUTH_MODE as there",
        ) from error
    end = partial(end_process, how_on=_how_on(output), close=session.close, mark=None, folder=None)
    return _doors(options), end


def _doors(options: SearchOptions) -> dict[str, Alive]:
    """Return who must answer: the cluster's GCS, and the raylet of this machine."""
    address = str(options.address)
    if address.startswith("ray://"):
        host, _, port = address.removeprefix("ray://").rpartition(":")
        return {f"the Ray at {address} is gone": Answering(host, int(port))}
    gcs = ray.get_runtime_context().gcs_address
    host, _, port = gcs.rpartition(":")
    doors: dict[str, Alive] = {f"the Ray at {gcs} is gone": Answering(host, int(port))}
    here = ray.get_runtime_context().get_node_id()
    for node in ray.nodes():
        if node["NodeID"] == here:
            raylet = Answering(node["NodeManagerAddress"], int(node["NodeManagerPort"]))
            doors["the Ray node of this machine is gone"] = raylet
    return doors


def _job() -> ray.job_config.JobConfig:
    """Return a job whose workers import from where this package is, and not from the user's current folder."""
    job = ray.job_config.JobConfig()
    installed = ROOT.name in {"site-packages", "dist-packages"}  # found by every Python of this environment
    job._py_driver_sys_path = _Settled([] if installed else [str(ROOT)])
    return job


class _Settled(list[str]):
    """The folders that workers import from; Ray would add the driver's current one."""

    def extend(self, _more: Iterable[str]) -> None:
        """Stay as it is."""


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Set 127.0.0.1 as Ray's own address, also if Ray was imported before the environment said so."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _without_monitors() -> Iterator[None]:
    """Keep Ray from starting its autoscaler and its reader of logs, each a Python process of 80 MiB.

    One machine is never scaled, and with QUIET nobody is sent the logs.
    """
    from ray._private import parameter

    before = parameter.RayParams
    parameter.RayParams = partial(before, no_monitor=True, include_log_monitor=False)
    try:
        yield
    finally:
        parameter.RayParams = before


@contextlib.contextmanager
def _without_handlers() -> Iterator[None]:
    """Keep Ray from installing its own handler of SIGTERM, which would end the process with another code."""
    from ray._private import utils

    before = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda _handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = before


def _forget_token() -> None:
    """Make Ray read its token and its settings again: a process may have had another Ray before."""
    from ray import _raylet

    native: Any = _raylet  # it has no types
    native.Config.initialize("")
    native.AuthenticationTokenLoader.instance().reset_cache()


def _runs(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _how_on(output: Path | None) -> str | None:
    return f"python -m orchestrator tune --resume {output}" if output is not None else None


def _check_address(address: str) -> None:
    """Ask the port before Ray does: Ray itself waits long and then says little."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    expected = "HOST:PORT of a Ray head node that answers"
    if not host or not port.isdigit():
        raise InputError.of("--address", found=address, expected=expected)
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError.of("--address", found=f"{address}: {error.strerror or error}", expected=expected) from error


def check_storage(folder: Path, options: SearchOptions) -> None:
    """On a cluster of several nodes: every node must see one and the same trials folder."""
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    if len(nodes) < 2:
        return
    marker = folder / ".shared"
    marker.touch()
    see = ray.remote(num_cpus=0)(lambda path: Path(path).exists())
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    answers = [
        see.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(str(marker))
        for node in nodes
    ]
    seen = ray.get(answers, timeout=STORAGE_CHECK_SECONDS)
    marker.unlink()
    if not all(seen):
        raise InputError.of(
            "--storage",
            found=f"{options.storage or folder}, which {seen.count(False)} of {len(nodes)} nodes cannot see",
            expected="a folder on storage that all nodes share",
        )
