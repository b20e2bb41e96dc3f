"""Finding the folders and files of a corpus, also where unzipping has doubled a folder."""

from pathlib import Path

from orchestrator.corpora.column_files import READ_BY_SUFFIX
from orchestrator.corpora.findings import Findings

SYNTHETIC_MARKERS = ("SYNTHETIC.txt", "synthetic.json")
MAX_DOUBLED = 3  # folders of the same name inside each other


def inside(folder: Path, name: str) -> Path | None:
    """Give the subfolder of this name, or the one of the same name inside it where unzipping doubled it."""
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
    """Folders that may be a corpus's root: the path, and the one folder in it where it holds nothing else."""
    candidates = [path, undoubled(path)]
    subfolders = [one for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")]
    if len(subfolders) == 1:
        candidates.append(undoubled(subfolders[0]))
    return tuple(dict.fromkeys(candidates))


def is_marked_synthetic(path: Path) -> bool:
    """Whether a folder above the path, or the path as a corpus's root, says that its contents were generated."""
    folders = (*path.resolve().parents, *((path, *roots(path)) if path.is_dir() else ()))
    return any((folder / marker).is_file() for folder in folders for marker in SYNTHETIC_MARKERS)


def files_by_name(folder: Path | None, findings: Findings) -> dict[str, Path]:
    """Give the readable files of a folder by their names without suffix, sorted with numbers as numbers.

    Two files of one name and different suffixes are a problem: nothing says which one is meant.
    """
    files: dict[str, Path] = {}
    if folder is None:
        return files
    every = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    for file in sorted(every, key=lambda one: (_natural(one.stem), one.suffix)):
        if file.suffix.lower() not in READ_BY_SUFFIX or file.stem.lower() in {"readme", "synthetic"}:
            continue
        if file.stem in files:
            findings.problem(file, found=f"{file.name} beside {files[file.stem].name}", expected="one file a recording")
            continue
        files[file.stem] = file
    return files


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
