"""Robust aggregators against closed forms, and the conditions of Multi-Krum."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fed.aggregators import BLOCK, ServerState, aggregate
from fed.fewest import are_enough, check_clients, fewest_updates
from fed.messages import Update
from fed.options import Federation, FederationError
from fed.robust import TOLERANCE, krum_figures, weiszfeld
from fed.round_records import QuorumLost
from models.splits import FoldSplit
from tests.fed.test_rounds import failing
from tests.fed.toys import federation, trained, update


def points(rows: Sequence[Any] | np.ndarray) -> list[Update]:
    return [replace(update(f"P{i:02}"), weights=np.asarray(row, np.float32)) for i, row in enumerate(rows)]


def aggregated(name: str, rows: Sequence[Any] | np.ndarray, origin: Any = None, **options: Any) -> np.ndarray:
    start = np.zeros(len(rows[0]), np.float32) if origin is None else np.asarray(origin, np.float32)
    state = ServerState(weights=start, integers=np.array([2]))
    return aggregate(state, points(rows), Federation(aggregator=name, **options)).weights


@pytest.mark.parametrize(
    "values", [[3.0, -1.0, 10.0], [0.5, 9.0, 1.0, 300.0, -4.0], [1.0, 2.0, 4.0, 8.0, 900.0, 16.0, -3.0]]
)
def test_the_geometric_median_of_points_on_a_line_is_their_median(values: list[float]) -> None:
    base, way = np.array([1.0, 2.0, -1.0]), np.array([2.0, -1.0, 0.5])
    found = aggregated("geometric-median", [base + value * way for value in values])
    np.testing.assert_allclose(found, base + np.median(values) * way, rtol=1e-6, atol=1e-6)


def test_of_an_even_number_on_a_line_it_is_between_the_two_in_the_middle() -> None:
    (found,) = aggregated("geometric-median", [[0.0], [1.0], [3.0], [700.0]])
    assert 1.0 <= found <= 3.0


def fermat_point(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """By its barycentric weights: for each side a, its length over the sine of 60 degrees more than its angle."""
    corners = [(a, b, c), (b, c, a), (c, a, b)]
    weigh = []
    for corner, left, right in corners:
        one, other = left - corner, right - corner
        angle = math.acos(float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other)))
        weigh.append(float(np.linalg.norm(left - right)) / math.sin(angle + math.pi / 3))
    return np.asarray((weigh[0] * a + weigh[1] * b + weigh[2] * c) / sum(weigh))


@pytest.mark.parametrize(
    "corners", [[(0, 0), (4, 0), (1, 3)], [(0, 0), (1, 0), (0.5, 0.8)], [(-5, 2), (7, 3), (1, -9)]]
)
def test_of_three_points_it_is_their_fermat_point(corners: list[tuple[float, float]]) -> None:
    rows = [np.array(one, dtype=np.float64) for one in corners]
    np.testing.assert_allclose(aggregated("geometric-median", rows), fermat_point(*rows), rtol=1e-6, atol=1e-6)


def test_of_a_triangle_with_a_wide_angle_it_is_that_corner() -> None:
    rows = [[-10.0, 1.0], [10.0, 1.0], [0.25, 0.5]]  # almost 180 degrees at the last one
    np.testing.assert_allclose(aggregated("geometric-median", rows), rows[2], atol=1e-6)


@pytest.mark.parametrize("far", [1.0, 1e3, 1e6])
def test_a_majority_at_one_point_gives_that_point(far: float) -> None:
    here: Any = np.array([0.3, -0.7, 2.0], np.float32)
    rows = [here] * 11 + [here + far * np.array([1.0, 0.5 * i, -1.0]) for i in range(9)]
    # The smoothing is a billionth of how far the others are.
    np.testing.assert_allclose(aggregated("geometric-median", rows, origin=here), here, atol=max(2e-9 * far, 1e-7))


def test_the_iteration_ends_where_the_pulls_cancel() -> None:
    """The gradient of the sum of distances is zero there, whatever the number of dimensions."""
    rows = np.random.default_rng(3).normal(size=(9, 5))
    square = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    share = weiszfeld(square)
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    away = share @ rows - rows
    pulls = away / np.linalg.norm(away, axis=1, keepdims=True)
    assert np.linalg.norm(pulls.sum(axis=0)) < 100 * TOLERANCE


def test_far_points_do_not_blur_those_in_the_middle() -> None:
    """Nine of twenty at the gate's bound move the point by no more than the spread of the others."""
    chance = np.random.default_rng(1)
    honest = chance.normal(0.0, 1e-3, (11, 50))
    far = 1000.0 + chance.normal(0.0, 1e-3, (9, 50))
    moved = aggregated("geometric-median", np.concatenate([honest, far]))
    assert np.linalg.norm(moved) < 5 * np.linalg.norm(honest, axis=1).max()


