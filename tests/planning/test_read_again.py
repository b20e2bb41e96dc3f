"""A resumed run whose corpus is not what it was: the files were changed, or a newer version reads them otherwise."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.corpora.read_options import RULES_OF_ONE_STEP, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import READ_ANEW_IN
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.planning import launch
from orchestrator.planning.launch import prepare, reopen, reread
from orchestrator.planning.plan import Plan
from orchestrator.planning.plan_file import load_plan, save_plan
from tests.corpora.own_files import at, write_lines, write_own
from tests.search.small_searches import make_request

Change = Callable[[Corpus], Corpus]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own", people=("A", "B", "C"))


@pytest.fixture
def plan(own: Path, store: str, tmp_path: Path) -> Plan:
    overrides = ("hidden_size=8", "sequence_length=20", "num_layers=1")
    return prepare(make_request(own, tmp_path / "run", store, overrides=overrides), claim=True).plan


def by(change: Callable[[Recording], Recording], **others: Any) -> Change:
    return lambda corpus: replace(
        corpus, recordings=tuple(map(change, corpus.recordings)), **{"sha256": "f" * 64, **others}
    )


CHANGES: dict[str, Change] = {
    "features without AU12": by(lambda one: replace(one, features=one.features[:, :1]), feature_names=("AU01",)),
    "features without AU12 and with AU12b": by(lambda one: one, feature_names=("AU01", "AU12b")),
    "raters without r2": by(lambda one: replace(one, raters=("r1",), ratings=one.ratings[:, :1])),
    "recordings without C": lambda corpus: replace(corpus, recordings=corpus.recordings[:2], sha256="f" * 64),
    "numbers of frames of A, B, C (A: 299, 300 before)": by(
        lambda one: replace(
            one, time=one.time[1:], features=one.features[1:], valid=one.valid[1:], ratings=one.ratings[1:]
        )
    ),
    "times of A, B, C (A: 0 to 12.45": by(lambda one: replace(one, time=one.time * 25 / 24)),
    "values of A, B, C": by(lambda one: replace(one, features=one.features + np.float32(1))),
}


@pytest.fixture
def read_otherwise(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Let `reopen` read what a newer version would."""

    def change_to(change: Change) -> None:
        monkeypatch.setattr(launch, "open_corpus", lambda *given, **how: change(open_corpus(*given, **how)))

    return change_to


def earlier(plan: Plan) -> Plan:
    assert plan.corpus.read is not None
    read = {**plan.corpus.read, "version": "0.1.9"}
    return replace(plan, corpus=replace(plan.corpus, read=read), versions={"affect-orchestrator": "0.1.9"})


def line_of(plan: Plan) -> str:
    with pytest.raises(InputError) as caught:
        reopen(plan)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("what", CHANGES)
def test_the_same_files_read_otherwise(plan: Plan, read_otherwise: Callable[[Change], None], what: str) -> None:
    assert reopen(earlier(plan)).folds
    read_otherwise(CHANGES[what])
    line = line_of(earlier(plan))
    assert f"found files that are read differently since version {READ_ANEW_IN}: {what}" in line
    assert "expected what 0.1.9 read when the run began; go on with that version, or begin a new run" in line


def test_the_same_version_reads_the_same_files_alike(plan: Plan, read_otherwise: Callable[[Change], None]) -> None:
    """Other values from the same files can only be those of other options."""
    read_otherwise(CHANGES["values of A, B, C"])
    assert "results of two corpora do not mix" in line_of(plan)


def test_changed_files_are_another_corpus(plan: Plan, own: Path) -> None:
    path = own / "features" / "B.csv"
    path.write_text(path.read_text().replace("0;0.", "0;1.", 1))
    for one in (plan, earlier(plan)):
        line = line_of(one)
        assert "found contents with sha256 " in line
        assert ": values of B; expected" in line
        assert "results of two corpora do not mix" in line


def without_outline(plan: Plan) -> Plan:
    return replace(plan, corpus=replace(plan.corpus, read=None), versions={"affect-orchestrator": "0.1.0"})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("features without AU12", "1 features, 2 before"),
        ("recordings without C", "2 participants, 3 before"),
        ("numbers of frames of A, B, C (A: 299, 300 before)", "299 frames in the longest recording, 300 before"),
        ("values of A, B, C", "times or values"),
    ],
)
def test_plans_of_before_outlines(
    plan: Plan, own: Path, read_otherwise: Callable[[Change], None], what: str, words: str
) -> None:
    """What the plan counted tells the difference, and the files' dates whether they were changed."""
    read_otherwise(CHANGES[what])
    line = line_of(without_outline(plan))
    assert f"files that are read differently since version {READ_ANEW_IN}: {words}; expected what 0.1.0 read" in line
    newer = own / "annotations" / "valence" / "B.csv"
    os.utime(newer, (4e9, 4e9))
    line = line_of(without_outline(plan))
    assert f": {words}; {newer} is newer than the run; expected" in line
    assert "results of two corpora do not mix" in line


def test_an_outline_stands_in_the_plan_s_file(plan: Plan) -> None:
    read = dataclasses.asdict(plan)["corpus"]["read"]
    assert (read["version"], read["features"], read["raters"]) == (READ_ANEW_IN, ["AU01", "AU12"], ["r1", "r2"])
    assert read["recordings"]["A"]["frames"] == 300
    assert read["recordings"]["A"]["times"][:2] == [0.0, 11.96]


def test_a_plan_of_the_rules_before_is_read_by_them(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a rater with every fifth cell filled: none between, and no other corpus; pictures are seen as they were."""
    own = write_own(tmp_path / "own", labels=at(25.0), num_labels=300, people=("A", "B", "C"))
    for path in (own / "annotations").rglob("*.csv"):
        head, *rows = [line.rsplit(";", 1) for line in path.read_text().splitlines()]
        cells = [f"{one};{last if not row % 5 else ''}" for row, (one, last) in enumerate(rows)]
        write_lines(path, [";".join(head), *cells])
    before = ReadOptions(rules=RULES_OF_ONE_STEP)
    request = make_request(
        own, tmp_path / "run", store, overrides=("hidden_size=8", "sequence_length=20", "num_layers=1")
    )
    request = replace(request, data=replace(request.data, options=before))
    plan = prepare(request, claim=True).plan
    save_plan(plan, tmp_path)
    kept = load_plan(tmp_path)
    assert kept.corpus.options == before
    there = np.isfinite(reread(kept).recordings[0].ratings[:, :, 0]).mean(axis=0)
    np.testing.assert_allclose(there, [1.0, 0.2])
    newer = replace(kept, corpus=replace(kept.corpus, options=ReadOptions()))
    assert "results of two corpora do not mix" in line_of(newer)

    def check(recordings: object) -> None:
        raise AssertionError(recordings)

    monkeypatch.setattr(launch, "check_seen_as_before", check)
    images = ImageOptions(image_size=48, frame_stride=4, face_crop="none", backbone="frozen", weights="none")
    assert reread(replace(kept, images=images)).recordings
