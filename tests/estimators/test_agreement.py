"""Agreement of raters: public libraries' numbers, gaps, and a ceiling that is the one of the truth."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import rated
from orchestrator.estimators import agreement
from orchestrator.estimators.agreement import Rated

NAN = np.nan
SEVEN = np.array(
    [
        [0.1, 0.2, 0.15],
        [0.3, 0.25, 0.4],
        [-0.2, -0.1, -0.25],
        [0.5, 0.45, 0.3],
        [0.0, 0.1, 0.05],
        [-0.4, -0.2, -0.3],
        [0.2, 0.3, 0.1],
    ]
)
# Shrout and Fleiss (1979), table 2.
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def recordings(ratings: np.ndarray, parts: int = 1, raters: str = "ABCD") -> list[Rated]:
    return [
        Rated(
            participant=f"P{i}",
            raters=tuple(raters[: ratings.shape[1]]),
            ratings_TR=part,
            scored_T=np.ones(len(part), dtype=bool),
        )
        for i, part in enumerate(np.array_split(ratings, parts))
    ]


@pytest.mark.parametrize(
    ("ratings", "single", "of_mean"),
    [
        # pingouin 0.7.0, intraclass_corr, ICC(A,1) and ICC(A,k); Shrout and Fleiss print .29 and .62.
        (SHROUT, 0.28976377952755916, 0.6200505475989893),
        (SEVEN, 0.9056291390728477, 0.9664310954063604),
    ],
)
@pytest.mark.parametrize("parts", [1, 3])
def test_icc_is_pingouins_however_the_frames_are_divided(
    ratings: np.ndarray, single: float, of_mean: float, parts: int
) -> None:
    sums = agreement.rating_sums(recordings(ratings, parts))
    found = agreement.icc(sums.pooled().complete)
    assert [float(value[0]) for value in found] == pytest.approx([single, of_mean], abs=1e-12)


def test_alpha_is_krippendorffs_with_and_without_gaps() -> None:
    """krippendorff 0.9.0, alpha(level_of_measurement="interval")."""
    gaps = SEVEN.copy()
    gaps[1, 0] = gaps[4, 1] = gaps[4, 2] = gaps[6, 2] = NAN
    for ratings, expected in ((SEVEN, 0.8957189901207464), (gaps, 0.9098196392785571)):
        sums = agreement.rating_sums(recordings(ratings, 2)).pooled()
        assert agreement.krippendorff_alpha(sums.values)[0] == pytest.approx(expected, abs=1e-12)
    # A frame with a gap is not complete: four of seven are.
    assert sums.complete[0, 0] == 4


@pytest.mark.parametrize("ratings", [SHROUT, SEVEN])
def test_reliability_of_the_mean_is_icc_3_k(ratings: np.ndarray) -> None:
    """pingouin's ICC(C,k): .909 and .972; to the factor (n - 1) / n of the variance of the frames at hand."""
    sums = agreement.rating_sums(recordings(ratings)).pooled()
    expected = {6: 0.9093155423770697, 7: 0.9715808170515099}[len(ratings)]
    found = agreement.reliability(sums.gold[0], agreement.noise_variance(sums.pairs[0]))
    n = len(ratings)
    assert 1 - found == pytest.approx((1 - expected) * n / (n - 1))


def test_a_raters_own_level_is_no_error_and_two_raters_err_more_than_three() -> None:
    def reliability(ratings: np.ndarray) -> float:
        sums = agreement.rating_sums(recordings(ratings)).pooled()
        return float(agreement.reliability(sums.gold[0], agreement.noise_variance(sums.pairs[0])))

    assert reliability(SEVEN + np.array([0.0, 0.5, -0.2])) == pytest.approx(reliability(SEVEN))
    noise = np.random.default_rng(0).normal(size=(3000, 3))
    truth = np.sin(np.arange(3000) / 50)[:, None]
    assert reliability(truth + noise) == pytest.approx(0.5 / (0.5 + 1 / 3), abs=0.02)
    assert reliability((truth + noise)[:, :2]) == pytest.approx(0.5 / (0.5 + 1 / 2), abs=0.02)
    # Frames with fewer raters count with the error of their own mean.
    gaps = truth + noise
    gaps[:1500, 2] = NAN
    assert reliability(gaps) == pytest.approx(1 - (0.5 + 1 / 3) / 2 / (0.5 + (0.5 + 1 / 3) / 2), abs=0.02)


