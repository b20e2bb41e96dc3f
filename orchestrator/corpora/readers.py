"""The door to every corpus: find the format, read it, and hand over one Corpus or all its problems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.assemble import assemble
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import is_marked_synthetic, roots
from orchestrator.corpora.formats import avec, folder, recola, table
from orchestrator.corpora.participants import read_people
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.reading import AS_IT_IS, SIDES, UNIT_OPTION, Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.errors import InputError

ANNOTATIONS = SIDES[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What a format's file offers: how to recognise it and how to read it."""

    find: Callable[[Path], bool]
    read: Callable[[Path, Findings, Reading], list[Source]]
    looks_like: str


READERS = {
    "recola": Reader(find=recola.find, read=recola.read, looks_like=recola.LOOKS_LIKE),
    "avec": Reader(find=avec.find, read=avec.read, looks_like=avec.LOOKS_LIKE),
    "folder": Reader(find=folder.find, read=folder.read, looks_like=folder.LOOKS_LIKE),
    "table": Reader(find=table.find, read=table.read, looks_like=table.LOOKS_LIKE),
}


def open_corpus(  # noqa: PLR0913 - what decides a reading, each named
    path: Path,
    *,
    corpus: str | None = None,
    features: Sequence[str] = (),
    choice: FeatureChoice | None = None,
    reading: Reading = AS_IT_IS,
    options: ReadOptions | None = None,
) -> Corpus:
    """Read the corpus at a path, in the named format or, without a name, in the one it looks like.

    `features` are patterns (AU*, *_delta) of which a feature's name must match one, its canonical one or the file's;
    `choice` says more of it. Without either all are taken. `reading` and `options` are what the user said of the files.
    InputError with every problem of every file: unknown format, unreadable or contradictory contents.
    """
    if corpus is not None and corpus not in READERS:
        raise InputError.of("--corpus", found=corpus, expected=f"one of {', '.join(READERS)}")
    try:
        if not path.exists():
            raise InputError.of(str(path), found="nothing there", expected="a corpus: a folder or a table")
        candidates = roots(path) if path.is_dir() else (path,)
        kind, root = _format_of(path, candidates, corpus)
        chosen = choice or (FeatureChoice(patterns=tuple(features)) if features else None)
        findings = Findings(options=options or ReadOptions(), choice=chosen)
        sources = READERS[kind].read(root, findings, reading)
        attributes = _attributes(root, findings)
    except OSError as error:
        where = str(error.filename or path)
        raise InputError.of(where, found=error.strerror or error, expected="a readable corpus") from error
    if kind == "table" and set(reading.time_unit) == {ANNOTATIONS}:
        found, expected = f"{ANNOTATIONS}={reading.time_unit[ANNOTATIONS]}", "UNIT alone: a table has one clock for all"
        raise InputError.of(UNIT_OPTION, found=found, expected=expected)
    synthetic = is_marked_synthetic(path)
    return assemble(kind, path, sources, findings, synthetic=synthetic, attributes=attributes, reading=reading)


def _attributes(root: Path, findings: Findings) -> Mapping[str, Mapping[str, str]]:
    """Read what participants.csv says of people: in the corpus's root, or beside a table, where it may be another's."""
    if root.is_dir():
        return read_people(root, findings).attributes
    return read_people(root.parent, Findings(options=findings.options)).attributes


def _format_of(path: Path, candidates: tuple[Path, ...], wanted: str | None) -> tuple[str, Path]:
    for root in candidates:
        for kind, reader in READERS.items():
            if wanted in {None, kind} and reader.find(root):
                return kind, root
    if path.is_dir() and not any(path.iterdir()):
        found = "an empty folder"
    else:
        found = f"no {wanted} corpus" if wanted else "no known format"
    readers = {wanted: READERS[wanted]} if wanted else READERS
    expected = "; or ".join(f"{kind}: {reader.looks_like}" for kind, reader in readers.items())
    raise InputError.of(str(path), found=found, expected=expected)
