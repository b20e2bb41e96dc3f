# ruff: noqa: N815 - shape suffixes on fields, by the legend below
"""The windows of all folds as one tensor, gathered by index for many models at once.

Shapes: W windows, M models, D directions, C = M D cells, K folds, B windows of a model's step, L window length, N = L B
frames (time-major), F features, 2 = valence and arousal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.windows import Windows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StackedBatch:
    """What a step of M models reads: features (C, N, F), each window's turn, gold and mask (M B, L, 2)."""

    x_CNF: Tensor
    turned_R: Tensor  # rows of (M, N)
    gold_VL2: Tensor
    mask_VL2: Tensor


class StackedData:
    """The frames of all windows, and one more window without a labelled frame that fills a smaller batch."""

    def __init__(self, windows: Windows, folds: Sequence[Windows], directions: int, dtype: torch.dtype) -> None:
        """Take over `windows`; `folds` are each fold's views of it, of which only the scaling is read."""
        self.empty = len(windows.length_W)  # index of the window that fills
        self.length, device = windows.length, windows.features_WLF.device
        more = (0, 0, 0, 0, 0, 1)
        self._features_RF = pad(windows.features_WLF, more).flatten(0, 1).to(dtype)
        self._gold_WL2 = pad(windows.gold_WL2, more).to(dtype)
        self._mask_WL2 = pad(windows.mask_WL2, more)
        self._valid_R1 = pad(windows.valid_WL, more[2:]).flatten()[:, None]
        length_W = pad(windows.length_W, (0, 1), value=self.length)
        step_L = torch.arange(self.length)
        turned_WL = torch.where(step_L < length_W[:, None], length_W[:, None] - 1 - step_L, step_L)
        self._turned_WL = turned_WL.to(device)
        first_W1 = self.length * torch.arange(self.empty + 1)[:, None]
        self._frame_WDL = torch.stack([first_W1 + step_L, first_W1 + turned_WL][:directions], 1).to(device)
        self._mean_KF = self._sd_KF = None
        if any(fold.scaling is not None for fold in folds):
            width = windows.features_WLF.shape[2]
            zeros, ones = (torch.full((width,), value, device=device) for value in (0.0, 1.0))
            self._mean_KF = torch.stack([f.scaling.mean_F if f.scaling else zeros for f in folds]).to(dtype)
            self._sd_KF = torch.stack([f.scaling.sd_F if f.scaling else ones for f in folds]).to(dtype)

    def gold_of(self, windows_MW: Tensor) -> tuple[Tensor, Tensor]:
        """Return gold standard and mask (M, W, L, 2) of each model's windows."""
        return self._gold_WL2[windows_MW], self._mask_WL2[windows_MW]

    def batch(self, windows_MB: Tensor, fold_M: Tensor) -> StackedBatch:
        """Gather each model's own windows, scaled as its fold scales."""
        models, batch = windows_MB.shape
        frame_MDLB = self._frame_WDL[windows_MB].permute(0, 2, 3, 1)
        frame_R = frame_MDLB.flatten()
        x_RF = self._features_RF.index_select(0, frame_R)
        if self._mean_KF is not None and self._sd_KF is not None:
            x_MNF = x_RF.view(models, -1, x_RF.shape[1])
            x_MNF = (x_MNF - self._mean_KF[fold_M][:, None]) / self._sd_KF[fold_M][:, None]
            x_RF = x_MNF.flatten(0, 1).masked_fill(~self._valid_R1.index_select(0, frame_R), 0.0)
        turned_MLB = self._turned_WL[windows_MB].transpose(1, 2)
        first_M = torch.arange(models, device=windows_MB.device) * self.length
        turned_MLB = (turned_MLB + first_M[:, None, None]) * batch + torch.arange(batch, device=windows_MB.device)
        window_V = windows_MB.flatten()
        return StackedBatch(
            x_CNF=x_RF.view(models * frame_MDLB.shape[1], self.length * batch, -1),
            turned_R=turned_MLB.flatten(),
            gold_VL2=self._gold_WL2.index_select(0, window_V),
            mask_VL2=self._mask_WL2.index_select(0, window_V),
        )
