"""The series a network learns from, made from recordings: action units, images, or a frozen trunk's features of them.

The same for a driver that holds all recordings and for a client that holds one participant's.
Shapes: T time steps of a recording, F features, S pixels of a side, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.frames import FrameSeries
from models.windows import Series
from orchestrator.corpora.frames import FaceCrop, open_frames
from orchestrator.corpora.recording import Recording
from orchestrator.frozen import Show, frozen_series
from orchestrator.gold_standard import delayed, gold_standard
from orchestrator.plan import ImageOptions
from orchestrator.protocols import Protocol
from orchestrator.trunk import Trunk

Floats = NDArray[np.float32]
AnySeries = Series | FrameSeries


def thinned(recording: Recording, stride: int) -> Recording:
    """Keep every `stride`-th time step."""
    return dataclasses.replace(
        recording,
        time=recording.time[::stride],
        features=recording.features[::stride],
        valid=recording.valid[::stride],
        ratings=recording.ratings[::stride],
    )


def make_series(
    recordings: Sequence[Recording],
    protocol: Protocol,
    images: ImageOptions | None,
    *,
    trunk: Trunk | None = None,
    show: Show | None = None,
) -> tuple[AnySeries, ...]:
    """Return one series a recording, in order, scaled by participant where the protocol says so.

    With `images` of frames, opened from the cache or decoded into it; where their `trunk` is frozen of its features.
    """
    if images is None:
        return _scaled([_feature_series(one, protocol) for one in recordings], protocol)
    frames = [_frame_series(thinned(one, images.frame_stride), protocol, images) for one in recordings]
    if trunk is None or not trunk.frozen:
        return tuple(frames)
    return _scaled(frozen_series(frames, trunk, show), protocol)


def _feature_series(recording: Recording, protocol: Protocol) -> Series:
    # A bridged gap goes into the network, so that its memory is not cut; without gold it stays outside the score.
    known = np.asarray(np.isfinite(recording.features).all(axis=1))
    gold = np.where(recording.valid[:, None], _gold(recording, protocol), np.nan).astype(np.float32)
    return Series(
        participant=recording.participant,
        session=recording.session,
        features_TF=np.where(known[:, None], recording.features, 0.0).astype(np.float32),
        valid_T=known,
        gold_T2=gold,
    )


def _frame_series(recording: Recording, protocol: Protocol, images: ImageOptions) -> FrameSeries:
    assert recording.video is not None, recording.name
    frames = open_frames(recording.video, image_size=images.image_size, face_crop=crop_of(images))
    index, valid = frames.at(recording.time)
    return FrameSeries(
        participant=recording.participant,
        session=recording.session,
        frames=frames.images,
        index_T=np.where(valid, index, -1).astype(np.int64),
        gold_T2=_gold(recording, protocol),
    )


def crop_of(images: ImageOptions) -> FaceCrop:
    """Return how faces are cut out."""
    return "haar" if images.face_crop == "haar" else "none"


def _gold(recording: Recording, protocol: Protocol) -> Floats:
    return gold_standard(ratings_of(recording, protocol), protocol.gold, decimals=protocol.label_decimals)


def ratings_of(recording: Recording, protocol: Protocol) -> Floats:
    """Return the labels (T, R, 2) where the protocol's delay puts them."""
    if not protocol.label_delay_seconds:
        return recording.ratings
    return delayed(recording.ratings, recording.time, protocol.label_delay_seconds)


def _scaled(series: Sequence[Series], protocol: Protocol) -> tuple[Series, ...]:
    """Standardise each participant by the mean and spread over all of that person's valid frames."""
    if protocol.scaling != "participant":
        return tuple(series)
    of_person = {
        person: statistics([one.features_TF[one.valid_T] for one in series if one.participant == person])
        for person in {one.participant for one in series}
    }
    made = []
    for one in series:
        mean, sd = of_person[one.participant]
        scaled = np.where(one.valid_T[:, None], (one.features_TF - mean) / sd, 0.0).astype(np.float32)
        made.append(dataclasses.replace(one, features_TF=scaled))
    return tuple(made)


def statistics(blocks: Sequence[Floats]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (F,) over the rows of all blocks; 1 for a column that never moves."""
    rows = np.nan_to_num(np.concatenate(blocks).astype(np.float64), nan=0.0)
    if not len(rows):
        return np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    # A column that never moves tells nothing; dividing by 1 leaves it at zero instead of blowing up its rounding.
    still = sd <= 1e-7 * np.abs(mean)
    return mean, np.where(still, 1.0, sd)