def test_raters_are_known_by_name() -> None:
    """Two recordings by A, B and by B, C: the pair A, C is never seen, and B is B in both."""
    first, second = recordings(SEVEN, 2)
    parts = [
        Rated(participant="P0", raters=("A", "B"), ratings_TR=first.ratings_TR[:, :2], scored_T=first.scored_T),
        Rated(participant="P1", raters=("C", "B"), ratings_TR=second.ratings_TR[:, [2, 1]], scored_T=second.scored_T),
    ]
    sums = agreement.rating_sums(parts)
    assert sums.raters == ("A", "B", "C")
    frames = sums.pooled().pairs[0, :, 0]
    assert frames.tolist() == [4, 0, 3]
    found = agreement.agreement(parts, [["P0"], ["P1"]])
    assert found is not None
    assert found.num_complete_frames == 0
    assert found.icc_single is found.icc_mean is None
    assert found.alpha is not None
    assert found.ceiling is not None


def test_frames_outside_the_score_do_not_count() -> None:
    (one,) = recordings(SEVEN)
    scored = one.scored_T.copy()
    scored[-2:] = False
    part = Rated(participant="P0", raters=one.raters, ratings_TR=one.ratings_TR, scored_T=scored)
    (fewer,) = recordings(SEVEN[:-2])
    for found, expected in zip(agreement.rating_sums([part]).parts, agreement.rating_sums([fewer]).parts, strict=True):
        assert found.tolist() == expected.tolist()


def test_one_rater_or_none_who_share_a_frame_agree_on_nothing() -> None:
    people = [[f"P{i}"] for i in range(3)]
    assert agreement.agreement(recordings(SEVEN[:, :1], 3), people) is None
    apart = SEVEN[:, :2].copy()
    apart[:4, 0] = apart[4:, 1] = NAN
    assert agreement.agreement(recordings(apart, 3), people) is None
    assert agreement.agreement([], people) is None


def test_the_whole_has_intervals_over_people() -> None:
    noise = np.random.default_rng(1).normal(size=(60, 3)) * 0.1
    parts = recordings(np.sin(np.arange(60) / 5)[:, None] + noise, 6)
    found = agreement.agreement(parts, [["P0", "P1"], ["P2", "P3"], ["P4", "P5"]])
    assert found is not None
    assert (found.num_raters, found.num_people, found.num_complete_frames) == (3, 6, 60)
    for one in (found.ceiling, found.icc_single, found.icc_mean, found.alpha):
        assert one is not None
        assert -1 <= one.low < one.estimate < one.high <= 1
        assert one.num_people == 6
    assert found.icc_single is not None
    assert found.icc_mean is not None
    assert found.icc_single.estimate < found.icc_mean.estimate


def test_the_ceiling_has_no_interval_below_0() -> None:
    """One of two people in a fold does not move: without the other there is nothing to reach."""
    random = np.random.default_rng(0)
    moving = [random.normal(size=(40, 1)) + random.normal(0, 0.2, size=(40, 3)) for _ in range(3)]
    parts = [*moving, np.full((40, 3), 0.3)]
    made = [recordings(part, 1)[0] for part in parts]
    made = [dataclasses.replace(one, participant=f"P{n}") for n, one in enumerate(made)]
    found = agreement.agreement(made, [["P0", "P1"], ["P2", "P3"]])
    assert found is not None
    assert found.ceiling is not None
    assert found.ceiling.low == 0.0
    assert found.ceiling.high <= 1.0


def test_labels_that_never_move_have_no_reliability() -> None:
    found = agreement.agreement(recordings(np.full((6, 3), 0.2), 3), [["P0"], ["P1"], ["P2"]])
    assert found is not None
    assert found.icc_single is found.icc_mean is found.alpha is None
    assert found.ceiling is not None
    assert found.ceiling.estimate == 0.0


def test_the_ceiling_is_what_the_truth_reaches_and_a_single_rater_is_none() -> None:
    best, found, covered, single = rated(3, 16, 8, 60)
    assert found == pytest.approx(best, abs=0.01)
    assert covered > 0.85
    assert single < best - 0.1


