"""The door to every corpus: find the format, read it, and hand over one Corpus or all its problems."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora import avec, folder, recola, table
from orchestrator.corpora.assembling import Source, assemble
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.places import is_marked_synthetic, roots
from orchestrator.corpora.recording import Corpus
from orchestrator.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What a format's file offers: how to recognise it and how to read it."""

    find: Callable[[Path], bool]
    read: Callable[[Path, Findings, float | None], list[Source]]
    looks_like: str


READERS = {
    "recola": Reader(find=recola.find, read=recola.read, looks_like=recola.LOOKS_LIKE),
    "avec": Reader(find=avec.find, read=avec.read, looks_like=avec.LOOKS_LIKE),
    "folder": Reader(find=folder.find, read=folder.read, looks_like=folder.LOOKS_LIKE),
    "table": Reader(find=table.find, read=table.read, looks_like=table.LOOKS_LIKE),
}


def open_corpus(
    path: Path, *, corpus: str | None = None, features: Sequence[str] = (), frame_rate: float | None = None
) -> Corpus:
    """Read the corpus at a path, in the named format or, without a name, in the one it looks like.

    `features` are patterns (AU*, *_delta) of which a feature's canonical name must match one; without one all are
    taken. `frame_rate` is that of frame numbers in files without times. InputError with every problem of every file:
    unknown format, unreadable or contradictory contents.
    """
    if corpus is not None and corpus not in READERS:
        raise InputError.of("--corpus", found=corpus, expected=f"one of {', '.join(READERS)}")
    try:
        if not path.exists():
            raise InputError.of(str(path), found="nothing there", expected="a corpus: a folder or a table")
        candidates = roots(path) if path.is_dir() else (path,)
        kind, root = _format_of(path, candidates, corpus)
        findings = Findings()
        sources = READERS[kind].read(root, findings, frame_rate)
    except OSError as error:
        where = str(error.filename or path)
        raise InputError.of(where, found=error.strerror or error, expected="a readable corpus") from error
    return assemble(kind, path, sources, findings, synthetic=is_marked_synthetic(path), patterns=features)


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
