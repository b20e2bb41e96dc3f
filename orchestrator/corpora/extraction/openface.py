"""OpenFace 2 (and 1): its program `FeatureExtraction`.

It goes through a video as a whole: what it calls neutral is a median over the whole recording (OpenFace wiki, Action
Units), so parts of a video would give other numbers.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from orchestrator.corpora.extraction.tool import PROGRAM_TABLE, AbsentError, Tool, by_program
from orchestrator.corpora.extraction.tool_names import OPENFACE
from orchestrator.corpora.extraction.whole_table import TableForm

OPENFACE_PROGRAM = "FeatureExtraction"
OPENFACE_VARIABLE = "OPENFACE_FEATURE_EXTRACTION"
HOW_TO_INSTALL = f"OpenFace's {OPENFACE_PROGRAM} on the PATH, or its path in {OPENFACE_VARIABLE}"

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)  # OpenFace wiki, Action Units: intensities
PRESENT_UNITS = (*UNITS[:-1], 28, 45)  # and those that are there or not


def find(executable: str | None) -> Tool:
    """Return the tool: its program is `executable`, else OPENFACE_FEATURE_EXTRACTION, else on the PATH; AbsentError."""
    wanted = executable or os.environ.get(OPENFACE_VARIABLE) or OPENFACE_PROGRAM
    found = shutil.which(wanted)
    if found is None:
        raise AbsentError.of(
            "--executable" if executable else OPENFACE_VARIABLE,
            found=f"no program {wanted}",
            expected=HOW_TO_INSTALL,
        )
    program = str(Path(found).resolve())

    def command(video: Path, folder: Path) -> Sequence[str]:
        # OpenFace cuts what follows a dot off the name behind -of, so it is a plain word here.
        name = Path(PROGRAM_TABLE).stem
        return (program, "-f", str(video), "-out_dir", str(folder), "-of", name, "-aus", "-pose", "-gaze")

    numbers = ("frame", "timestamp", "confidence", "success", *(f"AU{unit:02}_r" for unit in UNITS))
    form = TableForm(numbers=numbers, columns=numbers, one_face=True)
    facts = Path(program).stat()
    identity = f"{program} {facts.st_size} {facts.st_mtime_ns}"
    return Tool(name=OPENFACE, form=form, write=by_program(command), about=program, identity=identity)
