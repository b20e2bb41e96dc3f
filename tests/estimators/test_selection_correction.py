"""BBC-CV: what a choice among equal configurations gains by luck is taken back; where nothing was chosen, nothing
is."""

import numpy as np
import pytest

from benchmarks.simulated_people import WORLDS, draw, folds_of
from models.ccc import Moments, ccc, mse
from orchestrator.estimators import intervals
from orchestrator.estimators import selection_correction as selection
from orchestrator.estimators.selection_correction import bbc_cv
from orchestrator.estimators.sums import Array

DIMENSIONS = ("valence", "arousal")


def configurations(sums_by_configuration: Array, folds: int) -> list[list[dict[str, dict[str, Moments]]]]:
    fold = folds_of(sums_by_configuration.shape[1], folds)
    made = []
    for people in sums_by_configuration:
        moments = [Moments.from_list(list(row)) for row in people]
        made.append(
            [{f"P{i}": dict.fromkeys(DIMENSIONS, moments[i]) for i in np.flatnonzero(fold == k)} for k in range(folds)]
        )
    return made


def some(count: int, people: int = 12, seed: int = 0) -> Array:
    return draw(np.random.default_rng(seed), WORLDS["labels within people"], 1, people, runs=count)[:, 0]


def test_the_parts_of_the_people_add_up_to_what_is_reported() -> None:
    """For unequal folds, too; and in folds of one they are the people's own CCC."""
    sums, fold = some(1, 11)[0], folds_of(11, 4)
    parts = selection.influences(sums, fold)
    assert parts.mean() == pytest.approx(intervals.fold_values(sums, fold, measure=intervals.POOLED).mean())
    own = [ccc(Moments.from_list(list(row))) for row in sums]
    assert selection.influences(sums, np.arange(11)).tolist() == pytest.approx(own)


def test_a_persons_part_is_the_change_when_the_person_weighs_more() -> None:
    sums, fold = some(1, 8)[0], folds_of(8, 2)
    before, weight = intervals.fold_values(sums, fold, measure=intervals.POOLED), 1e-5
    heavier = sums.copy()
    heavier[2] *= 1 + weight
    after = intervals.fold_values(heavier, fold, measure=intervals.POOLED)
    # A fold of four: one person weighs 1/4, and more weight moves the fold's mean by w/4 of the person's distance.
    expected = before[0] + (after[0] - before[0]) * 4 / weight
    parts = selection.influences(sums, fold)
    assert parts[2] == pytest.approx(expected, abs=1e-4)


def test_the_parts_of_the_loss_are_its_mean_over_folds_of_both_dimensions() -> None:
    first, second = some(2, 6)
    fold = folds_of(6, 2)
    parts = selection.losses_of({"valence": first, "arousal": second}, fold, loss="mse")
    expected = []
    for k in (0, 1):
        pooled = [
            sum((Moments.from_list(list(row)) for row in rows[fold == k]), Moments.zero()) for rows in (first, second)
        ]
        expected.append(sum(mse(m) * m.n for m in pooled) / sum(m.n for m in pooled))
    assert parts.mean() == pytest.approx(np.mean(expected))
    of_ccc = selection.losses_of({"valence": first, "arousal": second}, fold, loss="ccc")
    scores = [intervals.fold_values(rows, fold, measure=intervals.POOLED).mean() for rows in (first, second)]
    assert of_ccc.mean() == pytest.approx(1 - np.mean(scores))


def test_people_of_small_folds_weigh_more_about_the_mean() -> None:
    """Folds of two and one: weights 3/4, 3/4 and 3/2."""
    sums, fold = some(1, 3)[0], np.array([0, 0, 1])
    values = intervals.fold_values(sums, fold, measure=intervals.POOLED)
    alone = selection.influences(sums[:2], np.array([0, 0]))
    score = values.mean()
    expected = [score + 0.75 * (alone[0] - score), score + 0.75 * (alone[1] - score), score + 1.5 * (values[1] - score)]
    assert selection.influences(sums, fold).tolist() == pytest.approx(expected)


def test_the_loss_of_a_single_frame() -> None:
    one = np.array([Moments.of(np.array([0.5]), np.array([0.2])).to_list()] * 2)
    assert selection.losses_of({"valence": one}, np.array([0, 1]), loss="mse").tolist() == pytest.approx([0.09, 0.09])


def draw_by_draw(value: Array, loss: Array, seed: int) -> list[float]:
    people = value.shape[1]
    scores = []
    for weight in np.random.default_rng(seed).multinomial(people, [1 / people] * people, size=300):
        out = weight == 0
        if out.any():
            chosen = int(np.argmin([sum(w * part for w, part in zip(weight, row, strict=True)) for row in loss]))
            scores.append(float(np.clip(value[chosen][out].mean(), -1, 1)))
    return scores


