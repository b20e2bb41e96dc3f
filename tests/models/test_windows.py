"""Cutting loses nothing and merging undoes it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.windows import Series, cut, merge
from tests.models.toys import toy_series


def plain(num_frames: int, participant: str = "P1") -> Series:
    rng = np.random.default_rng(num_frames)
    return Series(
        participant=participant,
        session="",
        features_TF=rng.normal(size=(num_frames, 3)).astype(np.float32),
        valid_T=np.ones(num_frames, dtype=np.bool_),
        gold_T2=rng.normal(size=(num_frames, 2)).astype(np.float32),
    )


@given(st.lists(st.integers(0, 23), min_size=1, max_size=5), st.integers(1, 12))
def test_cut_and_merge_are_the_identity(num_frames: list[int], length: int) -> None:
    series = [plain(n, f"P{i}") for i, n in enumerate(num_frames)]
    windows = cut(series, length)
    assert int(windows.length_W.sum()) == sum(num_frames)
    assert int(windows.valid_WL.sum()) == sum(num_frames)
    index = torch.randperm(len(windows.length_W), generator=torch.Generator().manual_seed(0))
    merged = merge(windows.gold_WL2[index], windows, index, range(len(series)))
    assert len(merged) == len(series)
    for trace, one in zip(merged, series, strict=True):
        np.testing.assert_array_equal(trace, one.gold_T2)


def test_dropping_leaves_out_partial_windows_and_short_series() -> None:
    series = [plain(23, "P0"), plain(4, "P1"), plain(10, "P2")]
    windows = cut(series, 5, partial="drop")
    assert windows.series_W.tolist() == [0, 0, 0, 0, 2, 2]
    assert windows.start_W.tolist() == [0, 5, 10, 15, 0, 5]
    assert windows.length_W.tolist() == [5] * 6
    index = windows.of_series((0, 1))
    traces = merge(windows.gold_WL2[index], windows, index, (1, 0))
    assert [len(trace) for trace in traces] == [4, 23]
    assert np.isnan(traces[0]).all()
    np.testing.assert_array_equal(np.isnan(traces[1][:, 0]), np.arange(23) >= 20)
    np.testing.assert_array_equal(traces[1][:20], series[0].gold_T2[:20])


def test_masks_follow_validity_and_labels() -> None:
    series = toy_series(2)
    windows = cut(series, 16)
    assert not windows.mask_WL2[0, 5:9].any()
    assert windows.mask_WL2[0, :5].all()
    assert not windows.mask_WL2[1, 4:14, 0].any()
    assert windows.mask_WL2[1, 4:14, 1].all()
    assert not windows.gold_WL2[~windows.mask_WL2].any()
    assert windows.gold_WL2.isfinite().all()
    last = int((windows.series_W == 0).nonzero().max())
    real = int(windows.length_W[last])
    assert 0 < real < 16
    assert not windows.mask_WL2[last, real:].any()
    assert not windows.features_WLF[last, real:].any()
    assert not windows.valid_WL[last, real:].any()


def test_windows_without_a_label_are_found() -> None:
    series = plain(20)
    series.gold_T2[5:10] = np.nan
    series.gold_T2[10:15, 0] = np.nan
    windows = cut([series], 5)
    assert windows.labelled(torch.tensor([3, 1, 2])).tolist() == [3, 2]


def test_read_only_arrays_are_cut_without_a_warning() -> None:
    series = plain(7)
    for array in (series.features_TF, series.valid_T, series.gold_T2):
        array.setflags(write=False)
    assert cut([series], 7).gold_WL2.shape == (1, 7, 2)


def test_what_does_not_fit_is_refused_by_name() -> None:
    good = plain(5)
    with pytest.raises(ValueError, match=r"participant P1.*finite"):
        replace(good, features_TF=np.full((5, 3), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match=r"participant P1.*\(4, 2\).*\(5, 2\)"):
        replace(good, gold_T2=good.gold_T2[:4])
    with pytest.raises(ValueError, match=r"participant P1.*valid"):
        replace(good, valid_T=good.valid_T[:4])
    other = replace(plain(5, "P9"), features_TF=np.zeros((5, 4), dtype=np.float32))
    with pytest.raises(ValueError, match=r"3 \(participant P1\), 4 \(participant P9\)"):
        cut([good, other], 5)
    with pytest.raises(ValueError, match=r"'repeat'.*pad, drop"):
        cut([good], 5, partial="repeat")
    with pytest.raises(ValueError, match=r"no series"):
        cut([], 5)


def joined(prediction_of_frame: np.ndarray, length: int, step: int, *, edge: float, joining: str) -> np.ndarray:
    """Join windows whose predictions are off by `edge` at their first frame, falling to nothing at their last."""
    num_frames = len(prediction_of_frame)
    windows = cut([replace(plain(num_frames), gold_T2=np.zeros((num_frames, 2), np.float32))], length, step=step)
    predicted = torch.zeros(len(windows.start_W), length, 2)
    off = torch.linspace(edge, 0.0, length)[:, None]
    for row, start in enumerate(windows.start_W.tolist()):
        predicted[row] = torch.from_numpy(prediction_of_frame[start : start + length, None]) + off
    index = torch.arange(len(windows.start_W))
    return merge(predicted, windows, index, (0,), joining=joining)[0][:, 0]


def test_tapered_windows_leave_no_step_at_their_borders() -> None:
    """As large as anywhere else; averaged alike, the trace steps by half of what a window is off at its beginning."""
    smooth = np.sin(np.arange(300) / 20).astype(np.float32)
    borders = range(100, 200, 50)
    steps = {
        joining: np.abs(np.diff(joined(smooth, 100, 50, edge=0.3, joining=joining)) - np.diff(smooth))
        for joining in ("mean", "tapered")
    }
    elsewhere = np.delete(steps["mean"], [border - 1 for border in range(50, 300, 50)]).max()
    assert min(steps["mean"][border - 1] for border in borders) > 0.07 > 5 * elsewhere
    assert steps["tapered"].max() < 2 * elsewhere


def test_a_series_own_ends_keep_their_weight() -> None:
    """Where one window lies alone its prediction is the trace; near an end of the series the window that ends there
    wins."""
    flat = np.zeros(30, np.float32)
    windows = cut([replace(plain(30), gold_T2=np.zeros((30, 2), np.float32))], 20, step=10)
    predicted = torch.stack([torch.full((20, 2), 1.0), torch.full((20, 2), 3.0)])
    (trace,) = merge(predicted, windows, torch.arange(2), (0,), joining="tapered")
    assert trace[:10, 0].tolist() == [1.0] * 10
    assert trace[20:, 0].tolist() == [3.0] * 10
    # Frame 10 + j: the first window is 10 - j frames from its end, the second j + 1 from its beginning.
    expected = [(1.0 * (10 - j) + 3.0 * (j + 1)) / 11 for j in range(10)]
    assert trace[10:20, 0] == pytest.approx(np.array(expected), abs=1e-6)
    assert (joined(flat, 30, 10, edge=0.5, joining="tapered") == joined(flat, 30, 30, edge=0.5, joining="mean")).all()


@pytest.mark.parametrize("length", [7, 10, 23])
def test_without_overlap_both_joinings_are_the_predictions_bit_for_bit(length: int) -> None:
    series = [plain(23, "P0"), plain(40, "P1"), plain(3, "P2")]
    windows = cut(series, length)
    index = torch.arange(len(windows.length_W))
    predicted = torch.randn(len(index), length, 2, generator=torch.Generator().manual_seed(0))
    one, other = (merge(predicted, windows, index, (0, 1, 2), joining=joining) for joining in ("mean", "tapered"))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_joining_nobody_knows_is_refused() -> None:
    windows = cut([plain(5)], 5)
    with pytest.raises(ValueError, match=r"'sum'.*mean, tapered"):
        merge(windows.gold_WL2, windows, torch.arange(1), (0,), joining="sum")
