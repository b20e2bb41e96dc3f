"""What an audit writes, keeps and reads again; the rule of its verdicts."""

import dataclasses
import json

import pytest

from orchestrator.audit.folder import AUDIT_FILE, PEOPLE_FILE, AuditFolder, read_audit
from orchestrator.audit.output import table
from orchestrator.audit.records import ATTACKS, DEFENCE, TESTS, Attack, Audit, Statistic
from orchestrator.audit.tasks import Task, run_tasks
from orchestrator.audit.verdict import EXPOSED, NOT_MEASURED, NOT_SHOWN, PARTLY, UNDERPOWERED, verdict
from orchestrator.errors import InputError
from orchestrator.planning.pseudonyms import pseudonyms

AUDIT = Audit(subject={"data": "here", "run": None}, seed=0, synthetic=True, participants=2)


def statistic(value=0.6, lower=0.4, upper=0.8, chance=0.5):
    return Statistic(name="rank-1", unit="", value=value, lower=lower, upper=upper, chance=chance)


def attack(source="traces", variant="", **changed):
    made = Attack(
        attack="identity",
        source=source,
        variant=variant,
        threat="Somebody has the data.",
        main=statistic(),
        others=(dataclasses.replace(statistic(), name="equal error rate", lower=None),),
        people=2,
        verdict="underpowered",
        notes=("a note",),
        settings={"model": "lda", "features": 3, "shrinkage": 0.25, "scaled": True},
        per_person={"=P1": {"rank-1": 1.0}, "P2": {"rank-1": None}},
    )
    return dataclasses.replace(made, **changed)


def task(calls, source="traces", fails=False, **inputs):
    def run(show, folder):
        calls.append(source)
        assert folder.is_dir()
        if fails:
            raise KeyboardInterrupt
        show("half way")
        return [attack(source=source), attack(source=source, variant="two")]

    names = (f"identity {source}", f"identity {source} two")
    return Task(names=names, inputs=inputs, run=run)


def test_a_record_comes_back_from_its_file(tmp_path):
    folder = AuditFolder.begin(tmp_path, AUDIT)
    folder.keep([attack(footnote="below"), attack(source="update")])
    found = read_audit(tmp_path)
    assert found == folder.audit
    assert found is not None
    assert found.find("identity", "update") == attack(source="update")
    assert found.find("identity", "update", "other") is None
    error = found.attacks[0].statistic("equal error rate")
    assert error is not None
    assert error.lower is None


def test_a_damaged_file_is_named_with_its_field(tmp_path):
    AuditFolder.begin(tmp_path, AUDIT).keep([attack()])
    raw = json.loads((tmp_path / AUDIT_FILE).read_text())
    raw["attacks"][0]["main"]["value"] = "much"
    (tmp_path / AUDIT_FILE).write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"audit\.json: attacks\.0\.main\.value: found \"much\""):
        AuditFolder.begin(tmp_path, AUDIT)


def test_people_are_in_rows_that_no_spreadsheet_runs(tmp_path):
    AuditFolder.begin(tmp_path, AUDIT).keep([attack(source="traces", variant="two")])
    assert (tmp_path / PEOPLE_FILE).read_text().splitlines() == [
        "attack,source,variant,participant,statistic,value",
        "identity,traces,two,'=P1,rank-1,1.0",
        "identity,traces,two,P2,rank-1,",
    ]


def test_pseudonyms_need_the_key(tmp_path):
    folder = AuditFolder.begin(tmp_path, dataclasses.replace(AUDIT, pseudonymised=True), pseudonyms(b"key"))
    folder.keep([attack()])
    text = (tmp_path / AUDIT_FILE).read_text() + (tmp_path / PEOPLE_FILE).read_text()
    assert "P1" not in text
    assert pseudonyms(b"key")("P2") in text
    assert pseudonyms(b"other")("P2") not in text


def test_what_was_found_by_name_is_not_kept_under_pseudonyms(tmp_path):
    AuditFolder.begin(tmp_path, AUDIT).keep([attack()])
    rename = pseudonyms(b"key")
    hidden = dataclasses.replace(AUDIT, pseudonymised=True, subject={**AUDIT.subject, "key": rename("")})
    folder = AuditFolder.begin(tmp_path, hidden, rename)
    assert not folder.audit.attacks
    folder.keep([attack()])
    assert AuditFolder.begin(tmp_path, hidden, rename).audit.attacks
    other = dataclasses.replace(hidden, subject={**AUDIT.subject, "key": pseudonyms(b"other")("")})
    assert not AuditFolder.begin(tmp_path, other, pseudonyms(b"other")).audit.attacks


