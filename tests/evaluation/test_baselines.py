"""Baselines see the training people only, and leave what a trial leaves."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from models.ccc import Moments, ccc
from models.splits import FoldSplit
from models.windows import Series
from orchestrator.evaluation import baselines
from orchestrator.evaluation.baselines import BASELINES, HeldOut, run_baseline
from orchestrator.evaluation.windowed import beside_person, of_person, of_windows
from orchestrator.measures import FoldMoments, of_fold
from tests.conftest import ROOT

FRAMES = 80


TIMES = np.arange(FRAMES, dtype=np.float64) / 10
SPLITS = [
    FoldSplit(train=(2, 3, 4, 5), validation=(0, 1), held_out=(0, 1)),
    FoldSplit(train=(0, 1, 4, 5), validation=(2, 3), held_out=(2, 3)),
]


def people(slopes: list[float], *, level: float = 0.0, seed: int = 0) -> list[Series]:
    """Each person's valence is a slope times the first feature plus a level that only the person's mean feature
    tells."""
    generator = np.random.default_rng(seed)
    made = []
    for number, slope in enumerate(slopes):
        own = level * number
        features = generator.normal(size=(FRAMES, 2))
        gold = np.stack([slope * features[:, 0] + own, np.full(FRAMES, 0.1 * number)], axis=1)
        features[:, 1] += own
        made.append(
            Series(
                participant=f"P{number}",
                session="",
                features_TF=features.astype(np.float32),
                valid_T=np.ones(FRAMES, dtype=bool),
                gold_T2=gold.astype(np.float32),
            )
        )
    return made


def run(name: str, series: list[Series], length: int = 20) -> list[HeldOut]:
    return run_baseline(BASELINES[name], series, [TIMES] * len(series), SPLITS, window_length=length)


def traces(folds: list[HeldOut]) -> np.ndarray:
    return np.stack([trace for fold in folds for trace in fold.traces.values()])


@pytest.mark.parametrize("fit", [baselines.fit_plain_ridge, baselines.fit_ridge])
def test_ridge_is_scikit_learns_with_labels_that_are_not_centred(fit: Callable[..., Callable[..., np.ndarray]]) -> None:
    generator = np.random.default_rng(5)
    rows, unseen = generator.normal(2.0, 3.0, size=(40, 3)), generator.normal(2.0, 3.0, size=(7, 3))
    gold = 0.3 + rows @ [0.02, -0.01, 0.0] + 0.05 * generator.normal(size=40)
    mean, sd = (rows.mean(axis=0), rows.std(axis=0)) if fit is baselines.fit_ridge else (0.0, 1.0)
    expected = RidgeCV(alphas=baselines.ALPHAS).fit((rows - mean) / sd, gold).predict((unseen - mean) / sd)
    np.testing.assert_allclose(fit(rows, gold)(unseen), expected, rtol=1e-9)


@pytest.mark.parametrize("fit", [baselines.fit_plain_ridge, baselines.fit_ridge, baselines.fit_boosting])
def test_two_rows_are_fitted_and_one_is_the_mean(fit: Callable[..., Callable[..., np.ndarray]]) -> None:
    two = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = fit(two, np.array([0.0, 1.0]))(two)
    if fit is not baselines.fit_boosting:  # whose leaves have more rows
        assert found[0] < 0.5 < found[1]
    one = fit(two[:1], np.array([0.25]))(two)
    assert one.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("name", BASELINES)
def test_the_reported_people_are_never_seen(name: str) -> None:
    """Their labels may be anything: the predictions for them are the same."""
    series = people([1.0] * 6, level=0.2)
    changed = [
        Series(
            participant=o.participant, session="", features_TF=o.features_TF, valid_T=o.valid_T, gold_T2=-7 * o.gold_T2
        )
        if number in (0, 1)
        else o
        for number, o in enumerate(series)
    ]
    assert (traces(run(name, series)[:1]) == traces(run(name, changed)[:1])).all()
    assert (traces(run(name, series)[1:]) != traces(run(name, changed)[1:])).any()


def test_everybody_with_a_slope_of_their_own_sign_fools_a_fit_on_others() -> None:
    """A fit on oneself would score 1; the others say the opposite."""
    folds = run("ridge", people([1, 1, -1, -1, 1, -1]))
    assert folds[0].frames["P0"]["valence"].sum_xy < 0
    assert folds[1].frames["P2"]["valence"].sum_xy < 0


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_left_has_the_shape_of_a_trials(name: str) -> None:
    series = people([1.0] * 6)
    first, second = run(name, series, length=30)
    assert list(first.traces) == [0, 1]
    assert first.traces[0].shape == (FRAMES, 2)
    assert first.traces[0].dtype == np.float32
    assert set(second.frames) == set(second.windows) == {"P2", "P3"}
    one = first.frames["P0"]["valence"]
    expected = Moments.of(first.traces[0][:, 0], series[0].gold_T2[:, 0])
    assert one.to_list() == pytest.approx(expected.to_list())
    assert first.windows["P0"]["valence"].n == 3
    scores = of_fold(FoldMoments(frames=first.frames, windows=first.windows))
    assert scores["num_frames_valence"] == 2 * FRAMES


def test_many_columns_train_on_frames_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 x 80 labelled frames every fifth, counted on from recording to recording."""
    seen: list[np.ndarray] = []

    def fit(rows: np.ndarray, gold: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        seen.append(rows)
        return baselines.fit_mean(rows, gold)

    series = people([1.0] * 6)
    series[2].gold_T2[:3, 0] = np.nan
    monkeypatch.setattr(baselines, "MAX_ROWS", 70)
    for kind, count in (("person", 64), ("frames", 317)):
        seen.clear()
        one = baselines.Baseline(name="x", title="x", features=kind, fit=fit)
        run_baseline(one, series, [TIMES] * 6, SPLITS[:1], window_length=20)
        assert len(seen[0]) == count
    seen.clear()
    one = baselines.Baseline(name="x", title="x", features="person", fit=fit)
    run_baseline(one, series, [TIMES] * 6, SPLITS[:1], window_length=20)
    every = np.concatenate([s.features_TF[s.mask_T2[:, 0]] for s in series[2:]])[::5]
    assert seen[0][:, :2].tolist() == every.tolist()


def test_two_recordings_of_a_person_are_one_person() -> None:
    series = people([1.0] * 6)
    series[1] = Series(
        participant="P0",
        session="",
        features_TF=series[1].features_TF,
        valid_T=series[1].valid_T,
        gold_T2=series[1].gold_T2,
    )
    first = run("ridge", series)[0]
    assert list(first.frames) == ["P0"]
    assert first.frames["P0"]["valence"].n == 2 * FRAMES


def test_the_mean_is_that_of_the_training_people() -> None:
    folds = run("mean", people([1.0] * 6))
    # Arousal of person i is 0.1 i: the training people of the first fold are 2 to 5, of the second 0, 1, 4, 5.
    assert folds[0].traces[0][:, 1] == pytest.approx(np.full(FRAMES, 0.35))
    assert folds[1].traces[2][:, 1] == pytest.approx(np.full(FRAMES, 0.25))


def test_ridge_finds_a_law_and_a_persons_level_helps_the_one_that_sees_it() -> None:
    exact = run("ridge", people([1.0] * 6))
    assert ccc(exact[0].frames["P0"]["valence"]) > 0.99
    series = people([0.1] * 6, level=0.3)
    plain, person = run("ridge", series)[1], run("ridge-person", series)[1]
    assert person.frames["P2"]["valence"].sum_abs_error < 0.7 * plain.frames["P2"]["valence"].sum_abs_error
    assert BASELINES["ridge-person"].own_scale
    assert not BASELINES["ridge"].own_scale


def test_windows_see_what_a_frame_does_not() -> None:
    """Labels follow the mean over four seconds of a feature that is noise frame by frame."""
    generator = np.random.default_rng(0)
    series = []
    for number in range(6):
        features = generator.normal(size=(FRAMES, 1))
        mean = of_windows(features, np.ones(FRAMES, bool), TIMES)[:, 3]
        gold = np.stack([mean, mean], axis=1).astype(np.float32)
        series.append(
            Series(
                participant=f"P{number}",
                session="",
                features_TF=features.astype(np.float32),
                valid_T=np.ones(FRAMES, dtype=bool),
                gold_T2=gold,
            )
        )
    frames, windows = (ccc(run(name, series)[0].frames["P0"]["valence"]) for name in ("ridge", "ridge-windows"))
    assert windows > 0.99
    assert frames < 0.5


def test_boosting_bends_and_repeats() -> None:
    generator = np.random.default_rng(0)
    series = [
        Series(
            participant=f"P{i}",
            session="",
            features_TF=(features := generator.normal(size=(FRAMES, 2)).astype(np.float32)),
            valid_T=np.ones(FRAMES, dtype=bool),
            gold_T2=np.abs(features),
        )
        for i in range(6)
    ]
    bent = run("boosting-person", series)
    straight = run("ridge-person", series)
    assert bent[0].frames["P0"]["valence"].sum_abs_error < 0.6 * straight[0].frames["P0"]["valence"].sum_abs_error
    assert (traces(run("boosting-person", series)) == traces(bent)).all()


def test_no_label_to_train_on_predicts_zero() -> None:
    series = people([1.0] * 6)
    for one in series:
        one.gold_T2[:, 1] = np.nan
    for name in BASELINES:
        fold = run(name, series)[0]
        assert (fold.traces[0][:, 1] == 0.0).all()
        assert fold.frames["P0"]["arousal"].n == 0


def test_statistics_over_time_are_those_of_the_frames_around() -> None:
    """Against numpy, frame by frame; without a valid frame near by they are 0."""
    generator = np.random.default_rng(0)
    time = 3.0 + np.arange(90, dtype=np.float64) * 0.13
    valid = generator.random(90) > 0.2
    valid[40:55] = False
    features = np.where(valid[:, None], generator.normal(5.0, 1.0, size=(90, 2)), 0.0)
    made = of_windows(features, valid, time)
    assert made.shape == (90, 18)
    for frame in range(90):
        for number, seconds in enumerate((1.0, 4.0, 10.0)):
            near = valid & (np.abs(time - time[frame]) < seconds / 2)
            found = made[frame, 6 * number : 6 * number + 6].reshape(3, 2)
            if not near.any():
                assert not found.any()
                continue
            rows = features[near]
            slope = np.polyfit(time[near], rows, 1)[0] if near.sum() > 1 else np.zeros(2)
            expected = np.stack([rows.mean(axis=0), rows.std(axis=0), slope])
            assert found == pytest.approx(expected, abs=1e-7), (frame, seconds)
    assert not made[47, :6].any()
    assert not of_windows(features, np.zeros(90, dtype=bool), time).any()
    assert of_windows(np.zeros((0, 2)), np.zeros(0, dtype=bool), np.zeros(0)).shape == (0, 18)


def test_a_person_is_described_over_all_recordings() -> None:
    first, second = np.array([[1.0], [9.0]]), np.array([[3.0]])
    own = of_person([first[:1], second])
    assert beside_person(first, own).tolist() == [[1.0, 2.0, 1.0, 3.0], [9.0, 2.0, 1.0, 3.0]]
    assert beside_person(second, own).tolist() == [[3.0, 2.0, 1.0, 3.0]]
    assert beside_person(second, of_person([np.zeros((0, 1))])).tolist() == [[3.0, 0.0, 0.0, 0.0]]


def test_a_person_is_described_over_valid_frames_of_all_recordings() -> None:
    series = people([1.0, 2.0, 3.0])
    same = [replace(one, participant="A" if k < 2 else "B") for k, one in enumerate(series)]
    made = baselines.features_of("person", same, [TIMES] * 3)
    rows = np.concatenate([one.features_TF[one.valid_T].astype(np.float64) for one in same[:2]])
    expected = np.concatenate([rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)])
    np.testing.assert_array_equal(made(0)[:, 2:], np.tile(expected, (FRAMES, 1)))
    np.testing.assert_array_equal(made(1)[:, 2:], made(0)[:, 2:])
    assert (made(2)[0, 2:] != made(0)[0, 2:]).any()


