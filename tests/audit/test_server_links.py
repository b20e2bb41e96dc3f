# ruff: noqa: N806 - shape suffixes, by the legend of the code under test
"""Linking, matching and row spaces on made-up steps; the membership of sums against what is in them."""

import math

import numpy as np
import pytest

from orchestrator.audit.server.links import first_choices, fits, outside, similarities, sketched
from orchestrator.audit.server.sums import amount, guessed_rounds, moments, pair_success


def steps(clients=12, size=300, *, own=1.0, common=5.0, noise=1.0, seed=0):
    """Two rounds of steps: what all have in common, what each client has of their own, and noise."""
    rng = np.random.default_rng(seed)
    shared, personal = common * rng.normal(size=size), own * rng.normal(size=(clients, size))
    return [shared + personal + noise * rng.normal(size=(clients, size)) for _ in range(2)]


def test_clients_that_differ_are_linked():
    assert first_choices(similarities(*steps(own=2.0))).mean() == 1.0


def test_clients_without_anything_of_their_own_are_linked_by_chance():
    found = [first_choices(similarities(*steps(own=0.0, seed=seed))).mean() for seed in range(60)]
    # 720 links, of which one in twelve is right.
    assert abs(np.mean(found) - 1 / 12) < 4 * math.sqrt(1 / 12 * 11 / 12 / 720)


def test_clients_that_do_the_very_same_are_linked_by_chance():
    same_CN = np.tile(np.random.default_rng(0).normal(size=50), (8, 1))
    assert first_choices(similarities(same_CN, same_CN)).tolist() == [1 / 8] * 8


def test_what_all_have_in_common_is_no_likeness():
    first, second = steps(own=1.0, common=100.0)
    raw = first @ second.T / np.linalg.norm(first, axis=1)[:, None] / np.linalg.norm(second, axis=1)
    apart = ~np.eye(12, dtype=bool)
    assert raw[apart].min() > 0.99
    assert np.abs(similarities(first, second)[apart]).max() < 0.4


def test_a_sketch_keeps_products():
    first_CN, second_CN = steps(clients=6, size=5000, own=1.0)
    sketch = [np.stack([sketched(one, size=2000) for one in step_CN]) for step_CN in (first_CN, second_CN)]
    assert similarities(*sketch) == pytest.approx(similarities(first_CN, second_CN), abs=5 / math.sqrt(2000))
    assert sketched(first_CN[0], size=5000) is not None
    assert (sketched(first_CN[0], size=5000) == first_CN[0]).all()
    assert len(sketched(first_CN[0], size=2000)) == 2000


def test_fewer_frames_than_inputs_lie_in_the_gradient_and_no_others_do():
    rng = np.random.default_rng(3)
    frames = [rng.normal(size=(6, 20)) for _ in range(4)]
    gradients = [rng.normal(size=(30, 6)) @ one for one in frames]
    outside_CQ = np.stack([outside(one, frames, energy=1.0 - 1e-9) for one in gradients])
    assert np.diagonal(outside_CQ) == pytest.approx(0.0, abs=1e-9)
    # A frame of somebody else lies in 6 of 20 dimensions by chance.
    assert outside_CQ[~np.eye(4, dtype=bool)].mean() == pytest.approx(14 / 20, abs=0.1)
    assert first_choices(fits(outside_CQ)).tolist() == [1.0] * 4


def test_frames_fit_where_less_lies_outside_than_elsewhere():
    outside_CQ = np.array([[0.3, 0.2, 0.1], [0.5, 0.6, 0.1], [0.6, 0.1, 0.4]])
    expected = [[0.55 - 0.3, 0.35 - 0.2, 0.25 - 0.1], [0.45 - 0.5, 0.15 - 0.6, 0.25 - 0.1], [0.4 - 0.6, 0.3, 0.1 - 0.4]]
    assert fits(outside_CQ) == pytest.approx(np.array(expected))


def test_as_many_frames_as_inputs_say_nothing():
    rng = np.random.default_rng(3)
    frames = [rng.normal(size=(60, 20)) for _ in range(4)]
    gradients = [rng.normal(size=(30, 60)) @ one for one in frames]
    outside_CQ = np.stack([outside(one, frames, energy=1.0) for one in gradients])
    assert outside_CQ == pytest.approx(0.0, abs=1e-9)


def test_a_step_of_nothing_has_no_rows():
    assert outside(np.zeros((3, 4)), [np.ones((2, 4))]).tolist() == [1.0]


def test_ties_are_drawn():
    assert first_choices(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0], [5.0, 0.0, 1.0]])).tolist() == [0.5, 1.0, 0.0]


