"""`data forget` inside runs: the person's rows go, the run still loads, compares and predicts, and is not resumed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import orchestrator
from orchestrator.cli import cli
from orchestrator.errors import InputError
from orchestrator.evaluation.person_removal import MARK, removal_of
from orchestrator.evaluation.trial_files import read_result
from orchestrator.files import json_text, locked, sha256_of
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.pseudonyms import pseudonyms
from orchestrator.planning.removal import STAGED_FOLDER, forgotten, settle
from tests.conftest import ROOT
from tests.old_runs import unpacked

PERSON, OTHERS = "P17", ["P16", "P19", "P21"]
KEY = b"0123456789abcdef0123456789abcdef"
TRIAL = "5c22ae96e4d2"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four people, with what newer runs have beside it: checksums, sums by person, an audit."""
    folder = unpacked(tmp_path_factory.mktemp("old")) / "finished"
    trial = folder / "trials" / TRIAL
    names = ("result.json", "predictions.safetensors", "model.safetensors")
    (trial / "checksums.json").write_text(json.dumps({name: sha256_of(trial / name) for name in names}))
    result = json.loads((trial / "result.json").read_text())
    folds = [{"moments": fold["moments"], "window_moments": fold["moments"]} for fold in result["folds"]]
    content = {"networks": {"bigru": folds}, "baselines": {"mean": folds}, "reported": None}
    (folder / "moments.json").write_text(json_text(content))
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json_text(plan))
    audit = {"attacks": [{"per_person": {one: {"rank-1": 0.5} for one in [PERSON, *OTHERS]}}], "subject": {}}
    (folder / "audit" / "checkpoints").mkdir(parents=True)
    (folder / "audit" / "audit.json").write_text(json_text(audit))
    rows = [f"identity,pixels,,{one},rank-1,0.5" for one in [PERSON, *OTHERS]]
    header = "attack,source,variant,participant,statistic,value"
    (folder / "audit" / "people.csv").write_text("\n".join([header, *rows, ""]))
    (folder / "run.log").write_text("P17: a gap\nP171: none\n")
    return folder


@pytest.fixture
def run(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "key").write_bytes(KEY)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(once, tmp_path / "run")
    return tmp_path / "run"


def forget(run: Path, *words: object, person: str = PERSON) -> Result:
    return CliRunner().invoke(
        cli, ["data", "forget", person, "--run", str(run), "--key", str(run.parent / "key"), *map(str, words)]
    )


def contents(folder: Path) -> dict[str, str]:
    files = [one for one in folder.rglob("*") if one.is_file() and one.suffix != ".lock" and one.name != ".lock"]
    return {str(one.relative_to(folder)): sha256_of(one) for one in files}


def test_nothing_of_the_person_is_left_but_weights_and_others_stay(run: Path) -> None:
    before = pq.read_table(run / "predictions.parquet")
    done = forget(run, "--yes")
    assert done.exit_code == 0, done.output
    texts = [one for one in run.rglob("*") if one.is_file() and one.suffix not in (".safetensors", ".pt2", ".svg")]
    assert len(texts) > 10
    assert not [one for one in texts if b'P17"' in one.read_bytes() or b"P17," in one.read_bytes()]
    assert (run / "run.log").read_text() == f"{MARK}: a gap\nP171: none\n"
    after = pq.read_table(run / "predictions.parquet")
    assert after.equals(before.filter(np.array(before.column("participant").to_pylist()) != PERSON))
    assert after.num_rows == 3 * 300
    assert after.schema.metadata[b"synthetic"] == b"true"
    assert {row.split(",")[3] for row in (run / "audit" / "people.csv").read_text().split()[1:]} == set(OTHERS)
    moments = json.loads((run / "moments.json").read_text())
    folds = [*moments["networks"]["bigru"], *moments["baselines"]["mean"]]
    assert [sorted(fold["window_moments"]) for fold in folds] == 2 * [["P16"], ["P19", "P21"]]
    assert f"not removed  {run}/model/model.safetensors: weights" in done.output
    assert "scores were computed with the person" in done.output
    for gone in (f"trials/{TRIAL}/predictions.safetensors", "figures/au-traces.svg", "audit/checkpoints"):
        assert f"removes   {run / gone}: " in done.output
        assert not (run / gone).exists()


def test_the_run_still_loads_with_renewed_checksums_and_its_scores(run: Path) -> None:
    before = orchestrator.load_run(run).summary
    forget(run, "--yes")
    assert read_result(run / "trials" / TRIAL).folds[0].participants == ("P16",)
    sums = json.loads((run / "trials" / TRIAL / "checksums.json").read_text())
    assert sums == {name: sha256_of(run / "trials" / TRIAL / name) for name in ("result.json", "model.safetensors")}
    found = orchestrator.load_run(run)
    assert found.summary.scores == before.scores
    assert found.summary.forgotten == 1
    assert "1 person removed by `data forget` after" in found.answer()
    assert list(found.participants()["participant"]) == OTHERS
    assert found.figure("traces") is not None


