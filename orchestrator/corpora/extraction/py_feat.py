"""Py-Feat: its detector in a process of its own, which may be another Python; a crash or a hang costs one video."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.corpora.extraction.programs import python_with
from orchestrator.corpora.extraction.tool import PROGRAM_TABLE, AbsentError, Tool, by_program
from orchestrator.corpora.extraction.tool_names import PY_FEAT
from orchestrator.corpora.extraction.whole_table import TableForm
from orchestrator.process.extras import install_command

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)  # feat.pretrained
# Py-Feat 2 calls its detector of action units Detectorv1, 0.6 has detect_video instead of data_type.
_RUN = """
import sys, feat
detector = getattr(feat, "Detectorv1", None) or feat.Detector
detector = detector()
video, table = sys.argv[1:]
if hasattr(detector, "detect_video"):
    result = detector.detect_video(video)
else:
    result = detector.detect(video, data_type="video")
result.to_csv(table, index=False)
"""


def find(executable: str | None) -> Tool:
    """Return the tool, run by the Python at `executable` (None: this one); AbsentError if it has no Py-Feat."""
    python = python_with("feat", executable)
    if python is None:
        found = f"no Py-Feat in {executable or 'this Python'}"
        raise AbsentError.of(f"--tool {PY_FEAT}", found=found, expected=install_command(PY_FEAT))

    def command(video: Path, folder: Path) -> Sequence[str]:
        return (python, "-c", _RUN, str(video), str(folder / PROGRAM_TABLE))

    units = tuple(f"AU{unit:02}" for unit in UNITS)
    # Where it sees no face Py-Feat leaves the units empty; where it sees several it writes a row for each.
    form = TableForm(numbers=("frame",), columns=("frame", *units), one_face=False)
    return Tool(name=PY_FEAT, form=form, write=by_program(command), about=f"Py-Feat in {python}", identity=python)
