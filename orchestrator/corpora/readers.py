"""The door to every corpus: find the format, read it, and hand over one Corpus or all its problems."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from orchestrator.corpora.assemble import assemble
from orchestrator.corpora.catalogue import CORPORA
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.folders import is_marked_synthetic, roots
from orchestrator.corpora.participants import read_people
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.reading import AS_IT_IS, SIDES, UNIT_OPTION, Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.errors import InputError

ANNOTATIONS = SIDES[1]


class Reader(Protocol):
    """What the module of a format has: how to recognise it and how to read it."""

    LOOKS_LIKE: str

    def find(self, path: Path, /) -> bool:
        """Return whether a corpus of this format begins at a path."""

    def read(self, root: Path, findings: Findings, reading: Reading, /) -> list[Source]:
        """Read it; what is wrong goes into `findings`."""


def reader_of(kind: str) -> Reader:
    """Import the reader of a known format."""
    return cast("Reader", importlib.import_module(CORPORA[kind].module))


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
    if corpus is not None and corpus not in CORPORA:
        raise InputError.of("--corpus", found=corpus, expected=f"one of {', '.join(CORPORA)}")
    try:
        if not path.exists():
            raise InputError.of(str(path), found="nothing there", expected="a corpus: a folder or a table")
        candidates = roots(path) if path.is_dir() else (path,)
        kind, root = _format_of(path, candidates, corpus)
        chosen = choice or (FeatureChoice(patterns=tuple(features)) if features else None)
        findings = Findings(options=options or ReadOptions(), choice=chosen)
        sources = reader_of(kind).read(root, findings, reading)
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
        for kind in CORPORA:
            if wanted in {None, kind} and reader_of(kind).find(root):
                return kind, root
    if path.is_dir() and not any(path.iterdir()):
        found = "an empty folder"
    else:
        found = f"no {wanted} corpus" if wanted else "no known format"
    expected = "; or ".join(f"{kind}: {reader_of(kind).LOOKS_LIKE}" for kind in ([wanted] if wanted else CORPORA))
    raise InputError.of(str(path), found=found, expected=expected)
