# ruff: noqa: N806 - shape suffixes, by the legend of the code under test
"""Reference models: whom they are trained on, what is kept of them, and that their errors tell who was."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fed.options import Federation
from models.training import FoldsInTraining, TrainingDiverged
from orchestrator.audit.membership import models as membership_models
from orchestrator.audit.membership.models import begin, reference_errors
from orchestrator.audit.membership.rates import in_turn
from orchestrator.audit.membership.scores import halves
from orchestrator.errors import InputError
from orchestrator.estimators.bootstrap import share_of_people
from tests.audit.toys import material, people


def rates(made, folder, name="calibrated", models=16):
    known = reference_errors(made, halves(len(made.people), models, seed=1), folder, lambda _: None)
    return in_turn(name, known)


def test_a_model_that_learns_by_heart_gives_everybody_away(tmp_path):
    found = rates(material(people(), epochs=30, learning_rate=1e-2), tmp_path)
    assert found.pooled_auc > 0.9
    assert found.success_P.mean() > 0.85


def test_an_untrained_model_gives_nobody_away(tmp_path):
    found = rates(material(people(12), epochs=1, learning_rate=1e-12), tmp_path)
    ends: Any = share_of_people(found.success_P, seed=0)
    assert ends.lower < 0.5 < ends.upper
    assert abs(found.pooled_auc - 0.5) < 0.1


def test_clients_of_a_federation_are_found_as_well(tmp_path):
    federation = Federation(local_epochs=6)
    found = rates(material(people(6), epochs=5, learning_rate=1e-2, federation=federation), tmp_path, models=8)
    assert found.pooled_auc > 0.8


def test_an_error_is_that_of_the_model_trained_on_these_people(tmp_path):
    made = dataclasses.replace(material(people(4), epochs=2), scaling="train")
    made.series[0].gold_T2[3:20, 0] = np.nan
    member_RP = halves(4, 6, seed=0)
    known = reference_errors(made, member_RP, tmp_path, lambda _: None)
    split = made.split([name for name, there in zip(made.people, member_RP[0], strict=True) if there])
    training: Any = begin(made, [split], membership_models.seed_of(made, 0))
    list(training.epochs())
    trace_T2 = training.configurations[0].predict(0, [0])[0]
    error_T2 = (trace_T2 - made.series[0].gold_T2) ** 2
    windows = [np.nanmean(error_T2[at : at + 16]) for at in range(0, 48, 16)]
    first = known.people.person_W == 0
    assert known.error_RW[0, first] == pytest.approx(windows, rel=1e-4)
    assert known.people.count_W[first].tolist() == [32 - 13, 32 - 4, 32]


def test_what_is_done_is_done_once_and_a_broken_pack_goes_on(tmp_path, monkeypatch):
    made, member_RP = material(people(4, frames=32), epochs=3, loss="ccc-window"), halves(4, 6, seed=0)
    expected = reference_errors(made, member_RP, tmp_path / "whole", lambda _: None)
    monkeypatch.setattr(membership_models, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(membership_models, "SHOW_SECONDS", 0.0)
    lines = []

    def broken(line):
        lines.append(line)
        if line == "model 3 of 6, epoch 2/3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reference_errors(made, member_RP, tmp_path / "killed", broken)
    del lines[:]
    found = reference_errors(made, member_RP, tmp_path / "killed", lines.append)
    assert lines[0] == "model 3 of 6, epoch 2/3"
    assert (found.error_RW == expected.error_RW).all()
    del lines[:]
    reference_errors(made, member_RP, tmp_path / "killed", lines.append)
    assert not lines


def test_a_configuration_that_diverges_is_named(tmp_path, monkeypatch):
    def diverge(_training):
        raise TrainingDiverged(0, 1, "training loss is nan at learning rate 1")

    monkeypatch.setattr(FoldsInTraining, "epochs", diverge)
    with pytest.raises(InputError, match="a reference model that diverged"):
        reference_errors(material(people(4), loss="ccc-window"), halves(4, 6, seed=0), tmp_path, lambda _: None)


def test_a_reference_is_scaled_by_its_own_people_and_chooses_nothing():
    made = dataclasses.replace(material(people(4, sessions=2)), scaling="train")
    split = made.split(["P0", "P2"])
    series: Any = made.series
    own = np.concatenate([one.features_TF for one in series if one.participant in ("P0", "P2")])
    assert split.train == (0, 1, 4, 5)
    assert split.mean_F == pytest.approx(own.mean(axis=0), abs=1e-5)
    assert split.validation == (2,)
