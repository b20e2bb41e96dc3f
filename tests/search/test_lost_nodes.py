"""A node that really dies under a search: what is missing is said, the command ends with its code, and it can go on."""

import json
import subprocess
import sys
from pathlib import Path

from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.process import exit_codes
from tests.conftest import COMMAND_SECONDS, ROOT

FL = (
    *("evaluate", "--method", "fl-au", "--network", "rnn", "--folds", 2, "--epochs", 25, "--learning-rate", 0.001),
    *("--hidden-size", 8, "--sequence-length", 50, "--num-layers", 1, "--client-actors", 2),
    *("--cpus-per-client", 0.8, "--wait-for-resources", 5, "--no-log-model"),
)


def test_a_federation_that_lost_a_node_says_what_is_missing_and_ends_resumable(
    environment: dict[str, str], tmp_path: Path
) -> None:
    people = synthesize(tmp_path / "people", participants=4, seconds=8.0, seed=4)
    start = (sys.executable, "-m", "tests.search.on_two_nodes", str(tmp_path / "records"), str(tmp_path / "run"))
    done = subprocess.run(
        [*start, *map(str, FL), "--data", str(people)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, again = json.loads((tmp_path / "records").read_text())
    assert first["code"] == exit_codes.RESOURCES_MISSING, first["errors"]
    missing = "a trial needs 0.1 CPUs + 2 x (0.8 CPUs); the living nodes have 1 CPUs; missing 0.8 CPUs"
    assert f"waiting for resources: {missing}; waits another 5 s (--wait-for-resources)" in first["errors"]
    assert f"error: resources stayed away: {missing}" in first["errors"]
    assert f"continue with  python -m orchestrator tune --resume {tmp_path / 'run'}" in first["errors"]
    assert again["code"] == 0, again["errors"]
    assert len([*tmp_path.glob("run/trials/*/result.json")]) == 1
