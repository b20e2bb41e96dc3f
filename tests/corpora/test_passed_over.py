"""Nothing in a corpus's folders is passed over in silence: it is read, or named among what was left out."""

import gzip
from pathlib import Path

import pytest

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.read_options import BEFORE
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables import packed
from orchestrator.corpora.tables.column_files import begins_as_table, read_columns
from orchestrator.errors import InputError
from tests.corpora.video.video_files import coded, write_video
from tests.corpora.writers import DIMENSIONS, three_people, write_folder, write_table

FEATURES = ("AU01", "AU12", "Yaw")


def pack(path: Path) -> Path:
    packed_path = path.with_name(f"{path.name}.gz")
    packed_path.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed_path


def dropped(corpus: Corpus) -> dict[str, str]:
    return {one.what: one.why for one in corpus.dropped}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own", three_people())


def test_compressed_files_are_read(root: Path) -> None:
    plain = open_corpus(root)
    pack(root / "features" / "P17.csv")
    for dimension in DIMENSIONS:
        pack(root / "annotations" / dimension / "P17.csv")
    corpus = open_corpus(root)
    assert (corpus.sha256, corpus.dropped) == (plain.sha256, ())
    assert len(read_feature_files(root, FEATURES).recordings) == 3
    assert len(open_corpus(root, options=BEFORE).recordings) == 2  # as a plan from before knows it


def test_a_compressed_table_is_a_corpus(tmp_path: Path) -> None:
    plain = open_corpus(write_table(tmp_path / "t.csv", three_people()))
    assert open_corpus(pack(tmp_path / "t.csv")).sha256 == plain.sha256


def test_text_files_are_read_if_they_are_tables(root: Path) -> None:
    plain = open_corpus(root)
    (root / "features" / "P17.csv").rename(root / "features" / "P17.txt")
    (root / "features" / "notes.txt").write_text("Filmed in May, by two of us, on one day\n")
    corpus = open_corpus(root)
    assert corpus.sha256 == plain.sha256
    assert dropped(corpus) == {"file features/notes.txt": "no table: its first line names neither a time nor a frame"}
    assert not begins_as_table(root / "nothing.txt")


@pytest.mark.parametrize(
    ("place", "what", "why"),
    [
        ("features/P30.xlsx", "file features/P30.xlsx", "suffix .xlsx is not read"),
        ("features/P30.csv.zip", "file features/P30.csv.zip", "suffix .zip is not read"),
        ("features/P30.parquet.gz", "file features/P30.parquet.gz", "suffix .gz is not read"),
        ("features/more/P30.csv", "folder features/more", "a folder in a folder is not read (1 in it)"),
        ("annotations/valence/old/P16.csv", "folder valence/old", "a folder in a folder is not read"),
        ("annotations/dominance/P16.csv", "folder annotations/dominance", "beside valence and arousal: not read"),
        ("annotations/P30.csv", "file annotations/P30.csv", "beside valence and arousal: not read"),
        ("P30.csv", "file own/P30.csv", "beside features and annotations: not read"),
        ("videos/P16.gif", "file videos/P16.gif", "suffix .gif is no video's that is read"),
        ("videos/camera/day/P16.mp4", "folder videos/camera", "a folder in a folder is not read"),
    ],
)
def test_what_is_not_read_is_named(place: str, what: str, why: str, root: Path) -> None:
    plain = open_corpus(root)
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_bytes(b"x")
    corpus = open_corpus(root)
    assert corpus.sha256 == plain.sha256
    assert why in dropped(corpus)[what]


def test_what_describes_a_corpus_is_no_recording(root: Path) -> None:
    for place in ("README.md", "features/README.txt", "features/hz.txt", "LICENSE", "videos/README.md", ".hidden/x"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text("25\n")
    assert open_corpus(root).dropped == ()


def test_what_predict_does_not_read_is_told(root: Path) -> None:
    (root / "features" / "P30.xlsx").write_bytes(b"x")
    notes = read_feature_files(root, FEATURES).notes
    assert any(note.startswith("left out file features/P30.xlsx: suffix .xlsx is not read") for note in notes)


def test_a_camcorders_video_is_found(root: Path) -> None:
    write_video(root / "videos" / "P16.mp4", coded(5)).rename(root / "videos" / "P16.mts")
    video = open_corpus(root).recordings[0].video
    assert video is not None
    assert video.path.name == "P16.mts"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"time,AU01\n0,1\n", "damaged gzip data"),
        (gzip.compress(b"time,AU01\n0,1\n0.04,1\n" * 50, mtime=0)[:-9], "damaged gzip data"),
        (gzip.compress(b"time,AU01\n" + b"0,1\n" * 500, mtime=0), "more than 1,000 bytes once unpacked"),
    ],
    ids=["no gzip", "cut", "endless"],
)
def test_damaged_and_endless_compressed_files_are_refused(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MOST_UNPACKED_BYTES", 1000)
    path = tmp_path / "P1.csv.gz"
    path.write_bytes(data)
    findings = Findings()
    assert read_columns(path, findings) is None
    (problem,) = findings.problems
    assert message in problem.found


def test_a_fault_in_a_compressed_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("participant,time,AU01,valence,arousal\nP1,0,1,0,0\nP1,0.04,1,0,3\nP1,0.08,1,0,0\n")
    with pytest.raises(InputError, match=r"t\.csv\.gz:3: found 3 in column arousal"):
        open_corpus(pack(path))


def test_times_of_no_video_are_named(root: Path) -> None:
    write_video(root / "videos" / "P16.mp4", coded(5))
    (root / "timings").mkdir()
    for name in ("P16.csv", "P30.csv", "README.md"):
        (root / "timings" / name).write_text("time in seconds\n")
    assert dropped(open_corpus(root)) == {"file timings/P30.csv": "times of a video that is not there"}