def test_so_many_folds_are_fitted_together_as_may_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """90 numbers per fold if both dimensions have the same frames, 180 if not."""
    monkeypatch.setattr(baselines, "KEPT_VALUES", 200)
    same, other = {0: np.arange(10)}, {0: np.arange(10, 20)}
    assert baselines._together([[same, same]] * 5, 9) == [[0, 1], [2, 3], [4]]
    assert baselines._together([[same, other]] * 2, 9) == [[0], [1]]
    assert baselines._together([[same, same]], 1000) == [[0]]


@pytest.mark.parametrize("name", list(BASELINES))
def test_how_many_folds_are_fitted_together_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of training are held for as many folds at a time as KEPT_VALUES allows: all, two, and each by itself."""
    series, found = people([1.0, 2.0, 0.5, 3.0, 1.5, 2.5]), []
    for kept in (10**9, 2 * 2 * 9 * FRAMES * len(series), 1):
        monkeypatch.setattr(baselines, "KEPT_VALUES", kept)
        found.append(run_baseline(BASELINES[name], series, [TIMES] * 6, SPLITS, window_length=20))
    for other in found[1:]:
        for one, again in zip(found[0], other, strict=True):
            assert (one.frames, one.windows) == (again.frames, again.windows)
            assert [trace.tobytes() for trace in one.traces.values()] == [t.tobytes() for t in again.traces.values()]


@pytest.mark.parametrize("shape", [(60, 3), (45, 40), (22, 20), (30, 40), (12, 20)])
@pytest.mark.parametrize("noise", [0.0, 1.0, 30.0])
def test_ridge_is_that_of_scikit_learn(shape: tuple[int, int], noise: float) -> None:
    """Coefficients, intercept and the chosen penalty; one column twice, and more columns than rows."""
    from sklearn.linear_model import RidgeCV

    generator = np.random.default_rng(1)
    rows = 3.0 + generator.normal(size=shape)
    rows[:, 1] = rows[:, 0]
    gold = rows[:, 0] - rows[:, 2] + noise * generator.normal(size=len(rows))
    coefficients, intercept = baselines.ridge_weights(rows, gold)
    expected = RidgeCV(alphas=baselines.ALPHAS).fit(rows, gold)
    assert coefficients == pytest.approx(expected.coef_, rel=1e-6, abs=1e-9)
    assert intercept == pytest.approx(expected.intercept_, rel=1e-6, abs=1e-9)


def test_the_numbers_of_the_document_are_those_of_the_code() -> None:
    """docs/statistics.md: they decide what every baseline of an earlier run scored."""
    assert baselines.MAX_ROWS == 4000
    assert (baselines.BOOSTING["max_iter"], baselines.BOOSTING["max_leaf_nodes"]) == (60, 8)
    assert (baselines.BOOSTING["learning_rate"], baselines.BOOSTING["max_bins"]) == (0.15, 63)
    assert not baselines.BOOSTING["early_stopping"]
    text = " ".join((ROOT / "docs" / "statistics.md").read_text(encoding="utf-8").split())
    assert "60 trees of 8 leaves at 0.15, no early stopping" in text
    assert "at most 4,000" in text
    assert [f"{alpha:g}" for alpha in baselines.ALPHAS] == [
        "0.01",
        "0.1",
        "1",
        "10",
        "100",
        "1000",
        "10000",
        "100000",
        "1e+06",
    ]


@pytest.mark.parametrize("kind", ["none", "frames", "windows", "person"])
def test_so_many_columns_are_made_as_are_counted(kind: str) -> None:
    series = people([1.0] * 2)
    made = baselines.features_of(kind, series, [TIMES] * 2)
    for index in range(2):
        assert made(index).shape == (FRAMES, baselines.num_columns(kind, 2))


def test_a_column_that_hardly_moves_is_none() -> None:
    """Rounding of a large constant is no spread; the same spread about 0 is."""
    generator = np.random.default_rng(0)
    noise = 1e-6 * generator.normal(size=(50, 1))
    gold = noise[:, 0] / 1e-6
    still = baselines.fit_ridge(1000.0 + noise, gold)
    assert still(1000.0 + noise) == pytest.approx(np.full(50, gold.mean()), abs=1e-6)
    moving = baselines.fit_ridge(noise, gold)
    assert moving(noise) == pytest.approx(gold, abs=1e-2)


def test_frames_of_a_person_between_invalid_ones_count_for_the_person_alone() -> None:
    """Kept apart: a fold's windows and frames of one person with two recordings, and of a stranger, by hand."""
    series = people([1.0] * 4)
    series[1] = Series(
        participant="P0",
        session="2",
        features_TF=series[1].features_TF,
        valid_T=series[1].valid_T,
        gold_T2=series[1].gold_T2,
    )
    traces_of = {index: np.full((FRAMES, 2), 0.1 * index, dtype=np.float32) for index in (0, 1, 3)}
    found = baselines.held_out(series, traces_of, 20)
    assert list(found.frames) == list(found.windows) == ["P0", "P3"]
    assert (found.frames["P0"]["valence"].n, found.windows["P0"]["valence"].n) == (2 * FRAMES, 8)
    assert found.frames["P0"]["arousal"].sum_x == pytest.approx(0.1 * FRAMES, rel=1e-6)
    assert found.frames["P3"]["arousal"].sum_y == pytest.approx(0.3 * FRAMES, rel=1e-6)
