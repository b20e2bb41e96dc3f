"""Masked losses and their targets; only labelled frames count (paper, section IV.B: mean squared error).

Shapes: W windows, L window length, M models, N windows or frames, 2 = valence and arousal; a mask is True if a frame
is labelled.
"""

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Target = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

# Keeps the CCC loss of constant traces defined; variances of labels are of the order of 0.01.
CCC_EPSILON = 1e-8


def _masked(value: Tensor, mask: Tensor) -> Tensor:
    """Zero whatever is outside the mask, gradients and non-finite values included."""
    return value.masked_fill(~mask, 0.0)


def mse(prediction: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the masked elements of (..., 2); 0 with zero gradients when there are none."""
    return _masked(prediction - gold, mask).square().sum() / mask.sum().clamp(min=1)


def ccc(prediction: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
    """1 - CCC over the frames of all windows together, as scores are computed.

    Averaged over the dimensions with a labelled frame; 0 with zero gradients when none has.
    """
    mask_N2 = mask.reshape(-1, mask.shape[-1])
    return _one_minus_ccc(prediction.reshape(mask_N2.shape), gold.reshape(mask_N2.shape), mask_N2, 0)


def ccc_window(prediction_WL2: Tensor, gold_WL2: Tensor, mask_WL2: Tensor) -> Tensor:
    """1 - CCC of every window by itself, averaged over the windows and dimensions with a labelled frame.

    As the baselines of the MuSe challenges average over sequences. 0 with zero gradients without any label.
    """
    assert prediction_WL2.ndim == 3, "window means have no frames"
    return _one_minus_ccc(prediction_WL2, gold_WL2, mask_WL2, 1)


def _one_minus_ccc(prediction: Tensor, gold: Tensor, mask: Tensor, frames: int) -> Tensor:
    """Average 1 - CCC along the axis `frames`, variances over n, over all else that has a labelled frame."""
    x, y = _masked(prediction, mask), _masked(gold, mask)
    count = mask.sum(frames, keepdim=True).clamp(min=1)
    mean_x, mean_y = x.sum(frames, keepdim=True) / count, y.sum(frames, keepdim=True) / count
    # Centred sums: the difference of two large squares would lose the variance in float32.
    dx, dy = _masked(x - mean_x, mask), _masked(y - mean_y, mask)
    covariance = (dx * dy).sum(frames, keepdim=True) / count
    squares = dx.square().sum(frames, keepdim=True) + dy.square().sum(frames, keepdim=True)
    spread = squares / count + (mean_x - mean_y).square()
    present = mask.any(frames, keepdim=True)
    loss = 1.0 - 2.0 * covariance / (spread + CCC_EPSILON)
    return _masked(loss, present).sum() / present.sum().clamp(min=1)


def mse_by_model(prediction_MN2: Tensor, gold_MN2: Tensor, mask_MN2: Tensor) -> Tensor:
    """As `mse` for each of M models at once, (M,)."""
    return _masked(prediction_MN2 - gold_MN2, mask_MN2).square().sum((1, 2)) / mask_MN2.sum((1, 2)).clamp(min=1)


def ccc_by_model(prediction_MN2: Tensor, gold_MN2: Tensor, mask_MN2: Tensor) -> Tensor:
    """As `ccc` for each of M models at once, (M,)."""
    x_MN2, y_MN2 = _masked(prediction_MN2, mask_MN2), _masked(gold_MN2, mask_MN2)
    count_M12 = mask_MN2.sum(1, keepdim=True).clamp(min=1)
    mean_x_M12, mean_y_M12 = x_MN2.sum(1, keepdim=True) / count_M12, y_MN2.sum(1, keepdim=True) / count_M12
    dx_MN2, dy_MN2 = _masked(x_MN2 - mean_x_M12, mask_MN2), _masked(y_MN2 - mean_y_M12, mask_MN2)
    count_M2 = count_M12[:, 0]
    covariance_M2 = (dx_MN2 * dy_MN2).sum(1) / count_M2
    apart_M2 = (mean_x_M12 - mean_y_M12)[:, 0].square()
    spread_M2 = (dx_MN2.square().sum(1) + dy_MN2.square().sum(1)) / count_M2 + apart_M2
    present_M2 = mask_MN2.any(1)
    loss_M2 = 1.0 - 2.0 * covariance_M2 / (spread_M2 + CCC_EPSILON)
    return _masked(loss_M2, present_M2).sum(1) / present_M2.sum(1).clamp(min=1)


def _each_frame(prediction: Tensor, gold: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return prediction, gold, mask


def _window_means(prediction_WL2: Tensor, gold_WL2: Tensor, mask_WL2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means over each window's labelled frames, (W, 2), with True if a window has any."""
    count_W2 = mask_WL2.sum(1)
    at_least_one_W2 = count_W2.clamp(min=1)
    prediction_W2 = _masked(prediction_WL2, mask_WL2).sum(1) / at_least_one_W2
    gold_W2 = _masked(gold_WL2, mask_WL2).sum(1) / at_least_one_W2
    return prediction_W2, gold_W2, count_W2 > 0


LOSSES: dict[str, Loss] = {"mse": mse, "ccc": ccc, "ccc-window": ccc_window}
# Without a stacked form a loss is trained one model after another.
LOSSES_BY_MODEL: dict[str, Loss] = {"mse": mse_by_model, "ccc": ccc_by_model}

# What is compared: every frame, or one mean per window (the authors' code), which leaves `ccc_window` no frames.
TARGETS: dict[str, Target] = {"frame": _each_frame, "window-mean": _window_means}


def loss_of(name: str) -> Loss:
    """Return the loss of this name; ValueError with the known names."""
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}: expected one of {', '.join(LOSSES)}")
    return LOSSES[name]


def target_of(name: str) -> Target:
    """Return the target of this name; ValueError with the known names."""
    if name not in TARGETS:
        raise ValueError(f"unknown target {name!r}: expected one of {', '.join(TARGETS)}")
    return TARGETS[name]
