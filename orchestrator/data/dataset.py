# ruff: noqa: N815 - shape suffixes on fields, by the legend below
"""From a corpus to what the trials of a search share: the series, their folds and what the network takes in.

Shapes: T time steps of a recording, F features, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fed.client import Client
from models.frames import FrameSeries
from models.sizes import BACKBONE_FEATURES
from models.splits import FoldSplit
from models.windows import Series
from orchestrator.corpora.manifest import shares
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.video.frame_store import prepare_all
from orchestrator.data.backbone import Backbone, load_backbone
from orchestrator.data.backbone_features import Show, frozen_series
from orchestrator.data.clients import make_clients
from orchestrator.data.defences import without_dropped
from orchestrator.data.folds import Fold, in_drawn_order, make_folds
from orchestrator.data.groups import Groups, alone, groups_of
from orchestrator.data.image_options import ImageOptions
from orchestrator.data.label_levels import label_variances
from orchestrator.data.raters import Raters, raters_of
from orchestrator.data.series import (
    AnySeries,
    Scales,
    crop_of,
    over_people,
    own_scales,
    ratings_of,
    scaled_series,
    statistics,
    thinned,
    unscaled_series,
)
from orchestrator.errors import InputError, Problem
from orchestrator.estimators.label_variance import LabelVariance
from orchestrator.protocols import DIMENSIONS, INNER_SHARE, Protocol, num_inputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """What a server knows of a recording that stays with its participant: whose it is, and where it can be scored."""

    participant: str
    session: str
    valid_T: NDArray[np.bool_]
    mask_T2: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Series in the corpus's order with their folds; one copy of it serves every trial of a search.

    Of a federation it holds outlines only: no frame, no feature and no label of anybody.
    """

    series: tuple[AnySeries | Outline, ...]
    times: tuple[NDArray[np.float64], ...]  # seconds, one array (T,) a series
    feature_names: tuple[str, ...]  # of action units; empty where frames go in
    synthetic: bool
    folds: tuple[Fold, ...]
    splits: tuple[FoldSplit, ...]  # the folds as indices into `series`, with the training people's statistics
    num_features: int  # that the recurrent network takes in
    backbone: Backbone | None = None  # what makes them from frames
    joined: str = ""  # how much of the features and of the labels met, in words
    feature_line: str = ""  # which features were chosen and which left out, in words
    remarks: tuple[str, ...] = ()  # what reading the corpus asked, dropped or noted
    clients: tuple[Client, ...] = ()  # of a federation: each participant's recipe
    # By participant mean and deviation (F,) by which their features were scaled; empty if they are as measured.
    own_scales: Scales = field(default_factory=dict)
    groups: Groups = ()  # people who are in one fold together; empty without `group_by`
    raters: tuple[Raters | None, ...] = ()  # one a series; None: the labels stay with the participant
    # By dimension how much of the labels lies between people; None: the labels stay with their people.
    label_variances: Mapping[str, LabelVariance | None] | None = None

    def local_series(self) -> list[AnySeries]:
        """Return the series to train on here; a federation has none."""
        here = [one for one in self.series if not isinstance(one, Outline)]
        assert len(here) == len(self.series), "a federation's series stay with their participants"
        return here

    @property
    def longest(self) -> int:
        """Time steps of the longest recording."""
        return max(len(series.valid_T) for series in self.series)

    def refusal(self, length: int, *, partial_window: str) -> str | None:
        """Return why windows of `length` time steps cannot be used here, or None."""
        if length > self.longest:
            return f"sequence_length {length} is longer than any recording ({self.longest} frames)"
        usable = [
            bool(one.mask_T2[: len(one.mask_T2) // length * length if partial_window == "drop" else None].any())
            for one in self.series
        ]
        for k, split in enumerate(self.splits):
            for purpose, indices in (("train", split.train), ("validate", split.validation)):
                if not any(usable[index] for index in indices):
                    whole = "whole " if partial_window == "drop" else ""
                    return f"sequence_length {length}: fold {k} has no labelled {whole}window to {purpose} on"
        return None

    def shorter_than(self, length: int) -> int:
        """Count the recordings that do not fill a window of `length` time steps; they are padded or left out."""
        return sum(len(series.valid_T) < length for series in self.series)

    def unlabelled(self) -> list[str]:
        """Return which folds lack every label of a dimension, to train on or to score; such scores mean nothing."""
        lines = []
        for d, dimension in enumerate(DIMENSIONS):
            there = [bool(one.mask_T2[:, d].any()) for one in self.series]
            for k, split in enumerate(self.splits):
                for purpose, indices in (("train on", split.train), ("score", split.held_out)):
                    if not any(there[index] for index in indices):
                        lines.append(f"fold {k}    has no {dimension} label to {purpose}")
        return lines

    @property
    def num_frames(self) -> int:
        """Time steps of all recordings together."""
        return sum(len(series.valid_T) for series in self.series)


def make_dataset(  # noqa: PLR0913 - the choices, each named
    corpus: Corpus,
    protocol: Protocol,
    *,
    seed: int,
    images: ImageOptions | None = None,
    federated: bool = False,
    groups: Groups = (),
    show: Show | None = None,
) -> Dataset:
    """Apply a protocol to a corpus; InputError if a dimension has no labelled frame or too few participants are left.

    `seed` decides the folds. `groups` are those of an earlier run that goes on; without them the protocol's `group_by`
    is looked up. With `images` the corpus's videos are decoded into the cache first; `show` takes a line of progress
    per video. `federated`: outlines stay here, and each participant's recipe for reading.
    """
    if protocol.group_by is not None and not groups:
        groups = groups_of(corpus, protocol.group_by)
    corpus = without_dropped(corpus, protocol.defence)
    hint = "; ".join(corpus.questions)
    folds = _folds(corpus.participants, protocol, groups, seed=seed, hint=hint)
    if images:
        check_videos(corpus)  # before anything is fetched for them
    backbone = load_backbone(images) if images else None
    recordings = corpus.recordings
    if images:
        _decode_all(corpus, images, show)
        recordings = tuple(thinned(one, images.frame_stride) for one in recordings)
    # The clients compute a frozen backbone's features of their frames themselves.
    series = unscaled_series(corpus.recordings, protocol, images, backbone=None if federated else backbone, show=show)
    scales = {} if federated else own_scales(series, protocol)
    series = scaled_series(series, protocol, scales)
    _check_labels(corpus, series, delay=protocol.label_delay_seconds)
    return Dataset(
        series=tuple(map(_outline, series)) if federated else series,
        times=tuple(recording.time for recording in recordings),
        feature_names=() if images else corpus.feature_names,
        synthetic=corpus.synthetic,
        folds=folds,
        splits=tuple(split_of(fold, series, protocol.scaling) for fold in folds),
        num_features=BACKBONE_FEATURES if images else num_inputs(protocol.scaling, len(corpus.feature_names)),
        backbone=backbone,
        joined=shares(corpus),
        feature_line="" if images else corpus.feature_line,
        remarks=(*corpus.questions, *(f"dropped {one.what}: {one.why}" for one in corpus.dropped), *corpus.notes),
        clients=make_clients(corpus, protocol, images) if federated else (),
        own_scales=scales,
        groups=groups,
        label_variances=None if federated else label_variances(series),
        raters=tuple(
            None if federated else raters_of(recording.raters, ratings_of(recording, protocol), one.mask_T2)
            for recording, one in zip(recordings, series, strict=True)
        ),
    )


def _check_labels(corpus: Corpus, series: Sequence[AnySeries], *, delay: float) -> None:
    """Raise InputError if no valid frame has a label; of today's corpora, if a dimension has none.

    `delay` seconds later labels were taken from, which may be the reason.
    """
    there = np.any([one.mask_T2.any(axis=0) for one in series], axis=0)
    lacking = [dimension for dimension, some in zip(DIMENSIONS, there, strict=True) if not some]
    # A run of before version 0.2 goes on with one dimension, as it began.
    if lacking and (corpus.options.current or len(lacking) == len(DIMENSIONS)):
        what = "label" if len(lacking) == len(DIMENSIONS) else f"{lacking[0]} label"
        expected = "labels that meet the features in time"
        if delay:
            longest = max(float(np.ptp(one.time)) for one in corpus.recordings)
            found = f"{delay:g}, with which no valid frame has a {what}"
            expected = f"seconds, fewer than the {longest:.4g} of the longest recording, and {expected}"
            raise InputError.of("--label-delay", found=found, expected=expected)
        raise InputError.of(str(corpus.path), found=f"no valid frame with a {what}", expected=expected)


def redrawn(dataset: Dataset, protocol: Protocol, *, seed: int) -> Dataset:
    """Return the same recordings in the folds of another draw or seed; `protocol` differs in `fold_draw` alone."""
    in_order = [person for fold in dataset.folds for person in fold.held_out]
    folds = _folds(in_order, protocol, dataset.groups, seed=seed)
    series = dataset.series
    return dataclasses.replace(
        dataset, folds=folds, splits=tuple(split_of(fold, series, protocol.scaling) for fold in folds)
    )


def as_columns(dataset: Dataset, protocol: Protocol, show: Show | None = None) -> Dataset:
    """Replace images by the features of the backbone that training starts from, scaled as a frozen one's are.

    Computed once and kept in the cache; `show` takes a line per recording. Series that are no images stay as they are.
    """
    frames = [one for one in dataset.series if isinstance(one, FrameSeries)]
    if not frames:
        return dataset
    assert dataset.backbone is not None, "images without a backbone"
    assert len(frames) == len(dataset.series), "images beside other series"
    features = frozen_series(frames, dataset.backbone, show)
    scales = own_scales(features, protocol)
    series = scaled_series(features, protocol, scales)
    splits = tuple(split_of(fold, series, protocol.scaling) for fold in dataset.folds)
    return dataclasses.replace(dataset, series=series, own_scales=scales, splits=splits)


def _folds(
    participants: Sequence[str], protocol: Protocol, groups: Groups | None, *, seed: int, hint: str = ""
) -> tuple[Fold, ...]:
    inner_share = INNER_SHARE if protocol.epoch_choice == "best-on-inner" else 0.0
    units = in_drawn_order(groups or alone(participants), protocol.fold_draw, seed=seed)
    people = [person for unit in units for person in unit] if protocol.fold_draw else participants
    return make_folds(
        people, protocol.num_folds, inner_share=inner_share, seed=seed, hint=hint, groups=units if groups else None
    )


def _outline(one: AnySeries) -> Outline:
    return Outline(participant=one.participant, session=one.session, valid_T=one.valid_T, mask_T2=one.mask_T2)


def check_videos(corpus: Corpus) -> None:
    """Raise InputError that names every recording without a video."""
    lacking = [one.name for one in corpus.recordings if one.video is None]
    if lacking:
        raise InputError(
            Problem(where=f"{corpus.path}: {name}", found="no video", expected="a video of every recording")
            for name in lacking
        )


def _decode_all(corpus: Corpus, images: ImageOptions, show: Show | None) -> None:
    for ready in prepare_all(corpus.recordings, image_size=images.image_size, face_crop=crop_of(images)):
        if show:
            show(f"frames    {ready.done}/{ready.total} {ready.recording}: {len(ready.frames.time)} frames")


def split_of(fold: Fold, series: Sequence[AnySeries | Outline], scaled_by: str) -> FoldSplit:
    """Return a fold as indices into `series`, with its training people's statistics if they scale (`scaled_by`)."""

    def indices(people: Sequence[str]) -> tuple[int, ...]:
        return tuple(index for index, one in enumerate(series) if one.participant in people)

    train = indices(fold.train)
    scaling: Mapping[str, Any] = {}
    of_train = [one for index in train if isinstance(one := series[index], Series)]
    if scaled_by in ("train", "both") and of_train:  # images are normalised by the backbone's own constants
        rows = [one.features_TF[one.valid_T] for one in of_train]
        mean, sd = over_people(of_train) if scaled_by == "both" else statistics(rows)
        scaling = {"mean_F": mean.astype(np.float32), "sd_F": sd.astype(np.float32)}
    return FoldSplit(
        train=train,
        validation=indices(fold.inner or fold.held_out),
        held_out=indices(fold.held_out),
        **scaling,
    )
