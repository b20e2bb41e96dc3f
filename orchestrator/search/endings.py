"""Errors that end a search early and keep its results; their causes lie outside the configurations."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.process import exit_codes

# Nothing can be written there any more: no room (or no inodes), a spent quota, a file system that turned read-only.
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# Errors arrive as exceptions of libraries and as texts of other processes, too: `[Errno 28] ...`, `(os error 28)`.
ERRNO_IN_TEXT = re.compile(r"(?:\[Errno |\bos error )(\d+)")
PATH_IN_TEXT = re.compile(r"\[Errno \d+\] [^:\n]*: ['\"]([^'\"\n]+)['\"]")


class SearchEnded(Exception):  # noqa: N818 - it says how a search ended
    """A search that cannot go on; its trials' states lie in their folders and `--resume` takes them up."""

    exit_code = exit_codes.INTERRUPTED


class StorageFull(SearchEnded):
    """A folder that the search writes into takes nothing any more; every further trial would fail by it."""

    exit_code = exit_codes.SOME_FAILED

    def __init__(self, option: str | None, folder: Path | str, reason: str) -> None:
        """Store the folder's real path, not a link to it, and the option that puts it elsewhere, if there is one."""
        real = os.path.realpath(folder)
        found = f"{option}: found {real}: {reason}" if option else f"{real}: found {reason}"
        move = f" (another run goes elsewhere with {option})" if option else ""
        super().__init__(f"{found}; expected room to write: make some, then resume, all that was done is kept{move}")


class ResourcesMissing(SearchEnded):
    """The cluster has become too small for what a trial reserves, and stayed so."""

    exit_code = exit_codes.RESOURCES_MISSING


def unwritable(error: BaseException | str) -> str | None:
    """Return the system's words if the error comes from a file system that takes nothing more, else None."""
    code = next((code for code in _codes(error) if code in UNWRITABLE), None)
    return None if code is None else os.strerror(code)


def folder_of(error: BaseException | str, default: Path | str) -> Path:
    """Return the folder of the file that could not be written, as far as the error names one."""
    named: list[str] = []
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in UNWRITABLE and isinstance(one.filename, str):
            named.append(one.filename)
        else:
            named += PATH_IN_TEXT.findall(_text_of(one))
    folders = [folder for name in named if (folder := Path(name).parent).is_absolute() and folder.is_dir()]
    return folders[0] if folders else Path(default)


def _codes(error: BaseException | str) -> Iterator[int]:
    for one in _chain(error):
        if isinstance(one, OSError):
            yield one.errno or 0
        else:
            yield from map(int, ERRNO_IN_TEXT.findall(_text_of(one)))


def _chain(error: BaseException | str | None) -> Iterator[BaseException | str]:
    """Yield the error, what it came from, and the text of it that a remote one carries."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, str):
            return
        error = error.__cause__ or error.__context__


def _text_of(error: BaseException | str) -> str:
    try:
        return str(error)
    except Exception:
        return ""
