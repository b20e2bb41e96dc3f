"""`papers`: every figure is of the run's records, what is missing is said, and blanks are left to people."""

import dataclasses
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fed.options import Federation
from orchestrator.audit.folder import AuditFolder
from orchestrator.audit.records import GRADIENT_INVERSION, Attack, Audit, Statistic
from orchestrator.audit.verdict import DIAGNOSTIC, DIAGNOSTIC_RULE
from orchestrator.cli import cli
from orchestrator.files import read_json
from orchestrator.report.papers.impact_assessment import impact_assessment
from orchestrator.report.papers.material import Material, material_of
from orchestrator.report.papers.notice import notice
from orchestrator.report.papers.reforms import ANSWERS, MODULES, reforms
from orchestrator.run_records import FederationRecord
from tests.old_runs import unpacked

DATE = "2030-01-02"


def attack(name: str, source: str, value: float | None) -> Attack:
    main = Statistic(name="rank-1", unit="", value=value, lower=0.25, upper=0.75, chance=0.125)
    return Attack(attack=name, source=source, threat="", main=main, people=7, verdict="partly exposed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of an earlier version, with an audit."""
    folder = unpacked(tmp_path_factory.mktemp("old")) / "finished"
    audit = Audit(subject={}, seed=0, synthetic=True, participants=7, skipped={"identity pixels": "no videos"})
    made = [
        attack("identity", "traces", 0.5),
        attack("membership", "model", 0.625),
        attack("attribute", "pixels", 0.75),
        attack("defence", "traces", None),
    ]
    AuditFolder.begin(folder / "audit", audit).keep(made)
    return folder


@pytest.fixture
def material(run: Path, tmp_path: Path) -> Material:
    return material_of(run, date=DATE, cache=tmp_path / "none")


def section(text: str, title: str) -> str:
    (found,) = re.findall(rf"^#+ {re.escape(title)}.*?(?=^#)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_risks_are_the_audit_s_in_the_order_of_the_tests(material: Material) -> None:
    text = impact_assessment(material)
    row = "| 0.125 | 7 | partly exposed |"
    assert f"| membership model | rank-1 | 0.625 [0.250, 0.750] {row}" in section(text, "Singling out")
    assert f"| identity traces | rank-1 | 0.500 [0.250, 0.750] {row}" in section(text, "Linking")
    assert f"| attribute pixels | rank-1 | 0.750 [0.250, 0.750] {row}" in section(text, "Inference")
    assert "- not measured: identity pixels: no videos" in text
    assert f"| defence traces | rank-1 | - {row}" in section(text, "4. Measures")
    assert text.index("### Singling out") < text.index("### Linking") < text.index("### Inference")


def test_a_diagnostic_is_called_one(material: Material) -> None:
    assert material.audit is not None
    assert DIAGNOSTIC_RULE not in impact_assessment(material)
    one = dataclasses.replace(attack(GRADIENT_INVERSION, "update", 0.5), verdict=DIAGNOSTIC)
    audit = dataclasses.replace(material.audit, attacks=(*material.audit.attacks, one))
    risks = section(impact_assessment(dataclasses.replace(material, audit=audit)), "Linking")
    assert f"| gradient-inversion update | rank-1 | 0.500 [0.250, 0.750] | 0.125 | 7 | {DIAGNOSTIC} |" in risks
    assert DIAGNOSTIC_RULE in impact_assessment(dataclasses.replace(material, audit=audit))


def test_an_audit_that_was_broken_off_or_is_of_another_model_says_so(material: Material) -> None:
    assert material.audit is not None
    assert material.card is not None
    again = f"`python -m orchestrator audit {material.run}`"
    own = material.card["uid"]
    whole = dataclasses.replace(material.audit, finished=True, subject={"model": own})
    said = impact_assessment(dataclasses.replace(material, audit=whole))
    assert again not in said
    other = dataclasses.replace(whole, finished=False, subject={"model": "1cf3baa0b674"})
    said = impact_assessment(dataclasses.replace(material, audit=other))
    assert f"The audit was broken off, so that attacks are missing: {again} goes on." in said
    assert f"is of configuration 1cf3baa0b674; this run's best is now {own}: {again} again." in said


def test_without_an_audit_nothing_is_measured(material: Material) -> None:
    text = impact_assessment(dataclasses.replace(material, audit=None))
    assert text.count("\nNot measured.\n") == 3
    assert f"python -m orchestrator audit {material.run}" in text


def test_the_data_flow_is_that_of_the_run(material: Material) -> None:
    assert "| training | central: everybody's" in impact_assessment(material)
    assert "| leaves a participant's machine | action units; the model |" in impact_assessment(material)
    plan = dataclasses.replace(material.plan, method="fl-au", federation=Federation(secure_sum=True, local_epochs=3))
    record = FederationRecord(
        rounds=2, clients=4, bytes_up=12345, bytes_down=1, failures=0, wall_seconds=1.0, paper_seconds=1.0,
        left_apart=("the number of clients",),
    )  # fmt: skip
    assert material.summary is not None
    federated = dataclasses.replace(
        material, plan=plan, summary=dataclasses.replace(material.summary, federation=record)
    )
    text = impact_assessment(federated)
    assert "local epochs per round: 3; secure sums: the server learns sums" in text
    assert "| sent | 12,345 bytes by 4 clients, 1 bytes to them, in 2 rounds of each fold |" in text
    assert "| beside the sums | the number of clients |" in text
    assert "| What leaves a participant's machine | sums of updates; the model |" in notice(federated)
    assert "| sent | not recorded |" in impact_assessment(dataclasses.replace(federated, summary=None))


def test_people_minutes_and_copies_are_counted(material: Material, run: Path) -> None:
    assert "4 participants; recordings and minutes not recorded." in impact_assessment(material)
    read = {"recordings": {name: {"frames": 1500, "times": [0.0, 60.0, ""]} for name in ("P16", "P17")}}
    plan = dataclasses.replace(material.plan, corpus=dataclasses.replace(material.plan.corpus, read=read))
    whole = dataclasses.replace(material, plan=plan)
    assert "4 participants; 2 recordings of 2.0 minutes in all." in impact_assessment(whole)
    assert (
        "| 3e | how many samples, of how many people | 4 participants; 2 recordings of 2.0 minutes in all; 3,000"
        in (reforms(whole))
    )
    sizes = {one.path: one.num_bytes for one in material.places}
    assert sizes[str(run.resolve())] == sum(one.stat().st_size for one in run.rglob("*") if one.is_file())


def test_the_checklist_has_32_items_and_the_run_s_answers(material: Material, run: Path) -> None:
    items = [item for module in MODULES.values() for item in module]
    assert (len(items), len(set(items)), len(MODULES)) == (32, 32, 8)
    assert set(ANSWERS) <= set(items)
    text = reforms(material)
    rows = dict(re.findall(r"^\| (\d\w) \| [^|]* \| (.*) \|$", text, re.MULTILINE))
    assert list(rows) == items
    unanswered = {item for item, answer in rows.items() if answer == "[only the authors can answer]"}
    assert unanswered == (set(items) - set(ANSWERS)) | {"7c"}  # the run is older than tests against baselines
    assert "18 of 32 items are answered" in text
    assert str(read_json(run / "plan.json")["git_commit"]) in rows["2b"]
    assert rows["5e"] == "grid with fifo, 4 configurations: 4 finished, 0 failed, 0 stopped"
    assert "CCC -0.062 (-0.146 to 0.017), -0.064 if corrected" in rows["7b"]
    assert "18 of 32" not in reforms(dataclasses.replace(material, summary=None))


@pytest.mark.parametrize("summary", [True, False])
def test_no_paper_has_a_nan_and_each_is_dated(material: Material, *, summary: bool) -> None:
    given = material if summary else dataclasses.replace(material, summary=None, card=None, audit=None)
    for make in (notice, impact_assessment, reforms):
        text = make(given)
        assert not re.search(r"\b(nan|None|inf)\b", text)
        assert f"Draft of {DATE}" in text
        assert "This is not legal advice." in text
        assert "**SYNTHETIC recordings" in text
    assert "50(3)" in notice(given)
    assert notice(given).count("[to be filled in: ") > 10


def test_copies_in_the_cache_are_a_line_per_kind_without_those_of_nobody(run: Path, tmp_path: Path) -> None:
    for name, size in (("frames-" + "a" * 24, 5), ("frames-" + "b" * 24, 6), ("models-" + "c" * 24, 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_bytes(b"x" * size)
    places = material_of(run, date=DATE, cache=tmp_path).places
    found = [(one.what, one.path, one.num_bytes) for one in places if "cache" in one.what]
    assert found == [("cache: frames, of all corpora", str(tmp_path / "frames-*"), 11)]


def test_the_command_writes_three_files_into_a_new_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    done = CliRunner().invoke(cli, ["papers", str(run), "--output", str(tmp_path / "papers")])
    assert done.exit_code == 0, done.output
    names = {"notice.md", "impact_assessment.md", "reforms.md"}
    assert {one.name for one in (tmp_path / "papers").iterdir()} == names
    again = CliRunner().invoke(cli, ["papers", str(run), "--output", str(tmp_path / "papers")])
    assert again.exit_code == 2
    assert "is not empty" in again.output
    (tmp_path / "no").mkdir()
    none = CliRunner().invoke(cli, ["papers", str(tmp_path / "no"), "--output", str(tmp_path / "new")])
    assert none.output == f"error: RUN: found {tmp_path / 'no'}, without plan.json; expected the folder of a run\n"
