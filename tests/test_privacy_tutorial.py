"""docs/tutorials/privacy_against_accuracy.md runs as it stands, and says what its commands say."""

import json
import re
from pathlib import Path

from tests.conftest import LEFT_OPEN, ROOT, Run

TUTORIAL = (ROOT / "docs" / "tutorials" / "privacy_against_accuracy.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("python -m orchestrator ")
    for block in re.findall(r"```bash\n(.*?)```", TUTORIAL, re.DOTALL)
    for line in block.splitlines()
]
QUOTED = ("Was this person in the training data?", "success rate of model", "rmia", "action-units shared")

pytestmark = LEFT_OPEN


def test_the_tutorial_runs_and_its_files_are_what_it_says(tmp_path: Path, run_here: Run) -> None:
    assert len(COMMANDS) == 11
    (search,) = re.findall(r"```toml\n(.*?)```", TUTORIAL, re.DOTALL)
    (tmp_path / "search.toml").write_text(search)
    own = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "XDG_DATA_HOME": str(tmp_path / "data")}
    said = {}
    for command in COMMANDS:
        done = run_here(*command.split(), cwd=tmp_path, env=own)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said[command] = done.stdout
    audits = "\n".join(text for command, text in said.items() if command.startswith("audit"))
    assert not [words for words in QUOTED if words not in audits]
    assert "with secure sums the server has no client's update" in audits
    assert "Linking: do two records belong to one person? not measured" in audits
    assert "3 searches reported" in said["report --summary summary.html"]
    assert "sum-membership sum" in (tmp_path / "papers" / "impact_assessment.md").read_text()
    for name in ("central", "federated", "noise"):
        summary = json.loads((tmp_path / "runs" / name / "summary.json").read_text())
        assert summary["forgotten"] == 1
        assert [person["participant"] for person in summary["participants"]].count("P16") == 0
        assert len(summary["participants"]) == 5
