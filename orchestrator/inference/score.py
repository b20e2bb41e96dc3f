"""A saved model scored on people with labels, also of another corpus; nothing is trained.

Shapes: T time steps of a recording, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, frame_moments
from orchestrator.corpora.findings import shortened
from orchestrator.corpora.formats.unlabelled import Unlabelled
from orchestrator.corpora.names import listed
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.data.series import gold_of, thinned
from orchestrator.errors import InputError, Problem, number_of
from orchestrator.estimators.new_people import PoolScore, participant_score, pooled_score
from orchestrator.estimators.participants import has_constant_gold, participant_ccc
from orchestrator.inference.predict import Predicted, Wishes, predict
from orchestrator.inference.saved_model import SavedModel
from orchestrator.protocols import DIMENSIONS

SEEN_OPTION = "--include-seen"
NO_LABEL = "no labelled frame with a prediction"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonScored:
    """One person: by dimension the sums of the scored frames and the CCC, None where it is not defined."""

    participant: str
    seen: bool  # the model was trained on them; the fold that held them out predicted
    frames: Mapping[str, int]
    ccc: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """What `score` found: the pooled CCC and the mean of the people's own, with 95 % intervals over people."""

    people: tuple[PersonScored, ...]
    pooled: Mapping[str, PoolScore | None]  # by dimension; None if nobody has such a score
    of_people: Mapping[str, PoolScore | None]
    left_out: tuple[str, ...]  # people whom the model was trained on
    predicted: Predicted
    gold: tuple[NDArray[np.float32], ...]  # (T, 2), one for each of the traces
    lines: tuple[str, ...]


def read_labelled(
    model: SavedModel,
    path: Path,
    *,
    corpus: str | None = None,
    reading: Reading = AS_IT_IS,
    options: ReadOptions | None = None,
) -> Corpus:
    """Read people with labels, with the features that the model was trained on, in its order.

    `options` say how the new files are read; names are people as the card says unless they say it. InputError: files of
    other features (those that are lacking are named), a recording without a video for a model of images.
    """
    given = options or ReadOptions()
    pattern = given.participant_pattern or model.read_options.participant_pattern
    how = dataclasses.replace(given, participant_pattern=pattern, rules=model.read_options.rules)
    names = () if model.images is not None else tuple(model.card["features"])
    choice = FeatureChoice(names=names, tool=model.features_tool) if names else None
    found = open_corpus(path, corpus=corpus, choice=choice, reading=reading, options=how)
    if pattern is None:
        known = dataclasses.replace(found, recordings=model.with_known_people(found.recordings))
        # Whom the model knows is no longer a question of how names are read.
        found = known if known.participants == found.participants else dataclasses.replace(known, questions=())
    if model.images is not None:
        expected = "a video of every recording: the model was trained on images"
        lacking = [
            Problem(where=f"{path}: {one.name}", found="no video", expected=expected)
            for one in found.recordings
            if one.video is None
        ]
        if lacking:
            raise InputError(lacking)
        return found
    absent = [name for name in names if name not in found.feature_names]
    if absent:
        expected = f"the {len(names)} features that the model was trained on"
        raise InputError.of(str(path), found=f"no feature {listed(absent)}", expected=expected)
    order = [found.feature_names.index(name) for name in names]
    in_order = tuple(dataclasses.replace(one, features=one.features[:, order]) for one in found.recordings)
    return dataclasses.replace(found, recordings=in_order, feature_names=names)


def score(model: SavedModel, corpus: Corpus, wishes: Wishes, *, include_seen: bool = False) -> Scored:
    """Predict and score the people of a corpus whom the model was not trained on; all of them with `include_seen`.

    The gold standard is made as in training (mean, rounding, delay of the model's protocol). InputError if nobody is
    left, or nobody has a labelled frame with a prediction.
    """
    seen = tuple(person for person in corpus.participants if model.unseen_by(person))
    kept = [one for one in corpus.recordings if include_seen or one.participant not in seen]
    if not kept:
        found = f"{number_of(len(seen), 'participant')}, all seen in training: {shortened(seen)}"
        raise InputError.of(str(corpus.path), found=found, expected=f"people new to the model, or {SEEN_OPTION}")
    given = Unlabelled(recordings=tuple(kept), notes=(*corpus.questions, *corpus.notes), synthetic=corpus.synthetic)
    predicted = predict(model, given, wishes)
    stride = model.images.frame_stride if model.images else 1
    gold = tuple(gold_of(thinned(one, stride), model.protocol) for one in kept)
    people = _people(predicted, gold)
    if not any(moments.n for one in people.values() for moments in one.values()):
        raise InputError.of(str(corpus.path), found=NO_LABEL, expected="people with labels")
    by_dimension = {d: {person: one[d] for person, one in people.items()} for d in DIMENSIONS}
    own = {d: participant_ccc(fold) for d, fold in by_dimension.items()}
    return Scored(
        people=tuple(
            PersonScored(
                participant=person,
                seen=person in seen,
                frames={d: one[d].n for d in DIMENSIONS},
                ccc={d: own[d].get(person) for d in DIMENSIONS},
            )
            for person, one in people.items()
        ),
        pooled={d: pooled_score(fold) for d, fold in by_dimension.items()},
        of_people={d: participant_score(fold) for d, fold in by_dimension.items()},
        left_out=() if include_seen else seen,
        predicted=predicted,
        gold=gold,
        lines=_lines(model, seen, include_seen=include_seen, predicted=predicted, people=people),
    )


def _people(predicted: Predicted, gold: Sequence[NDArray[np.float32]]) -> dict[str, dict[str, Moments]]:
    """Return by person and dimension the sums over the labelled frames that have a prediction, of all sessions."""
    people: dict[str, dict[str, Moments]] = {}
    for trace, gold_T2 in zip(predicted.traces, gold, strict=True):
        own = people.setdefault(trace.participant, dict.fromkeys(DIMENSIONS, Moments.zero()))
        found = frame_moments(trace.prediction, gold_T2, np.isfinite(gold_T2))
        own |= {d: own[d] + moments for d, moments in zip(DIMENSIONS, found, strict=True)}
    return people


def _lines(
    model: SavedModel,
    seen: Sequence[str],
    *,
    include_seen: bool,
    predicted: Predicted,
    people: Mapping[str, Mapping[str, Moments]],
) -> tuple[str, ...]:
    lines = list(predicted.lines)
    if seen:
        what = "the fold that never saw them predicts" if include_seen else f"left out, {SEEN_OPTION} takes them"
        lines.append(f"seen      {len(seen)} seen in training: {shortened(seen)}; {what}")
    for dimension in DIMENSIONS:
        flat = [person for person, one in people.items() if one[dimension].n and has_constant_gold(one[dimension])]
        none = [person for person, one in people.items() if not one[dimension].n]
        if flat:
            lines.append(f"{dimension:9s} {shortened(flat)}: constant labels, no CCC of their own")
        if none:
            lines.append(f"{dimension:9s} {shortened(none)}: {NO_LABEL}")
    delay = model.protocol.label_delay_seconds
    lines.append(f"gold      {model.protocol.gold}{f', labels {delay:g} s earlier' if delay else ''}, as in training")
    return tuple(lines)