def test_errors_inside_people_and_in_all_by_hand() -> None:
    """Differences 1, 3 of one person, 5, 5, 8 of another, and one of a third: a single one tells nothing inside."""
    ratings = [
        np.array([[1.0, 0.0], [3.0, 0.0]]),
        np.array([[5.0, 0.0], [5.0, 0.0], [8.0, 0.0]]),
        np.array([[2.0, 0.0]]),
    ]
    sums = agreement.rating_sums(
        [
            Rated(participant=f"P{i}", raters=("A", "B"), ratings_TR=one, scored_T=np.ones(len(one), dtype=bool))
            for i, one in enumerate(ratings)
        ]
    )
    assert agreement.noise_inside(sums.pairs) == pytest.approx(0.5 * (2 + 6) / (1 + 2))
    every = np.array([1, 3, 5, 5, 8, 2])
    assert agreement.noise_variance(sums.pairs.sum(axis=0)) == pytest.approx(0.5 * every.var(ddof=1))
    assert np.isnan(agreement.noise_variance(sums.pairs[2]))
    assert agreement.noise_variance(sums.pairs[0]) == pytest.approx(0.5 * 2)
    assert agreement.noise_inside(sums.pairs[2:]) == 0.0


def test_what_the_truth_reaches_by_hand() -> None:
    """Variance 4 of the mean of two raters at every frame, errors 1 inside people and 0.8 of their levels."""
    gold = np.array([10.0, 30.0, 130.0, 5.0])
    for people, expected in ((1, 3.5 / 4.4), (2, (4 - 0.5 * 1.4) / (4 + 0.5 * 0.4)), (4, (4 - 0.5 * 1.6) / (4 + 0.1))):
        found = agreement.reachable(gold, np.array(1.0), np.array(0.8), np.array(float(people)))
        assert found == pytest.approx(expected)
    assert agreement.reliability(gold, np.array(1.0)) == pytest.approx(1 - 0.5 / 4)
    assert agreement.reliability(gold, np.array(9.0)) == 0.0
    assert agreement.reliability(np.array([10.0, 30.0, 90.0, 5.0]), np.array(1.0)) == 0.0


def noisy(people: int) -> list[Rated]:
    generator = np.random.default_rng(2)
    parts = []
    for i in range(people):
        truth = generator.normal(size=(12, 1)) + generator.normal()
        labels = truth + 0.5 * generator.normal(size=(12, 3)) + 0.3 * generator.normal(size=(1, 3))
        parts.append(
            Rated(participant=f"P{i}", raters=("A", "B", "C"), ratings_TR=labels, scored_T=np.ones(12, dtype=bool))
        )
    return parts


def test_intervals_leave_each_person_out_of_everything() -> None:
    """The root of (n - 1) / n times the squares about the mean of what is found without each person."""
    parts, folds = noisy(5), [["P0", "P1"], ["P2", "P3"], ["P4"]]
    whole = agreement.agreement(parts, folds)
    assert whole is not None
    fewer = [agreement.agreement(parts[:i] + parts[i + 1 :], folds) for i in range(5)]
    for name in ("ceiling", "icc_single", "icc_mean", "alpha"):
        one = getattr(whole, name)
        left_out = np.array([getattr(other, name).estimate for other in fewer])
        assert one.standard_error == pytest.approx(np.sqrt(4 / 5 * ((left_out - left_out.mean()) ** 2).sum())), name
        assert one.num_people == 5
        half = stats.t.ppf(0.975, 4) * one.standard_error / (1 - one.estimate**2)
        assert one.low == pytest.approx(np.tanh(np.arctanh(one.estimate) - half))
    assert whole.ceiling is not None
    assert whole.ceiling.num_folds == 3
    assert whole.ceiling.conservative


def test_the_ceiling_of_a_fold_takes_levels_apart_from_errors() -> None:
    parts, folds = noisy(4), [["P0", "P1", "P2"], ["P3"]]
    sums = agreement.rating_sums(parts)
    inside = agreement.noise_inside(sums.pairs)
    levels = agreement.noise_variance(sums.pairs.sum(axis=0)) - inside
    assert levels > 0
    expected = [
        np.sqrt(agreement.reachable(sums.gold[who].sum(axis=0), inside, levels, np.array(float(len(who)))))
        for who in ([0, 1, 2], [3])
    ]
    found = agreement.ceiling(sums, folds)
    assert found is not None
    assert found.estimate == pytest.approx(np.mean(expected))
    assert agreement.ceiling(sums, [["P0", "P1", "P2", "P3"]]) is None
    assert agreement.ceiling(sums, [["P0"], ["somebody else"]]) is None


def test_recordings_of_a_person_add_up_and_unlabelled_frames_and_people_do_not_count() -> None:
    first, second = recordings(SEVEN, 2)
    gap = np.concatenate([second.ratings_TR, np.full((2, 3), NAN)])
    parts = [
        first,
        Rated(participant="P0", raters=second.raters, ratings_TR=gap, scored_T=np.ones(len(gap), dtype=bool)),
        Rated(participant="P9", raters=first.raters, ratings_TR=np.full((4, 3), NAN), scored_T=np.ones(4, dtype=bool)),
        Rated(participant="P8", raters=first.raters, ratings_TR=SEVEN[:1], scored_T=np.ones(1, dtype=bool)),
    ]
    sums = agreement.rating_sums(parts)
    assert sums.names == ("P0", "P8")
    (whole,) = recordings(SEVEN)
    for found, expected in zip(sums.parts, agreement.rating_sums([whole]).parts, strict=True):
        assert found[0] == pytest.approx(expected[0])


