"""The command `audit` on a run of an earlier version and on recordings: files, MLflow, refusals."""

import csv
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import orchestrator
from orchestrator.cli import cli
from orchestrator.errors import InputError
from orchestrator.files import locked
from tests.old_runs import unpacked

SOURCES = {
    "action-units shared",
    "action-units units",
    "action-units dynamics",
    "action-units z-scores",
    "action-units z-scores-whole",
}
INSIDE = {"hidden-states ", "traces "}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("old"))


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's is touched, and forests are small."""
    monkeypatch.setattr("orchestrator.audit.attackers.TREES", 5)
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")


@pytest.fixture
def run(once: Path, tmp_path: Path) -> Path:
    """A finished run of four people of 12 s."""
    shutil.copytree(once / "finished", tmp_path / "run")
    return tmp_path / "run"


def audit(*arguments: object) -> Result:
    asked = [] if "--question" in arguments else ["--question", "identity"]
    return CliRunner().invoke(cli, ["audit", *asked, *map(str, arguments)])


def without_store(folder: Path) -> None:
    """A store that is a folder cannot be opened."""
    state = json.loads((folder / "tracking.json").read_text())
    (folder.parent / "no.db").mkdir()
    state["tracking_uri"] = f"sqlite:///{folder.parent / 'no.db'}"
    (folder / "tracking.json").write_text(json.dumps(state))


def test_a_run_is_audited_once_and_its_numbers_are_written(run: Path) -> None:
    without_store(run)
    done = audit(run)
    assert done.exit_code == 0, done.output
    assert "SYNTHETIC" in done.stderr
    assert "not in MLflow: " in done.stderr
    found = json.loads((run / "audit" / "audit.json").read_text())
    assert {f"{one['source']} {one['variant']}" for one in found["attacks"]} == SOURCES | INSIDE
    assert found["finished"]
    assert found["subject"]["run"] == str(run.resolve())
    assert found["skipped"]["identity pixels"] == "the data have no videos"
    assert all(one["main"]["chance"] == 0.25 for one in found["attacks"])
    with (run / "audit" / "people.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["participant"] for row in rows} == {"P16", "P17", "P19", "P21"}
    assert len(rows) == 4 * 2 * len(found["attacks"])
    again = audit(run)
    assert again.stderr.count(": kept") == 6
    assert json.loads((run / "audit" / "audit.json").read_text()) == found
    said = [line for line in done.stdout.splitlines() if "written to" not in line]
    assert max(map(len, said)) <= 80


def test_the_record_is_a_child_of_the_run_in_its_store(run: Path, once: Path) -> None:
    database = run.parent / "store.db"
    shutil.copyfile(once / "store" / "mlflow.db", database)
    connection = sqlite3.connect(database)
    with connection:  # artifacts go beside the copy, too
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (str(once / "store"), str(run.parent / "artifacts")),
            )
    state = json.loads((run / "tracking.json").read_text()) | {"tracking_uri": f"sqlite:///{database}"}
    (run / "tracking.json").write_text(json.dumps(state))
    for _ in range(2):
        done = audit(run)
        assert done.exit_code == 0, done.output
        assert f"tracked in sqlite:///{database}" in done.stdout, done.stderr
    query = """SELECT tags.run_uuid FROM tags JOIN tags AS kind ON kind.run_uuid = tags.run_uuid
        WHERE tags.key = 'mlflow.parentRunId' AND tags.value = ? AND kind.key = 'kind' AND kind.value = 'audit'"""
    children = connection.execute(query, (state["run_id"],)).fetchall()
    metrics = dict(
        connection.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", children[0]).fetchall()
    )
    connection.close()
    assert len(children) == 1
    found = json.loads((run / "audit" / "audit.json").read_text())
    for one in found["attacks"]:
        name = "_".join(filter(None, ["audit", one["attack"], one["source"], one["variant"]]))
        assert metrics[name] == pytest.approx(one["main"]["value"])
    assert len(metrics) == 3 * len(found["attacks"])


def test_from_python_the_same_numbers_are_a_table(run: Path) -> None:
    without_store(run)
    table = orchestrator.load_run(run).audit(question=["identity"], seed=3)
    found = json.loads((run / "audit" / "audit.json").read_text())
    assert table.attrs["folder"] == str(run / "audit")
    assert found["seed"] == 3
    main = table[table["main"]]
    assert list(main["value"]) == [one["main"]["value"] for one in found["attacks"]]
    assert set(table["statistic"]) > {"rank-1", "bits leaked", "identity advantage"}


