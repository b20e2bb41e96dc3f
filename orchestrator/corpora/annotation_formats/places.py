"""Which recording, dimension and rater a file of labels belongs to, by the folders around it and its name.

Below `annotations/` a folder may be called as a dimension, a recording or a rater, in any order; so may the parts of a
file's name: `valence/anna/P01.csv`, `anna/P01.csv`, `P01/valence.anna.annotation`, `P01.anna.csv`, `P01_valence.csv`.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.annotation_formats.darma import is_darma
from orchestrator.corpora.annotation_formats.elan_text import is_elan_text
from orchestrator.corpora.annotation_formats.nova import DATA_SUFFIX
from orchestrator.corpora.annotation_formats.trace import named
from orchestrator.corpora.folders import NO_RECORDINGS, OF_THE_CORPUS
from orchestrator.corpora.names import composed
from orchestrator.corpora.tables.column_files import begins_as_table, is_readable
from orchestrator.corpora.tables.packed import first_bytes, name_of, suffix_of
from orchestrator.protocols import DIMENSIONS

ELAN, ELAN_TEXT, NOVA, DARMA, TABLE = "elan", "elan-text", "nova", "darma", "table"
MOST_FOLDERS = 3  # ours: inside each other below annotations/
_HEAD_BYTES = 1 << 13
_BY_SUFFIX = {".eaf": ELAN, ".annotation": NOVA}
_TEXTS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file of labels, and what its place says of it."""

    path: Path
    kind: str
    recording: str | None  # None: neither folder nor name is a recording's
    dimension: str | None = None
    rater: str = ""
    stem: str = ""  # the file's name
    plain: bool = False  # a table of one dimension in its folder, as RECOLA's: annotations/valence/P01.csv


def kind_of(path: Path) -> str | None:
    """Return what wrote a file of labels, by its suffix and its first lines; None for a file that is not read."""
    if path.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix.lower()]
    if not is_readable(path):
        return None
    try:
        head = first_bytes(path, _HEAD_BYTES) if suffix_of(path) in _TEXTS else b""
    except OSError:
        head = b""  # its reader says what is wrong
    if is_darma(head):
        return DARMA
    if is_elan_text(head):
        return ELAN_TEXT
    return None if suffix_of(path) == ".txt" and not begins_as_table(path) else TABLE


def places_in(folder: Path, recordings: Container[str] | Sequence[str]) -> Iterator[Place]:
    """Yield the files of labels in a folder `annotations`, sorted by their paths; only what is read."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if hidden or len(parts) > MOST_FOLDERS + 1 or path.name.endswith(DATA_SUFFIX) or not path.is_file():
            continue
        if name_of(path).lower() in NO_RECORDINGS or path.name in OF_THE_CORPUS:
            continue
        kind = kind_of(path)
        if kind is not None:
            yield place_of(path, kind, parts[:-1], recordings)


def place_of(path: Path, kind: str, folders: Sequence[str], recordings: Container[str] | Sequence[str]) -> Place:
    """Return the place of a file below these folders; `recordings` are the names of the files of features."""
    stem = composed(name_of(path))
    above = [composed(one) for one in folders if one.casefold() not in DIMENSIONS]
    dimension = next((one.casefold() for one in folders if one.casefold() in DIMENSIONS), None)
    plain = kind == TABLE and len(folders) == 1 and dimension is not None
    recording, rest = _recording(stem, recordings)
    if recording is None:
        recording = next((one for one in above if one in recordings), None)
        rest = stem if recording is not None else ""
        above = [one for one in above if one != recording]
    both = named(rest) if rest else None
    if both is None and recording is None:
        both = named(stem)
        if both is not None:
            both = both[0], ""
    if both is not None:
        dimension, rest = both
    raters = [*above, *filter(None, [rest.strip("._- ")])]
    if kind == NOVA:
        *before, last = stem.split(".")  # role.scheme.annotator
        raters = [last] if before and named(last) is None and last not in recordings else above
    plain = plain and (recording == stem or recording is None) and not raters
    return Place(
        path=path, kind=kind, recording=recording, dimension=dimension, rater="-".join(raters), stem=stem, plain=plain
    )


def _recording(stem: str, recordings: Container[str] | Sequence[str]) -> tuple[str | None, str]:
    """Return the recording whose name a file's begins or ends with, the longest, and the rest of the name.

    A rest counts only behind a dot, or if it names a dimension: P01_2 may be a recording of its own.
    """
    if stem in recordings:
        return stem, ""
    fits = []
    for place, letter in enumerate(stem):
        if letter.isalnum():
            continue
        for name, rest in ((stem[:place], stem[place:]), (stem[place + 1 :], stem[: place + 1])):
            if name in recordings and (letter == "." or named(rest) is not None):
                fits.append((name, rest))
    return max(fits, key=lambda one: len(one[0])) if fits else (None, "")
