"""The files of labels of a corpus in the format `folder`, and which of them are read as what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.corpora.annotation_formats.labels import Ids, LabelFiles
from orchestrator.corpora.annotation_formats.places import TABLE, Place, kind_of, place_of, places_in
from orchestrator.corpora.annotation_formats.trace import named
from orchestrator.corpora.annotation_formats.wide_table import LabelTable, people_of, read_label_table
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.participants import alike
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.tables.delimited import SEPARATORS
from orchestrator.corpora.tables.packed import first_bytes, name_of, suffix_of
from orchestrator.errors import cut

WHOLE = "annotations"  # the name of a file in the corpus's root that holds everybody's labels
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies in `annotations/`: files of labels, the paths that they take, and the names of files of nobody."""

    labels: LabelFiles
    taken: frozenset[Path]
    strangers: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there is a file of labels that is not in a folder of its dimension."""
        return bool(self.labels.by_recording or self.labels.tables)


def whole_file(root: Path) -> Path | None:
    """Return the file `annotations.csv` (or of another suffix) in a corpus's root, None without."""
    files = (one for one in sorted(root.glob(f"{WHOLE}.*")) if one.is_file() and name_of(one) == WHOLE)
    return next((one for one in files if kind_of(one) == TABLE), None)


def find_labels(  # noqa: PLR0913, PLR0917 - where, whose and how
    root: Path, folder: Path | None, recordings: Sequence[str], whose: Ids, findings: Findings, reading: Reading
) -> Found:
    """Return the files of labels below `folder`, and the whole file in `root`, for the recordings with features.

    A file that is no recording's and no table of several people is named among what is left out, and so are the rows
    of such a table that are no recording's.
    """
    known = frozenset(recordings)
    places = list(places_in(folder, known)) if folder is not None else []
    whole = whole_file(root)
    places += [place_of(whole, TABLE, (), known)] if whole is not None else []
    by_recording: dict[str, list[Place]] = {}
    plain: dict[str, list[Place]] = {}
    tables, strangers, taken = [], [], set()
    # Folders beside tables of all raters are somebody's old versions, no raters.
    full = {place.path.parent for place in places if place.plain and place.recording is not None}
    for place in places:
        if place.path.parent not in full and full & set(place.path.parents):
            continue
        names = names_in(place.path) if (place.kind == TABLE and not place.plain) or place.recording is None else ()
        if place.kind == TABLE and place.dimension is None and not any(map(named, names)):
            continue  # no labels of ours
        if place.recording is None and place.kind == TABLE and "participant" in names:
            table = read_label_table(place.path, findings, reading, dimension=place.dimension)
            tables += [table] if table is not None else []
        elif place.plain:
            if place.recording is not None:
                plain.setdefault(place.recording, []).append(place)
            continue
        elif place.recording is None:
            why = (
                "of no recording in features/: its name, or a folder's, has to be one's; "
                "a rater stands behind a dot (P01.anna.csv) or is a folder (anna/P01.csv)"
            )
            findings.drop(f"file {place.path.parent.name}/{cut(place.path.name)}", why)
            strangers.append(place.stem)
        else:
            by_recording.setdefault(place.recording, []).append(place)
        taken |= {place.path, *(one for one in place.path.parents if folder is not None and folder in one.parents)}
    labels = LabelFiles(
        by_recording=by_recording,
        plain=plain,
        tables=tables,
        findings=findings,
        reading=reading,
        whose=whose,
        people=frozenset(whose(name)[0] for name in recordings),
    )
    for table in tables:
        _match(table, labels, recordings)
    return Found(labels=labels, taken=frozenset(taken), strangers=tuple(strangers))


def _match(table: LabelTable, labels: LabelFiles, recordings: Sequence[str]) -> None:
    """Name the rows of a table that are no recording's, and ask if a recording's name is another spelling of theirs.

    Rows without a session that would be the labels of several recordings of one person are a problem.
    """
    path, findings = table.columns.path, labels.findings
    by_rows: dict[tuple[str, str], list[str]] = {who: [] for who in people_of(table)}
    for name in recordings:
        rows = labels.rows_of(table, name)
        if rows is not None:
            by_rows[rows].append(name)
    for (person, session), names in by_rows.items():
        if len(names) > 1 and not session:
            found = f"rows of participant {cut(person)} without a session, and recordings {shortened(map(cut, names))}"
            expected = "a column session that says which of them each row is of"
            findings.problem(path, found=found, expected=expected, kind=(path, expected))
    strangers = ["_".join(filter(None, who)) for who, names in by_rows.items() if who[0] and not names]
    for name in strangers:
        findings.drop(f"recording {cut(name)}", f"rows in {path.name}, no file with features")
    known = {"_".join(filter(None, labels.whose(name))): name for name in recordings}
    for same in alike([*known, *strangers]):
        rows_of, files = [one for one in same if one in strangers], [known[one] for one in same if one in known]
        if rows_of and files:
            findings.ask(
                f"rows of {' and '.join(map(cut, rows_of))} in {path.name}, features {' and '.join(map(cut, files))}:"
                " one recording in two spellings? Features and labels need one name"
            )


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns in small letters, none of a file that cannot be read."""
    try:
        if suffix_of(path) == ".parquet":
            names = pq.read_schema(path).names
        else:
            line = next(filter(bytes.strip, first_bytes(path, _HEAD_BYTES).splitlines()), b"").decode(errors="replace")
            separator = max(SEPARATORS, key=line.count)
            names = line.lstrip("\ufeff").split(separator)
    except (OSError, pa.ArrowException):
        return ()
    return tuple(name.strip(' "').lower() for name in names)
