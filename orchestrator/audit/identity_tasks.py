"""Which attacks on identity can be made of a subject, and which cannot, with the reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.audit import records
from orchestrator.audit.records import IDENTITY, P_BLEND, Attack
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Show, Task, Tasks
from orchestrator.audit.windows import Stream
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.column_kinds import is_unit
from orchestrator.data.image_options import ImageOptions
from orchestrator.files import JsonObject

VERSION = 2  # of these attacks: another number, and earlier records are not kept
P_BLEND_VERSION = 1

# Variants of action units.
SHARED = "shared"  # the columns that the method learns from, as they are shared with whoever trains
ALL, UNITS, DYNAMICS, Z_SCORES, WHOLE_SCALE = "all", "units", "dynamics", "z-scores", "z-scores-whole"
WHY_NOT = {
    ALL: "no columns beside those that are learnt from",
    UNITS: "action units are all that is learnt from",
    **dict.fromkeys((SHARED, DYNAMICS, Z_SCORES, WHOLE_SCALE), ""),
}
# Of embeddings.
UNTRAINED, TRAINED, FROZEN = "untrained", "trained", "frozen"

DEFAULT_IMAGE_SIZE = 64  # ours, of a subject whose method looks at no frames
THREATS = {
    records.ACTION_UNITS: "Somebody has the action units of known people and meets a later stretch without a name.",
    records.PIXELS: "Somebody has pictures of known people and meets a later stretch of video without a name.",
    records.EMBEDDINGS: "Somebody has a network's features of known people's pictures and meets later ones.",
    records.HIDDEN_STATES: "Somebody has the trained model's inner state for known people, and meets a later one.",
    records.TRACES: "Somebody has the model's valence and arousal of known people and meets a later trace.",
}
INSIDE_NOTE = "one fold's model, which trained on most of these people, looks at everybody"
NO_VIDEO = "the data have no videos"
NO_MODEL = "needs a run's model"
NO_FEATURES = "the data have no features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One stream to be attacked: how its records are called, and the streams when they are asked for.

    `inputs` decide its result beside what all attacks on its source depend on.
    """

    source: str
    variant: str
    streams: Callable[[], Sequence[Stream]]
    statistics: str = "all"
    own_scale: bool = False
    notes: tuple[str, ...] = ()
    inputs: JsonObject = field(default_factory=dict)


def identity_tasks(subject: Subject) -> Tasks:
    """Return a task for each stream that the subject has, and why others are not there."""
    looks = unit_looks(subject)
    tasks = [_task(subject, one) for one in looks]
    skipped: dict[str, str] = {}
    names = {one.names[0] for one in tasks}
    for variant, why in WHY_NOT.items():
        name = f"{IDENTITY} {records.ACTION_UNITS} {variant}"
        if name not in names:
            skipped[name] = why if names else NO_FEATURES
    if subject.attacker == P_BLEND:
        published = {look.variant: _p_blend_task(subject, look) for look in looks if look.variant in (SHARED, ALL)}
        tasks += published.values()
        for variant in (SHARED, ALL):
            if variant not in published:
                name = f"{IDENTITY} {records.ACTION_UNITS} {variant} {P_BLEND}"
                skipped[name] = WHY_NOT[variant] if looks else NO_FEATURES
    for source, variant in ((records.PIXELS, ""), (records.EMBEDDINGS, UNTRAINED)):
        if not has_videos(subject):
            skipped[" ".join(filter(None, (IDENTITY, source, variant)))] = NO_VIDEO
    if has_videos(subject):
        tasks += [_task(subject, one) for one in frame_looks(subject)]
    inside = [f"{IDENTITY} {source}" for source in (records.HIDDEN_STATES, records.TRACES)]
    if subject.model is None:
        skipped |= dict.fromkeys(inside, NO_MODEL)
    else:
        tasks.append(_inside_task(subject, tuple(inside)))
    return tasks, skipped


def unit_looks(subject: Subject) -> list[Look]:
    """Return the streams of action units, what is shared first; none if the data have no features."""
    from orchestrator.audit.streams import feature_streams
    from orchestrator.data.defences import defended_corpus

    defence = subject.protocol.defence
    learnt = defended_corpus(subject.corpus, defence)  # what is shared
    wide = learnt if subject.every_column is None else defended_corpus(subject.every_column, defence)
    units = tuple(name for name in learnt.feature_names if is_unit(name)) or learnt.feature_names
    if not learnt.feature_names:
        return []

    def look(variant: str, corpus: Corpus, names: Sequence[str], note: str = "", **how: Any) -> Look:
        places = [corpus.feature_names.index(name) for name in names]
        whole = variant == WHOLE_SCALE
        return Look(
            source=records.ACTION_UNITS,
            variant=variant,
            streams=lambda: feature_streams(corpus.recordings, places, own_scale=whole),
            inputs={"columns": list(names), "sha256": corpus.sha256},
            notes=(note or f"{len(names)} columns",),
            **how,
        )

    looks = [
        look(SHARED, learnt, learnt.feature_names, f"the {len(learnt.feature_names)} columns that are learnt from")
    ]
    if len(wide.feature_names) > len(learnt.feature_names):
        looks.append(look(ALL, wide, wide.feature_names))
    if units != learnt.feature_names:
        looks.append(look(UNITS, learnt, units))
    scaled = "enrolment and probe are each scaled by the person's own mean and deviation in it, as two files would be"
    shared = (
        "enrolment and probe are parts of one scaled file, as training has it: an intensity of 0 becomes the same"
        " number in both, which tells the file, not the person"
    )
    return [
        *looks,
        look(DYNAMICS, learnt, units, "what a resting face decides is left out", statistics="dynamics"),
        look(Z_SCORES, learnt, units, scaled, own_scale=True),
        look(WHOLE_SCALE, learnt, units, shared),
    ]


