"""What do the data tell of a new person: columns that can be inferred, people who are held out, and known answers."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator.audit import attributes
from orchestrator.audit.attribute_columns import Column, columns_of
from orchestrator.audit.attribute_tasks import NO_COLUMN, attribute_tasks
from orchestrator.audit.attributes import (
    BALANCED_ACCURACY,
    MOST_WINDOWS,
    PROBABILITY,
    RIGHT,
    attribute_attack,
    folds_of,
)
from orchestrator.audit.folder import read_audit
from orchestrator.audit.records import INFERENCE, TESTS, Attack
from orchestrator.audit.subject import Subject
from orchestrator.audit.verdict import EXPOSED, NOT_MEASURED, UNDERPOWERED
from orchestrator.audit.windows import Stream, Windows, whole_windows
from orchestrator.cli import cli
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.protocols import DESCRIBED
from tests.corpora.writers import content, write_folder
from tune_spaces.method import HParams

NUM_CHANNELS = 4
HZ = 4.0


def stream(person: str, level: float, *, session: str = "", seconds: float = 60.0, own: float = 0.0) -> Stream:
    """Noise around a level that is shared, and around one of the person's own in channels of their own."""
    generator = np.random.default_rng([*f"{person}/{session}".encode()])
    look = own * np.random.default_rng([*person.encode()]).normal(size=NUM_CHANNELS)
    time = np.arange(round(seconds * HZ)) / HZ
    values = level + look + generator.normal(size=(len(time), NUM_CHANNELS))
    valid = np.ones(len(time), dtype=bool)
    return Stream(participant=person, session=session, time=time, values=values.astype(np.float32), valid=valid)


def column(value_of: dict[str, int], name: str = "sex", **changes: object) -> Column:
    made = Column(name=name, values=tuple("abcdef"[: max(value_of.values()) + 1]), value_of=value_of)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def attack(streams: list[Stream], one: Column, seed: int = 0) -> Attack:
    people, windows, seconds = whole_windows(streams, most=MOST_WINDOWS)
    return attribute_attack(
        people, windows, one, source="action-units", threat="Somebody.", seed=seed, window_seconds=seconds
    )


def names(count: int) -> list[str]:
    return [f"P{number}" for number in range(count)]


def test_a_value_that_moves_the_stream_is_told_of_people_who_were_never_seen() -> None:
    value_of = {person: place % 2 for place, person in enumerate(names(20))}
    found = attack([stream(person, 3.0 * value, own=0.3) for person, value in value_of.items()], column(value_of))
    assert found.name == "attribute action-units sex"
    assert (found.main.name, found.main.value, found.main.chance) == (BALANCED_ACCURACY, 1.0, 0.5)
    assert found.main.lower is not None
    assert 0.75 < found.main.lower < 1.0
    assert found.verdict == EXPOSED
    assert {own[RIGHT] for own in found.per_person.values()} == {1.0}
    assert min(float(own[PROBABILITY] or 0.0) for own in found.per_person.values()) > 0.9
    assert [one.name for one in found.others] == ["recall of a (10 people)", "recall of b (10 people)"]


def test_three_values_of_unlike_many_people_weigh_the_same() -> None:
    """The rare value cannot be told from the first: half of the recalls of these two are right, whoever is more."""
    value_of = {person: 0 if place < 12 else 1 if place < 15 else 2 for place, person in enumerate(names(24))}
    streams = [stream(person, 3.0 if value == 2 else 0.0, own=0.1) for person, value in value_of.items()]
    found = attack(streams, column(value_of))
    recalls = [float(one.value or 0.0) for one in found.others]
    assert found.main.chance == pytest.approx(1 / 3)
    assert found.main.value == pytest.approx(np.mean(recalls))
    assert recalls[2] == 1.0
    share = np.mean([own[RIGHT] for own in found.per_person.values()])
    assert found.main.value != pytest.approx(share, abs=0.02)
    assert found.settings["folds"] == 3


def test_who_somebody_is_does_not_help_with_a_value_that_was_drawn_for_them() -> None:
    """Everybody is told from anybody by one window, so that a window of a person on both sides would tell the value."""
    outside = 0
    values: list[float] = []
    for draw in range(12):
        drawn = np.random.default_rng(draw).permutation([0, 1] * 8)
        value_of = dict(zip(names(16), drawn.tolist(), strict=True))
        streams = [stream(person, 0.0, own=20.0) for person in value_of]
        found = attack(streams, column(value_of), seed=draw)
        assert found.main.lower is not None
        assert found.main.upper is not None
        outside += not found.main.lower <= 0.5 <= found.main.upper
        values.append(float(found.main.value or 0.0))
    assert outside <= 1
    assert np.mean(values) == pytest.approx(0.5, abs=0.12)


