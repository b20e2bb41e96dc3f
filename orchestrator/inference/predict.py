"""Traces of valence and arousal for recordings: windows that overlap, merged, smoothed and centred on demand.

Shapes: T time steps of a recording, L window length, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.epochs import predict as predict_windows
from models.splits import scaled
from models.windows import Series, Windows, cut, merge
from orchestrator.corpora.findings import shortened
from orchestrator.corpora.formats.unlabelled import Unlabelled, read_feature_files, read_videos
from orchestrator.corpora.participants import about_known
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.reading import AS_IT_IS, UNIT_OPTION, Reading
from orchestrator.corpora.recording import Recording
from orchestrator.corpora.tables.time_units import typical_step
from orchestrator.corpora.video.decoding import how_seen
from orchestrator.corpora.video.yunet import keep_model
from orchestrator.data.series import crop_of, make_series, thinned
from orchestrator.errors import InputError, Problem
from orchestrator.inference.defaults import DEFAULT_OVERLAP
from orchestrator.inference.from_video import Extracting, is_of_videos, read_extracted
from orchestrator.inference.saved_model import SavedModel
from orchestrator.planning.removal import FORGOTTEN_KEY

SAME_RATE = 0.02  # ours: relative; rates that differ by less are taken for equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How predictions are made; None: not at all."""

    fold: int | None = None
    overlap: float = DEFAULT_OVERLAP
    smooth_seconds: float | None = None
    centre: bool = False
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """One recording's predictions; NaN where there is no valid frame."""

    participant: str
    session: str
    time: NDArray[np.float64]  # (T,) seconds
    prediction: NDArray[np.float32]  # (T, 2)
    folds: tuple[int, ...]  # whose models were averaged


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """The traces, and lines for people on how they came about."""

    traces: tuple[Trace, ...]
    lines: tuple[str, ...]
    synthetic: bool


def read_input(
    model: SavedModel,
    path: Path,
    given: Reading = AS_IT_IS,
    participant_pattern: str | None = None,
    extracting: Extracting | None = None,
) -> Unlabelled:
    """Read what a model predicts from: its features by name, extracted first from videos; or videos at its size.

    `given` is what the user said of the files' clocks. Names are read as the card says, by which it also knows the
    people that it was trained on; with `participant_pattern` they are people by that.
    `extracting` says by what features are extracted. InputError also for features of another tool.
    """
    reading, options = reading_for(model, given), model.read_options
    if participant_pattern is not None:
        options = dataclasses.replace(options, participant_pattern=participant_pattern)
    found = _read(model, path, reading, options, extracting or Extracting())
    if options.participant_pattern is not None:
        return found
    return dataclasses.replace(found, recordings=model.with_known_people(found.recordings))


def _read(model: SavedModel, path: Path, reading: Reading, options: ReadOptions, extracting: Extracting) -> Unlabelled:
    if model.images is None:
        features, tool = model.card["features"], model.features_tool
        if not is_of_videos(path):
            return read_feature_files(path, features, reading, options, tool=tool)
        if reading.time_unit:
            found = f"{reading.time_unit['features']}, beside videos"
            raise InputError.of(UNIT_OPTION, found=found, expected="tables: videos have times of their own, in seconds")
        return read_extracted(
            path,
            tool,
            extracting,
            lambda table, video: read_feature_files(table, features, reading, options, tool=tool, beside=video),
        )
    size, crop = model.images.image_size, crop_of(model.images)
    if extracting.model_file is not None:
        keep_model(extracting.model_file, crop)
    return read_videos(path, image_size=size, face_crop=crop, reading=reading, options=options)


def reading_for(model: SavedModel, given: Reading) -> Reading:
    """Add to what the user said how the model's training files were read, for clocks whose unit is in doubt."""
    if given.time_unit and "features" not in given.time_unit:
        found = f"a unit of {', '.join(given.time_unit)}"
        raise InputError.of(UNIT_OPTION, found=found, expected="a unit of features: nothing else is read here")
    trained = (model.card["corpus"].get("time_unit") or {}).get("features", "")
    return dataclasses.replace(given, trained_unit=trained, trained_hz=float(model.card.get("hz") or 0.0))