def test_two_raters_and_the_fewest_frames() -> None:
    two = agreement.agreement(recordings(SEVEN[:, :2], 3), [["P0"], ["P1"], ["P2"]])
    assert two is not None
    assert two.num_raters == 2
    single, of_mean = agreement.icc(agreement.rating_sums(recordings(SEVEN[:2])).pooled().complete[0])
    assert np.isfinite([single, of_mean]).all()
    one = agreement.rating_sums(recordings(SEVEN[:1])).pooled()
    assert np.isnan(agreement.icc(one.complete[0])[0])
    # Three labels of one frame: observed and expected disagreement are the same.
    assert agreement.krippendorff_alpha(one.values[0]) == pytest.approx(0.0)
    assert np.isnan(agreement.krippendorff_alpha(np.zeros(4)))


def test_the_unit_of_the_labels_does_not_matter() -> None:
    """Labels of 1e-8 and of 1e8 agree as those of 1 do."""
    noise = np.random.default_rng(1).normal(size=(60, 3)) * 0.1
    ratings = np.sin(np.arange(60) / 5)[:, None] + noise
    people = [["P0", "P1"], ["P2", "P3"], ["P4", "P5"]]
    whole = agreement.agreement(recordings(ratings, 6), people)
    for unit in (1e-8, 1e8):
        found = agreement.agreement(recordings(ratings * unit, 6), people)
        assert found is not None
        assert whole is not None
        for name in ("ceiling", "icc_single", "icc_mean", "alpha"):
            assert getattr(found, name).estimate == pytest.approx(getattr(whole, name).estimate), (name, unit)


@pytest.mark.parametrize("level", [0.0, 1e-9, -5.0])
def test_labels_that_are_all_one_number_have_no_coefficient(level: float) -> None:
    sums = agreement.rating_sums(recordings(np.full((6, 3), level), 2)).pooled()
    assert all(np.isnan(value[0]) for value in agreement.icc(sums.complete))
    assert np.isnan(agreement.krippendorff_alpha(sums.values)[0])
    assert agreement.reliability(sums.gold[0], agreement.noise_variance(sums.pairs[0])) == 0.0


def test_a_coefficient_over_nothing_is_unknown() -> None:
    """Two raters who swap their labels: no frame and no rater differs, and ICC(2,1) would be a number over 0."""
    sums = agreement.rating_sums(recordings(np.array([[1.0, 3.0], [3.0, 1.0]]))).pooled()
    single, _ = agreement.icc(sums.complete)
    assert np.isnan(single[0])


def test_many_corpora_at_once_are_each_of_them() -> None:
    """Axes in front: what the simulations of docs/statistics.md use."""
    made = [agreement.rating_sums(noisy(people=4)), agreement.rating_sums(recordings(SEVEN, 4, raters="ABC"))]
    pairs, gold = np.stack([one.pairs for one in made]), np.stack([one.gold for one in made])
    complete, values = np.stack([one.complete for one in made]), np.stack([one.values for one in made])
    for k, one in enumerate(made):
        assert agreement.noise_inside(pairs)[k] == pytest.approx(agreement.noise_inside(one.pairs))
        assert agreement.noise_variance(pairs)[k] == pytest.approx(agreement.noise_variance(one.pairs), nan_ok=True)
        assert agreement.krippendorff_alpha(values)[k] == pytest.approx(
            agreement.krippendorff_alpha(one.values), nan_ok=True
        )
        for every, own in zip(agreement.icc(complete), agreement.icc(one.complete), strict=True):
            assert every[k] == pytest.approx(own, nan_ok=True)
        noise = np.ones(4)
        every = agreement.reliability(gold, np.ones((2, 4)))
        assert every[k] == pytest.approx(agreement.reliability(one.gold, noise))


def test_coefficients_are_of_the_whole_corpus_and_not_of_folds() -> None:
    found = agreement.agreement(noisy(5), [["P0", "P1"], ["P2", "P3"], ["P4"]])
    assert found is not None
    for one in (found.icc_single, found.icc_mean, found.alpha):
        assert one is not None
        assert one.num_folds == 1
        assert not one.conservative