def test_pseudonyms_are_the_same_by_the_same_key_and_hide_every_id(run: Path, tmp_path: Path) -> None:
    without_store(run)
    people = []
    for name in ("one", "two"):
        done = audit(run, "--pseudonymise", "--key", tmp_path / "key", "--output", tmp_path / name)
        assert done.exit_code == 0, done.output
        texts = [(tmp_path / name / file).read_text() for file in ("audit.json", "people.csv")]
        assert not any(person in text for person in ("P16", "P17", "P19", "P21") for text in texts)
        people.append(sorted(json.loads(texts[0])["attacks"][0]["per_person"]))
    assert people[0] == people[1]
    assert len(people[0]) == 4
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_recordings_are_audited_without_a_run(once: Path, tmp_path: Path) -> None:
    done = audit("--data", once / "corpus.parquet", "--output", tmp_path / "made")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "made" / "audit.json").read_text())
    assert {f"{one['source']} {one['variant']}" for one in found["attacks"]} == (
        SOURCES - {"action-units units"} | {"action-units all"}
    )
    assert found["skipped"]["identity traces"] == "needs a run's model"
    assert "tracked in" in done.stdout, done.stderr


def test_a_published_attacker_stands_beside_the_audits_own_which_is_kept(run: Path) -> None:
    without_store(run)
    assert audit(run).exit_code == 0
    before = json.loads((run / "audit" / "audit.json").read_text())
    done = audit(run, "--attacker", "p-blend")
    assert done.exit_code == 0, done.output
    assert done.stderr.count(": kept") == 6
    found = json.loads((run / "audit" / "audit.json").read_text())
    (published,) = (one for one in found["attacks"] if one not in before["attacks"])
    assert [one for one in found["attacks"] if one is not published] == before["attacks"]
    assert (published["attack"], published["source"], published["variant"]) == (
        "identity",
        "action-units",
        "shared p-blend",
    )
    assert (published["main"]["name"], published["main"]["chance"]) == ("rank-1 of votes", 0.25)
    assert found["skipped"]["identity action-units all p-blend"] == "no columns beside those that are learnt from"
    again = audit(run, "--attacker", "p-blend")
    assert again.stderr.count(": kept") == 7


def test_what_other_questions_found_stays_as_long_as_it_holds(run: Path) -> None:
    """A question or an attacker that is not asked for again loses nothing; of another seed it is another audit."""
    without_store(run)
    file = run / "audit" / "audit.json"
    assert audit(run, "--attacker", "p-blend").exit_code == 0
    identity = json.loads(file.read_text())
    done = audit(run, "--question", "defence")
    assert done.exit_code == 0, done.output
    assert "shared p-blend" in done.stdout, "the table is of all that the folder has"
    both = json.loads(file.read_text())
    kept = [one for one in both["attacks"] if one["attack"] == "identity"]
    assert kept == identity["attacks"]
    assert len(both["attacks"]) > len(kept)
    assert both["skipped"].items() >= identity["skipped"].items()
    assert both["finished"]
    again = audit(run)
    assert again.stderr.count(": kept") == 6
    after = json.loads(file.read_text())
    assert sorted(after.pop("attacks"), key=str) == sorted(both.pop("attacks"), key=str)
    assert after == both


def test_an_audit_of_another_seed_key_or_run_replaces_nothing(run: Path, once: Path, tmp_path: Path) -> None:
    without_store(run)
    folder = run / "audit"
    assert audit(run).exit_code == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
    count = len(json.loads(before["audit.json"])["attacks"])
    key = ("--pseudonymise", "--key", tmp_path / "key")
    corpus = ("--data", once / "corpus.parquet", "--output", folder)
    for arguments, said in (
        (
            (run, "--question", "server", "--seed", "3"),
            f"--seed: found 3; {folder}, which has {count} attacks of seed 0",
        ),
        ((run, *key), f"--pseudonymise: found {folder}, which has {count} attacks by name; expected the same, or"),
        (corpus, f"--output: found {folder}, which has {count} attacks of {run}; expected another folder"),
    ):
        done = audit(*arguments)
        assert done.exit_code == 2
        assert said in done.stderr
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"} == before
    shutil.move(run, tmp_path / "moved")
    again = audit(tmp_path / "moved")
    assert again.exit_code == 0, again.output
    assert again.stderr.count(": kept") == 6


def test_a_question_that_is_asked_twice_is_asked_once(once: Path, tmp_path: Path) -> None:
    twice = ("--question", "identity", "--question", "identity")
    done = audit(*twice, "--data", once / "corpus.parquet", "--output", tmp_path / "made")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "made" / "audit.json").read_text())["attacks"]
    names = [(one["attack"], one["source"], one["variant"]) for one in found]
    assert names
    assert len(names) == len(set(names))


