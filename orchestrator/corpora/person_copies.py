"""What the cache holds of one person: found without the recordings, and removed.

The tables of a federation's clients say whose they are, beside their checksum. Frame stores, features and extracted
tables are named by contents alone: nothing in them says whose they are, so all of them are taken to be the person's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.cache import CACHE_VARIABLE, remove
from orchestrator.corpora.cache_entries import Entry, entries, of_kinds, remove_entries
from orchestrator.errors import InputError
from orchestrator.files import locked

TABLES = "participants"
NAMELESS = ("frames", "features", "extracted")
_TABLE, _SUM = ".parquet", ".sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What is removed of a person: their tables with checksums, by entry, and the entries that name nobody."""

    tables: tuple[tuple[Entry, tuple[Path, ...]], ...]
    nameless: tuple[Entry, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return every file and folder that goes."""
        own = [path for _, paths in self.tables for path in paths]
        return (*own, *(path for one in self.nameless for path in one.paths))


def copies_of(participant: str, folder: Path | None = None) -> Copies:
    """Return what the cache (None: the user's) holds of a person; InputError if it cannot be read.

    A table whose checksum is gone or damaged says nobody's name and counts as the person's; so does what a writer that
    was killed has left.
    """
    found = entries(folder)
    tables = []
    for entry in of_kinds(found, (TABLES,)):
        try:
            own = tuple(path for place in entry.paths for path in _tables_of(place, participant))
        except OSError as error:
            reason = f"{error.filename}: {error.strerror or error}"
            raise InputError.of(CACHE_VARIABLE, found=reason, expected="a folder that can be read") from error
        if own:
            tables.append((entry, own))
    return Copies(tables=tuple(tables), nameless=tuple(of_kinds(found, NAMELESS)))


def remove_copies(copies: Copies) -> tuple[Path, ...]:
    """Remove what `copies_of` found; return the paths that stay because another process writes there at this moment.

    InputError for what the system does not let go.
    """
    kept: list[Path] = []
    for entry, paths in copies.tables:
        place = entry.paths[0].parent
        try:
            with locked(place / f"{entry.kind}-{entry.key}.lock", wait_seconds=0):
                for path in paths:
                    remove(path)
        except TimeoutError:
            kept += paths
        except OSError as error:
            reason = f"{error.filename or place}: {error.strerror or error}"
            raise InputError.of(CACHE_VARIABLE, found=reason, expected="a cache that can be written") from error
    _, busy = remove_entries(copies.nameless)
    return (*kept, *(path for one in busy for path in one.paths))


def _tables_of(place: Path, participant: str) -> Iterable[Path]:
    """Return the files in an entry's folder that are the person's, or nobody's by name; the place if it is a file."""
    if not place.is_dir():
        return (place,)
    return tuple(path for path in sorted(place.iterdir()) if _is_of(path, participant))


def _is_of(path: Path, participant: str) -> bool:
    if not path.name.endswith((_TABLE, _TABLE + _SUM)):
        return True  # half-written, or nobody's by name, in a folder of people's tables
    stated = path if path.suffix == _SUM else path.with_name(path.name + _SUM)
    try:
        words = json.loads(stated.read_bytes())["of"]
        _, _, name = words.partition(" ")  # the sha256 of the recordings before it
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True
    return not name or name == participant