@pytest.mark.parametrize("name", ["geometric-median", "multi-krum", "norm-clipped-mean"])
def test_blocks_make_no_difference(name: str) -> None:
    """As from arrays that are worked on at once: what differs lies in the first and in the last block."""
    chance, size = np.random.default_rng(0), 2 * BLOCK + 3
    rows = np.zeros((7, size), np.float32)
    rows[:, [0, 5, BLOCK + 1, -2, -1]] = chance.normal(size=(7, 5))
    few = aggregated(name, rows[:, [0, 5, BLOCK + 1, -2, -1]])
    np.testing.assert_allclose(aggregated(name, rows)[[0, 5, BLOCK + 1, -2, -1]], few, rtol=1e-6)
    assert not aggregated(name, rows)[1:5].any()


def krum_by_hand(rows: np.ndarray, f: int, m: int) -> np.ndarray:
    scores = []
    for i, one in enumerate(rows):
        others = sorted(float(((one - other) ** 2).sum()) for j, other in enumerate(rows) if j != i)
        scores.append(sum(others[: len(rows) - f - 2]))
    chosen = sorted(range(len(rows)), key=lambda i: (scores[i], i))[:m]
    return np.asarray(rows[chosen].mean(axis=0))


@pytest.mark.parametrize(("f", "m"), [(0, 1), (2, 1), (2, 5), (4, 7), (1, 3)])
def test_multi_krum_follows_the_publication(f: int, m: int) -> None:
    rows = np.random.default_rng(f + 10 * m).normal(size=(11, 6)).astype(np.float32)
    found = aggregated("multi-krum", rows, krum_attackers=f, krum_kept=m)
    np.testing.assert_allclose(found, krum_by_hand(rows.astype(np.float64), f, m), rtol=1e-6)


def test_of_equal_scores_the_first_names_are_taken() -> None:
    found = aggregated("multi-krum", [[0.0], [1.0], [2.0], [3.0]], krum_attackers=0, krum_kept=2)
    assert found.tolist() == [1.5]  # scores 5, 2, 2, 5
    assert aggregated("multi-krum", [[0.0], [2.0], [4.0]], krum_attackers=0, krum_kept=2).tolist() == [1.0]