def test_a_person_s_sessions_are_all_on_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def answers(_: object, known: Windows, asked: np.ndarray, count: int, **__: int) -> np.ndarray:
        seen.append((set(known.rows_WF[:, 0].tolist()), set(asked[:, 0].tolist())))
        return np.zeros((len(asked), count))

    monkeypatch.setattr(attributes, "trained_answers", answers)
    value_of = {person: place % 2 for place, person in enumerate(names(8))}
    streams = [
        dataclasses.replace(one, values=np.full_like(one.values, place))
        for place, person in enumerate(value_of)
        for session in ("1", "2", "3")
        for one in (stream(person, 0.0, session=session),)
    ]
    found = attack(streams, column(value_of))
    assert seen
    assert all(not known & asked for known, asked in seen)
    assert found.people == 8
    assert found.main.value == 0.5  # whoever knows nothing is at chance, not at the first value's share


def test_folds_have_people_of_every_value() -> None:
    value_p = np.array([0] * 13 + [1] * 4)
    fold_p = folds_of(value_p, 10, seed=0)
    assert set(fold_p) == {0, 1, 2, 3}
    for fold in range(4):
        assert np.bincount(value_p[fold_p == fold]).tolist() in ([3, 1], [4, 1])
    assert len(set(folds_of(np.array([0, 1] * 30), 10, seed=0))) == 10
    assert folds_of(value_p, 10, seed=0).tolist() == fold_p.tolist()
    assert folds_of(value_p, 10, seed=1).tolist() != fold_p.tolist()


def test_the_same_seed_gives_the_same_record() -> None:
    value_of = {person: place % 2 for place, person in enumerate(names(10))}
    streams = [stream(person, 0.5 * value, own=0.5) for person, value in value_of.items()]
    assert attack(streams, column(value_of), seed=3) == attack(streams, column(value_of), seed=3)


def test_people_without_a_value_or_a_window_are_left_out_and_counted() -> None:
    value_of = {person: place % 2 for place, person in enumerate(names(9))}
    streams = [stream(person, 3.0 * value) for person, value in value_of.items()] + [stream("Q", 0.0)]
    streams[8] = dataclasses.replace(streams[8], valid=np.zeros(len(streams[8].time), dtype=bool))
    found = attack(streams, column(value_of, notes=("sex: 1 person without a value left out",)))
    assert set(found.per_person) == set(names(8))
    assert found.people == 8
    assert "sex: 1 person without a value left out" in found.notes
    assert "sex: left out, without a valid window: 1 person" in found.notes


def test_a_value_whose_people_have_no_window_is_not_measured() -> None:
    value_of = {person: place % 2 for place, person in enumerate(names(6))}
    found = attack([stream(person, 0.0) for person in names(5)], column(value_of))
    assert (found.verdict, found.main.value, found.main.lower) == (NOT_MEASURED, None, None)
    assert "sex: fewer than 3 people of a value have a window" in found.notes
    assert attack([], column(value_of)).people == 0


def test_windows_of_a_person_are_few_and_spread_evenly() -> None:
    long, short = stream("P0", 0.0, seconds=400.0), stream("P1", 0.0, seconds=30.0)
    long = dataclasses.replace(long, values=np.tile(long.time[:, None], (1, 2)).astype(np.float32))
    short = dataclasses.replace(short, values=short.values[:, :2])
    people, windows, seconds = whole_windows([long, short], most=5)
    assert people == ("P0", "P1")
    assert seconds == 10.0
    assert windows.person_W.tolist() == [0] * 5 + [1] * 5
    means = windows.rows_WF[:5, 0]
    assert np.allclose(np.diff(means), 97.5, atol=2.0)
    assert whole_windows([dataclasses.replace(short, time=short.time / 3)], most=9)[2] == pytest.approx(
        short.time[-1] / 3 / 2.4
    )


def corpus(folder: Path, header: str, rows: list[str], count: int = 9) -> Corpus:
    root = write_folder(folder, [content(name, num_rows=150, hz=10.0) for name in names(count)])
    (root / "participants.csv").write_text("\n".join([header, *rows]) + "\n")
    return open_corpus(root)


def test_columns_that_can_be_inferred_and_why_others_cannot(tmp_path: Path) -> None:
    rows = [
        f"P{place},{'mf'[place % 2]},{20 + place},{'only'},{'ab'[place > 0]},{place // 2},note {place},"
        f"{'' if place == 4 else 'N/A' if place == 5 else 'xy'[place % 2]}"
        for place in range(9)
    ]
    made = corpus(tmp_path / "data", "participant,sex,age,site,hand,dyad,notes,school", rows)
    found, skipped = columns_of(made)
    by_name = {one.name: one for one in found}
    assert list(by_name) == ["sex", "age", "school"]
    assert by_name["sex"].values == ("f", "m")
    assert by_name["sex"].value_of["P1"] == 0
    assert by_name["age"].values == ("up to 24", "above 24")
    assert [by_name["age"].value_of[f"P{place}"] for place in (0, 4, 5)] == [0, 0, 1]
    assert by_name["age"].notes == ("age: cut at the median, up to 24 and above 24",)
    assert len(by_name["school"].value_of) == 7
    assert by_name["school"].notes == ("school: 2 people without a value left out",)
    assert skipped == {
        "site": "one value",
        "hand": "1 value of fewer than 3 people",
        "dyad": "5 values of fewer than 3 people",
        "notes": "9 values, more than 6, and not all of them numbers",
    }


