"""A small folder to copy: one's own recordings as the format `folder` has them, with made-up numbers, and a README."""

import math
from collections.abc import Sequence
from pathlib import Path

from orchestrator.corpora.folders import SYNTHETIC_MARKERS
from orchestrator.protocols import DIMENSIONS

# Ours: as few as show the rules (two sessions of one person, an attribute), and enough to be trained on.
RECORDINGS = (("P01", "1"), ("P01", "2"), ("P02", ""), ("P03", ""), ("P04", ""))
ATTRIBUTES = {"P01": ("f", "24"), "P02": ("m", "31"), "P03": ("f", "52"), "P04": ("m", "45")}
UNITS = ("AU01_r", "AU04_r", "AU06_r", "AU12_r", "AU45_r")
RATERS = ("anna", "ben")
FRAMES_HZ, LABELS_HZ, SECONDS = 30, 10, 12

README = """# Recordings, as affect-orchestrator reads them

Every number here is made up. Copy the folder, put your own files in the place of these, delete SYNTHETIC.txt, and look:

    python -m orchestrator data check THIS_FOLDER

- `features/NAME.csv` (also .csv.gz, .tsv, .txt, .parquet, .arff): what OpenFace, Py-Feat, LibreFace or MediaPipe wrote,
  as they wrote it. A time in seconds (`timestamp`, `time`), action units, and if there are any `confidence`, `success`.
- `annotations/valence/NAME.csv` and `annotations/arousal/NAME.csv`: `time` in seconds and a column per rater, from -1
  to 1 (another scale: `--label-range 1,9`). Their rate may be another than the features'. NAME is that of the features.
- or, in place of these: `annotations/NAME.eaf` or `.txt` of ELAN (tiers `valence_anna`, `arousal_anna`), a folder per
  rater with DARMA's files (`annotations/anna/NAME.csv`) or CARMA's (`annotations/valence/anna/NAME.csv`), NOVA's files
  in `annotations/NAME/`, or one table `annotations/NAME.csv` with `time`, `valence_anna`, `arousal_anna` ...
- `participants.csv`: whose each file is (`participant`, `session`, `file`), and what you know of people (`sex`, `age`,
  `group`). Without it a name is `PARTICIPANT` or `PARTICIPANT_SESSION`, or as in BIDS (`sub-01_ses-2`).
- `videos/NAME.mp4`, if there are any: for the methods on images.

All of it: docs/corpora.md. Then:

    python -m orchestrator tune --method au --data THIS_FOLDER --folds 4
"""
MADE_UP = "The numbers in this folder are made up by `data template`. Delete this file once yours are in their place.\n"


def write_template(folder: Path) -> None:
    """Write the template into a folder that is there and empty; OSError."""
    for number, (person, session) in enumerate(RECORDINGS):
        name = f"{person}_{session}" if session else person
        _write(folder / "features" / f"{name}.csv", *_features(number))
        for index, dimension in enumerate(DIMENSIONS):
            _write(folder / "annotations" / dimension / f"{name}.csv", *_labels(number, index))
    rows = [[person, session, f"{person}_{session}" if session else person] for person, session in RECORDINGS]
    columns = ("participant", "session", "file", "sex", "age")
    _write(folder / "participants.csv", columns, [[*row, *ATTRIBUTES[row[0]]] for row in rows])
    (folder / "README.md").write_text(README, encoding="utf-8")
    (folder / SYNTHETIC_MARKERS[0]).write_text(MADE_UP, encoding="utf-8")


def _write(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in (names, *rows)) + "\n", encoding="utf-8")


def _features(number: int) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for frame in range(SECONDS * FRAMES_HZ):
        time = frame / FRAMES_HZ
        waves = (1 + math.sin(time * (0.5 + 0.2 * unit) + 1.3 * number + unit) for unit in range(len(UNITS)))
        rows.append([f"{time:.3f}", "0.98", "1", *(f"{wave:.3f}" for wave in waves)])
    return ("timestamp", "confidence", "success", *UNITS), rows


def _labels(number: int, dimension: int) -> tuple[Sequence[str], list[list[str]]]:
    rows = []
    for sample in range(SECONDS * LABELS_HZ + 1):
        time = sample / LABELS_HZ
        felt = 0.6 * math.sin(time * (0.5 + 0.2 * dimension) + 1.3 * number + dimension)
        rows.append([f"{time:.1f}", f"{felt:.3f}", f"{0.9 * felt + 0.05:.3f}"])
    return ("time", *RATERS), rows
