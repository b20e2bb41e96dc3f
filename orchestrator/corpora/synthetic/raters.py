"""Simulated raters: each sees the affect of a face late, smoothed, damped and with noise of their own."""

from collections.abc import Iterator, Sequence

import numpy as np

from orchestrator.corpora.synthetic.facial_model import (
    RATER_BIAS,
    RATER_GAIN,
    RATER_LAG_SECONDS,
    RATER_NOISE,
    RATER_NOISE_SECONDS,
    RATER_SMOOTHING_SECONDS,
    RATERS,
    FacialActions,
)
from orchestrator.corpora.synthetic.processes import Array, low_pass, ornstein_uhlenbeck, seeded_generator


def rate(faces: Sequence[FacialActions], *, seed: int) -> Iterator[Array]:
    """Rate true affect as six people do, each in their own way: (T, R, 2) for each, in [-1, 1], step 0.01.

    A rater keeps bias, gain and lag for the whole corpus; the noise is new in each recording.
    """
    hz = faces[0].hz
    habits = seeded_generator(seed, "raters")
    bias = habits.normal(0.0, RATER_BIAS, (len(RATERS), 2))
    gain = habits.normal(*RATER_GAIN, (len(RATERS), 2))
    lags = np.maximum(habits.normal(*RATER_LAG_SECONDS, len(RATERS)), 0.0)
    shape = (len(faces[0].time), len(RATERS), 2)
    draws = [seeded_generator(seed, face.participant, "ratings").standard_normal(shape) for face in faces]
    noise = ornstein_uhlenbeck(np.stack(draws, axis=1), RATER_NOISE_SECONDS, hz)
    affect = low_pass(np.stack([face.affect for face in faces], axis=1), RATER_SMOOTHING_SECONDS, hz)
    frames = np.arange(shape[0])[:, None] - np.rint(lags * hz).astype(np.int64)
    seen = affect[np.maximum(frames, 0)].swapaxes(1, 2)  # (T, P, R, 2); the first moment stands for what was before
    ratings = np.clip(np.round(bias + gain * seen + RATER_NOISE * noise, 2), -1.0, 1.0)
    for index in range(len(faces)):
        yield ratings[:, index]
