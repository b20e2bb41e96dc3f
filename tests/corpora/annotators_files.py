"""Files as ELAN, DARMA, CARMA and NOVA write them, of given labels, for the tests of their readers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = ("valence", "arousal")
RATERS = ("Anna", "Ben")
STEP, COUNT = 0.5, 20  # seconds of a label, labels of a recording
PEOPLE = ("P1", "P2")
Labels = Mapping[tuple[str, str], NDArray[np.float64]]  # dimension, rater -> (COUNT,)


def labels_of(person: str) -> Labels:
    """Labels in tenths, others for each dimension, rater and person."""
    rng = np.random.default_rng(PEOPLE.index(person))
    return {(one, rater): rng.integers(-9, 10, COUNT) / 10 for one in DIMENSIONS for rater in RATERS}


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


def write_features(root: Path, people: Sequence[str] = PEOPLE) -> Path:
    """Features at 25 Hz for as long as the labels, and a little longer."""
    for seed, person in enumerate(people):
        values = np.random.default_rng(seed + 10).random((int(COUNT * STEP * 25) + 5, 2)).round(4)
        rows = [f"{row / 25:.2f},{one:g},{two:g}" for row, (one, two) in enumerate(values)]
        write(root / "features" / f"{person}.csv", "timestamp,AU01_r,AU12_r", *rows)
    return root


def eaf(tiers: Mapping[str, Sequence[object]], attributes: Mapping[str, str] | None = None, step: float = STEP) -> str:
    """ELAN's file with a tier of one interval per value; a value "" is an annotation without text."""
    count = max((len(values) for values in tiers.values()), default=0) + 1
    slots = [f'<TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{round(n * step * 1000)}"/>' for n in range(count)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0" AUTHOR="">']
    lines += ['<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">', "</HEADER>", "<TIME_ORDER>", *slots, "</TIME_ORDER>"]
    for number, (name, values) in enumerate(tiers.items()):
        more = (attributes or {}).get(name, "")
        lines.append(f'<TIER LINGUISTIC_TYPE_REF="default" TIER_ID="{name}" {more}>')
        for place, value in enumerate(values):
            span = f'TIME_SLOT_REF1="ts{place}" TIME_SLOT_REF2="ts{place + 1}"'
            lines.append(f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}_{place}" {span}>')
            lines.append(f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>")
        lines.append("</TIER>")
    return "\n".join([*lines, "</ANNOTATION_DOCUMENT>"])


def write_elan(root: Path) -> Path:
    for person in PEOPLE:
        tiers: dict[str, Sequence[object]] = {
            f"{one}_{rater}": list(values) for (one, rater), values in labels_of(person).items()
        }
        write(root / "annotations" / f"{person}.eaf", eaf({**tiers, "gesture": ["wave"]}))
    return root


def clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60) % 60:02d}:{seconds % 60:06.3f}"


def write_elan_text(root: Path) -> Path:
    """Rows of tiers without a line of names, as the export makes them by default."""
    for person in PEOPLE:
        rows = [
            f"{rater}-{one}\t\t{clock(n * STEP)}\t{clock((n + 1) * STEP)}\t{clock(STEP)}\t{value:g}"
            for (one, rater), values in labels_of(person).items()
            for n, value in enumerate(values)
        ]
        write(root / "annotations" / f"{person}.txt", *rows, end="\r\n")
    return root


def write_elan_columns(root: Path) -> Path:
    """A column per tier, with a line of names."""
    names = [f"{kind} Time - {how}" for kind in ("Begin", "End") for how in ("hh:mm:ss.ms", "ss.msec")]
    for person in PEOPLE:
        labels = labels_of(person)
        rows = ["\t".join([*names, "Duration - ss.msec", *(f"{one} {rater}" for one, rater in labels)])]
        for n in range(COUNT):
            begin, end = n * STEP, (n + 1) * STEP
            times = [clock(begin), f"{begin:g}", clock(end), f"{end:g}", f"{STEP:g}"]
            rows.append("\t".join([*times, *(f"{values[n]:g}" for values in labels.values())]))
        write(root / "annotations" / f"{person}.txt", *rows)
    return root