@pytest.mark.parametrize("people", [4, 9])
def test_the_choice_is_repeated_draw_by_draw(people: int) -> None:
    """Against a loop over the same draws; the parts of a person may lie outside what a CCC can be."""
    generator = np.random.default_rng(5)
    value, loss = generator.normal(0.6, 0.5, size=(3, people)), generator.normal(size=(3, people))
    scores = draw_by_draw(value, loss, 7)
    assert (len(scores) < 300) is (people == 4)
    assert max(scores) == 1.0
    estimate, low, high, error = selection.correction(value, loss, np.random.default_rng(7), draws=300)
    assert estimate == pytest.approx(np.mean(scores))
    assert (low, high) == pytest.approx((np.quantile(scores, 0.025), np.quantile(scores, 0.975)))
    assert error == pytest.approx(np.std(scores))
    bad = selection.correction(-3 * np.ones((2, 4)), loss[:2, :4], np.random.default_rng(7), draws=20)
    assert bad[:3] == (-1.0, -1.0, -1.0)


def test_window_means_are_scored_and_frames_choose() -> None:
    frames = some(3)
    windows = frames.copy()
    windows[..., 1], windows[..., 3], windows[..., 5] = windows[..., 2], windows[..., 4], windows[..., 4]
    found = bbc_cv(
        configurations(frames, 4),
        scored=configurations(windows, 4),
        loss="mse",
        dimensions=("valence",),
        seed=0,
        draws=50,
    )
    assert found is not None
    assert found["valence"].interval.estimate == pytest.approx(1.0)


def test_two_configurations_and_four_people_are_enough() -> None:
    found = bbc_cv(configurations(some(2, 4), 4), loss="mse", dimensions=("valence",), seed=0, draws=50)
    assert found is not None
    assert (found["valence"].interval.num_people, found["valence"].interval.degrees_of_freedom) == (4, 3)


def test_people_whom_a_configuration_does_not_score_are_left_out() -> None:
    """As those whose every window was dropped by a longer window."""
    several = configurations(some(3, 6), 3)
    several[1][0]["P0"] = dict.fromkeys(DIMENSIONS, Moments.zero())
    found = bbc_cv(several, loss="mse", dimensions=("valence",), seed=0, draws=50)
    assert found is not None
    assert found["valence"].interval.num_people == 5


def test_luck_among_equals_is_taken_back() -> None:
    """Twelve equal configurations, 40 corpora: the best looks better than it is, the corrected score does not."""
    fold, generator = folds_of(16, 8), np.random.default_rng(0)
    world = WORLDS["labels within people"]
    truth = intervals.fold_values(draw(generator, world, 3000, 16)[0], fold, measure=intervals.POOLED).mean()
    sums = np.moveaxis(draw(generator, world, 40, 16, runs=12), 0, 1)
    uncorrected, corrected, covered = [], [], []
    for corpus in sums:
        value, loss = selection.influences(corpus, fold), selection.losses_of({"v": corpus}, fold, loss="ccc")
        estimate, low, high, _ = selection.correction(value, loss, generator, draws=200)
        uncorrected.append(value[loss.sum(axis=1).argmin()].mean() - truth)
        corrected.append(estimate - truth)
        covered.append(low <= truth <= high)
    assert np.mean(uncorrected) > 0.04
    assert abs(np.mean(corrected)) < 0.02
    assert np.mean(covered) > 0.93


def test_a_choice_that_everybody_makes_costs_nothing() -> None:
    """One configuration has no error: whoever is drawn chooses it, and it scores 1 on everybody."""
    right = some(1)
    right[..., 1], right[..., 3], right[..., 5] = right[..., 2], right[..., 4], right[..., 4]
    found = bbc_cv(configurations(np.concatenate([some(3), right]), 4), loss="mse", dimensions=DIMENSIONS, seed=0)
    assert found is not None
    assert set(found) == set(DIMENSIONS)
    one = found["valence"]
    assert (one.uncorrected, one.interval.estimate) == pytest.approx((1.0, 1.0))
    assert one.interval.low == pytest.approx(1.0)
    assert one.interval.conservative
    assert (one.interval.num_people, one.interval.num_folds) == (12, 4)


def test_draws_repeat_by_seed() -> None:
    given = configurations(some(4), 4)
    again = [bbc_cv(given, loss="mse", dimensions=DIMENSIONS, seed=seed, draws=50) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_nothing_is_corrected_where_nothing_was_selected_or_the_choice_left_no_trace() -> None:
    assert bbc_cv(configurations(some(1), 4), loss="mse", dimensions=DIMENSIONS, seed=0) is None
    assert bbc_cv([], loss="mse", dimensions=DIMENSIONS, seed=0) is None
    several = configurations(some(3), 4)
    assert bbc_cv(several, loss="mse", dimensions=DIMENSIONS, seed=0, epoch_chosen_on_reported=True) is None
    assert bbc_cv(configurations(some(3, 3), 3), loss="mse", dimensions=DIMENSIONS, seed=0) is None


def test_a_dimension_without_labels_is_left_out() -> None:
    several = configurations(some(3), 4)
    for folds in several:
        for fold in folds:
            for person in fold:
                fold[person] = {"valence": fold[person]["valence"], "arousal": Moments.zero()}
    found = bbc_cv(several, loss="mse", dimensions=DIMENSIONS, seed=0, draws=50)
    assert found is not None
    assert set(found) == {"valence"}
