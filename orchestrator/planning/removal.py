"""A person's removal from a run's folder, in two steps: a kill leaves the old run, or one that whoever opens completes.

The new contents are staged in the folder; one rename makes them valid; then they are put in their places. Until that
is done the staged folder stays, and opening the run does the rest (`settle`), which needs no name of anybody.
"""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from orchestrator.errors import InputError
from orchestrator.files import JsonObject, locked, read_json, write_bytes, write_json
from orchestrator.planning.pseudonyms import fingerprint_of, pseudonyms
from orchestrator.run_folder import LOCK_FILE

FORGOTTEN_FILE = "forgotten.json"  # who was removed from a run, by keyed hash, and when
FORGOTTEN_KEY = "forgotten"  # in summary.json and card.json: how many people were removed
STAGED_FOLDER = ".removal"  # valid: what of it is not in place yet is put there when the run is opened
_LIST = "removal.json"
_WAIT_SECONDS = 10.0  # ours: for another command that completes the same removal; it takes a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRemoval:
    """What changes in a run: new contents and what goes, files or folders, by path from the run's folder."""

    run: Path
    replaced: Mapping[str, bytes]
    removed: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Return whether nothing changes."""
        return not self.replaced and not self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """A person who was removed from a run: the keyed hash of the id, what tells the key, and the day."""

    person: str
    key: str
    date: str


def remove(change: RunRemoval, participant: str, key: bytes) -> None:
    """Make the change and record whom it is about; the caller holds the run's lock.

    Staged, then valid, then in place; a kill before the second leaves the old run. OSError if the folder cannot be
    written: nothing has changed then, or opening the run completes it.
    """
    for left in change.run.glob(f"{STAGED_FOLDER}-*"):
        shutil.rmtree(left)
    staged = change.run / f"{STAGED_FOLDER}-{secrets.token_hex(6)}"
    entry = {
        "person": pseudonyms(key)(participant),
        "key": fingerprint_of(key),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    same = entry["person"], entry["key"]
    before = [_as_written(one) for one in forgotten(change.run) if (one.person, one.key) != same]
    try:
        names = {name: str(number) for number, name in enumerate(change.replaced)}
        for name, content in change.replaced.items():
            write_bytes(staged / names[name], content)
        write_json(staged / "record", {"people": [*before, entry]})
        names[FORGOTTEN_FILE] = "record"
        write_json(staged / _LIST, {"replace": names, "remove": list(change.removed)})
        staged.rename(change.run / STAGED_FOLDER)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    _put_in_place(change.run)


def settle(run: Path) -> None:
    """Complete a removal that was broken off in a run's folder; nothing happens in any other folder.

    InputError if it cannot be completed: the folder cannot be written, or another command works in it.
    """
    if not (run / STAGED_FOLDER).is_dir():
        return
    expected = "a folder that can be written, to complete the removal of a person, which was broken off"
    try:
        with locked(run / LOCK_FILE, wait_seconds=_WAIT_SECONDS):
            if (run / STAGED_FOLDER).is_dir():
                _put_in_place(run)
    except TimeoutError:
        raise InputError.of(str(run), found="a command that works in it", expected="a run nobody works in") from None
    except OSError as error:
        raise InputError.of(str(run), found=error.strerror or str(error), expected=expected) from error


def forgotten(run: Path) -> tuple[Forgotten, ...]:
    """Return who was removed from a run; InputError for a damaged record."""
    file = run / FORGOTTEN_FILE
    if not file.is_file():
        return ()
    try:
        people = read_json(file)["people"]
        return tuple(Forgotten(**{name: str(one[name]) for name in ("person", "key", "date")}) for one in people)
    except (KeyError, TypeError) as error:
        found = f"a damaged record ({type(error).__name__}: {error})"
        raise InputError.of(str(file), found=found, expected="the record that `data forget` wrote") from error


def refuse_forgotten(run: Path, where: str, *, instead: str) -> None:
    """Refuse what would read the recordings of a run again from which somebody was removed (InputError)."""
    people = forgotten(run)
    if people:
        raise InputError.of(where, found=f"{run}, {in_words(people)}", expected=instead)


def in_words(people: tuple[Forgotten, ...]) -> str:
    """Return how many people were removed from a run, and when the last was."""
    number = f"{len(people)} {'person was' if len(people) == 1 else 'people were'}"
    return f"from which {number} removed, last on {max(one.date for one in people)}"


def _as_written(one: Forgotten) -> dict[str, str]:
    """Return a record as its file has it."""
    return {"person": one.person, "key": one.key, "date": one.date}


def _put_in_place(run: Path) -> None:
    """Do what the staged folder says; doing it twice is the same, so a kill on the way harms nothing."""
    staged = run / STAGED_FOLDER
    changes = _checked(read_json(staged / _LIST), staged / _LIST)
    for name in changes["remove"]:
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name, number in changes["replace"].items():
        write_bytes(run / name, (staged / number).read_bytes())
    done = run / f"{STAGED_FOLDER}-{secrets.token_hex(6)}"
    staged.rename(done)  # a folder that is half removed must not be taken for one that is valid
    shutil.rmtree(done, ignore_errors=True)


def _checked(changes: JsonObject, file: Path) -> JsonObject:
    """Refuse names that lead out of the run's folder: a run may come from elsewhere (InputError)."""
    try:
        names = [*changes["remove"], *changes["replace"], *changes["replace"].values()]
        outside = [name for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    except (KeyError, TypeError, AttributeError):
        raise InputError.of(str(file), found="a damaged list", expected="the list that `data forget` wrote") from None
    if outside or any(not name for name in names):
        raise InputError.of(str(file), found=repr((outside or [""])[0]), expected="a path inside the run's folder")
    return changes