def test_a_slip_in_the_name_removes_nothing_and_says_who_is_there(run: Path) -> None:
    before = contents(run)
    done = forget(run, "--yes", person=f"{PERSON.lower()} ")
    assert done.exit_code == 2
    assert f"error: PARTICIPANT: found {PERSON.lower()} , whom no run names; expected {PERSON}\n" in done.output
    done = forget(run, "--yes", person="Nobody")
    assert done.exit_code == 0
    assert "nobody named Nobody is in 1 run looked through, which have P16" in done.output
    assert contents(run) == before
    assert "nobody named" not in forget(run, "--yes").output
    assert f"nobody named {PERSON} is in" in forget(run, "--yes").output  # done already: said, and no error


def test_two_runs_are_compared_over_the_people_that_both_have(run: Path, once: Path) -> None:
    forget(run, "--yes")
    table = orchestrator.compare(run, once)
    assert len(table) == 2
    assert set(table["participants"]) == {3}


def test_a_fold_may_lose_its_last_person(run: Path, once: Path) -> None:
    for person in (PERSON, "P16"):
        assert forget(run, "--yes", person=person).exit_code == 0
    table = orchestrator.compare(run, once)
    assert set(table["own_people"]) == {2}
    assert table["participants"].isna().all()  # the two are in one fold: no difference of the CCC over folds
    assert len(forgotten(run)) == 2
    assert orchestrator.load_run(run).summary.forgotten == 2


def test_the_model_predicts_and_says_that_somebody_is_no_longer_named(run: Path, once: Path) -> None:
    forget(run, "--yes")
    notes = orchestrator.load_run(run).predict(once.parent / "corpus.parquet").attrs["notes"]
    assert "models    1 of the training people removed by `data forget`: they count as not of the corpus" in notes


@pytest.mark.parametrize(
    ("words", "where"), [(["tune", "--resume"], "--resume"), (["audit"], "RUN"), (["tune", "--extend"], "--extend")]
)
def test_what_would_read_the_person_again_is_refused(run: Path, words: list[str], where: str) -> None:
    forget(run, "--yes")
    before = contents(run)
    more = ["--network", "bilstm"] if "--extend" in words else []
    done = CliRunner().invoke(cli, [*words, str(run), *more])
    assert done.exit_code == 2, done.output
    assert f"error: {where}: found {run}, from which 1 person was removed, last on 20" in done.output
    assert contents(run) == before


def test_who_was_removed_is_kept_as_a_keyed_hash(run: Path) -> None:
    forget(run, "--yes")
    (one,) = forgotten(run)
    assert one.person == pseudonyms(KEY)(PERSON)
    again = contents(run)
    done = forget(run, "--yes")
    assert (done.exit_code, contents(run)) == (0, again)
    assert "removed   the person" not in done.output


def test_an_audit_under_pseudonyms_loses_the_person_by_the_same_key_only(run: Path) -> None:
    def written(key: bytes) -> None:
        people = {pseudonyms(key)(one): {"rank-1": 0.5} for one in [PERSON, *OTHERS]}
        content = {"attacks": [{"per_person": people}], "subject": {"key": pseudonyms(key)("")}}
        (run / "audit" / "audit.json").write_text(json_text(content))

    written(KEY)
    audit = json.loads(removal_of(run, PERSON, KEY).replaced["audit/audit.json"])
    assert set(audit["attacks"][0]["per_person"]) == {pseudonyms(KEY)(one) for one in OTHERS}
    written(b"another key")
    assert "audit/audit.json" not in removal_of(run, PERSON, KEY).replaced


def test_a_key_that_is_not_the_audits_removes_nothing_and_makes_none(run: Path) -> None:
    name = pseudonyms(KEY)(PERSON)
    content = {"attacks": [{"per_person": {name: {"rank-1": 0.5}}}], "subject": {"key": pseudonyms(KEY)("")}}
    (run / "audit" / "audit.json").write_text(json_text(content))
    table = run / "audit" / "people.csv"
    table.write_text(table.read_text().replace(PERSON, name))
    (run.parent / "other").write_bytes(KEY[::-1])
    before = contents(run)
    for file, message in {
        "other": f"found a key that is not the one of the pseudonyms in {run}/audit",
        "none": "",
    }.items():
        done = forget(run, "--yes", "--key", run.parent / file)
        assert done.exit_code == 2, done.output
        assert "error: --key: " + (message or f"found {run.parent / 'none'}, which is not there;") in done.output
        assert contents(run) == before
    assert not (run.parent / "none").exists()
    assert forget(run, "--yes").exit_code == 0
    assert name not in table.read_text()