def predict(model: SavedModel, given: Unlabelled, wishes: Wishes) -> Predicted:
    """Predict every recording; InputError for a fold that is not there and for centring without its statistics."""
    model.check_fold(wishes.fold)
    if wishes.centre:
        training_mean(model, range(model.num_folds))
    stride = model.images.frame_stride if model.images else 1
    recordings = [thinned(one, stride) for one in given.recordings]
    folds = [model.folds_for(one.participant, wishes.fold) for one in recordings]
    predictions, valid = _predict_all(model, given.recordings, folds, wishes)
    traces = []
    for recording, own, prediction, seen in zip(recordings, folds, predictions, valid, strict=True):
        shown = np.where(seen[:, None], prediction, np.nan)
        if wishes.smooth_seconds:
            shown = smoothed(recording.time, shown, wishes.smooth_seconds)
        if wishes.centre and seen.any():
            shown = shown - np.nanmean(shown, axis=0) + training_mean(model, own)
        traces.append(
            Trace(
                participant=recording.participant,
                session=recording.session,
                time=recording.time,
                prediction=shown.astype(np.float32),
                folds=own,
            )
        )
    return Predicted(
        traces=tuple(traces),
        lines=_lines(model, recordings, folds, wishes, given),
        synthetic=bool(model.card["synthetic"] or given.synthetic),
    )


def _predict_all(
    model: SavedModel, recordings: Sequence[Recording], folds: Sequence[tuple[int, ...]], wishes: Wishes
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    """Predict each recording (T, 2) by the mean of its folds' models; and say where a frame is valid (T,)."""
    protocol = dataclasses.replace(model.protocol, label_delay_seconds=0.0)  # there are no labels to move
    series = make_series(recordings, protocol, model.images, backbone=model.frozen_backbone())
    length = model.recipe.sequence_length
    if model.whole_windows:
        _check_length(recordings, [len(one.valid_T) for one in series], length)
    partial = "drop" if model.whole_windows else "pad"
    step = max(1, round(length * (1 - wishes.overlap)))
    windows = cut(series, length, partial=partial, step=step).to(wishes.device)
    sums = [np.zeros((len(one.valid_T), 2)) for one in series]
    for fold in sorted({fold for own in folds for fold in own}):
        indices = [index for index, own in enumerate(folds) if fold in own]
        for index, trace in zip(indices, _by_fold(model, windows, fold, indices, wishes.device), strict=True):
            sums[index] += trace / len(folds[index])
    # A bridged gap helps the network to go on; what it says there is not a prediction for a face that was seen.
    valid = [
        one.valid_T & recording.valid if isinstance(one, Series) and model.images is None else one.valid_T
        for one, recording in zip(series, recordings, strict=True)
    ]
    return sums, valid


def _check_length(recordings: Sequence[Recording], num_frames: Sequence[int], length: int) -> None:
    """Refuse recordings that do not fill a window (InputError names each)."""
    expected = f"at least {length} frames, a window of the model's head"
    short = [
        Problem(where=f"recording {one.name}", found=f"{count} frames", expected=expected)
        for one, count in zip(recordings, num_frames, strict=True)
        if count < length
    ]
    if short:
        raise InputError(short)


def _by_fold(
    model: SavedModel, windows: Windows, fold: int, indices: Sequence[int], device: str
) -> list[NDArray[np.float32]]:
    network = model.network(fold).to(device)
    index_W = windows.of_series(indices)
    view = windows if model.recipe.backbone else scaled(windows, fold, model.split(fold))
    predicted_WL2 = predict_windows(network, view, index_W)
    return merge(predicted_WL2, windows, index_W, indices, joining=model.protocol.joining)


def smoothed(time: NDArray[np.float64], trace: NDArray[np.floating], seconds: float) -> NDArray[np.float64]:
    """Average each step of a trace (T, 2) with the valid ones at most half of `seconds` away; NaN stays NaN."""
    first = np.searchsorted(time, time - seconds / 2, side="left")
    last = np.searchsorted(time, time + seconds / 2, side="right")
    there = np.isfinite(trace)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(np.where(there, trace, 0.0), axis=0, dtype=np.float64)])
    counts = np.concatenate([np.zeros((1, 2)), np.cumsum(there, axis=0)])
    mean = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return np.where(there, mean, np.nan)