def frame_looks(subject: Subject) -> list[Look]:
    """Return the streams of pictures, pixels first; the data have videos."""
    from orchestrator.audit.streams import embedding_streams, pixel_streams

    recordings, images = subject.corpus.recordings, image_options(subject)
    looks = [
        Look(source=records.PIXELS, variant="", streams=lambda: pixel_streams(recordings, images)),
        Look(
            source=records.EMBEDDINGS,
            variant=UNTRAINED,
            streams=lambda: embedding_streams(recordings, images, None),
            notes=("features of a ResNet18 with random weights",),
        ),
    ]
    model = subject.model
    if model is None or model.images is None:
        return looks
    if model.images.backbone == "trained":
        looks.append(
            Look(
                source=records.EMBEDDINGS,
                variant=TRAINED,
                streams=lambda: embedding_streams(
                    recordings, images, model.network(0).backbone, normalisation=model.recipe.normalisation
                ),
                notes=("features of the backbone that fold 0 trained",),
            )
        )
    elif model.images.weights != "none":
        looks.append(
            Look(
                source=records.EMBEDDINGS,
                variant=FROZEN,
                streams=lambda: _frozen(subject, images),
                notes=(f"features of the backbone that the run starts from ({model.images.weights})",),
            )
        )
    return looks


def _frozen(subject: Subject, images: ImageOptions) -> Sequence[Stream]:
    from models.backbones import new_backbone
    from orchestrator.audit.streams import embedding_streams
    from orchestrator.data.backbone import BACKBONE
    from orchestrator.data.backbone_features import FROZEN_SEED

    assert subject.model is not None
    backbone = subject.model.frozen_backbone()
    assert backbone is not None
    network = new_backbone(BACKBONE, seed=FROZEN_SEED, weights=backbone.weights)
    return embedding_streams(subject.corpus.recordings, images, network, normalisation=backbone.normalisation)


def image_options(subject: Subject) -> ImageOptions:
    """Return how the subject's method sees pictures; of a method without, pictures of DEFAULT_IMAGE_SIZE."""
    return subject.images or ImageOptions(
        image_size=DEFAULT_IMAGE_SIZE, frame_stride=1, face_crop="none", backbone="frozen", weights="none"
    )


def has_videos(subject: Subject) -> bool:
    """Return whether every recording has a video."""
    recordings = subject.corpus.recordings
    return bool(recordings) and all(one.video is not None for one in recordings)


def _task(subject: Subject, one: Look) -> Task:
    def run(show: Show, _: Path) -> Sequence[Attack]:
        show(f"audit     {IDENTITY} {one.source} {one.variant} ...".replace("  ...", " ..."))
        return [_attack(subject, one, one.streams())]

    name = " ".join(part for part in (IDENTITY, one.source, one.variant) if part)
    how = {"statistics": one.statistics, "own_scale": one.own_scale, "notes": list(one.notes)}
    inputs = _inputs(subject, one.source) | one.inputs | how
    return Task(names=(name,), inputs=inputs, run=run)


def _p_blend_task(subject: Subject, one: Look) -> Task:
    """The same stream by the attacker as published, beside the audit's own."""

    def run(show: Show, _: Path) -> Sequence[Attack]:
        from orchestrator.audit.p_blend import p_blend_attack

        show(f"audit     {name} ...")
        threat = THREATS[one.source]
        return [
            p_blend_attack(
                one.streams(), source=one.source, variant=variant, threat=threat, seed=subject.seed, notes=one.notes
            )
        ]

    variant = f"{one.variant} {P_BLEND}"
    name = f"{IDENTITY} {one.source} {variant}"
    inputs = _inputs(subject, one.source) | one.inputs | {"attacker": P_BLEND, "attacker_version": P_BLEND_VERSION}
    return Task(names=(name,), inputs=inputs | {"notes": list(one.notes)}, run=run)


def _inside_task(subject: Subject, names: tuple[str, ...]) -> Task:
    """One pass through the model serves both: what it has inside, and what it answers."""

    def run(show: Show, _: Path) -> Sequence[Attack]:
        from orchestrator.audit.streams import model_streams

        assert subject.model is not None
        show(f"audit     {' and '.join(names)} ...")
        hidden, traces = model_streams(subject.model, subject.corpus.recordings)
        looks = (
            Look(source=records.HIDDEN_STATES, variant="", streams=lambda: hidden, notes=(INSIDE_NOTE,)),
            Look(source=records.TRACES, variant="", streams=lambda: traces, notes=(INSIDE_NOTE,)),
        )
        return [_attack(subject, look, look.streams()) for look in looks]

    return Task(names=names, inputs=_inputs(subject, "inside"), run=run)


def _inputs(subject: Subject, source: str) -> JsonObject:
    return {"version": VERSION, **of_source(subject, source)}


def of_source(subject: Subject, source: str) -> JsonObject:
    """Return what decides a source's streams: not all of a subject, so that what runs share is attacked once."""
    known: Mapping[str, Any] = subject.identity
    of_data = {name: known[name] for name in ("corpus", "features", "seed")}
    if source == records.ACTION_UNITS:
        return of_data
    return dict(known) if source != records.PIXELS else {**of_data, "images": known["images"]}


def _attack(subject: Subject, one: Look, streams: Sequence[Stream]) -> Attack:
    from orchestrator.audit.identity import identity_attack

    return identity_attack(
        streams,
        source=one.source,
        variant=one.variant,
        threat=THREATS[one.source],
        seed=subject.seed,
        statistics=one.statistics,
        own_scale=one.own_scale,
        notes=one.notes,
    )