def test_clients_that_failed_and_groups_name_nobody(run: Path) -> None:
    path = run / "trials" / "235bf528f188" / "result.json"
    result = json.loads(path.read_text())
    result["federation"] = {"first_failure": "client P17: gone", "by_round": [{"failed": ["P17", "P16"]}]}
    path.write_text(json_text(result))
    plan = json.loads((run / "plan.json").read_text())
    groups = [["P16", PERSON], ["P19", "P21"]]
    plan |= {"groups": groups, "decisive": {"groups": groups}, "protocol": {**plan["protocol"], "group_by": "dyad"}}
    plan["corpus"]["read"] = {"recordings": {"P17": {}, "P171": {}}}
    (run / "plan.json").write_text(json_text(plan))
    change = removal_of(run, PERSON, KEY)
    federation = json.loads(change.replaced[f"trials/{path.parent.name}/result.json"])["federation"]
    assert federation == {"first_failure": f"client {MARK}: gone", "by_round": [{"failed": [MARK, "P16"]}]}
    after = json.loads(change.replaced["plan.json"])
    assert after["groups"] == after["decisive"]["groups"] == [["P16"], ["P19", "P21"]]
    assert after["corpus"]["read"]["recordings"] == {"P171": {}}
    forget(run, "--yes")
    assert load_plan(run).groups == (("P16",), ("P19", "P21"))


def test_a_damaged_result_goes_and_a_damaged_summary_keeps_the_run(run: Path) -> None:
    (run / "trials" / TRIAL / "result.json").write_text("{}")
    assert {f"trials/{TRIAL}/result.json", f"trials/{TRIAL}/checksums.json"} <= set(
        removal_of(run, PERSON, KEY).removed
    )
    (run / "summary.json").write_text("{")
    before = contents(run)
    done = forget(run, "--yes")
    assert done.exit_code == 1
    assert f"kept      {run} as it is: {run}/summary.json:1: found" in done.output
    assert contents(run) == before


def test_an_audits_table_that_was_cut_off_keeps_the_run_and_names_the_line(run: Path) -> None:
    """A name may be cut, too: nobody could say whose the row is."""
    table = run / "audit" / "people.csv"
    whole = table.read_text()
    table.write_text(whole[: whole.rindex(",") - 3])
    before = contents(run)
    done = forget(run, "--yes")
    assert done.exit_code == 1
    number = len(whole.splitlines())
    assert f"kept      {run} as it is: {table}:{number}: found " in done.output
    assert contents(run) == before


def test_a_run_at_work_is_kept(run: Path) -> None:
    before = contents(run)
    with locked(run / ".lock", wait_seconds=0):
        done = forget(run, "--yes")
    assert done.exit_code == 1
    assert f"kept      {run}, where another process is at work" in done.output
    assert contents(run) == before


def test_a_run_without_the_person_is_not_touched(run: Path) -> None:
    before = contents(run)
    assert forget(run, "--yes", person="P3").exit_code == 0
    assert contents(run) == before


KILLED = """
import os, signal, sys
from orchestrator.planning import removal
left, write = int(sys.argv.pop(1)), removal.write_bytes
def killing(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    write(*arguments)
removal.write_bytes = killing
from orchestrator.cli import cli
cli(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def whole(once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The contents of a run from which the person was removed without a break."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("whole")
        patch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(folder / "cache"))
        (folder / "key").write_bytes(KEY)
        shutil.copytree(once, folder / "run")
        assert forget(folder / "run", "--yes").exit_code == 0
    return contents(folder / "run")


@pytest.mark.parametrize("writes", [3, 13, 22])
def test_a_kill_leaves_the_old_run_or_one_that_opening_completes(run: Path, whole: dict[str, str], writes: int) -> None:
    """12 files are staged and 13 put in place, the record of the person with them."""
    before = contents(run)
    words = [str(writes), "data", "forget", PERSON, "--run", str(run), "--key", str(run.parent / "key"), "--yes"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], cwd=ROOT, env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    staged = (run / STAGED_FOLDER).is_dir()
    assert staged == (writes >= 12)
    if staged:
        assert contents(run) not in (before, whole)
        orchestrator.load_run(run)
        assert contents(run) == whole
    else:
        assert {name: one for name, one in contents(run).items() if not name.startswith(STAGED_FOLDER)} == before
    assert forget(run, "--yes").exit_code == 0
    assert contents(run) == whole


def test_a_list_that_leads_out_of_the_run_is_refused(run: Path) -> None:
    (run / STAGED_FOLDER).mkdir()
    (run / STAGED_FOLDER / "removal.json").write_text(json.dumps({"replace": {}, "remove": ["../key"]}))
    with pytest.raises(InputError, match=r"found '\.\./key'; expected a path inside the run's folder"):
        settle(run)
    assert hashlib.sha256((run.parent / "key").read_bytes()).digest() == hashlib.sha256(KEY).digest()
