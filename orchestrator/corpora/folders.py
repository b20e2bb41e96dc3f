"""Finding the folders and files of a corpus, also where unzipping has doubled a folder."""

from collections.abc import Container
from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.names import composed
from orchestrator.corpora.tables.column_files import READ_BEFORE, READABLE, begins_as_table, is_readable
from orchestrator.corpora.tables.frame_rate import RATE_FILE
from orchestrator.corpora.tables.packed import name_of, suffix_of

SYNTHETIC_MARKERS = ("SYNTHETIC.txt", "synthetic.json")
NO_RECORDINGS = frozenset({"readme", "synthetic", "license", "licence"})  # names that describe a corpus
OF_THE_CORPUS = frozenset({RATE_FILE, "participants.csv", "participants.tsv", "Thumbs.db", "desktop.ini"})
COUNTED_FILES = 1000  # of a folder that is not read; beyond it "and more" is enough
MAX_DOUBLED = 3  # folders of the same name inside each other


def inside(folder: Path, name: str) -> Path | None:
    """Return the subfolder of this name, or the one of the same name inside it where unzipping doubled it."""
    found = folder / name
    if not found.is_dir():
        return None
    return undoubled(found)


def undoubled(folder: Path) -> Path:
    """Go down while a folder holds one of its own name."""
    for _ in range(MAX_DOUBLED):
        if not (folder / folder.name).is_dir():
            break
        folder /= folder.name
    return folder


def roots(path: Path) -> tuple[Path, ...]:
    """Folders that may be a corpus's root: the path, and the one folder in it if it holds nothing else."""
    candidates = [path, undoubled(path)]
    subfolders = [one for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")]
    if len(subfolders) == 1:
        candidates.append(undoubled(subfolders[0]))
    return tuple(dict.fromkeys(candidates))


def is_marked_synthetic(path: Path) -> bool:
    """Whether a folder above the path, or the path as a corpus's root, says that its contents were generated."""
    folders = (*path.resolve().parents, *((path, *roots(path)) if path.is_dir() else ()))
    return any((folder / marker).is_file() for folder in folders for marker in SYNTHETIC_MARKERS)


def files_by_name(folder: Path | None, findings: Findings, *, taken: Container[Path] = frozenset()) -> dict[str, Path]:
    """Return the readable files of a folder by their names without suffix, sorted with numbers as numbers.

    Names are in the Unicode form NFC. What is not read is named among what was left out. Two files of one name and
    different suffixes are a problem: nothing says which one is meant. Files and folders in `taken` are another
    reader's.
    """
    files: dict[str, Path] = {}
    if folder is None:
        return files
    every = [one for one in folder.iterdir() if not one.name.startswith(".") and one not in taken]
    for file in sorted(every, key=lambda one: (_natural(one.stem), one.suffix)):
        if not findings.options.current:
            if not file.is_file() or file.suffix.lower() not in READ_BEFORE:
                continue
            name = file.stem
        else:
            name = composed(name_of(file))
        if name.lower() in NO_RECORDINGS or file.name in OF_THE_CORPUS:
            continue
        why = why_passed_over(file)
        if why:
            pass_over(file, why, findings)
            continue
        if name in files:
            findings.problem(file, found=f"{file.name} beside {files[name].name}", expected="one file per recording")
            continue
        files[name] = file
    return files


def why_passed_over(path: Path) -> str | None:
    """Return why a file or folder next to tables is not read; None for a table."""
    if path.is_dir():
        held = sum(1 for _ in zip(path.rglob("*"), range(COUNTED_FILES), strict=False))
        return f"a folder in a folder is not read ({held}{'+' if held == COUNTED_FILES else ''} in it)"
    if not is_readable(path):
        return f"suffix {path.suffix or 'none'} is not read; {', '.join(READABLE)} are"
    if suffix_of(path) == ".txt" and not begins_as_table(path):
        return "no table: its first line names neither a time nor a frame"
    return None


def pass_over(path: Path, why: str, findings: Findings) -> None:
    """Name a file or folder among what was left out, with the folder it lies in."""
    kind = "folder" if path.is_dir() else "file"
    findings.drop(f"{kind} {path.parent.name}/{path.name}", why)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which train_2 comes before train_10."""
    parts: list[tuple[int, int, str]] = []
    for digit, text in _runs(name):
        parts.append((0, int(text), "") if digit else (1, 0, text))
    return tuple(parts)


def _runs(name: str) -> list[tuple[bool, str]]:
    runs: list[tuple[bool, str]] = []
    for letter in name:
        digit = letter.isascii() and letter.isdigit()
        if runs and runs[-1][0] == digit:
            runs[-1] = (digit, runs[-1][1] + letter)
        else:
            runs.append((digit, letter))
    return runs