def training_mean(model: SavedModel, folds: Sequence[int]) -> NDArray[np.float64]:
    """Average the training labels' mean (2,) over folds; InputError if the card does not have it."""
    labels = model.card.get("labels")
    if labels is None:
        federated = model.card.get("federation") is not None
        why = "a federation: nobody knows the labels of all its clients" if federated else "a card without `labels`"
        raise InputError.of("--centre", found=why, expected="a card with the training labels' mean")
    return np.asarray(np.mean([labels[fold]["mean"] for fold in folds], axis=0))


def _lines(
    model: SavedModel,
    recordings: Sequence[Recording],
    folds: Sequence[tuple[int, ...]],
    wishes: Wishes,
    given: Unlabelled,
) -> tuple[str, ...]:
    lines = [f"model     {model.name}"]
    people = dict(zip((one.participant for one in recordings), folds, strict=True))
    unseen = [person for person, own in people.items() if wishes.fold is None and len(own) < model.num_folds]
    others = [person for person in people if person not in unseen]
    if unseen:
        lines.append(f"models    {_some(unseen)}: of the corpus, each predicted by a fold that never saw them")
    if others and wishes.fold is None:
        lines.append(f"models    {_some(others)}: not of the corpus, the mean of {model.num_folds} fold models")
    if wishes.fold is not None:
        seen = [one for one in people if wishes.fold not in model.unseen_by(one)]
        known = [one for one in seen if model.unseen_by(one)]
        note = f"; it was TRAINED on {_some(known)}" if known else ""
        lines.append(f"models    {_some(list(people))}: fold {wishes.fold}{note}")
    removed = model.card.get(FORGOTTEN_KEY)
    if removed:
        lines.append(
            f"models    {removed} of the training people removed by `data forget`: they count as not of the corpus"
        )
    if given.synthetic:
        lines.append("input     SYNTHETIC recordings: they say nothing about people")
    notes = (*about_known(people, model.known_people), *given.notes)
    lines += [*_rates(model, recordings), *_pictures(model, recordings), *(f"note      {note}" for note in notes)]
    if model.read_options.label_range is not None:
        ends = "{:g} to {:g}".format(*model.read_options.label_range)
        lines.append(f"labels    were from {ends} in training and mapped: predictions are from -1 to 1")
    length = model.recipe.sequence_length
    if model.whole_windows:
        lines.append(f"head      one output per window of {length} frames, which all of them share")
    if model.whole_windows and round(length * (1 - wishes.overlap)) >= length:
        lines.append("overlap   0: frames behind a recording's last whole window have no prediction")
    scaling = model.protocol.scaling
    if scaling in ("participant", "both") and not model.recipe.backbone:
        beside = ", which go in beside them" if scaling == "both" else ""
        lines.append(f"scaling   by each person's own mean and deviation over the frames given{beside}")
    return tuple(lines)


def _rates(model: SavedModel, recordings: Sequence[Recording]) -> list[str]:
    trained, length = float(model.card.get("hz") or 0.0), model.recipe.sequence_length
    by_rate: dict[float, list[str]] = {}
    for one in recordings:
        if trained and len(one.time) > 1:
            hz = 1.0 / typical_step(np.diff(one.time))
            if abs(hz - trained) > SAME_RATE * trained:
                by_rate.setdefault(round(hz, 2), []).append(one.name)
    return [
        f"rate      {_some(names)}: {hz:g} frames per second, the model was trained on {round(trained, 2):g};"
        f" a window is {length / hz:.3g} s instead of {length / trained:.3g} s"
        for hz, names in by_rate.items()
    ]


def _pictures(model: SavedModel, recordings: Sequence[Recording]) -> list[str]:
    """Return what differs between the videos' pictures and those of a model from before containers were obeyed."""
    if model.images is None or model.read_options.current:
        return []
    seen = {one.name: how_seen(one.video) for one in recordings if one.video is not None}
    return [
        f"pictures  {_some([name for name, other in seen.items() if other == why])}: {why};"
        " the model is of an earlier version, which took pictures as they are stored"
        for why in dict.fromkeys(why for why in seen.values() if why is not None)
    ]


def _some(names: Sequence[str]) -> str:
    return shortened(dict.fromkeys(names))
