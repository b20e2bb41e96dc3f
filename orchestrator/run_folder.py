"""The folder of a run: claimed in one step before anything is written, and given back by whoever claimed it.

A lock in the folder says who works there; the system lets it go when its holder dies, however it dies.
"""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from orchestrator.errors import InputError
from orchestrator.files import acquire

RUNS_FOLDER = "runs"  # of runs whose command names no other, in the current folder
# Every file name of a run, and of a trial's folder in it; nobody else spells one.
PLAN_FILE = "plan.json"
SUMMARY_FILE = "summary.json"
LEADERBOARD_FILE = "leaderboard.csv"
CURVES_FILE = "curves.json"
MOMENTS_FILE = "moments.json"  # sums by person of what is compared
PREDICTIONS_TABLE = "predictions.parquet"
FIGURES_FOLDER = "figures"
WALL_CLOCK_FILE = "wall_clock.json"  # how long the run has been worked at so far
LOG_FILE = "run.log"  # tracebacks, and what libraries say beside the display
LOCK_FILE = ".lock"
SCRATCH_FOLDER = "ray"  # what Tune itself writes; nothing of it is needed to resume
MODEL_FOLDER = "model"
AUDIT_FOLDER = "audit"  # of attacks on the run's recordings and models
CARD_FILE = "card.json"  # in it, beside MODEL_FILE
EXPORTED_MODEL = "model.pt2"  # the best model, exported for MLflow when the search has ended
EXPORT_RECORD = "model_export.json"  # what its input is, or why there is none
TRACKING_STATE = "tracking.json"
TRACKING_LOCK = "tracking.lock"
TRACKING_SECRET = ".tracking-secret.json"
OF_TRACK = (TRACKING_STATE, TRACKING_SECRET)  # what `track` writes without claiming the run
TRIALS_FOLDER = "trials"
PACKS_FOLDER = "packs"  # checkpoints of trials that are trained together; empty or gone when they have ended
RESULT_FILE = "result.json"
CHECKSUMS_FILE = "checksums.json"  # sha256 of the result and of what lies beside it
PROGRESS_FILE = "progress.json"
FAILURE_FILE = "failure.json"
CLIENT_FAILURE_FILE = "client-failure.txt"  # the first of a federation, written while the trial goes on
PREDICTIONS_FILE = "predictions.safetensors"
MODEL_FILE = "model.safetensors"
CHECKPOINT_FOLDER = "checkpoint"
SET_ASIDE = ".damaged"  # behind the name of a result that was found damaged

# What a command writes before its run begins.
BEGINNINGS = (PLAN_FILE, LOG_FILE, TRACKING_STATE, TRACKING_LOCK, TRACKING_SECRET, LOCK_FILE)

EXPECTED_NEW = "a new directory (a run that was broken off continues with --resume DIR)"
EXPECTED_EMPTY = "a new or an empty directory"
EXPECTED_WRITABLE = "a directory that can be written"
MOST_NAMES = 1000  # ours: so many runs of one second; more is a fault


@dataclass(slots=True, kw_only=True)
class Claim:
    """A folder that this command holds, as a context: leaving it by an exception before `keep` undoes the claim."""

    folder: Path
    _lock: FileLock
    _made: tuple[Path, ...] = ()  # folders that were not there before, the deepest first
    _fresh: bool = False  # claimed for a new run: what lies in it is this command's
    _kept: bool = field(default=False, init=False)

    def keep(self) -> None:
        """Record that the run has begun: from now on whatever is in the folder stays."""
        self._kept = True

    def give_back(self) -> None:
        """Release the folder; a new run that never began leaves nothing in it, and no folder."""
        try:
            if self._fresh and not self._kept:
                _remove_beginnings(self.folder)
                for made in self._made:
                    made.rmdir()
        except OSError:
            pass  # somebody else's files are in it by now: they stay, and so does the folder
        finally:
            self._lock.release()

    def __enter__(self) -> "Claim":
        """Hold the folder."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Release it; what a run wrote before it began is deleted only if it failed."""
        if kind is None:
            self.keep()
        self.give_back()


def claim_new(path: Path, where: str = "--output", expected: str = EXPECTED_NEW) -> Claim:
    """Claim a folder that is new or empty; InputError if it holds something, is at work, or cannot be made.

    `expected` is what a folder that holds something is told: how a run goes on is of no use to who writes no run.
    Two commands that claim one folder at once: one has it, the other is refused and changes nothing.
    """
    made: list[Path] = []
    held: FileLock | None = None
    try:
        if path.exists() and not path.is_dir():
            raise InputError.of(where, found=f"{path} is a file", expected="a directory")
        if path.is_dir() and {one.name for one in path.iterdir()} - {LOCK_FILE}:
            raise InputError.of(where, found=f"{path} is not empty", expected=expected)
        made = _make(path)
        held = _locked(path, where)
        if {one.name for one in path.iterdir()} - {LOCK_FILE}:  # another command was there first, and is done
            raise InputError.of(where, found=f"{path} is not empty", expected=expected)
    except InputError:
        if held is not None:
            held.release()
        raise
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        _remove_empty(made)
        raise InputError.of(where, found=found, expected=EXPECTED_WRITABLE) from error
    return Claim(folder=path, _lock=held, _made=tuple(made), _fresh=True)