def test_a_bad_address_is_refused_before_anything_is_measured(run: Path) -> None:
    done = audit(run, "--tracking-uri", "nowhere://x")
    assert done.exit_code == 2
    assert "error: --tracking-uri: found " in done.stderr
    assert "audit  " not in done.stderr
    assert not (run / "audit").exists()


def test_two_audits_do_not_write_into_one_folder(run: Path) -> None:
    (run / "audit").mkdir()
    with locked(run / "audit" / ".lock"):
        done = audit(run)
    assert done.exit_code == 2
    assert f"error: --output: found {run / 'audit'}, where another audit is at work" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{run}", "--data", "{corpus}"], "--data: found beside 1 run with recordings and a method of"),
        (["{run}", "--identity", "0.5"], "--identity: found beside 1 run with"),
        (["{run}", "{run}", "--features", "AU*"], "--features: found beside 2 runs with recordings"),
        (["{run}", "--raters", "A", "--label-range", "0,1"], "--label-range, --raters: found beside 1 run"),
        (["{run}", "--corpus", "table", "--max-rows", "9"], "--corpus, --max-rows: found beside 1 run"),
        (["{run}", "--method", "images"], "--method: found beside 1 run"),
        (["--data", "{corpus}", "--identity", "0.5"], "--identity: found beside --data; expected either recordings"),
        (["nowhere"], "RUN: found nowhere, without plan.json; expected the folder of a finished run"),
        (["{broken}"], "broken-au, without model/card.json; expected a finished run; go on with tune --resume"),
        (["{run}", "--key", "k"], "--key: found without --pseudonymise; expected both or neither"),
        (["{run}", "--pseudonymise", "--key", "{corpus}/k"], "--key: found {corpus}/k: File exists"),
        (["{run}", "--pseudonymise", "--key", "{short}"], "--key: found {short} of 3 bytes; expected at least 32"),
        (
            ["{run}", "--attacker", "p-blend", "--question", "server"],
            "--attacker: found --question server; expected --question identity, which it attacks, or no --question",
        ),
        (["{run}", "{run}", "--output", "x"], "--output: found two runs of the name run"),
        (["--data", "{corpus}", "--output", "{corpus}"], "--output: found "),
        (["{run}", "--output", "{corpus}/x"], "--output: found "),
    ],
)
def test_what_cannot_be_is_one_line(run: Path, once: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "short").write_text("abc")
    names = {
        "run": run,
        "corpus": once / "corpus.parquet",
        "broken": once / "broken-au",
        "short": tmp_path / "short",
    }
    done = audit(*(one.format(**names) for one in arguments))
    assert done.exit_code == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said.format(**names) in errors[0]


def test_what_has_no_videos_is_refused_before_the_attacks_that_need_none(once: Path, tmp_path: Path) -> None:
    output = tmp_path / "made"
    done = audit("--method", "images", "--data", once / "corpus.parquet", "--output", output)
    assert done.exit_code == 2
    assert "found no video; expected a video of every recording" in done.stderr
    assert not output.exists()


def test_defences_are_measured_and_drawn(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.audit.defence_tasks.STRENGTHS", {"noise": ("1", "100")})
    arguments = ["audit", "--question", "defence", "--data", once / "corpus.parquet", "--output", tmp_path / "made"]
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "made" / "audit.json").read_text())
    by_variant = {one["variant"]: one for one in found["attacks"]}
    assert list(by_variant) == [
        "none",
        "normalised per person",
        "noise=1",
        "noise=100",
        "all columns",
        "drop=pose+flow",
    ]
    for one in by_variant.values():
        assert one["attack"] == "defence"
        assert [other["name"] for other in one["others"]][2:] == ["CCC valence", "CCC arousal"]
    scores = {name: one["others"][2]["value"] for name, one in by_variant.items()}
    assert scores["none"] > scores["noise=100"]
    assert by_variant["none"]["main"]["value"] != by_variant["noise=100"]["main"]["value"]
    picture = (tmp_path / "made" / "defence.svg").read_text()
    assert "SYNTHETIC, defences of action units, 4 people" in picture
    for text in ("normalised per person", "noise", "drop", ">100<", "identity advantage"):
        assert text in picture


def test_the_folds_of_a_run_do_not_depend_on_the_audits_seed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[tuple[int, object]] = []

    def made(_corpus: object, _protocol: object, *, seed: int, groups: object) -> None:
        seeds.append((seed, groups))
        raise InputError.of("x", found="y", expected="z")

    monkeypatch.setattr("orchestrator.data.dataset.make_dataset", made)
    assert json.loads((run / "plan.json").read_text())["seed"] == 0
    done = CliRunner().invoke(cli, ["audit", str(run), "--question", "defence", "--seed", "9"])
    assert done.exit_code == 2, done.output
    assert seeds == [(0, ())]
