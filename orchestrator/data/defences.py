# ruff: noqa: N803 - shape suffixes, by the legend below
"""What is done to features so that they tell less of who somebody is: `--defence NAME=VALUE` (docs/privacy.md).

Everything is computed of one recording alone, as its participant could. Shapes: T time steps, F features.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.references import resolve
from models.seeds import seed_for
from orchestrator.corpora.cache import digest_of
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.data.defence_names import DEFENCES, DROP, KINDS, LOW_PASS, OPTION, changes_values, parts
from orchestrator.errors import InputError

Wide = NDArray[np.float64]
# Ours: fixed, so that a training is repeated bit for bit. Who shares real data draws noise that nobody knows.
NOISE_SEED = 0
SLOW_SECONDS = 5.0  # ours: in which correlated noise forgets
AVERAGE_HZ = 0.443  # a moving average of W seconds halves the power at 0.443 / W Hz


def low_pass(one: Recording, values_TF: Wide, hz: float) -> Wide:
    """Average each step with those near it, so that half the power at `hz` is left."""
    half = AVERAGE_HZ / hz / 2
    first, last = np.searchsorted(one.time, one.time - half), np.searchsorted(one.time, one.time + half, side="right")
    sums = np.concatenate([np.zeros((1, values_TF.shape[1])), np.cumsum(np.nan_to_num(values_TF), axis=0)])
    known = np.concatenate([np.zeros((1, values_TF.shape[1])), np.cumsum(np.isfinite(values_TF), axis=0)])
    return np.asarray((sums[last] - sums[first]) / np.maximum(known[last] - known[first], 1))


def check_low_pass(corpus: Corpus, defence: str | None) -> None:
    """Refuse a low-pass whose window reaches no other frame here, for it changes nothing (InputError)."""
    hz = parts(defence).get(LOW_PASS)
    steps = [np.diff(one.time) for one in corpus.recordings if len(one.time) > 1]
    if hz is None or not steps:
        return
    step = float(np.median(np.concatenate(steps)))
    most = AVERAGE_HZ / (2 * step)
    if float(hz) > most:
        found = f"{LOW_PASS}={hz}, an average over {AVERAGE_HZ / float(hz):.3g} s, which reaches no other frame"
        expected = f"at most {LOW_PASS}={math.floor(100 * most) / 100:g} with frames {step:.3g} s apart"
        raise InputError.of(OPTION, found=found, expected=expected)


def quantise(_: Recording, values_TF: Wide, step: float) -> Wide:
    """Round to multiples of `step`, in the features' own unit."""
    return np.round(values_TF / step) * step


def noise(one: Recording, values_TF: Wide, sd: float) -> Wide:
    """Add white noise of deviation `sd`, in the features' own unit.

    Not in shares of the person's own deviation: its size would tell who it is, better than the signal did.
    """
    return values_TF + sd * _normal(one, "noise", values_TF.shape)


def correlated_noise(one: Recording, values_TF: Wide, sd: float) -> Wide:
    """Add noise of deviation `sd` that goes along in time, as expressions do, and half along all columns.

    It forgets in SLOW_SECONDS: no average over a window removes it. Nothing of it comes from the person's own signal.
    """
    drawn = _normal(one, "slow", (len(values_TF), values_TF.shape[1] + 1))
    keeps = np.exp(-np.diff(one.time, prepend=one.time[0]) / SLOW_SECONDS)
    slow = np.empty_like(drawn)
    state = drawn[0]
    for step, (kept, fresh) in enumerate(zip(keeps, drawn, strict=True)):
        state = kept * state + math.sqrt(1.0 - kept**2) * fresh
        slow[step] = state
    return np.asarray(values_TF + sd * math.sqrt(0.5) * (slow[:, 1:] + slow[:, :1]))


def defended(one: Recording, defence: str | None) -> NDArray[np.float32]:
    """Return a recording's features (T, F) after the defences that change values; NaN stays NaN."""
    values = one.features.astype(np.float64)
    for name, strength in parts(defence).items():
        if name != DROP:
            values = resolve(DEFENCES[name].apply)(one, values, float(strength))
    return np.where(np.isfinite(one.features), values, np.nan).astype(np.float32)


def without_dropped(corpus: Corpus, defence: str | None) -> Corpus:
    """Return a corpus without the columns that `drop` names; InputError if none would be left, or none is there."""
    dropped = parts(defence).get(DROP)
    if dropped is None:
        return corpus
    out = columns_of(corpus, dropped.split("+"))
    kept = [place for place in range(len(corpus.feature_names)) if place not in out]
    count = len(corpus.feature_names)
    if len(kept) in (0, count):
        found = f"{DROP}={dropped}, which takes {'all' if not kept else 'none'} of {count} columns"
        raise InputError.of(OPTION, found=found, expected="columns to leave out, and others to learn from")
    names = tuple(corpus.feature_names[place] for place in kept)
    return dataclasses.replace(
        corpus,
        feature_names=names,
        recordings=tuple(dataclasses.replace(one, features=one.features[:, kept]) for one in corpus.recordings),
        sha256=digest_of(f"{corpus.sha256} {' '.join(names)}".encode()),  # clients' tables are kept by it
    )


def defended_corpus(corpus: Corpus, defence: str | None) -> Corpus:
    """Return a corpus as it is shared after the defences."""
    kept = without_dropped(corpus, defence)
    if not changes_values(defence):
        return kept
    recordings = tuple(dataclasses.replace(one, features=defended(one, defence)) for one in kept.recordings)
    return dataclasses.replace(kept, recordings=recordings, sha256=digest_of(f"{kept.sha256} {defence}".encode()))


def columns_of(corpus: Corpus, kinds: Iterable[str]) -> set[int]:
    """Return the places of the columns of some KINDS."""
    patterns = [KINDS[kind] for kind in kinds]
    names = enumerate(corpus.feature_names)
    return {place for place, name in names if any(one.fullmatch(name.lower()) for one in patterns)}


def _normal(one: Recording, what: str, shape: tuple[int, ...]) -> Wide:
    seed = seed_for(NOISE_SEED, "defence", what, one.participant, one.session)
    return np.random.default_rng(seed).standard_normal(shape)