def claim_next(path: Path) -> Claim:
    """Claim `path`, or the first of `path-2`, `path-3` ... that is not there yet: two commands of one second."""
    for number in itertools.count(1):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        if os.path.exists(candidate):  # noqa: PTH110 - a name that is too long is no error yet
            continue
        try:
            return claim_new(candidate)
        except InputError:
            if number == MOST_NAMES or not os.path.exists(candidate):  # noqa: PTH110
                raise
    raise AssertionError("itertools.count does not end")


@contextlib.contextmanager
def new_folder(path: Path, where: str = "--output") -> Iterator[None]:
    """Claim a folder that is written in one go, such as a report; it keeps no lock, and a failure leaves nothing."""
    with claim_new(path, where, EXPECTED_EMPTY) as claim:
        try:
            yield
        except BaseException:
            _remove_contents(claim.folder)
            raise
        (claim.folder / LOCK_FILE).unlink(missing_ok=True)


def claim_run(path: Path, where: str = "--resume") -> Claim:
    """Claim the folder of an earlier run, which must have a plan; InputError if another command works in it."""
    with _named(path, where, EXPECTED_WRITABLE):
        if not (path / PLAN_FILE).is_file():
            raise InputError.of(str(path), found=f"no {PLAN_FILE}", expected="the output directory of an earlier run")
        return Claim(folder=path, _lock=_locked(path, where))


def trials_folder(output: Path, shared: Callable[[], Path] | None) -> Path:
    """Make the folder of the trials, and return it; a link leads to the `shared` one, if there is to be one.

    InputError for a link that leads nowhere, and for a folder that cannot be made.
    """
    folder = output / TRIALS_FOLDER
    if folder.is_symlink() and not folder.exists():
        raise InputError.of(str(folder), found=f"a link to {folder.readlink()}, which is gone", expected="the trials")
    if shared is not None and not folder.exists():
        place = shared()
        with _named(place, "--storage", "a folder that can be written"):
            place.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(place.resolve())
    with _named(folder, "--output", EXPECTED_WRITABLE):
        folder.mkdir(exist_ok=True)
    return folder.resolve()


def emptied(folder: Path) -> Path:
    """Make an empty folder in the place of whatever was there; InputError if that cannot be."""
    with _named(folder, "--output", EXPECTED_WRITABLE):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    return folder.resolve()


@contextlib.contextmanager
def _named(path: Path, where: str, expected: str) -> Iterator[None]:
    """Convert the system's refusal of a path into a line that names it."""
    try:
        yield
    except OSError as error:
        raise InputError.of(where, found=f"{path}: {error.strerror or error}", expected=expected) from error


def _make(path: Path) -> list[Path]:
    """Make a folder with its parents; return those that were not there, the deepest first."""
    made: list[Path] = []
    for folder in (*reversed(path.parents), path):
        if folder.is_dir():
            continue
        try:
            folder.mkdir()
        except FileExistsError:  # made by another command at this moment, or a file: what comes next will say so
            continue
        except OSError:
            _remove_empty(made)
            raise
        made.insert(0, folder)
    return made


def _locked(path: Path, where: str) -> FileLock:
    try:
        return acquire(path / LOCK_FILE, wait_seconds=0)
    except TimeoutError:
        found = f"{path}, a run that is still going on"
        raise InputError.of(where, found=found, expected="a directory nobody works in") from None


def _remove_beginnings(folder: Path) -> None:
    """Remove what a command writes before its run begins; the lock's file last, while the lock is held."""
    trials = folder / TRIALS_FOLDER
    if trials.is_symlink():
        shared = trials.readlink()
        trials.unlink()
        _remove_empty([shared, shared.parent])
    elif trials.is_dir():
        _remove_empty([trials])
    shutil.rmtree(folder / SCRATCH_FOLDER, ignore_errors=True)
    for name in BEGINNINGS:
        (folder / name).unlink(missing_ok=True)


def _remove_contents(folder: Path) -> None:
    """Remove all but the lock from a folder that was empty when it was claimed."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        elif one.name != LOCK_FILE:
            one.unlink(missing_ok=True)


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()
