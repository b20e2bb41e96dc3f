"""Features and labels of the same recording brought together by their files' names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.corpora.annotation_formats.labels import LabelFiles
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.participants import Ids, alike, ids_for, whole_name
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.annotations import read_annotations
from orchestrator.corpora.tables.tracks import read_track
from orchestrator.protocols import DIMENSIONS


def pair(  # noqa: PLR0913 - files, whose and how
    features: Mapping[str, Path],
    labels: Mapping[str, Mapping[str, Path]],
    findings: Findings,
    *,
    ids: Ids | None = None,
    reading: Reading = AS_IT_IS,
    others: LabelFiles | None = None,
    strangers: Sequence[str] = (),
) -> list[Source]:
    """Read the recordings that have features and both dimensions' labels; the others are dropped, with why.

    `features` and `labels[dimension]` give files by recording name; `ids` says whose each is; faults go to
    `findings`; `reading` is what the user said of the files.
    `others` are files of labels of other formats, for the recordings that it has; `strangers` the names of those that
    are no recording's.
    """
    sources, unpaired = [], []
    whose = ids or ids_for(findings, default=whole_name)
    for name in dict.fromkeys([*features, *(one for dimension in DIMENSIONS for one in labels[dimension])]):
        if name in features and others is not None and others.has(name):
            track = read_track(features[name], name, findings, reading=reading, whose=whose(name))
            annotations = others.read(name)
            if track is not None and annotations is not None:
                participant, session = whose(name)
                sources.append(Source(participant=participant, session=session, track=track, annotations=annotations))
            continue
        missing = [dimension for dimension in DIMENSIONS if name not in labels[dimension]]
        if name not in features or missing:
            lacking = (["features"] if name not in features else []) + missing
            why = f"no file with {' or '.join(lacking)}"
            tables = [table.columns.path.name for table in others.tables] if others is not None else []
            if name in features and tables:
                without = f"no rows in {' or '.join(tables)}"
                why = f"{why}, and {without}" if any(labels.values()) else without
            findings.drop(f"recording {name}", why)
            unpaired.append(name)
            continue
        track = read_track(features[name], name, findings, reading=reading, whose=whose(name))
        files = {dimension: labels[dimension][name] for dimension in DIMENSIONS}
        annotations = read_annotations(files, name, findings, reading=reading, whose=whose(name))
        if track is not None and annotations is not None:
            participant, session = whose(name)
            sources.append(Source(participant=participant, session=session, track=track, annotations=annotations))
    doubtful = {*unpaired, *strangers}
    for same in alike([*features, *sorted(doubtful - {*features})]) if findings.options.current else ():
        if not doubtful & {*same}:
            continue
        findings.ask(f"files {' and '.join(same)}: one recording in two spellings? Features and labels need one name")
    return sources
