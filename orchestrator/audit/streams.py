# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""The streams that an attacker may have of the same recordings, from action units to predicted traces.

Shapes: T time steps, F features, C channels, S pixels of a side, B windows, L window length, H hidden, W windows.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbones import frame_features, new_backbone
from models.frames import MISSING
from models.networks import AffectNetwork
from models.splits import scaled
from models.windows import Series, Windows, cut
from orchestrator.audit.windows import WINDOW_SECONDS, Stream, scaled_stream
from orchestrator.corpora.recording import Recording
from orchestrator.corpora.video.frame_store import open_frames
from orchestrator.data.backbone import BACKBONE
from orchestrator.data.image_options import ImageOptions
from orchestrator.data.series import crop_of, make_series, own_statistics, thinned
from orchestrator.inference.saved_model import SavedModel

# Ours.
FRAMES_PER_WINDOW = 20  # of images that are looked at: who somebody is does not change from frame to frame
PIXEL_SIDE = 16  # of pictures as an attacker compares them, in grey
UNTRAINED_SEED = 0
FRAMES_AT_ONCE = 2048  # through a network
FOLD = 0  # whose model looks at everybody: one attacker has one model

Floats = NDArray[np.float32]


def feature_streams(
    recordings: Sequence[Recording], places: Sequence[int], *, own_scale: bool = False
) -> tuple[Stream, ...]:
    """Return the features at `places`; with `own_scale` as z-scores by each person's own mean and deviation.

    These are of all the person's valid frames, as training computes them: the probe's frames count in them, too.
    """
    columns = list(places)
    made = [_stream(one, np.nan_to_num(one.features[:, columns]), one.valid) for one in recordings]
    if not own_scale:
        return tuple(made)
    scales = {
        person: own_statistics([one.values[one.valid] for one in made if one.participant == person])
        for person in {one.participant for one in made}
    }
    return tuple(scaled_stream(one, *scales[one.participant]) for one in made)


def pixel_streams(recordings: Sequence[Recording], images: ImageOptions) -> tuple[Stream, ...]:
    """Return each frame in grey, PIXEL_SIDE pixels per side, brightness from 0 to 1; a few frames per second."""
    return _of_frames(recordings, images, _small)


def embedding_streams(
    recordings: Sequence[Recording], images: ImageOptions, backbone: nn.Module | None, *, normalisation: str = "half"
) -> tuple[Stream, ...]:
    """Return a backbone's 512 features of a few frames per second; None: a ResNet18 that nobody has trained."""
    network = new_backbone(BACKBONE, seed=UNTRAINED_SEED) if backbone is None else backbone

    def features(frames: NDArray[np.uint8], index_T: NDArray[np.int64]) -> Floats:
        return frame_features(network, frames, index_T, normalisation=normalisation)

    return _of_frames(recordings, images, features)


def model_streams(model: SavedModel, recordings: Sequence[Recording]) -> tuple[tuple[Stream, ...], tuple[Stream, ...]]:
    """Return what one fold's model has inside (T, H) and answers (T, 2) for everybody, frame by frame."""
    protocol = dataclasses.replace(model.protocol, label_delay_seconds=0.0)
    series = make_series(recordings, protocol, model.images, backbone=model.frozen_backbone())
    kept = recordings if model.images is None else [thinned(one, model.images.frame_stride) for one in recordings]
    network = model.network(FOLD)
    windows = cut(series, model.recipe.sequence_length, partial="drop" if model.whole_windows else "pad")
    view = windows if model.recipe.backbone else scaled(windows, FOLD, model.split(FOLD))
    seen = [_looked_inside(network, view, index) for index in range(len(series))]
    valid = [
        one.valid_T & there.valid if isinstance(one, Series) and model.images is None else one.valid_T
        for one, there in zip(series, kept, strict=True)
    ]
    hidden, traces = (
        tuple(
            _stream(one, np.nan_to_num(values), ok & np.isfinite(values).all(axis=1))
            for one, values, ok in zip(kept, part, valid, strict=True)
        )
        for part in zip(*seen, strict=True)
    )
    return hidden, traces


def _looked_inside(network: AffectNetwork, view: Windows, index: int) -> tuple[Floats, Floats]:
    """Return what goes into a network's head (T, H), and what comes out (T, 2), of one series; NaN beside windows."""
    inside: list[Tensor] = []
    hook = network.head.register_forward_pre_hook(lambda _, given: inside.append(given[0]))
    width = network.recurrence.hidden_size * (2 if network.recurrence.bidirectional else 1)
    hidden_TH, trace_T2 = (np.full((view.num_frames[index], columns), np.nan, np.float32) for columns in (width, 2))
    at_once = max(1, FRAMES_AT_ONCE // view.length)
    try:
        with torch.inference_mode():
            for rows_B in torch.split(view.of_series([index]), at_once):
                batch = view.batch(rows_B)
                answer_BL2 = network(batch.x_BLF, batch.length_B, batch.valid_BL)
                hidden_BLH = inside.pop()
                for row, window in enumerate(rows_B.tolist()):
                    start, real = int(view.start_W[window]), int(view.length_W[window])
                    hidden_TH[start : start + real] = hidden_BLH[row, :real].numpy()
                    trace_T2[start : start + real] = answer_BL2[row, :real].numpy()
    finally:
        hook.remove()
    return hidden_TH, trace_T2


def _of_frames(
    recordings: Sequence[Recording],
    images: ImageOptions,
    columns: Callable[[NDArray[np.uint8], NDArray[np.int64]], Floats],
) -> tuple[Stream, ...]:
    made = []
    for recording in recordings:
        assert recording.video is not None, recording.name
        hz = (len(recording.time) - 1) / max(1e-9, float(recording.time[-1] - recording.time[0]))
        stride = max(1, int(hz * WINDOW_SECONDS / FRAMES_PER_WINDOW))
        one = thinned(recording, stride)
        frames = open_frames(recording.video, image_size=images.image_size, face_crop=crop_of(images))
        row_T, valid_T = frames.at(one.time)
        index_T = np.where(valid_T, row_T, MISSING).astype(np.int64)
        made.append(_stream(one, columns(frames.images, index_T), valid_T))
    return tuple(made)


def _small(frames: NDArray[np.uint8], index_T: NDArray[np.int64]) -> Floats:
    """Return each step's picture in grey as means of blocks (T, PIXEL_SIDE squared)."""
    side = frames.shape[1]
    edges = np.linspace(0, side, min(PIXEL_SIDE, side) + 1).astype(int)
    small_TC = np.zeros((len(index_T), (len(edges) - 1) ** 2), np.float32)
    for step, row in enumerate(index_T):
        if row != MISSING:
            grey_SS = frames[row].astype(np.float64).mean(axis=-1)
            sums = np.add.reduceat(np.add.reduceat(grey_SS, edges[:-1], axis=0), edges[:-1], axis=1)
            small_TC[step] = (sums / np.multiply.outer(np.diff(edges), np.diff(edges)) / 255.0).ravel()
    return small_TC


def _stream(one: Recording, values_TC: Floats, valid_T: NDArray[np.bool_]) -> Stream:
    return Stream(
        participant=one.participant, session=one.session, time=one.time, values=values_TC, valid=np.asarray(valid_T)
    )
