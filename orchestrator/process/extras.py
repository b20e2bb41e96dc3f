"""Hints that name what to install: commands that work where this package is, from a checkout or installed."""

import importlib.metadata
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "affect-orchestrator"  # on no index: a hint that names it would install nothing, or another's package
_OF_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def install_command(extra: str, root: Path = ROOT, current: Path | None = None) -> str:
    """Return the command that installs an extra: of the checkout at `root`, else the packages that it stands for.

    `current` is the folder that the command is typed in; the process's own if not given.
    """
    if (root / "pyproject.toml").is_file():
        here = (current or Path.cwd()).resolve() == root
        return f"pip install -e {_quoted(f'.[{extra}]' if here else f'{root}[{extra}]')}"
    return f"pip install {' '.join(map(_quoted, requirements_of(extra)))}"


def requirements_of(extra: str) -> list[str]:
    """List what an extra of the installed package stands for; its own name where the package does not know it."""
    try:
        every = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        every = []
    found = []
    for one in every:
        requirement, _, marker = one.partition(";")
        match = _OF_EXTRA.search(marker)
        if match and match[1] == extra:
            found.append(requirement.strip())
    return found or [extra]


def _quoted(text: str) -> str:
    return shlex.quote(text) if shlex.quote(text) != text else f"'{text}'"