def darma_lines(labels: Labels, rater: str, magnitude: float = 1000, axes: Sequence[str] = DIMENSIONS) -> list[str]:
    rows = [
        f"{n * STEP:g}," + ",".join(f"{labels[one, rater][n] * magnitude:g}" for one in DIMENSIONS) + ",0"
        for n in range(COUNT)
    ]
    return [
        "Time of Rating,2024-05-01 12:00:00,,",
        "Multimedia File,talk.mp4,10,",
        f"Magnitude,{magnitude:g},,",
        f'"Second","{axes[0].title()}","{axes[1].title()}","Button"',
        "%%%%%%,%%%%%%,%%%%%%,%%%%%%",
        *rows,
    ]


def write_darma(root: Path) -> Path:
    """A folder per rater, as files that are called after the video come."""
    for person in PEOPLE:
        for rater in RATERS:
            lines = darma_lines(labels_of(person), rater)
            write(root / "annotations" / rater / f"{person}.csv", *lines, end="\r\n")
    return root


def write_carma(root: Path) -> Path:
    """A file per dimension and rater, on a scale from 0 to 100."""
    for person in PEOPLE:
        for (one, rater), values in labels_of(person).items():
            head = ["start,2024/05/01", "Multimedia File,talk.mp4", "Lower Label,low", "Upper Label,high"]
            head += ["Minimum Value,0", "Maximum Value,100", "Number of Steps,9", "Second,Rating", "%%%%%%,%%%%%%"]
            rows = [f"{n * STEP:g},{50 * (value + 1):g}" for n, value in enumerate(values)]
            write(root / "annotations" / one / f"{person}.{rater}.csv", *head, *rows)
    return root


def nova_header(name: str, rater: str, count: int, ftype: str = "ASCII") -> list[str]:
    return [
        '<?xml version="1.0" ?>',
        '<annotation ssi-v="3">',
        f'    <info ftype="{ftype}" size="{count}" />',
        f'    <meta role="subject" annotator="{rater}" />',
        f'    <scheme name="{name}" type="CONTINUOUS" sr="{1 / STEP:g}" min="-1" max="1" />',
        "</annotation>",
    ]


def write_nova(root: Path) -> Path:
    """A folder per recording, files called role.scheme.annotator; Ben's in binary."""
    for person in PEOPLE:
        for (one, rater), values in labels_of(person).items():
            path = root / "annotations" / person / f"subject.{one}.{rater.lower()}.annotation"
            write(path, *nova_header(one, rater, COUNT, "BINARY" if rater == "Ben" else "ASCII"))
            data = path.with_name(path.name + "~")
            if rater == "Ben":
                data.write_bytes(np.stack([values, np.ones(COUNT)], axis=1).astype("<f4").tobytes())
            else:
                write(data, *(f"{value:g};1" for value in values))
    return root


def wide_lines(person: str, separator: str = ";") -> list[str]:
    labels = labels_of(person)
    head = separator.join(["Time", *(f"{one.title()}_{rater}" for one, rater in labels)])
    return [head, *(separator.join([f"{n * STEP:g}", *(f"{v[n]:g}" for v in labels.values())]) for n in range(COUNT))]


def write_wide(root: Path) -> Path:
    for person in PEOPLE:
        write(root / "annotations" / f"{person}.csv", *wide_lines(person))
    return root


def write_whole(root: Path) -> Path:
    """One file of all people in the corpus's root."""
    rows = [f"{person};{line}" for person in PEOPLE for line in wide_lines(person)[1:]]
    write(root / "annotations.csv", "participant;" + wide_lines("P1")[0], *rows)
    return root


def write_long(root: Path) -> Path:
    """One file of all people in annotations/, with a column that names the rater."""
    rows = [
        f"{person},{rater},{n * STEP:g},{labels['valence', rater][n]:g},{labels['arousal', rater][n]:g}"
        for person in PEOPLE
        for labels in [labels_of(person)]
        for rater in RATERS
        for n in range(COUNT)
    ]
    write(root / "annotations" / "everybody.csv", "participant,rater,time,valence,arousal", *rows)
    return root


INTERVALS = {"elan": write_elan, "elan text": write_elan_text, "elan columns": write_elan_columns}
SAMPLES = {"darma": write_darma, "carma": write_carma, "nova": write_nova, "wide": write_wide, "whole": write_whole}
SAMPLES["long"] = write_long