def test_a_task_is_done_once(tmp_path):
    calls: list[str] = []
    lines: list[str] = []
    first = run_tasks(AuditFolder.begin(tmp_path, AUDIT), [task(calls, seed=0)], lines.append, skipped={"b": "no"})
    again = run_tasks(AuditFolder.begin(tmp_path, AUDIT), [task(calls, seed=0)], lines.append, skipped={"b": "no"})
    assert calls == ["traces"]
    assert first == again == read_audit(tmp_path)
    assert first.finished
    assert first.skipped == {"b": "no"}
    assert {path.name for path in tmp_path.iterdir()} == {AUDIT_FILE, PEOPLE_FILE}
    assert lines[-1] == "audit     1/1 identity traces and 1 more: kept"


def test_other_inputs_are_attacked_again_in_the_place_of_the_earlier(tmp_path):
    calls: list[str] = []
    for seed in (0, 1):
        found = run_tasks(AuditFolder.begin(tmp_path, AUDIT), [task(calls, seed=seed)], print, skipped={})
    assert calls == ["traces", "traces"]
    assert [one.name for one in found.attacks] == ["identity traces", "identity traces two"]


def test_of_what_is_not_asked_for_again_only_what_still_holds_is_kept(tmp_path):
    calls: list[str] = []
    other, stale = task(calls, source="update"), task(calls, source="pixels", seed=0)
    skipped = {"a": "no videos", "b": "no model"}
    run_tasks(AuditFolder.begin(tmp_path, AUDIT), [other, stale], print, skipped=skipped)
    known = ([other, task(calls, source="pixels", seed=1)], {"a": "no videos", "b": "another reason"})
    found = run_tasks(AuditFolder.begin(tmp_path, AUDIT), [task(calls)], print, skipped={"c": "no"}, known=known)
    assert calls == ["update", "pixels", "traces"]
    assert [one.source for one in found.attacks] == ["traces", "traces", "update", "update"]
    assert found.skipped == {"a": "no videos", "c": "no"}
    assert found == read_audit(tmp_path)


def test_a_killed_audit_keeps_the_tasks_that_ended_and_its_checkpoints(tmp_path):
    calls: list[str] = []
    tasks = [task(calls), task(calls, source="update", fails=True)]
    with pytest.raises(KeyboardInterrupt):
        run_tasks(AuditFolder.begin(tmp_path, AUDIT), tasks, print, skipped={})
    found = read_audit(tmp_path)
    assert found is not None
    assert not found.finished
    assert [one.source for one in found.attacks] == ["traces", "traces"]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [tasks[1].digest[:24]]
    run_tasks(AuditFolder.begin(tmp_path, AUDIT), [tasks[0], task(calls, source="update")], print, skipped={})
    assert calls == ["traces", "update", "update"]
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (statistic(value=0.9, lower=0.76, upper=1.0), EXPOSED),
        (statistic(value=0.9, lower=0.75, upper=1.0), PARTLY),
        (statistic(value=0.51, lower=0.4, upper=0.54), NOT_SHOWN),
        (statistic(value=0.53, lower=0.51, upper=0.54), NOT_SHOWN),
        (statistic(value=0.53, lower=0.4, upper=0.56), UNDERPOWERED),
        (statistic(value=0.6, lower=0.51, upper=0.7), PARTLY),
        (statistic(value=0.6, lower=None, upper=None), UNDERPOWERED),
        (statistic(value=None), NOT_MEASURED),
    ],
)
def test_both_ends_decide_the_word(one, word):
    assert verdict(one) == word


def test_records_and_lines_are_ordered_by_the_three_tests(tmp_path):
    folder = AuditFolder.begin(tmp_path, AUDIT)
    made = [
        attack("action-units"),
        attack("action-units", attack="defence"),
        attack("action-units", "sex", attack="attribute"),
        attack("model", attack="membership"),
        attack("traces"),
    ]
    folder.keep(made)
    audit = folder.finish([one.name for one in made], {})
    assert [one.name for one in audit.attacks] == [
        "membership model", "identity action-units", "identity traces", "attribute action-units sex",
        "defence action-units",
    ]  # fmt: skip
    lines = table(audit).splitlines()
    titles = [line for line in lines if not line.startswith(" ") and not line.startswith(("Verdicts", "advantage"))]
    assert titles[:7] == [
        "Singling out: is somebody in the data?",
        "Was this person in the training data?",
        "Linking: do two records belong to one person?",
        "Who is this?",
        "Inference: what attributes do the data tell of a person?",
        "What do the data tell of a new person?",
        "What can be done about it?",
    ]
    one = table(folder.finish([made[0].name], {}))
    assert "Singling out: is somebody in the data? not measured" in one
    assert "Inference: what attributes do the data tell of a person? not measured" in one


def test_every_attack_is_of_one_test_or_a_defence():
    of_tests = [attack for attacks in TESTS.values() for attack in attacks]
    assert sorted([*of_tests, DEFENCE]) == sorted(ATTACKS)
