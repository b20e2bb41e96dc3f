"""Every aggregator under every attack of 4 of 20 clients: refused by name, or how far it is moved."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from benchmarks.attacked_federation import NUM_ATTACKERS, NUM_HELD_OUT, Scene, attacked, scene, score
from benchmarks.attacked_round import (
    ATTACKERS,
    BAD,
    CLIENTS,
    NAMES,
    OPTIONS,
    People,
    mean_of_honest,
    moved,
    people,
    round_of,
    sent,
)
from benchmarks.attackers import ATTACKS, LABEL_FLIP, NO_ATTACK, PASSING, largest_deviation
from benchmarks.attacks import COMPARED, RECIPE, SEEDS, one_round_rows
from fed.choices import AGGREGATORS
from fed.executors.in_process import in_process
from fed.messages import REFUSED
from fed.options import Federation
from fed.updates import MAX_SAMPLES
from models.recipe import Recipe
from tests.conftest import ROOT
from tests.fed.toys import flat, trained

# In lengths of the honest mean's step. These hold against whatever passes the gate ...
ROBUST = ("median", "trimmed-mean", "geometric-median", "multi-krum")
NEAR = 0.32
# ... and the clipped mean bounds lengths, not directions: twice the attackers' share, and what the cut takes away.
CLIPPED = 0.5
# Attacks that break the plain mean, and how far they move it at least.
BREAKS = {
    "sign flip": 0.35,
    "to the gate": 50.0,
    "huge weight": 0.35,
    "Gaussian": 0.9,
    "inner product, 10": 2.0,
    LABEL_FLIP: 0.33,
}
# Attacks that stay so near the honest clients that the mean is moved no further than NEAR either.
HARMLESS_TO_THE_MEAN = {"inner product, 0.5", "ALIE", "ALIE, 1.5", "copies"}


@cache
def drawn(seed: int) -> People:
    return people(seed)


def distance(aggregator: str, attack: str, seed: int) -> float:
    made = drawn(seed)
    found = round_of(aggregator, made.origin, sent(made, attack, seed))
    assert not found.failures
    return moved(made, found.state.weights)


def test_four_of_twenty_attack_and_every_attack_is_known() -> None:
    assert (CLIENTS, ATTACKERS, len(BAD)) == (20, 4, 4)
    assert set(PASSING) | {LABEL_FLIP} == set(BREAKS) | HARMLESS_TO_THE_MEAN
    for attack, one in ATTACKS.items():
        assert one.help
        made = drawn(0)
        for name in BAD:
            assert sent(made, attack, 0)[name] is not made.honest[name]


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in PASSING])
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_what_does_not_pass_is_refused_by_name_and_leaves_no_trace(aggregator: str, attack: str) -> None:
    made, reason = drawn(0), ATTACKS[attack].refused
    assert reason is not None
    found = round_of(aggregator, made.origin, sent(made, attack, 0))
    assert [(one.client, one.kind) for one in found.failures] == [(name, REFUSED) for name in BAD]
    for one in found.failures:
        assert re.search(reason, one.reason)
    honest = tuple(name for name in NAMES if name not in BAD)
    assert tuple(report.client for report in found.reports) == honest
    alone = round_of(aggregator, made.origin, {name: made.honest[name] for name in honest})
    assert found.state.weights.tobytes() == alone.state.weights.tobytes()


@pytest.mark.parametrize("attack", BREAKS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_fails_where_the_robust_ones_hold(attack: str, seed: int) -> None:
    assert distance("mean", attack, seed) > BREAKS[attack]
    for aggregator in ROBUST:
        assert distance(aggregator, attack, seed) < NEAR, aggregator


@pytest.mark.parametrize("attack", sorted(HARMLESS_TO_THE_MEAN))
@pytest.mark.parametrize("seed", SEEDS)
def test_attacks_within_the_honest_spread_move_nobody_far(attack: str, seed: int) -> None:
    for aggregator in ("mean", *ROBUST):
        assert 0 < distance(aggregator, attack, seed) < NEAR or aggregator == "multi-krum", aggregator
    assert distance("multi-krum", attack, seed) < NEAR


@pytest.mark.parametrize("attack", [*PASSING, LABEL_FLIP])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_clipped_mean_is_never_moved_further_than_its_bound(attack: str, seed: int) -> None:
    assert distance("norm-clipped-mean", attack, seed) < CLIPPED
    if BREAKS.get(attack, 0.0) > CLIPPED:  # attacks by their length
        assert distance("norm-clipped-mean", attack, seed) < 0.5 * distance("mean", attack, seed)


def test_a_huge_weight_counts_only_where_samples_do() -> None:
    assert distance("weighted-mean", "huge weight", 0) > 1.5
    for aggregator in COMPARED:
        if aggregator != "weighted-mean":
            flipped = distance(aggregator, "sign flip", 0)
            assert distance(aggregator, "huge weight", 0) == flipped, aggregator


def test_claimed_samples_never_make_a_round_fail() -> None:
    """Every client claims the most that the gate allows: the sum still has room for their weights."""
    made = drawn(0)
    greedy = {name: replace(one, num_samples=MAX_SAMPLES) for name, one in made.honest.items()}
    found = round_of("weighted-mean", made.origin, greedy)
    assert len(found.reports) == CLIENTS
    plain = round_of("mean", made.origin, made.honest)
    assert found.state.weights.tobytes() == plain.state.weights.tobytes()


def test_a_share_that_does_not_cover_the_attackers_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default trims 2 of 20 at either end; two of the four stay in."""
    monkeypatch.setitem(OPTIONS, "trimmed-mean", {})
    assert distance("trimmed-mean", "to the gate", 0) > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_krum_leaves_out_exactly_those_who_stand_apart(seed: int) -> None:
    made = drawn(seed)
    found = round_of("multi-krum", made.origin, sent(made, "to the gate", seed)).state.weights
    honest = mean_of_honest(made)
    np.testing.assert_allclose(found, honest, rtol=1e-6, atol=1e-7)