def subject(made: Corpus) -> Subject:
    hparams = HParams(learning_rate=1e-3, hidden_size=6, sequence_length=20, num_layers=2)
    return Subject(corpus=made, method="au", protocol=DESCRIBED, network="bigru", hparams=hparams, seed=0)


def test_what_decides_a_task_is_the_values_too(tmp_path: Path) -> None:
    rows = [f"P{place},{'mf'[place % 2]}" for place in range(9)]
    one = subject(corpus(tmp_path / "one", "participant,sex", rows))
    other = subject(corpus(tmp_path / "other", "participant,sex", [rows[0][:3] + "f", *rows[1:]]))
    assert one.corpus.sha256 == other.corpus.sha256
    ((task,), skipped), ((changed,), _) = attribute_tasks(one), attribute_tasks(other)
    assert task.names == ("attribute action-units sex",)
    assert task.digest != changed.digest
    assert skipped == {
        "attribute pixels": "the data have no videos",
        "attribute hidden-states": "needs a run's model",
        "attribute traces": "needs a run's model",
    }
    bare = dataclasses.replace(one.corpus, attributes={})
    assert attribute_tasks(dataclasses.replace(one, corpus=bare)) == ([], {"attribute": NO_COLUMN})


def test_pictures_and_what_a_model_has_inside_are_sources_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sex moves pictures and answers, and not the inner state; one pass through the model serves its two streams."""
    passes = []
    moved, still = (
        [stream(person, 3.0 * move * (place % 2)) for place, person in enumerate(names(9))] for move in (1, 0)
    )

    def inside(*_: object) -> tuple[list[Stream], list[Stream]]:
        passes.append(1)
        return still, moved

    monkeypatch.setattr("orchestrator.audit.attribute_tasks.has_videos", lambda _: True)
    monkeypatch.setattr("orchestrator.audit.streams.pixel_streams", lambda *_: moved)
    monkeypatch.setattr("orchestrator.audit.streams.model_streams", inside)
    rows = [f"P{place},{'mf'[place % 2]},{place // 3}" for place in range(9)]
    model: Any = SimpleNamespace(card={"uid": "one"}, images=None)
    made = dataclasses.replace(subject(corpus(tmp_path / "data", "participant,sex,site", rows)), model=model)
    tasks, skipped = attribute_tasks(made)
    assert not skipped
    found = {}
    for task in tasks[1:]:
        attacks = task.run(print, tmp_path)
        assert tuple(one.name for one in attacks) == task.names
        found.update({one.name: one for one in attacks})
    assert list(found) == [
        f"attribute {source} {name}" for source in ("pixels", "hidden-states", "traces") for name in ("sex", "site")
    ]
    right = {name: one.main.value for name, one in found.items() if name.endswith("sex")}
    assert right["attribute pixels sex"] == right["attribute traces sex"] == 1.0
    assert right["attribute hidden-states sex"] != 1.0
    assert len(passes) == 1
    assert found["attribute traces sex"].notes[0].startswith("one fold's model")
    other: Any = SimpleNamespace(card={"uid": "two"}, images=None)
    again, _ = attribute_tasks(dataclasses.replace(made, model=other))
    assert [one.digest == two.digest for one, two in zip(tasks, again, strict=True)] == [True, True, False]


def test_the_question_is_asked_and_answered_under_inference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    rows = [f"P{place},{'mf'[place % 2]},{place}" for place in range(9)]
    root = corpus(tmp_path / "data", "participant,sex,dyad", rows).path
    arguments = ["audit", "--data", root, "--question", "attributes", "--output", tmp_path / "made"]
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    found = read_audit(tmp_path / "made")
    assert found is not None
    assert [one.name for one in found.attacks] == ["attribute action-units sex", "attribute action-units dyad"]
    assert found.attacks[0].verdict == UNDERPOWERED
    assert found.attacks[0].attack in TESTS[INFERENCE]
    lines = done.stdout.splitlines()
    title = lines.index("Inference: what attributes do the data tell of a person?")
    assert lines[title + 1] == "What do the data tell of a new person?"
    assert lines[title + 2].startswith("  balanced accuracy of act... ")
    assert "Its privacy is not measured: without identity action-units shared" in done.stdout
    assert "dyad: cut at the median, up to 4 and above 4" in done.stdout
    again = CliRunner().invoke(cli, [*map(str, arguments)])
    assert again.stderr.count(": kept") == 1
