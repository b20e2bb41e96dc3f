"""What an audit trains on: who is in it, and who has nothing that could be asked."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from orchestrator.audit.material import labelled_windows, material_of, with_windows
from orchestrator.audit.membership.question import attack
from orchestrator.audit.subject import Subject
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from orchestrator.protocols import DESCRIBED, STRICT
from tests.audit.test_membership_scores import known
from tests.audit.toys import material, people
from tests.models.toys import recipe
from tune_spaces.method import HParams


@pytest.fixture(scope="module")
def subject(small_corpus):
    return Subject(
        corpus=open_corpus(small_corpus, corpus="recola"),
        method="au",
        protocol=dataclasses.replace(DESCRIBED, num_folds=3),
        network="rnn",
        hparams=HParams(learning_rate=1e-3, hidden_size=4, sequence_length=50, num_layers=1),
        seed=0,
    )


def without_labels(corpus, names):
    recordings = [
        dataclasses.replace(one, ratings=np.full_like(one.ratings, np.nan)) if one.participant in names else one
        for one in corpus.recordings
    ]
    return dataclasses.replace(corpus, recordings=tuple(recordings))


def test_people_without_a_label_are_left_out(subject):
    first = subject.corpus.participants[0]
    made = material_of(dataclasses.replace(subject, corpus=without_labels(subject.corpus, [first])), print)
    assert made.left_out == (first,)
    assert made.people == subject.corpus.participants[1:]
    assert made.notes == ("left out, without a labelled window: 1 person",)
    _, _, whose = labelled_windows(made)
    assert whose.num_people == 5


def test_too_few_people_with_labels_are_refused(subject):
    few = without_labels(subject.corpus, subject.corpus.participants[:3])
    with pytest.raises(InputError, match="found 3 people with a labelled window of 50 frames; expected at least 4"):
        material_of(dataclasses.replace(subject, corpus=few), print)


def test_the_folds_of_a_run_are_its_own_whatever_the_audits_seed(subject, tmp_path, monkeypatch):
    strict = dataclasses.replace(STRICT, num_folds=3)
    drawn = {seed: material_of(dataclasses.replace(subject, protocol=strict, seed=seed), print) for seed in (0, 1)}
    assert drawn[0].folds != drawn[1].folds
    monkeypatch.setattr("orchestrator.audit.material.load_plan", lambda folder: SimpleNamespace(seed=int(folder.name)))
    made = material_of(dataclasses.replace(subject, protocol=strict, seed=0, run=tmp_path / "1"), print)
    assert made.folds == drawn[1].folds
    assert made.seed == 0


def test_a_window_that_is_dropped_is_none():
    series = [*people(2, frames=20), *people(4, frames=12)[2:]]
    kept = with_windows(series, recipe(partial_window="drop"))
    assert [one.participant for one in kept] == ["P0", "P1"]
    assert len(with_windows(series, recipe())) == 4
    # A label beyond the last whole window is in no window.
    series[0].gold_T2[:16] = np.nan
    assert [one.participant for one in with_windows(series, recipe(partial_window="drop"))] == ["P1"]


def test_a_record_says_who_is_left_out():
    made = dataclasses.replace(material(people(12)), left_out=("P97", "P98"))
    assert attack(made, "lira", known()).notes[-1] == "left out, without a labelled window: 2 people"
