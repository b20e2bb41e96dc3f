"""Where a command may write: never over or into what it reads, and over other files only with `--force`.

Looked at before anything is read. Files are compared by device and inode, so that hard and symbolic links and other
spellings of a path are the same file.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.errors import InputError

MOST_ENTRIES = 200_000  # ours: of an input folder that are looked at; a corpus has thousands

Inputs = Mapping[str, Path | None]  # by option or argument; None and what is not there yet are passed over
_Identity = tuple[int, int]


def check_output(option: str, path: Path, *, inputs: Inputs, force: bool = False) -> None:
    """Refuse a file to write that is an input, lies in an input folder, or exists (but for `force`); InputError.

    Refused too, whatever `force` says: folders, devices, names that no file can have, and parents that are files or
    cannot be written.
    """
    there = _existing(option, path)
    _check_writable(option, path, _folder_of(option, path))
    _check_apart(option, path, there, inputs)
    if there is None:
        return
    if stat.S_ISDIR(there.st_mode):
        raise InputError.of(option, found=f"{path} is a folder", expected="a file name")
    if not stat.S_ISREG(there.st_mode):
        raise InputError.of(option, found=f"{path}, which is no plain file", expected="a file name")
    if not force:
        raise InputError.of(option, found=f"{path}, which exists", expected="a new file, or --force to replace it")


def check_output_folder(option: str, path: Path, *, inputs: Inputs) -> None:
    """Refuse a folder to write into that is an input, lies in one or holds one, or cannot be written; InputError."""
    there = _existing(option, path)
    folder = _folder_of(option, path)
    _check_apart(option, path, there, inputs)
    if there is not None and not stat.S_ISDIR(there.st_mode):
        raise InputError.of(option, found=f"{path} is a file", expected="a folder")
    _check_writable(option, path, folder if there is None else path)
    for name, given in inputs.items():
        if there is not None and given is not None and _identity(there) in _folders_above(given):
            raise InputError.of(option, found=f"{path}, which holds {name} {given}", expected="a folder apart from it")


def _existing(option: str, path: Path) -> os.stat_result | None:
    """Return what the path leads to, or None; InputError for a name that no file can have."""
    try:
        return path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            found = f"{path}, a link to nothing"
            raise InputError.of(option, found=found, expected="a file or folder name") from None
        return None
    except OSError as error:
        found = f"{_short(path)}: {error.strerror or error}"
        raise InputError.of(option, found=found, expected="a path that can be written") from error


def _folder_of(option: str, path: Path) -> Path:
    """Return the nearest folder above a path that is there; InputError if something else stands on the way."""
    for parent in path.absolute().parents:
        if parent.is_dir():
            return parent
        if os.path.lexists(parent):
            raise InputError.of(option, found=f"{parent}, which is no folder", expected="a folder to write into")
    return Path(path.absolute().anchor)


def _check_writable(option: str, path: Path, folder: Path) -> None:
    """Refuse a path whose folder nothing can be made in: a long job would find it out at its end."""
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        why = os.strerror(errno.EROFS if read_only else errno.EACCES)
        raise InputError.of(option, found=f"{path}: {folder}: {why}", expected="a folder that can be written")


def _check_apart(option: str, path: Path, there: os.stat_result | None, inputs: Inputs) -> None:
    above = _folders_above(path)
    own = None if there is None else _identity(there)
    for name, given in inputs.items():
        if given is None:
            continue
        try:
            found = given.stat()
        except OSError:  # what reads it says what is wrong
            continue
        if _identity(found) == own:
            raise InputError.of(option, found=f"{path}, which is {name} itself", expected="another place")
        if stat.S_ISDIR(found.st_mode) and any(
            one in above or one == own for one in _inside(given, files=own is not None)
        ):
            raise InputError.of(option, found=f"{path}, which lies in {name} {given}", expected="a place outside it")


def _folders_above(path: Path) -> set[_Identity]:
    """Return the folders that hold a path, by where it is and by where it leads."""
    real = Path(os.path.realpath(path))
    found = set()
    for folder in {*path.absolute().parents, *real.parents}:
        try:
            found.add(_identity(folder.stat()))
        except OSError:
            continue
    return found


def _inside(folder: Path, *, files: bool) -> Iterator[_Identity]:
    """Yield the folder and all folders in it, also behind links, with their `files`; at most MOST_ENTRIES."""
    waiting, seen, count = [folder], set[_Identity](), 0
    while waiting:
        here = waiting.pop()
        try:
            identity = _identity(here.stat())
            entries = [] if identity in seen else [*os.scandir(here)]
        except OSError:
            continue
        yield identity
        seen.add(identity)
        for entry in entries:
            count += 1
            if count > MOST_ENTRIES:
                return
            try:
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                elif files:
                    yield _identity(entry.stat())
            except OSError:  # a link to nothing
                continue


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 100 else f"{text[:60]}...{text[-20:]}"
