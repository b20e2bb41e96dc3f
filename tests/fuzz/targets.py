"""Every reader of recordings, a valid input for each, and what must hold of what it read.

A target makes its valid files in a folder and names those that are changed; `read` reads the folder.
"""

import gzip
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.manifest import manifest_text
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Recording, VideoSource
from orchestrator.corpora.tables.annotations import read_annotation
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.tracks import read_track
from orchestrator.corpora.video.decoding import decode
from orchestrator.corpora.video.videos import read_timings
from orchestrator.errors import InputError
from orchestrator.evaluation import fusion
from tests.corpora import annotators_files as annotators
from tests.corpora import tool_files as tools
from tests.corpora.own_files import table_lines, write_lines, write_own
from tests.corpora.video.video_files import coded, turned_photograph, write_picture, write_times, write_video
from tests.corpora.writers import content, three_people, write_avec, write_recola, write_table

TEXT = frozenset(["participant", "session"])
WANTED = ("AU01", "AU12")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader. `make` fills a folder; the files that match `changed` are mutated; `read` raises InputError or not."""

    make: Callable[[Path], object]
    changed: str
    read: Callable[[Path], None]


def check_recordings(recordings: Sequence[Recording]) -> None:
    """What every reader promises: times that rise, labels in their range, no infinity."""
    assert recordings
    for one in recordings:
        assert one.time.shape == one.valid.shape == one.features.shape[:1] == one.ratings.shape[:1]
        assert len(one.time)
        assert np.isfinite(one.time).all()
        assert (np.diff(one.time) > 0).all()
        assert not np.isinf(one.features).any()
        assert not np.isnan(one.features[one.valid]).any()
        assert not (np.abs(one.ratings) > 1).any()


def _corpus(path: Path) -> None:
    corpus = open_corpus(path)
    check_recordings(corpus.recordings)
    text = manifest_text(corpus)
    # Names come from the files, and one may be nan.
    lines = [line for line in text.splitlines() if "attributes" not in line and "tier " not in line]
    assert not any("nan" in line.lower().split() for line in lines)


def _columns(path: Path) -> None:
    findings = Findings()
    columns = read_columns(path, findings, text=TEXT)
    if columns is None:
        raise InputError(findings.problems)
    assert columns.numbers.shape == (len(columns), len(columns.names))
    assert not np.isinf(columns.numbers).any()
    assert {len(entries) for entries in columns.text.values()} <= {len(columns)}
    assert columns.where(len(columns) - 1).startswith(str(path))


def _or_problems(read: Callable[[Findings], object | None]) -> None:
    findings = Findings()
    if read(findings) is None:
        raise InputError(findings.problems)


def _timings(path: Path) -> None:
    time = read_timings(path / "P1.csv", 50)
    assert (np.diff(time) >= 0).all()
    assert np.isfinite(time).all()


def _grow(path: Path) -> None:
    text = path.joinpath("live.csv").read_bytes()
    live = path / "growing.csv"
    live.write_bytes(b"")
    last = -np.inf
    with GrowingTable(live, WANTED) as table, live.open("ab", buffering=0) as file:
        for start in range(0, len(text), 150):
            file.write(text[start : start + 150])
            rows = table.poll()
            if rows is not None:
                assert rows.time[0] > last
                assert (np.diff(rows.time) > 0).all()
                last = rows.time[-1]
    if last == -np.inf:
        raise InputError.of(str(live), found="nothing", expected="rows")


def _unlabelled(path: Path) -> None:
    check_recordings(read_feature_files(path, WANTED).recordings)


def _decode(path: Path) -> None:
    times = [time for time, _ in decode(VideoSource(path=path))]
    assert times
    assert np.isfinite(times).all()


def _openface(path: Path) -> object:
    names = ("frame", "face_id", "timestamp", "confidence", "success", "AU01_r", "AU12_r", "AU01_c", "gaze_0_x")
    return tools.write_tool(path, names, tools.openface_clock(), num_rows=60)


def _py_feat(root: Path) -> None:
    columns = {"frame": [*range(60)], "FaceScore": [0.99] * 60, "approx_time": [f"00:{n // 25:02d}" for n in range(60)]}
    tools.write_tool(root / "P1.csv", ("frame", "approx_time", "FaceScore", "AU01", "AU12", "Pitch"), columns)
    (root / "hz.txt").write_text("25\n")


def _predictions(path: Path) -> object:
    rows = [f"{person},,{n / 25},{n % 2},0.1,0.2,0.1,0.2" for person in "AB" for n in range(30)]
    return write_lines(
        path, ["participant,session,time,fold,valence_gold,arousal_gold,valence_pred,arousal_pred", *rows]
    )


def _frames(root: Path) -> None:
    for number, image in enumerate(coded(3)):
        write_picture(root / "frames" / f"{number}.04.png", image)


def _table(root: Path, suffix: str) -> object:
    return write_table(root / f"t{suffix}", [content(name, raters=("a", "b"), num_rows=20) for name in ("P1", "P2")])


def _people(root: Path) -> None:
    write_own(root)
    rows = [f"{path.stem},,{path.name},f,30" for path in sorted((root / "features").iterdir())]
    write_lines(root / "participants.csv", ["participant,session,file,sex,age", *rows])


def _compressed(root: Path) -> None:
    _table(root, ".csv")
    (root / "t.csv.gz").write_bytes(gzip.compress((root / "t.csv").read_bytes()))


def _photograph(root: Path) -> None:
    turned_photograph(root / "frames" / "0.04.jpg", 6)


def _labelled(root: Path, write: Callable[[Path], object]) -> None:
    annotators.write_features(root)
    write(root)


TARGETS = {
    "csv": Target(
        make=lambda root: write_lines(root / "t.csv", table_lines()),
        changed="t.csv",
        read=lambda root: _columns(root / "t.csv"),
    ),
    "arff": Target(
        make=lambda root: write_recola(root, three_people(num_rows=20)),
        changed="**/P16.arff",
        read=lambda root: _columns(root / "RECOLA-Video-features" / "P16.arff"),
    ),
    "parquet": Target(
        make=lambda root: _table(root, ".parquet"), changed="t.parquet", read=lambda root: _columns(root / "t.parquet")
    ),
    "annotation": Target(
        make=write_own,
        changed="annotations/valence/P1.csv",
        read=lambda root: _or_problems(
            lambda findings: read_annotation(
                root / "annotations" / "valence" / "P1.csv", "P1", findings, dimension="valence"
            )
        ),
    ),
    "openface": Target(
        make=lambda root: _openface(root / "P1.csv"),
        changed="P1.csv",
        read=lambda root: _or_problems(lambda findings: read_track(root / "P1.csv", "P1", findings)),
    ),
    "frame numbers": Target(make=_py_feat, changed="*", read=_unlabelled),
    "timings": Target(
        make=lambda root: write_times(root / "P1.csv", [n / 25 for n in range(50)]), changed="P1.csv", read=_timings
    ),
    "people": Target(make=_people, changed="participants.csv", read=_corpus),
    "compressed": Target(make=_compressed, changed="t.csv.gz", read=lambda root: _corpus(root / "t.csv.gz")),
    "photograph": Target(make=_photograph, changed="frames/*.jpg", read=lambda root: _decode(root / "frames")),
    "folder": Target(make=write_own, changed="**/P1.csv", read=_corpus),
    "recola": Target(make=lambda root: write_recola(root, three_people(num_rows=20)), changed="**/P16.*", read=_corpus),
    "avec": Target(make=lambda root: write_avec(root, three_people(num_rows=20)), changed="**/dev_1.*", read=_corpus),
    "table csv": Target(
        make=lambda root: _table(root, ".csv"), changed="t.csv", read=lambda root: _corpus(root / "t.csv")
    ),
    "table parquet": Target(
        make=lambda root: _table(root, ".parquet"), changed="t.parquet", read=lambda root: _corpus(root / "t.parquet")
    ),
    **{
        f"labels: {name}": Target(make=partial(_labelled, write=write), changed=changed, read=_corpus)
        for name, write, changed in (
            ("ELAN", annotators.write_elan, "annotations/P1.eaf"),
            ("ELAN text", annotators.write_elan_text, "annotations/P1.txt"),
            ("ELAN columns", annotators.write_elan_columns, "annotations/P1.txt"),
            ("DARMA", annotators.write_darma, "annotations/Anna/P1.csv"),
            ("CARMA", annotators.write_carma, "annotations/valence/P1.Anna.csv"),
            ("NOVA", annotators.write_nova, "annotations/P1/*.valence.*"),
            ("wide", annotators.write_wide, "annotations/P1.csv"),
            ("whole", annotators.write_whole, "annotations.csv"),
        )
    },
    "to predict": Target(
        make=lambda root: _table(root, ".csv"), changed="t.csv", read=lambda root: _unlabelled(root / "t.csv")
    ),
    "growing": Target(make=lambda root: _openface(root / "live.csv"), changed="live.csv", read=_grow),
    "to fuse": Target(
        make=lambda root: _predictions(root / "p.csv"),
        changed="p.csv",
        read=lambda root: fusion._read(root / "p.csv") and None,
    ),
    "video": Target(
        make=lambda root: write_video(root / "v.mp4", coded(6)),
        changed="v.mp4",
        read=lambda root: _decode(root / "v.mp4"),
    ),
    "pictures": Target(make=_frames, changed="frames/1.04.png", read=lambda root: _decode(root / "frames")),
}


def copied(made: Path, to: Path) -> Path:
    """A fresh copy of a target's valid files."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(made, to)
    return to
