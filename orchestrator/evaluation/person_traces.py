"""What in a run's folder holds one person: a list, path by path. Nothing is changed.

Files that name people are searched for the name. Weights and frame predictions name nobody: they are of everybody who
was in the run, and are listed if anything else in the folder names the person.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.files import read_json
from orchestrator.run_folder import (
    CHECKPOINT_FOLDER,
    EXPORTED_MODEL,
    LOCK_FILE,
    MODEL_FILE,
    PACKS_FOLDER,
    PREDICTIONS_FILE,
    PREDICTIONS_TABLE,
    SET_ASIDE,
    SUMMARY_FILE,
    TRACKING_SECRET,
    TRACKING_STATE,
    TRIALS_FOLDER,
)

NAMED = "names the person"
ROWS = "the person's predictions, frame by frame"
FRAMES = "predictions of all people, without names"
WEIGHTS = "weights that were trained on the person, but for the fold that held them out"
PICTURES_OF_PEOPLE = ("-traces", "-agreement", "-plane", "by-method")  # how the names of such figures end
PICTURES = "may show the person's predictions"
UNREADABLE = "cannot be read, so may hold the person"
_NO_NAMES = {LOCK_FILE, TRACKING_SECRET}
_OF_TRAINING = {CHECKPOINT_FOLDER, PACKS_FOLDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A file that holds a person, and what of them."""

    path: Path
    what: str


def traces(run: Path, participant: str) -> list[Trace]:
    """Return what holds a person in a run's folder, by path; empty if nothing there names them.

    A file that cannot be read is in the list. InputError if the folder cannot be read.
    """
    try:
        files = dict(_files(run))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError.of(str(run), found=reason, expected="a run's folder that can be read") from error
    found = {path: what for path in files if (what := _named(path, files[path], participant)) is not None}
    if {NAMED, ROWS} & set(found.values()):
        found.update(
            {path: what for path in files if path not in found and (what := _nameless(path, files[path])) is not None}
        )
    return [Trace(path=path, what=what) for path, what in sorted(found.items())]


def weights(run: Path) -> list[Path]:
    """Return the files of a run that hold trained weights, which name nobody; by path."""
    return sorted(path for path, inside in _files(run) if _nameless(path, inside) == WEIGHTS)


def mlflow_copy(run: Path) -> tuple[str, str] | None:
    """Return the address of the MLflow store and the id of the run in it; None if the folder names none."""
    for name in (TRACKING_STATE, SUMMARY_FILE):
        try:
            state = read_json(run / name)
        except InputError:
            continue
        state = state.get("mlflow", state)
        if isinstance(state, dict) and state.get("run_id"):
            return str(state.get("tracking_uri")), str(state["run_id"])
    return None


def _files(run: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Yield the files of a run, also of trials that a link leads to, with the names of the run's folders above each."""
    for folder in (run, run / TRIALS_FOLDER):
        if folder == run or folder.is_symlink():
            root = folder.resolve()
            for path in root.rglob("*"):
                if path.is_file() and path.name not in _NO_NAMES:
                    yield path, frozenset(path.relative_to(root).parts[:-1])


def _named(path: Path, inside: frozenset[str], participant: str) -> str | None:
    """Return what a file that names people holds of this one, else None; numbers are not searched for letters."""
    if _nameless(path, inside) in {WEIGHTS, FRAMES}:
        return None
    try:
        if path.suffix == ".parquet":
            return ROWS if _in_table(path, participant) else None
        if path.suffix == ".json":
            return NAMED if _in_json(read_json(path), participant) else None
        return NAMED if _is_word(participant, path.read_bytes().decode(errors="replace")) else None
    except (OSError, InputError):
        return UNREADABLE


def _in_table(path: Path, participant: str) -> bool:
    """Search a table's column of people; InputError if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["participant"], partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise InputError.of(str(path), found="a damaged table", expected=PREDICTIONS_TABLE) from error
    return table.num_columns > 0 and participant in table.column(0).to_pylist()


def _in_json(value: Any, participant: str) -> bool:
    """Return whether a text or a key anywhere in a value is the person's name, or has it as a word."""
    if isinstance(value, dict):
        return any(_in_json(one, participant) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(_in_json(one, participant) for one in value)
    return isinstance(value, str) and _is_word(participant, value)


def _is_word(participant: str, text: str) -> bool:
    """Return whether a name stands in a text, not as a part of a longer one."""
    return re.search(rf"(?<!\w){re.escape(participant)}(?!\w)", text) is not None


def _nameless(path: Path, inside: frozenset[str]) -> str | None:
    """Return what a file without names holds of everybody in the run, else None; `inside` are the folders above it."""
    if path.name in {MODEL_FILE, EXPORTED_MODEL} or _OF_TRAINING & inside:
        return WEIGHTS
    if path.name in {PREDICTIONS_FILE, PREDICTIONS_FILE + SET_ASIDE}:
        return FRAMES
    return PICTURES if path.stem.endswith(PICTURES_OF_PEOPLE) else None
