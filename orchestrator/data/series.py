"""The series a network learns from, made from recordings: action units, images, or a frozen backbone's features.

The same for a driver that holds all recordings and for a client that holds one participant's.
Shapes: T time steps of a recording, F features, S pixels of a side, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from models.frames import FrameSeries
from models.windows import Series
from orchestrator.corpora.gold_standard import delayed, gold_standard
from orchestrator.corpora.recording import Recording
from orchestrator.corpora.video.frame_store import FaceCrop, open_frames
from orchestrator.data.backbone import Backbone
from orchestrator.data.backbone_features import Show, frozen_series
from orchestrator.data.defences import defended
from orchestrator.data.image_options import ImageOptions
from orchestrator.protocols import Protocol

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
AnySeries = Series | FrameSeries
Scales = Mapping[str, tuple[Wide, Wide]]  # by participant mean and deviation (F,) of the features


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
    backbone: Backbone | None = None,
    show: Show | None = None,
) -> tuple[AnySeries, ...]:
    """Return one series per recording, in order, scaled by participant where the protocol says so.

    With scaling `both` a frame has 3 F features: z-scores, and the person's own means and deviations.
    With `images` of frames, opened from the cache or decoded into it; where their `backbone` is frozen of its features.
    """
    series = unscaled_series(recordings, protocol, images, backbone=backbone, show=show)
    return scaled_series(series, protocol, own_scales(series, protocol))


def unscaled_series(
    recordings: Sequence[Recording],
    protocol: Protocol,
    images: ImageOptions | None,
    *,
    backbone: Backbone | None = None,
    show: Show | None = None,
) -> tuple[AnySeries, ...]:
    """Return what `make_series` scales."""
    if images is None:
        return tuple(_feature_series(one, protocol) for one in recordings)
    frames = [_frame_series(thinned(one, images.frame_stride), protocol, images) for one in recordings]
    if backbone is None or not backbone.frozen:
        return tuple(frames)
    return frozen_series(frames, backbone, show)


def _feature_series(recording: Recording, protocol: Protocol) -> Series:
    # Interpolated gaps are fed to the network so that its state is not interrupted; they are not labelled or scored.
    features = defended(recording, protocol.defence) if protocol.defence else recording.features
    known = np.asarray(np.isfinite(features).all(axis=1))
    gold = np.where(recording.valid[:, None], gold_of(recording, protocol), np.nan).astype(np.float32)
    return Series(
        participant=recording.participant,
        session=recording.session,
        features_TF=np.where(known[:, None], features, 0.0).astype(np.float32),
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
        gold_T2=gold_of(recording, protocol),
    )


def crop_of(images: ImageOptions) -> FaceCrop:
    """Return how faces are cut out."""
    crop: FaceCrop = next((one for one in get_args(FaceCrop) if one == images.face_crop), "none")
    return crop


def gold_of(recording: Recording, protocol: Protocol) -> Floats:
    """Return the gold standard (T, 2) of the labels where the protocol's delay puts them; NaN where there is none."""
    return gold_standard(
        ratings_of(recording, protocol),
        protocol.gold,
        decimals=protocol.label_decimals,
        rounding=protocol.label_rounding,
    )


def ratings_of(recording: Recording, protocol: Protocol) -> Floats:
    """Return the labels (T, R, 2) where the protocol's delay puts them."""
    if not protocol.label_delay_seconds:
        return recording.ratings
    return delayed(recording.ratings, recording.time, protocol.label_delay_seconds, shift=protocol.label_shift)


def own_scales(series: Sequence[AnySeries], protocol: Protocol) -> Scales:
    """Return mean and deviation (F,) over all valid frames of each participant; empty if nobody is scaled by them.

    A column that never moves has deviation 0. Images are normalised by the backbone's own constants.
    """
    features = [one for one in series if isinstance(one, Series)]
    if protocol.scaling not in ("participant", "both"):
        return {}
    return {
        person: own_statistics([one.features_TF[one.valid_T] for one in features if one.participant == person])
        for person in {one.participant for one in features}
    }


def scaled_series(series: Sequence[AnySeries], protocol: Protocol, scales: Scales) -> tuple[AnySeries, ...]:
    """Standardise each participant who has a scale; with scaling `both` the scale's columns go in beside."""
    made: list[AnySeries] = []
    for one in series:
        if isinstance(one, Series) and one.participant in scales:
            mean, sd = scales[one.participant]
            scaled = (one.features_TF - mean) / divisors(sd)
            if protocol.scaling == "both":
                scaled = beside_statistics(scaled, mean, sd)
            shown = np.where(one.valid_T[:, None], scaled, 0.0).astype(np.float32)
            made.append(dataclasses.replace(one, features_TF=shown))
        else:
            made.append(one)
    return tuple(made)


def beside_statistics(scaled: Wide, mean: Wide, sd: Wide) -> Wide:
    """Append a person's means and deviations, each (F,) or (T, F), to the z-scores of every frame: (T, 3 F)."""
    return np.concatenate([scaled, *(np.broadcast_to(one, scaled.shape) for one in (mean, sd))], axis=1)


def over_people(series: Sequence[Series]) -> tuple[Wide, Wide]:
    """Return mean and divisor (3 F,) of the inputs of scaling `both`, each person with a valid frame weighing the same.

    The z-scores, of mean 0 and deviation 1 in every person, stay as they are.
    """
    rows = {one.participant: one.features_TF[one.valid_T][0] for one in series if one.valid_T.any()}
    width = series[0].features_TF.shape[1]
    mean, sd = statistics([np.array(list(rows.values()), dtype=np.float32).reshape(-1, width)])
    mean[: width // 3], sd[: width // 3] = 0.0, 1.0
    return mean, sd


def own_statistics(blocks: Sequence[Floats]) -> tuple[Wide, Wide]:
    """Return mean and standard deviation (F,) over the rows of all blocks; 0 for a column that never moves."""
    rows = np.nan_to_num(np.concatenate(blocks).astype(np.float64), nan=0.0)
    if not len(rows):
        return np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    return mean, np.where(sd <= 1e-7 * np.abs(mean), 0.0, sd)


def divisors(sd: Wide) -> Wide:
    """Return what features are divided by: 1 for a column that never moves.

    Such a column tells nothing; dividing by 1 leaves it at zero instead of blowing up its rounding.
    """
    return np.where(sd > 0, sd, 1.0)


def statistics(blocks: Sequence[Floats]) -> tuple[Wide, Wide]:
    """Return mean and divisor (F,) over the rows of all blocks; 1 for a column that never moves."""
    mean, sd = own_statistics(blocks)
    return mean, divisors(sd)
