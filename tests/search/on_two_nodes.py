"""Run a search on a Ray of two nodes, kill one of them in mid-run, and resume when another one has come.

A process of its own: `python -m tests.search.on_two_nodes RECORDS OUTPUT WORDS...`. It has a Ray cluster,
which no other test of the same process may have. Writes exit codes and stderr of both commands as JSON.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.search.injected_faults import checkpoints

PATIENCE_SECONDS = 300.0
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def begin(*words: str) -> "subprocess.Popen[str]":
    """Start a command of ours."""
    command = [sys.executable, "-m", "orchestrator", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def end(process: "subprocess.Popen[str]") -> dict[str, object]:
    """Wait for a command and return what came of it."""
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return {"code": process.returncode, "errors": errors}


def main(records: Path, output: Path, words: list[str]) -> None:
    """See the module."""
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), PYTHONPATH=str(Path.cwd()))
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster

    # The cluster notes its address there; `ray start` would have made it on a machine that has never had a Ray.
    Path(get_default_ray_temp_dir()).mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="n-", dir="/tmp")  # sockets have short names only
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "temp_dir": folder, "include_dashboard": False})
    try:
        other = cluster.add_node(**NODE)
        first = begin(*words, "--address", cluster.address, "--output", str(output))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not checkpoints(output):
            assert first.poll() is None, end(first)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(other.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        found = [end(first)]
        cluster.add_node(**NODE)
        found.append(end(begin("tune", "--resume", str(output))))
        records.write_text(json.dumps(found))
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
