# ruff: noqa: N803, N806 - shape suffixes, by the legend of the code under test
"""Windows rebuilt from gradients: exact derivatives, a window that can be rebuilt, and gradients that tell nothing."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from fed.options import Federation
from models.losses import loss_of, target_of
from models.networks import build_for
from models.seeds import seed_for
from models.windows import cut
from orchestrator.audit.level import CONFIGURATIONS, level
from orchestrator.audit.output import rows, table
from orchestrator.audit.records import GRADIENT_INVERSION, LINKING, TESTS, Audit
from orchestrator.audit.server import inversion
from orchestrator.audit.server.diagnostic import NAME, inversion_attack
from orchestrator.audit.server.gradients import window_gradients
from orchestrator.audit.server.inversion import (
    FRAMES_BASELINE,
    MATCHED,
    OF_FRAMES,
    OF_MEANS,
    STEPS_A_ROUND,
    compared,
    first_network,
    frames_of_window,
    observed,
    puzzle_of,
    rebuilt_windows,
    solved,
)
from orchestrator.audit.server.rounds import rounds
from orchestrator.audit.verdict import DIAGNOSTIC, DIAGNOSTIC_RULE, EXPOSED
from tests.audit.toys import material, people
from tests.figures.measured import attack, audit
from tests.models.toys import recipe, toy_series

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"num_layers": 2, "loss": "ccc"},
    {"head": "authors", "target": "window-mean", "partial_window": "drop"},
)


def federated(num_people=6, *, frames=48, own=0.0, **changes):
    """People of whom only the frames themselves differ, unless `own` is given."""
    made = people(num_people, frames=frames, own=own)
    return material(made, federation=Federation(), epochs=1, **{"network": "rnn", **changes})


def short(num_people=8, **changes):
    """Windows of two frames, of which a network of 16 units has many times more equations than unknowns."""
    return federated(num_people, frames=2, sequence_length=2, **changes)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(inversion, "STEPS", 8)


def puzzle_and_gradient(made):
    puzzle, _ = puzzle_of(made, first_network(made), made.people)
    return puzzle, observed(puzzle)


def solution(puzzle, gradient_PN, folder, seed=0):
    return solved(puzzle, gradient_PN, seed=seed, folder=folder, show=lambda _: None)


@pytest.mark.parametrize("variant", VARIANTS, ids=["frame", "layers", "authors"])
@pytest.mark.parametrize("network", ["rnn", "bigru", "bilstm"])
def test_gradients_are_the_networks_own_for_each_window(network, variant):
    made = recipe(network=network, **variant)
    windows = cut(toy_series(3), made.sequence_length, partial=made.partial_window)
    model = build_for(made, num_features=windows.num_features, seed=0)
    index_W = windows.labelled(windows.of_series(range(3)))
    batch = windows.batch(index_W)
    assert (int(batch.length_B.min()) < windows.length) == (made.partial_window == "pad")
    batch = dataclasses.replace(batch, x_BLF=batch.x_BLF.requires_grad_())
    found_WN = window_gradients(model, batch, made).detach()
    for place in range(len(index_W)):
        one = windows.batch(index_W[place : place + 1])
        compared_here = target_of(made.target)(model(one.x_BLF, one.length_B), one.gold_BL2, one.mask_BL2)
        model.zero_grad()
        loss_of(made.loss)(*compared_here).backward()
        expected_N = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
        assert torch.allclose(found_WN[place], expected_N, rtol=1e-3, atol=1e-5), place


@pytest.mark.parametrize("network", ["rnn", "bigru", "bilstm"])
def test_gradients_can_be_differentiated_in_the_inputs(network):
    made = recipe(network=network, sequence_length=5)
    windows = cut(toy_series(2), 5)
    model = build_for(made, num_features=windows.num_features, seed=0).double()
    batch = windows.batch(torch.tensor([0, 9]))
    x_BLF = batch.x_BLF.double()

    def square(x_BLF):
        doubled = dataclasses.replace(batch, x_BLF=x_BLF, gold_BL2=batch.gold_BL2.double())
        return window_gradients(model, doubled, made).square().sum()

    slope_BLF = torch.autograd.grad(square(x_BLF.requires_grad_()), x_BLF)[0]
    direction_BLF = torch.randn(x_BLF.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ahead, behind = (square(x_BLF.detach() + by * direction_BLF.requires_grad_()) for by in (1e-5, -1e-5))
    expected = float((ahead - behind).detach()) / 2e-5
    assert float((slope_BLF * direction_BLF.detach()).sum()) == pytest.approx(expected, rel=1e-5)


def test_a_short_window_is_rebuilt_from_its_gradient(tmp_path, monkeypatch):
    monkeypatch.setattr(inversion, "PRIOR", 0.0)  # which pulls towards the mean window
    made = short()
    found = rebuilt_windows(made, tmp_path, lambda _: None)
    assert found[MATCHED].mean() == 1.0
    assert found[OF_FRAMES].min() > 0.9
    assert found[OF_FRAMES].mean() > found[FRAMES_BASELINE].mean() + 0.9


def test_a_gradient_of_zero_tells_nothing(tmp_path):
    puzzle, gradient_PN = puzzle_and_gradient(short(16))
    right = []
    for seed in range(3):
        z_PLF = solution(puzzle, torch.zeros_like(gradient_PN), tmp_path / str(seed), seed)
        assert bool(z_PLF.isfinite().all())
        right.append(compared(z_PLF, puzzle.answer(), puzzle.valid_PL1)[MATCHED])
    assert np.mean(right) < 1 / 16 + 4 * math.sqrt(1 / 16 * 15 / 16 / 48)


def test_the_gradient_of_somebody_else_rebuilds_somebody_else(tmp_path):
    puzzle, _ = puzzle_and_gradient(short())
    # Everybody sends what their neighbour's features would give with their own labels.
    others = dataclasses.replace(puzzle.batch, x_BLF=puzzle.batch.x_BLF.roll(1, 0))
    z_PLF = solution(puzzle, observed(dataclasses.replace(puzzle, batch=others)), tmp_path)
    assert compared(z_PLF, puzzle.answer(), puzzle.valid_PL1)[MATCHED].mean() == 0.0
    assert compared(z_PLF, puzzle.answer().roll(1, 0), puzzle.valid_PL1)[MATCHED].mean() == 1.0


def test_only_measured_frames_are_compared():
    rng = torch.Generator().manual_seed(0)
    true_PLF = torch.randn((5, 6, 4), generator=rng)
    valid_PL1 = torch.ones((5, 6, 1), dtype=torch.bool)
    valid_PL1[:, 4:] = False
    true_PLF = true_PLF.masked_fill(~valid_PL1, 0.0)
    strange_PLF = torch.where(valid_PL1, true_PLF, 100.0 * torch.randn(true_PLF.shape, generator=rng))
    found = compared(strange_PLF, true_PLF, valid_PL1)
    assert found[OF_FRAMES] == pytest.approx(1.0)
    assert found[OF_MEANS] == pytest.approx(1.0)
    others_LF = true_PLF[1:].mean(0)
    expected = np.corrcoef(others_LF[:4].flatten(), true_PLF[0, :4].flatten())[0, 1]
    assert found[FRAMES_BASELINE][0] == pytest.approx(expected)
    assert compared(torch.zeros_like(true_PLF), true_PLF, valid_PL1)[OF_FRAMES].tolist() == [0.0] * 5


def test_it_is_asked_at_the_weights_that_were_sent():
    made = federated()
    (seen,) = rounds(made, made.split(made.people), 1)
    sent = torch.cat([one.detach().flatten() for one in first_network(made).parameters()])
    assert (sent.numpy() == seen.weights).all()


def test_what_the_features_are_standardised_by_is_everybodys():
    made = federated(4, own=3.0)
    puzzle, _ = puzzle_and_gradient(made)
    frames = np.concatenate([one.features_TF for one in made.series])
    assert puzzle.mean_F.numpy() == pytest.approx(frames.mean(0), abs=1e-5)
    assert puzzle.sd_F.numpy() == pytest.approx(frames.std(0), abs=1e-5)
    assert puzzle.inputs(puzzle.answer()).numpy() == pytest.approx(puzzle.batch.x_BLF.numpy(), abs=1e-5)


@pytest.mark.usefixtures("quick")
def test_a_killed_one_goes_on_with_the_same_bits(tmp_path):
    puzzle, gradient_PN = puzzle_and_gradient(federated())
    expected = solution(puzzle, gradient_PN, tmp_path / "whole")
    lines: list[str] = []

    def broken(line):
        lines.append(line)
        if "start 1 of 2 ended" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solved(puzzle, gradient_PN, seed=0, folder=tmp_path / "killed", show=broken)
    descents = sum("step 0" in line for line in lines)
    del lines[:]
    found = solved(puzzle, gradient_PN, seed=0, folder=tmp_path / "killed", show=lines.append)
    assert torch.equal(found, expected)
    assert descents == sum("step 0" in line for line in lines) == 1
    assert not torch.equal(solution(puzzle, gradient_PN, tmp_path / "other", seed=1), expected)


@pytest.mark.usefixtures("quick")
def test_of_the_starts_the_nearest_is_kept(tmp_path):
    puzzle, gradient_PN = puzzle_and_gradient(federated())
    found = solution(puzzle, gradient_PN, tmp_path)
    own = [
        inversion._descent(puzzle, gradient_PN, seed_for(0, "audit", "inversion", number), lambda _: None)
        for number in range(inversion.RESTARTS)
    ]
    for place in range(len(found)):
        best_LF, _ = min(((z_PLF[place], float(far_P[place])) for z_PLF, far_P in own), key=lambda one: one[1])
        assert torch.equal(found[place], best_LF)


@pytest.fixture
def record(tmp_path, quick):  # noqa: ARG001 - a fixture that a fixture needs
    made = federated(6, frames=160, windows_a_step=2)
    return inversion_attack(made, rebuilt_windows(made, tmp_path, lambda _: None))


def test_the_record_says_that_it_is_a_diagnostic(record):
    assert record.name == NAME == "gradient-inversion update"
    assert GRADIENT_INVERSION in TESTS[LINKING]
    assert record.verdict == DIAGNOSTIC
    assert record.main.chance == pytest.approx(1 / 6)
    assert "a client's round has 5 steps of up to 2 windows of 16" in record.notes[0]
    assert record.notes[0].startswith("diagnostic: one step on one window of 16 frames")
    assert len(record.per_person) == record.people == 6
    assert all(math.isfinite(value) for own in record.per_person.values() for value in own.values())


def test_it_counts_for_no_word(record):
    federated_units = next(one for one in CONFIGURATIONS if one.method == "fl-au" and not one.secure)
    linked = attack("update", 0.3, 0.4, 0.5, kind="linkability")
    without, beside = audit("fl-au", linked), audit("fl-au", linked, record)
    assert level(federated_units, [beside]) == level(federated_units, [without])
    assert level(federated_units, [audit("fl-au", record)]).word is None
    claimed = dataclasses.replace(record, verdict=EXPOSED)
    assert level(federated_units, [audit("fl-au", linked, claimed)]) == level(federated_units, [without])


def test_where_it_is_printed_it_is_called_a_diagnostic(record):
    begun = Audit(subject={"method": "fl-au"}, seed=0, synthetic=True, participants=6, attacks=(record,))
    text = table(begun)
    assert "What can be rebuilt from one gradient (diagnostic)" in text
    assert next(line for line in text.splitlines() if line.startswith("  update")).endswith(f"  {DIAGNOSTIC}")
    assert DIAGNOSTIC_RULE in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert rows(begun)[0]["verdict"] == DIAGNOSTIC
    assert DIAGNOSTIC_RULE not in " ".join(table(audit("au", attack("model", 0.2, 0.2, 0.9))).split())


@pytest.mark.usefixtures("quick")
def test_fewer_people_and_shorter_windows_are_said(tmp_path, monkeypatch):
    made = federated(6, frames=160, sequence_length=60)
    weights = sum(one.numel() for one in first_network(made).parameters())
    monkeypatch.setattr(inversion, "WORK", 5 * weights * 50 + 1)
    found = rebuilt_windows(made, tmp_path, lambda _: None)
    one = inversion_attack(made, found)
    assert one.people == len(found[MATCHED]) == 5
    assert tuple(one.per_person) == made.people[:5]
    assert one.main.chance == pytest.approx(1 / 5)
    assert "of a window of 60 frames the first 50 are rebuilt" in one.notes
    assert "the first 5 of 6 people, for the time it takes" in one.notes
    assert found[STEPS_A_ROUND].tolist() == [2.0] * 5  # three windows of 60, two a step
    assert frames_of_window(60, "authors") == 60
