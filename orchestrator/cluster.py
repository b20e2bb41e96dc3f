"""Ray itself, local or a cluster: connecting to it, and refusing at once what it cannot hold."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import ray

from orchestrator.errors import InputError
from orchestrator.plan import SearchOptions

CONNECT_SECONDS = 5.0
STORAGE_CHECK_SECONDS = 60.0


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


@contextlib.contextmanager
def ray_session(options: SearchOptions) -> Iterator[None]:
    """Connect to the cluster at `--address` or start a local Ray; end only what was started here."""
    if ray.is_initialized():
        check_resources(options)
        yield
        return
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # relative paths mean what the user meant
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # the newer output prints its banner even when told to be silent
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # the CSV and TensorBoardX loggers cost more than they tell
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if options.address:
        _check_address(options.address)
        packages = [
            str(Path(__file__).parent.parent / name) for name in ("orchestrator", "models", "fed", "tune_spaces")
        ]
        try:
            ray.init(address=options.address, runtime_env={"py_modules": packages}, **quiet)
        except ConnectionError as error:
            raise InputError.of(
                "--address",
                found=f"{options.address}: {error}",
                expected="a running Ray of the same Ray and Python versions, its token here, RAY_AUTH_MODE as there",
            ) from error
    else:
        ray.init(
            address="local",
            num_cpus=options.num_cpus,
            num_gpus=None,
            include_dashboard=False,
            **quiet,
        )
    try:
        check_resources(options)
        yield
    finally:
        ray.shutdown()


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
