"""What lies in the cache, by kind: how much, how old, and its removal. Everything there can be made anew."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.cache import CACHE_VARIABLE, cache_folder, remove
from orchestrator.errors import InputError
from orchestrator.files import locked

# By the beginning of an entry's name: what it is, and whether it is of people.
KINDS = {
    "participants": "people's features and labels, a table for each client of a federation",
    "frames": "pictures of videos, of faces with --face-crop",
    "features": "what a frozen ResNet18 makes of the pictures",
    "extracted": "tables of features that `predict` has extracted from videos",
    "models": "model files of MediaPipe and OpenCV, of nobody",
    "synthetic": "the embedded corpus, which is nobody's",
}
OF_NOBODY = ("models", "synthetic")
_NAME = re.compile(rf"\.?(?P<kind>{'|'.join(KINDS)})-(?P<key>[0-9a-f]{{16,64}})(\..*)?")
_LOCK = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: its files and folders, with checksums and what a writer that was killed has left; sizes in bytes."""

    kind: str
    key: str
    paths: tuple[Path, ...]
    num_bytes: int
    written: float  # of the newest file, seconds since 1970


def entries(folder: Path | None = None) -> list[Entry]:
    """Return what is in the cache (None: the user's), the oldest first; InputError if it cannot be read.

    Names that are none of the cache's own are left out: they are never touched.
    """
    place = cache_folder() if folder is None else folder
    if not place.exists():
        return []
    found: dict[tuple[str, str], list[Path]] = {}
    try:
        for path in sorted(place.iterdir()):
            name = _NAME.fullmatch(path.name)
            if name is not None and path.suffix != _LOCK:
                found.setdefault((name["kind"], name["key"]), []).append(path)
        made = [_entry(kind, key, paths) for (kind, key), paths in found.items()]
    except OSError as error:
        reason = f"{place}: {error.strerror or error}"
        raise InputError.of(CACHE_VARIABLE, found=reason, expected="a folder that can be read") from error
    return sorted(made, key=lambda one: (one.written, one.kind, one.key))


def remove_entries(chosen: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Remove entries; return those that are gone, and those that stay because somebody writes them at this moment.

    InputError for what the system does not let go. The files of locks stay: somebody may wait for one.
    """
    gone: list[Entry] = []
    busy: list[Entry] = []
    for one in chosen:
        place = one.paths[0].parent
        try:
            with locked(place / f"{one.kind}-{one.key}{_LOCK}", wait_seconds=0):
                for path in one.paths:
                    remove(path)
        except TimeoutError:
            busy.append(one)
            continue
        except OSError as error:
            reason = f"{error.filename or place}: {error.strerror or error}"
            raise InputError.of(CACHE_VARIABLE, found=reason, expected="a cache that can be written") from error
        gone.append(one)
    return gone, busy


def of_kinds(found: Iterable[Entry], kinds: Collection[str]) -> list[Entry]:
    """Return the entries of these kinds."""
    return [one for one in found if one.kind in kinds]


def _entry(kind: str, key: str, paths: list[Path]) -> Entry:
    files = [one for path in paths for one in (path, *(path.rglob("*") if path.is_dir() else ())) if one.is_file()]
    facts = [one.lstat() for one in files or paths]
    return Entry(
        kind=kind,
        key=key,
        paths=tuple(paths),
        num_bytes=sum(one.st_size for one in facts) if files else 0,
        written=max(one.st_mtime for one in facts),
    )