@pytest.mark.parametrize(
    ("number", "options", "expected"),
    [
        (20, {}, (4, 16)),
        (4, {}, (0, 4)),
        (3, {}, (0, 3)),
        (20, {"krum_attackers": 8}, (8, 12)),
        (20, {"krum_attackers": 0, "krum_kept": 1}, (0, 1)),
        (20, {"krum_kept": 16}, (4, 16)),
    ],
)
def test_a_fifth_may_attack_and_the_rest_is_kept(
    number: int, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert krum_figures(Federation(aggregator="multi-krum", **options), number) == expected


@pytest.mark.parametrize(
    ("number", "options", "message"),
    [
        (
            20,
            {"krum_attackers": 9},
            "krum_attackers: found 9 of 20 clients that train; "
            "expected at least 2 x 9 + 3 = 21 clients, or at most 8 of 20",
        ),
        (
            2,
            {},
            "krum_attackers: found 0 of 2 clients that train; expected at least 2 x 0 + 3 = 3 clients",
        ),
        (
            20,
            {"krum_kept": 17},
            "krum_kept: found 17 of 20 clients that train, of whom 4 may attack; expected at most 20 - 4 = 16",
        ),
    ],
)
def test_multi_krum_names_the_figures_of_its_condition(number: int, options: dict[str, Any], message: str) -> None:
    chosen = Federation(aggregator="multi-krum", **options)
    with pytest.raises(FederationError) as caught:
        check_clients(chosen, number)
    assert str(caught.value) == message
    assert not are_enough(chosen, number)


def test_the_fewest_updates_are_those_of_the_condition() -> None:
    krum = Federation(aggregator="multi-krum", krum_attackers=4)
    assert [fewest_updates(krum, number) for number in (11, 20, 40)] == [11, 11, 11]
    assert fewest_updates(Federation(aggregator="multi-krum", krum_attackers=4, krum_kept=12), 20) == 16
    assert fewest_updates(Federation(aggregator="median"), 20) == 1
    assert not are_enough(Federation(aggregator="median"), 0)


def test_a_federation_with_too_few_clients_does_not_begin() -> None:
    with pytest.raises(
        FederationError, match="krum_attackers: found 1 of 3 clients that train; expected at least 2 x 1"
    ):
        federation(aggregator="multi-krum", krum_attackers=1)
    assert len(trained(aggregator="multi-krum", krum_attackers=0).rounds) == 2


FOUR = [FoldSplit(train=(0, 1, 2, 3), validation=(4,), held_out=(5,))]


def test_a_round_with_too_few_updates_for_the_aggregator_does_not_count() -> None:
    """Four clients train; the aggregator needs three, and with two kept of three no fewer than that."""
    settings: dict[str, Any] = {"splits": FOUR, "on_client_failure": "resilient", "aggregator": "multi-krum"}
    folds = failing("raise", "P2", 2, **settings)
    assert len(list(folds.epochs())) == 2
    assert folds.rounds[-1].trained == (("P0", "P1", "P3"),)
    folds = failing("raise", "P2", 2, **settings, krum_kept=4)
    with pytest.raises(QuorumLost, match="3 clients left and 4 needed"):
        list(folds.epochs())
    assert len(folds.history) == 1


def test_a_bound_nobody_exceeds_leaves_the_exact_mean() -> None:
    rows = np.random.default_rng(4).normal(size=(6, 9)).astype(np.float32)
    found = aggregated("norm-clipped-mean", rows, origin=rows[0], clip_norm=100.0)
    exact = rows.astype(np.float64).sum(axis=0) / 6  # of six numbers of like size without error
    assert found.tobytes() == exact.astype(np.float32).tobytes()


def test_changes_are_cut_and_keep_their_direction() -> None:
    origin = np.array([5.0, -1.0])
    changes = np.array([[3.0, 4.0], [0.0, 0.5], [-30.0, 0.0]])
    rows = origin + changes
    found = aggregated("norm-clipped-mean", rows, origin=origin, clip_norm=1.0)
    np.testing.assert_allclose(found, origin + np.array([0.6 + 0.0 - 1.0, 0.8 + 0.5 + 0.0]) / 3, rtol=1e-6)
    # The median of the lengths 5, 0.5 and 30.
    found = aggregated("norm-clipped-mean", rows, origin=origin)
    np.testing.assert_allclose(found, origin + np.array([3.0 + 0.0 - 5.0, 4.0 + 0.5 + 0.0]) / 3, rtol=1e-6)


def test_nobody_moves_the_clipped_mean_by_more_than_its_share_of_the_bound() -> None:
    chance = np.random.default_rng(7)
    honest = chance.normal(size=(16, 30))
    sent = [np.concatenate([honest, chance.normal(size=(4, 30)) * far]) for far in (0.0, 1e3)]
    still, moved = (aggregated("norm-clipped-mean", rows, clip_norm=2.0) for rows in sent)
    assert 0 < np.linalg.norm(moved - still) <= 2.0 * 4 / 20 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"krum_attackers": 2}, "2 beside --aggregator mean; expected it with multi-krum only"),
        ({"aggregator": "median", "clip_norm": 2.0}, "2.0 beside .* median; expected it with norm-clipped-mean only"),
        ({"aggregator": "norm-clipped-mean", "clip_norm": 0.0}, "clip_norm: found 0.0; expected over 0"),
        ({"aggregator": "multi-krum", "krum_attackers": -1}, "krum_attackers: found -1; expected at least 0"),
        ({"aggregator": "multi-krum", "krum_kept": 0}, "krum_kept: found 0; expected at least 1"),
        ({"aggregator": "multi-krum", "krum_attackers": 1.5}, "found 1.5; expected a whole number, at least 0"),
        ({"local_epochs": 1.5}, "local_epochs: found 1.5; expected a whole number, at least 1"),
    ],
)
def test_parameters_are_refused_where_they_do_not_apply(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FederationError, match=message):
        Federation(**options)
