"""Which columns can be inferred from which streams of a subject, and which cannot, with the reason."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator.audit import records
from orchestrator.audit.attribute_columns import Column, columns_of
from orchestrator.audit.identity_tasks import (
    INSIDE_NOTE,
    NO_FEATURES,
    NO_MODEL,
    NO_VIDEO,
    SHARED,
    Look,
    frame_looks,
    has_videos,
    of_source,
    unit_looks,
)
from orchestrator.audit.records import ATTRIBUTE, Attack
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Show, Task, Tasks
from orchestrator.audit.windows import Stream
from orchestrator.files import JsonObject

VERSION = 1  # of these attacks: another number, and earlier records are not kept

NO_COLUMN = "no column to infer: participants.csv is not there, or has ids alone"
THREATS = {
    records.ACTION_UNITS: "Somebody has the action units of other people and what they are, and meets a new person's.",
    records.PIXELS: "Somebody has pictures of other people and knows what they are, and meets a new person's.",
    records.HIDDEN_STATES: "Somebody has the model's inner state for other people and what they are; a new one comes.",
    records.TRACES: "Somebody has the model's answers for other people and what they are, and meets a new person's.",
}

Sources = Callable[[], Mapping[str, Sequence[Stream]]]  # by source, of one pass


def attribute_tasks(subject: Subject) -> Tasks:
    """Return a task for each source of streams, with an attack per column, and why others are not there."""
    columns, left_out = columns_of(subject.corpus)
    skipped = {f"{ATTRIBUTE} {name}": why for name, why in left_out.items()}
    if not columns:
        return [], skipped or {ATTRIBUTE: NO_COLUMN}
    tasks = []
    units = [look for look in unit_looks(subject) if look.variant == SHARED]
    pixels = [look for look in frame_looks(subject) if look.source == records.PIXELS] if has_videos(subject) else []
    for source, looks, why in ((records.ACTION_UNITS, units, NO_FEATURES), (records.PIXELS, pixels, NO_VIDEO)):
        tasks += [_look_task(subject, columns, look) for look in looks]
        if not looks:
            skipped[f"{ATTRIBUTE} {source}"] = why
    inside = (records.HIDDEN_STATES, records.TRACES)
    if subject.model is None:
        skipped |= {f"{ATTRIBUTE} {source}": NO_MODEL for source in inside}
    else:
        notes = dict.fromkeys(inside, (INSIDE_NOTE,))
        tasks.append(_task(subject, columns, notes, lambda: _inside(subject), of_source(subject, "inside")))
    return tasks, skipped


def _look_task(subject: Subject, columns: Sequence[Column], look: Look) -> Task:
    inputs = of_source(subject, look.source) | look.inputs
    return _task(subject, columns, {look.source: look.notes}, lambda: {look.source: look.streams()}, inputs)


def _inside(subject: Subject) -> Mapping[str, Sequence[Stream]]:
    from orchestrator.audit.streams import model_streams

    assert subject.model is not None
    hidden, traces = model_streams(subject.model, subject.corpus.recordings)
    return {records.HIDDEN_STATES: hidden, records.TRACES: traces}


def _task(
    subject: Subject,
    columns: Sequence[Column],
    notes: Mapping[str, tuple[str, ...]],
    streams: Sources,
    inputs: JsonObject,
) -> Task:
    """All columns are inferred from the same windows; `notes` has what the records of each source say."""

    def run(show: Show, _: Path) -> Sequence[Attack]:
        from orchestrator.audit.attributes import MOST_WINDOWS, attribute_attack
        from orchestrator.audit.windows import whole_windows

        made = []
        for source, own in streams().items():
            people, windows, seconds = whole_windows(own, most=MOST_WINDOWS)
            for column in columns:
                show(f"audit     {ATTRIBUTE} {source} {column.name} ...")
                made.append(
                    attribute_attack(
                        people,
                        windows,
                        column,
                        source=source,
                        threat=THREATS[source],
                        seed=subject.seed,
                        window_seconds=seconds,
                        notes=notes[source],
                    )
                )
        return made

    names = tuple(f"{ATTRIBUTE} {source} {column.name}" for source in notes for column in columns)
    of_columns = [[one.name, list(one.values), sorted(one.value_of.items()), list(one.notes)] for one in columns]
    return Task(names=names, inputs={**inputs, "attributes": VERSION, "columns inferred": of_columns}, run=run)
