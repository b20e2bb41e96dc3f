# ruff: noqa: N806 - shape suffixes, by the legend of the code under test
"""The record of membership: what is claimed, what each person has, and what the released models add."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fed.options import Federation
from models.networks import build_for
from orchestrator.audit.folder import AuditFolder
from orchestrator.audit.membership.question import (
    RELEASED,
    SUCCESS,
    attack,
    membership_tasks,
    num_references,
    released_errors,
)
from orchestrator.audit.membership.scores import SCORES, halves
from orchestrator.audit.records import Audit
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import run_tasks
from orchestrator.audit.verdict import EXPOSED, UNDERPOWERED
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.protocols import DESCRIBED
from tests.audit.test_membership_scores import known
from tests.audit.toys import material, people
from tune_spaces.method import HParams


def test_a_strong_trace_exposes_people_by_name():
    made = material(people(12))
    found: Any = attack(made, "lira", known(effect=2.0, noise=0.2))
    assert found.name == "membership model lira"
    assert found.verdict == EXPOSED
    assert found.main.chance == 0.5
    assert found.main.value == pytest.approx(np.mean([one[SUCCESS] for one in found.per_person.values()]))
    assert set(found.per_person) == set(made.people)
    assert found.notes[0].startswith("12 of 12 people")
    assert "0.0625 cannot be shown by 32 models" in found.footnote


def test_few_people_without_a_trace_are_no_claim():
    found: Any = attack(material(people(4)), "lira", known(people=4, windows=2, effect=0.0, noise=0.3, seed=3))
    assert found.verdict == UNDERPOWERED
    assert found.main.lower < 0.5 < found.main.upper


def test_released_models_are_asked_beside_the_references():
    made, references = material(people(12)), known(effect=2.0, noise=0.2)
    member_KP = np.ones((3, 12), bool)
    member_KP[0, :4] = member_KP[1, 4:8] = False
    error_KW = np.exp(-2.0 * member_KP[:, references.people.person_W])
    found: Any = attack(made, "calibrated", references, (error_KW, member_KP))
    assert found.statistic(RELEASED).value == 1.0
    assert [found.per_person[name][RELEASED] for name in made.people] == [1.0] * 8 + [None] * 4


class FoldModels:
    """In the place of a saved model: fold k's network, and who was held out."""

    num_folds = 2

    def __init__(self, made):
        self.made = made

    def network(self, fold):
        return build_for(self.made.recipe, num_features=8, seed=fold)

    def split(self, _fold):
        return dataclasses.replace(self.made.split(["P0", "P1"]), mean_F=None, sd_F=None)

    def unseen_by(self, name):
        return tuple(fold.number for fold in self.made.folds if name in fold.held_out)


def test_whom_the_runs_models_were_trained_on():
    made = material(people(4))
    inner = dataclasses.replace(made.folds[1], train=("P0",), inner=("P2",))
    models: Any = FoldModels(made)
    error_KW, member_KP = released_errors(dataclasses.replace(made, folds=(made.folds[0], inner)), models)
    assert error_KW.shape == (2, 12)
    assert (error_KW[0] != error_KW[1]).all()
    assert member_KP.tolist() == [[False, True, False, True], [True, False, False, False]]


@pytest.fixture(scope="module")
def subject(small_corpus):
    return Subject(
        corpus=open_corpus(small_corpus, corpus="recola"),
        method="au",
        protocol=dataclasses.replace(DESCRIBED, epochs=1, num_folds=3),
        network="rnn",
        hparams=HParams(learning_rate=1e-3, hidden_size=4, sequence_length=50, num_layers=1),
        seed=0,
    )


def test_a_task_leaves_a_record_for_each_score(subject, tmp_path):
    folder = AuditFolder.begin(tmp_path, Audit(subject={"data": "here"}, seed=0, synthetic=True, participants=6))
    lines: list[str] = []
    found = run_tasks(folder, membership_tasks(subject)[0], lines.append, skipped={})
    assert [one.variant for one in found.attacks] == list(SCORES)
    assert all(one.people == 6 and one.settings["references"] == 32 for one in found.attacks)
    assert any("models 1 to 16 of 32, epoch 1/1" in line for line in lines)


def test_images_have_fewer_references(subject):
    images = ImageOptions(backbone="frozen", image_size=36, frame_stride=5, weights="none", face_crop="none")
    assert num_references(subject) == 32
    assert num_references(dataclasses.replace(subject, images=images)) == 32
    assert num_references(dataclasses.replace(subject, images=images, federation=Federation())) == 8
    assert num_references(dataclasses.replace(subject, images=dataclasses.replace(images, backbone="train"))) == 8


def test_halves_of_three_people_are_refused(subject):
    few = dataclasses.replace(subject.corpus, recordings=subject.corpus.recordings[:3])
    tasks, skipped = membership_tasks(dataclasses.replace(subject, corpus=few))
    assert not tasks
    assert set(skipped) == {f"membership model {name}" for name in SCORES}
    assert all(why.startswith("3 participants") for why in skipped.values())


def test_an_aggregator_that_halves_are_too_few_for_leaves_membership_out(subject, tmp_path):
    krum = Federation(aggregator="multi-krum", krum_attackers=1)  # needs five clients; half of six people are three
    tasks, skipped = membership_tasks(dataclasses.replace(subject, federation=krum))
    assert not tasks
    expected = "--krum-attackers found 1 of 3 clients that train, expected at least 2 x 1 + 3 = 5 clients"
    assert all(expected in why for why in skipped.values())
    assert set(skipped) == {f"membership model {name}" for name in SCORES}
    enough = dataclasses.replace(subject, federation=Federation(aggregator="multi-krum", krum_attackers=0))
    (task,), _ = membership_tasks(enough)
    # Somebody without a label is asked about no more, and half of the others are fewer.
    first, *others = subject.corpus.recordings
    bare = [dataclasses.replace(one, ratings=np.full_like(one.ratings, np.nan)) for one in (first, others[0])]
    fewer = dataclasses.replace(subject.corpus, recordings=(*bare, *others[1:]))
    (task,), _ = membership_tasks(dataclasses.replace(enough, corpus=fewer))
    with pytest.raises(InputError, match="--question membership: found 4 people with a labelled window: for half of"):
        task.run(lambda _: None, tmp_path)


def test_halves_differ_by_seed():
    assert (halves(6, 8, seed=0) != halves(6, 8, seed=1)).any()