def test_the_bound_of_a_little_is_enough() -> None:
    """By the publication's formula: n = 20 and f = 4 give s = 7 and 9 of 16; n = 50 and f = 12 s = 14 and 24 of 38."""
    assert largest_deviation(20, 4) == pytest.approx(0.1573, abs=1e-4)
    assert largest_deviation(50, 12) == pytest.approx(0.3360, abs=1e-4)


def test_the_table_of_the_documentation_is_what_comes_out() -> None:
    text = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
    assert "| attack | " + " | ".join(f"`{name}`" for name in COMPARED) + " |" in text
    checked = 0
    for attack, found in one_round_rows().items():
        (row,) = re.findall(rf"^\| {re.escape(attack)} \| ([0-9.]+ \([0-9.]+\).*) \|$", text, re.MULTILINE)
        cells = re.findall(r"([0-9.]+) \(([0-9.]+)\)", row)
        assert len(cells) == len(found)
        for (mean, most), expected in zip(cells, found, strict=True):
            # Rounded to two digits, and another library may sum in another order.
            assert (float(mean), float(most)) == pytest.approx(expected, abs=0.0051, rel=1e-3)
            checked += 1
    assert checked == 11 * len(COMPARED)


@pytest.fixture(scope="module")
def small() -> Scene:
    return scene(1, 0)


def test_attackers_train_in_every_fold_and_nobody_scores_them() -> None:
    made = scene(6, 3)
    assert len(set(made.bad)) == NUM_ATTACKERS
    names = [one.participant for one in made.series]
    held_out = [index for split in made.splits for index in split.held_out]
    assert len(set(held_out)) == 6 * NUM_HELD_OUT == len(held_out)
    for split in made.splits:
        training = {names[index] for index in split.train}
        assert len(split.train) == len(training) == 20
        assert set(made.bad) < training
        assert not training & {names[index] for index in (*split.held_out, *split.validation)}


@pytest.mark.parametrize("aggregator", ["mean", "median"])
def test_without_a_change_an_attacked_executor_gives_the_same_bits(
    aggregator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchanged = replace(ATTACKS["sign flip"], send=lambda _honest, own, _origin, _chance: list(own))
    monkeypatch.setitem(ATTACKS, "sign flip", unchanged)
    start = attacked(in_process, "sign flip", ("P1", "P4"), 0)
    for fold in range(2):
        assert torch.equal(
            flat(trained(aggregator=aggregator, start=start), fold), flat(trained(aggregator=aggregator), fold)
        )


def test_a_federation_under_attack_learns_only_by_a_robust_aggregator(small: Scene) -> None:
    """Two rounds of one fold: at the gate's bound the plain mean's network is worth nothing."""
    recipe = Recipe(**RECIPE, epochs=2)  # type: ignore[arg-type]

    def found(aggregator: str, attack: str) -> tuple[float, int]:
        federation = Federation(aggregator=aggregator, on_client_failure="resilient", **OPTIONS.get(aggregator, {}))
        valence, arousal, refused = score(small, recipe, federation, attack, seed=0)
        return (valence + arousal) / 2, refused

    still, _ = found("multi-krum", NO_ATTACK)
    assert found("multi-krum", "to the gate")[0] > still - 0.05
    assert found("mean", "to the gate")[0] < still - 0.1
    assert found("mean", "NaN")[1] == 2 * NUM_ATTACKERS
