"""Every aggregator by the same laws, and each by hand."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fed.aggregators import BLOCK, ServerState, _similarities, added, aggregate, needs_sums
from fed.choices import AGGREGATORS
from fed.fewest import are_enough
from fed.messages import PartialSum, Update
from fed.options import Federation
from models.references import resolve
from tests.fed.toys import update

STATE = ServerState(weights=np.zeros(4, np.float32), integers=np.array([2]))
UPDATES = [update(f"P{i}") for i in range(5)]


def same(one: ServerState, other: ServerState) -> None:
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.integers.tolist() == other.integers.tolist()
    assert list(one.personal) == list(other.personal)
    for name in one.personal:
        assert one.personal[name].tobytes() == other.personal[name].tobytes()


def averaged(name: str, updates: Sequence[Update], state: ServerState = STATE, **options: Any) -> ServerState:
    """Aggregate as a round does: those that need sums only get one sum of all."""
    parts = [summed(name, updates)] if needs_sums(name) else updates
    return aggregate(state, parts, Federation(aggregator=name, **options))


def summed(name: str, updates: Sequence[Update]) -> PartialSum:
    total = None
    for one in updates:
        total = added(total, one, name)
    assert total is not None
    return total


SUMMED = [name for name in AGGREGATORS if needs_sums(name)]


def test_every_aggregator_is_a_function_with_a_line_of_help() -> None:
    assert SUMMED == ["mean", "weighted-mean"]
    for one in AGGREGATORS.values():
        assert callable(resolve(one.function))
        assert one.help
        assert one.sums in {None, "clients", "samples"}


@pytest.mark.parametrize("name", AGGREGATORS)
def test_the_order_of_arrival_is_irrelevant(name: str) -> None:
    expected = averaged(name, UPDATES)
    orders = list(itertools.permutations(UPDATES))
    assert len(orders) == 120
    for order in orders:
        same(averaged(name, order), expected)


@pytest.mark.parametrize(
    ("name", "count"),
    [(name, n) for name in AGGREGATORS for n in (1, 2, 3, 6) if are_enough(Federation(aggregator=name), n)],
)
def test_equal_updates_aggregate_to_themselves(name: str, count: int) -> None:
    weights = np.array([0.1, -3e-9, 7.7, 1e-40], dtype=np.float32)
    found = averaged(name, [replace(update(f"P{i}"), weights=weights) for i in range(count)])
    assert found.weights.tobytes() == weights.tobytes()
    for own in found.personal.values():
        assert own.tobytes() == weights.tobytes()


@pytest.mark.parametrize("name", AGGREGATORS)
def test_integers_stay_integers_and_the_largest_counts(name: str) -> None:
    found = averaged(name, UPDATES)
    assert found.integers.dtype == np.int64
    assert found.integers.tolist() == [9]


@pytest.mark.parametrize("name", AGGREGATORS)
def test_results_are_finite_float32_and_inputs_stay(name: str) -> None:
    before = [one.weights.copy() for one in UPDATES]
    found = averaged(name, UPDATES)
    assert found.weights.dtype == np.float32
    assert np.isfinite(found.weights).all()
    assert found.weights.min() >= min(one.weights.min() for one in UPDATES)
    assert STATE.weights.tolist() == [0, 0, 0, 0]
    for one, old in zip(UPDATES, before, strict=True):
        np.testing.assert_array_equal(one.weights, old)


@pytest.mark.parametrize("name", SUMMED)
@pytest.mark.parametrize("parts", [[[0, 1, 2, 3, 4]], [[3], [0, 4], [1, 2]], [[4], [3], [2], [1], [0]]])
def test_sums_formed_elsewhere_give_the_same_bits(name: str, parts: list[list[int]]) -> None:
    sums = [summed(name, [UPDATES[index] for index in part]) for part in parts]
    same(aggregate(STATE, sums, Federation(aggregator=name)), averaged(name, UPDATES))


def test_a_client_cannot_count_twice() -> None:
    sums = [added(None, UPDATES[0], "mean") for _ in range(2)]
    with pytest.raises(AssertionError, match="twice"):
        aggregate(STATE, sums, Federation())


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if not needs_sums(name)])
def test_a_client_cannot_send_two_updates(name: str) -> None:
    with pytest.raises(AssertionError, match="a client counts twice"):
        averaged(name, [*UPDATES, UPDATES[0]])


def by_hand(values: list[float], samples: list[int]) -> list[Update]:
    rows = zip(values, samples, strict=True)
    return [replace(update(f"P{i}"), weights=np.full(4, v, np.float32), num_samples=n) for i, (v, n) in enumerate(rows)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", (0 + 1 + 2 + 4 + 93) / 5),
        ("weighted-mean", (10 * 0 + 1 * 1 + 1 * 2 + 2 * 4 + 6 * 93) / 20),
        ("median", 2.0),
        ("trimmed-mean", (1 + 2 + 4) / 3),
        ("geometric-median", 2.0),  # of points on a line the middle one
        # One attacker of five: scores are sums of two squares, 5 for 0, 2 for 1, 5 for 2, 13 for 4.
        ("multi-krum", (0 + 1 + 2 + 4) / 4),
        ("norm-clipped-mean", (0 + 1 + 2 + 2 + 2) / 5),  # lengths are twice the values, 4 is the one in the middle
    ],
)
def test_values_by_hand(name: str, expected: float) -> None:
    found = averaged(name, by_hand([4, 0, 93, 1, 2], [2, 10, 6, 1, 1]))
    np.testing.assert_array_equal(found.weights, np.full(4, expected, np.float32))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 20.0), (0.2, 7 / 3), (0.29, 7 / 3), (0.3, 2.0), (0.49, 2.0), (None, 7 / 3)]
)
def test_the_trimmed_mean_leaves_out_the_share_that_was_asked_for(share: float | None, expected: float) -> None:
    found = averaged("trimmed-mean", by_hand([4, 0, 93, 1, 2], [2, 10, 6, 1, 1]), trim_share=share)
    np.testing.assert_array_equal(found.weights, np.full(4, expected, np.float32))


def test_the_trimmed_mean_never_leaves_out_all() -> None:
    found = averaged("trimmed-mean", by_hand([float(i) for i in range(10)], [1] * 10), trim_share=0.49)
    np.testing.assert_array_equal(found.weights, np.full(4, 4.5, np.float32))


def test_the_median_of_an_even_number_is_between_the_two_in_the_middle() -> None:
    found = averaged("median", by_hand([4, 0, 93, 1], [1, 1, 1, 1]))
    np.testing.assert_array_equal(found.weights, np.full(4, 2.5, np.float32))


def test_personal_networks_lean_to_those_alike() -> None:
    updates = by_hand([1.0, 1.1, 5.0], [1, 9, 4])
    found = averaged("personalised", updates)
    own = {name: float(weights[0]) for name, weights in found.personal.items()}
    assert list(own) == ["P0", "P1", "P2"]
    middle = (1.0 + 1.1 + 5.0) / 3
    assert own["P0"] < own["P1"] < middle < own["P2"]
    assert all(1.0 < value < 5.0 for value in own.values())
    assert float(found.weights[0]) == pytest.approx(sum(own.values()) / 3, rel=1e-6)
    # By hand: squared distances 4 of four weights times (0.1, 4, 3.9)^2, scaled by their median.
    scale = 4 * 3.9**2
    weigh = np.exp(-np.array([0.0, 4 * 0.1**2, 4 * 4.0**2]) / scale)
    assert own["P0"] == pytest.approx(float(weigh @ [1.0, 1.1, 5.0] / weigh.sum()), rel=1e-6)


def test_a_client_without_an_update_keeps_its_network() -> None:
    first = averaged("personalised", UPDATES)
    second = averaged("personalised", UPDATES[:3], first)
    assert list(second.personal) == [one.client for one in UPDATES]
    assert second.personal["P4"].tobytes() == first.personal["P4"].tobytes()
    assert second.personal["P0"].tobytes() != first.personal["P0"].tobytes()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([4.0, 90.0], 47.0),  # of two nobody is left out
        ([4.0, 90.0, 5.0], 5.0),  # of three one at either end
        ([*range(14), 1000.0], sum(range(2, 13)) / 11),  # 0.1 x 15 = 1.5 is rounded to the even 2
        ([*range(24), 1000.0], sum(range(2, 23)) / 21),  # and 2.5, too
    ],
)
def test_a_tenth_is_trimmed_at_either_end_and_one_of_three(values: list[float], expected: float) -> None:
    found = aggregate(STATE, by_hand(values, [1] * len(values)), Federation(aggregator="trimmed-mean"))
    np.testing.assert_array_equal(found.weights, np.full(4, expected, np.float32))


def personal_of(rows: list[np.ndarray], origin: np.ndarray) -> list[np.ndarray]:
    """The formula of the docstring, all weights at once."""
    steps = [row.astype(np.float64) - origin.astype(np.float64) for row in rows]
    distances = np.array([[((one - other) ** 2).sum() for other in steps] for one in steps])
    scale = np.median(distances[np.triu_indices(len(rows), k=1)])
    weigh = np.exp(-distances / scale)
    weigh /= weigh.sum(axis=1, keepdims=True)
    return list((weigh @ np.stack(rows).astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize("size", [4, BLOCK, 2 * BLOCK + 3])
def test_personal_networks_of_any_size_follow_the_formula(size: int) -> None:
    """Clients differ in the first weight, and in the last ones, most."""
    generator = np.random.default_rng(size)
    rows = [generator.normal(size=size).astype(np.float32) for _ in range(4)]
    for number, row in enumerate(rows):
        row[0] += 10 * np.sqrt(size) * (number % 2)
        row[-1] += 5 * np.sqrt(size) * number
    origin = generator.normal(size=size).astype(np.float32)
    state = ServerState(weights=origin, integers=np.array([2]))
    found = aggregate(
        state,
        [replace(update(f"P{i}"), weights=row) for i, row in enumerate(rows)],
        Federation(aggregator="personalised"),
    )
    for own, expected in zip(found.personal.values(), personal_of(rows, origin), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


def test_similarity_is_of_the_steps_however_large_the_weights() -> None:
    """Steps of some last bits of weights of 1e4: in sums of the weights' own squares they would be lost."""
    generator = np.random.default_rng(0)
    origin = generator.uniform(8200.0, 16000.0, size=BLOCK).astype(np.float32)
    bits = generator.integers(-3, 4, size=(3, BLOCK))
    rows = [origin + np.float32(2.0**-10) * one.astype(np.float32) for one in bits]
    ordered = [replace(update(f"P{i}"), weights=row) for i, row in enumerate(rows)]
    distances = np.array([[((one - other) ** 2).sum() for other in bits] for one in bits], dtype=np.float64)
    weigh = np.exp(-distances / np.median(distances[np.triu_indices(3, k=1)]))
    expected = weigh / weigh.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_similarities(ordered, origin), expected, rtol=1e-9)


def test_what_is_to_be_aggregated_has_to_be_there() -> None:
    for name in AGGREGATORS:
        with pytest.raises(AssertionError, match="nothing to aggregate"):
            aggregate(STATE, [], Federation(aggregator=name))
