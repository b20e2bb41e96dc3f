"""Losses against numpy over the labelled elements, and batches without any."""

import math

import numpy as np
import pytest
import torch

from models.ccc import Moments
from models.ccc import ccc as score_ccc
from models.losses import LOSSES, TARGETS, loss_of, target_of

# A window's mean is one value: there is no CCC within it.
PAIRS = [(loss, target) for loss in LOSSES for target in TARGETS if (loss, target) != ("ccc-window", "window-mean")]


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, gold = (torch.randn(4, 7, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    return prediction, gold, torch.rand(4, 7, 2, generator=generator) < 0.6


def test_mse_is_the_mean_over_labelled_elements() -> None:
    prediction, gold, mask = batch()
    expected = np.square((prediction - gold).numpy()[mask.numpy()]).mean()
    assert float(LOSSES["mse"](prediction, gold, mask)) == pytest.approx(expected, abs=1e-14)


def test_ccc_loss_is_one_minus_the_mean_of_both_scores() -> None:
    prediction, gold, mask = batch()
    scores = [
        score_ccc(Moments.of(prediction[..., d][mask[..., d]].numpy(), gold[..., d][mask[..., d]].numpy()))
        for d in range(2)
    ]
    assert scores[0] != pytest.approx(scores[1], abs=0.01)
    # The loss's epsilon of 1e-8 beside variances of about one.
    assert float(LOSSES["ccc"](prediction, gold, mask)) == pytest.approx(1 - sum(scores) / 2, abs=1e-7)


def test_ccc_pools_the_windows_of_a_step_and_ccc_window_averages_over_them() -> None:
    """By hand. First window equal: CCC 1. Second: covariance 1/4, variances 1/4 each, means 1 apart: CCC 1/3.

    Together: covariance 3/4, variances 1/2 and 5/4, means 1/2 apart: CCC 3/4. The third window has no label, and the
    last frame of each window none.
    """
    prediction = torch.tensor([[0.0, 1.0, 9.0], [1.0, 2.0, 9.0], [5.0, 6.0, 7.0]], dtype=torch.float64)
    gold = torch.tensor([[0.0, 1.0, 0.0], [2.0, 3.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False], [True, True, False], [False, False, False]])
    both = [torch.stack([one, one], dim=-1) for one in (prediction, gold, mask)]
    assert float(LOSSES["ccc"](*both)) == pytest.approx(1 / 4, abs=1e-7)
    assert float(LOSSES["ccc-window"](*both)) == pytest.approx((0 + 2 / 3) / 2, abs=1e-7)
    both[2][..., 1] = False
    assert float(LOSSES["ccc-window"](*both)) == pytest.approx(1 / 3, abs=1e-7)


def test_ccc_loss_leaves_out_a_dimension_without_labels() -> None:
    prediction, gold, mask = batch()
    mask[..., 1] = False
    expected = score_ccc(Moments.of(prediction[..., 0][mask[..., 0]].numpy(), gold[..., 0][mask[..., 0]].numpy()))
    assert float(LOSSES["ccc"](prediction, gold, mask)) == pytest.approx(1 - expected, abs=1e-7)


@pytest.mark.parametrize(("loss", "target"), PAIRS)
def test_a_batch_without_labels_is_zero_with_zero_gradients(loss: str, target: str) -> None:
    prediction, gold, mask = batch()
    prediction.requires_grad_()
    value = LOSSES[loss](*TARGETS[target](prediction, gold * math.nan, torch.zeros_like(mask)))
    value.backward()
    assert float(value.detach()) == 0.0
    assert prediction.grad is not None
    assert not prediction.grad.any()


@pytest.mark.parametrize(("loss", "target"), PAIRS)
def test_what_is_under_the_mask_changes_neither_loss_nor_gradient(loss: str, target: str) -> None:
    prediction, gold, mask = batch()
    found = []
    for filler in (0.0, 17.0, math.nan):
        free = prediction.clone().requires_grad_()
        value = LOSSES[loss](*TARGETS[target](free, gold.masked_fill(~mask, filler), mask))
        value.backward()
        assert free.grad is not None
        assert float(free.grad.abs().sum()) > 0
        assert not free.grad[~mask].any()
        found.append((float(value.detach()), free.grad.tolist()))
    assert found[0] == found[1] == found[2]


def test_window_means_run_over_labelled_frames() -> None:
    prediction, gold, mask = batch()
    mask[2, :, 1] = False
    prediction_mean, gold_mean, has_labels = TARGETS["window-mean"](prediction, gold, mask)
    assert has_labels.sum() == 7
    assert not has_labels[2, 1]
    kept = mask[1, :, 0]
    assert float(prediction_mean[1, 0]) == pytest.approx(float(prediction[1, kept, 0].mean()), abs=1e-14)
    assert float(gold_mean[1, 0]) == pytest.approx(float(gold[1, kept, 0].mean()), abs=1e-14)


def test_gradients_are_those_of_finite_differences() -> None:
    prediction, gold, mask = batch()
    prediction.requires_grad_()
    for loss, target in PAIRS:
        of_loss, of_target = LOSSES[loss], TARGETS[target]
        assert torch.autograd.gradcheck(lambda p, f=of_loss, t=of_target: f(*t(p, gold, mask)), (prediction,))


def test_unknown_names_are_answered_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"'mae'.*mse, ccc, ccc-window"):
        loss_of("mae")
    with pytest.raises(ValueError, match=r"'window'.*frame, window-mean"):
        target_of("window")