def test_two_candidates_are_told_by_hand():
    amount_KP = np.array([[0.5, 1.0, 0.0], [0.9, 0.2, 0.6], [1.0, 0.8, 0.7]])
    member_KP = np.array([[False, True, True], [True, False, True], [True, True, False]])
    # Federation 0: person 1 at 1.0 - 0.8, person 2 at 0.0 - 0.6, person 0, who is missing, at 0.5 - 0.95: right once.
    # 1: person 0 at 0.9 - 1.0, person 2 at 0.6 - 0.0, person 1 at 0.2 - 0.9: right twice.
    # 2: person 0 at 1.0 - 0.9, person 1 at 0.8 - 1.0, person 2 at 0.7 - 0.3: wrong twice.
    assert pair_success(amount_KP, member_KP).tolist() == [0.5, 1.0, 0.0]


def sums(clients_of, *, people=12, size=400, own=1.0, guess=1.0, seed=0):
    """Amounts (K, P) in the mean steps of federations; a guess is somebody's step and noise."""
    rng = np.random.default_rng(seed)
    common, personal = 2.0 * rng.normal(size=size), own * rng.normal(size=(people, size))
    step_PN = common + personal
    guess_PN = step_PN + guess * rng.normal(size=(people, size))
    return np.array([[amount(step_PN[list(own)].mean(axis=0), one) for one in guess_PN] for own in clients_of])


def without_each(people, out):
    """Federations without `out` neighbours each, and who is in them."""
    member_KP = np.ones((people // out, people), dtype=bool)
    for k in range(people // out):
        member_KP[k, k * out : (k + 1) * out] = False
    return member_KP, [np.flatnonzero(row) for row in member_KP]


def test_a_sum_of_many_still_tells_of_two_candidates():
    member_KP, clients = without_each(12, 3)
    found = pair_success(sums(clients), member_KP)
    assert np.isfinite(found).all()
    assert found.mean() > 0.9


def test_sums_of_the_same_clients_tell_nothing():
    member_KP, _ = without_each(12, 3)
    found = pair_success(sums([range(12)] * 4), member_KP)
    assert found == pytest.approx(0.5)


def test_guesses_without_anything_of_their_own_tell_nothing():
    found = []
    for seed in range(30):
        member_KP, clients = without_each(12, 3)
        found += pair_success(sums(clients, own=0.0, guess=1.0, seed=seed), member_KP).tolist()
    assert abs(np.mean(found) - 0.5) < 4 * 0.5 / math.sqrt(30 * 4)  # federations are the independent trials


def test_the_sum_of_one_client_is_the_update_itself_and_of_many_less():
    def success(clients):
        rng = np.random.default_rng(8)
        # Person 0 is a client of every second federation, person 1 of the others, with the same company.
        rows = [[k % 2, *range(2, 1 + clients)] for k in range(6)]
        member_KP = np.zeros((6, 1 + clients), dtype=bool)
        for k, row in enumerate(rows):
            member_KP[k, row] = True
        step_PN = rng.normal(size=(1 + clients, 60))
        right = []
        for _ in range(20):
            noise = rng.normal(size=(6, 60))  # of a round: no two are alike
            amounts = np.array(
                [
                    [amount(step_PN[row].mean(axis=0) + 0.3 * one, step) for step in step_PN]
                    for row, one in zip(rows, noise, strict=True)
                ]
            )
            right.append(pair_success(amounts[:, :2], member_KP[:, :2])[:2].mean())
        return np.mean(right)

    alone, few, many = (success(clients) for clients in (1, 8, 200))
    assert alone == 1.0
    assert alone >= few > many
    assert many < 0.7


def test_an_amount_is_the_share_of_a_client():
    rng = np.random.default_rng(0)
    step_CN = np.linalg.qr(rng.normal(size=(50, 10)))[0].T
    assert amount(step_CN.mean(axis=0), step_CN[3]) == pytest.approx(0.1)
    assert amount(step_CN[:3].mean(axis=0), step_CN[3]) == pytest.approx(0.0)
    assert amount(step_CN[0], np.zeros(50)) == 0.0


def test_a_person_who_is_in_every_federation_has_no_pair():
    found = pair_success(np.zeros((2, 3)), np.array([[True, True, False], [True, False, True]]))
    assert math.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def test_when_a_sum_is_asked():
    assert moments(10) == {"1-round": 1, "5-rounds": 5, "all-rounds": 10}
    assert moments(5) == {"1-round": 1, "all-rounds": 5}
    assert moments(1) == {"all-rounds": 1}
    assert guessed_rounds(40) == (1, 2, 3, 4, 5, 9, 13, 17, 21, 25, 29, 33, 37, 40)
    assert guessed_rounds(3) == (1, 2, 3)
