"""Write the golden texts anew, into the folder named or beside this file."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.golden import FOLDER, METHODS, run, texts

with TemporaryDirectory() as folder:
    for method in METHODS:
        for name, text in texts(run(method, Path(folder))).items():
            place = (Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER) / method
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
