"""A plan that is no longer what the run wrote is refused before anything is read, written or removed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.faults.harness import refusals, snapshot
from tests.faults.table import injects

Plan = dict[str, Any]


def set_in(*path: str | int, to: Any) -> Callable[[Plan], None]:
    def edit(plan: Plan) -> None:
        inside: Any = plan
        for key in path[:-1]:
            inside = inside[key]
        assert inside[path[-1]] != to
        inside[path[-1]] = to

    return edit


UID = "the uid of the trial that no longer is what its uid says"
# Row -> the edit, and what the line has to name.
EDITS: dict[str, tuple[Callable[[Plan], None], str]] = {
    "plan-epochs": (set_in("protocol", "epochs", to=1), "epochs"),
    "plan-seed": (set_in("seed", to=7), "seed"),
    "plan-learning-rate": (set_in("trials", 0, "hparams", "learning_rate", to=0.01), UID),
    "plan-protocol-field": (set_in("protocol", "order", to="in-order"), "order"),
    "plan-corpus-hash": (set_in("corpus", "sha256", to="0" * 64), "corpus"),
    "plan-uid": (set_in("trials", 0, "uid", to="0123456789ab"), "0123456789ab"),
    "plan-hidden-size": (set_in("trials", 0, "hparams", "hidden_size", to=1_000_000_000), UID),
    "plan-uid-path": (set_in("trials", 0, "uid", to="../../victim"), "../../victim"),
    "plan-name-path": (set_in("name", to="../../x"), "../../x"),
    "plan-num-cpus-text": (set_in("search", "num_cpus", to="two"), "num_cpus"),
    "plan-no-trials": (set_in("trials", to=[]), "trials"),
    "plan-negative-trials": (set_in("search", "max_trials", to=-5), "max_trials"),
}


@injects(*EDITS, quick=True)
@pytest.mark.parametrize("row", EDITS)
def test_an_edited_plan_is_refused(row: str, finished: Path, run_inside: Run, tmp_path: Path) -> None:
    edit, named = EDITS[row]
    output, victim = tmp_path / "runs" / "run", tmp_path / "victim"
    shutil.copytree(finished, output)
    (victim / "checkpoint").mkdir(parents=True)
    for name in ("failure.json", "client-failure.txt", "checkpoint/checkpoint.json"):
        (victim / name).write_text("not the run's")
    plan = json.loads((output / "plan.json").read_text())
    edit(plan)
    if row == "plan-name-path":
        plan["search"]["storage"] = str(tmp_path / "storage" / "deep")
        shutil.rmtree(output / "trials")
    (output / "plan.json").write_text(json.dumps(plan))
    before = snapshot(tmp_path)
    # What was edited; and of what decides a result also the first trial whose uid no longer fits.
    lines = refusals(run_inside("tune", "--resume", output))
    assert len(lines) <= 2, lines
    assert all(str(output / "plan.json") in line for line in lines)
    assert (plan["trials"][0]["uid"] if named == UID else named) in lines[0]
    after = snapshot(tmp_path)
    for name in set(before) ^ set(after):
        assert Path(name).name == ".lock", name
    assert all(after[name] == before[name] for name in before if name in after and Path(name).name != ".lock")
