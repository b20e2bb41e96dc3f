"""Which tool extracts: the one that is named, or the first of a fixed order that is installed."""

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.corpora.extraction import landmarker, openface, py_feat
from orchestrator.corpora.extraction.progress import Show
from orchestrator.corpora.extraction.tool import AbsentError, Tool
from orchestrator.corpora.extraction.tool_names import AUTO, MEDIAPIPE, NAMES, OPENFACE, PY_FEAT
from orchestrator.errors import InputError
from orchestrator.process.extras import install_command

TOOL_OPTION = "--tool"


def find_tool(
    name: str = AUTO, executable: str | None = None, model_file: Path | None = None, show: Show | None = None
) -> Tool:
    """Return a tool by name, or the first of NAMES that is there; InputError, which says what to install.

    `executable` is OpenFace's program, or the Python that has the other tools; for `auto` its name tells which.
    `model_file` is MediaPipe's.
    """
    finders: Mapping[str, Callable[[], Tool]] = {
        OPENFACE: lambda: openface.find(executable),
        PY_FEAT: lambda: py_feat.find(executable),
        MEDIAPIPE: lambda: landmarker.find(executable, model_file, show),
    }
    if name not in (AUTO, *finders):
        raise InputError.of(TOOL_OPTION, found=name, expected=f"{', '.join((AUTO, *NAMES[:-1]))} or {NAMES[-1]}")
    wanted = _wanted(name, executable, model_file)
    if model_file is not None and MEDIAPIPE not in wanted:
        found = f"beside {TOOL_OPTION} {name}"
        raise InputError.of(landmarker.MODEL_OPTION, found=found, expected=f"{TOOL_OPTION} {MEDIAPIPE}")
    if len(wanted) == 1:
        return finders[wanted[0]]()
    for one in wanted:
        try:
            return finders[one]()
        except AbsentError:
            continue
    raise InputError.of(
        TOOL_OPTION,
        found="none of the tools installed" + (f" in {executable}" if executable else ""),
        expected=f"one of: {openface.HOW_TO_INSTALL}; {install_command(PY_FEAT)}; {install_command(MEDIAPIPE)}",
    )


def _wanted(name: str, executable: str | None, model_file: Path | None) -> tuple[str, ...]:
    if name != AUTO:
        return (name,)
    if model_file is not None:
        return (MEDIAPIPE,)
    if executable is None:
        return NAMES
    return NAMES[1:] if Path(executable).name.startswith("python") else (OPENFACE,)
