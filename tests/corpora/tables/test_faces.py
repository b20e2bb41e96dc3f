"""Which face is followed, what its quality is read from, and both by the rules of earlier runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.faces import one_face
from orchestrator.corpora.tables.tracks import Track, read_track
from orchestrator.errors import InputError
from tests.corpora.own_files import write_lines, write_own

HZ = 25


def track_of(
    path: Path, header: str, rows: Sequence[str], options: ReadOptions | None = None
) -> tuple[Track, list[str]]:
    path.write_text("\n".join([header, *rows]) + "\n")
    findings = Findings(options=options or ReadOptions())
    track = read_track(path, "P1", findings)
    assert track is not None, findings.problems
    return track, [one.what for one in findings.dropped]


def test_frame_numbers_may_begin_again_while_time_goes_on(tmp_path: Path) -> None:
    rows = [f"{row % 25},{row / HZ},0.9,{row % 7}" for row in range(50)]
    track, dropped = track_of(tmp_path / "P1.csv", "frame,time,confidence,AU12_r", rows)
    assert len(track.time) == 50
    assert not dropped
    old, _ = track_of(tmp_path / "P1.csv", "frame,time,confidence,AU12_r", rows, BEFORE)
    assert len(old.time) == 25


def test_a_growing_table_follows_no_row_without_an_id(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{row},{row / HZ},{'-1' if row < 5 or row % 2 else 0},0.9,1.5" for row in range(50)]
    path.write_text("\n".join(["frame,timestamp,face_id,confidence,AU12_r", *rows, "50,2.0,0,0.9,1.5", ""]))
    with GrowingTable(path, ["AU12"]) as table:
        (found,) = [*iter(table.poll, None)]
    assert found.valid.tolist() == [row >= 5 and row % 2 == 0 for row in range(51)]
    assert not found.notes


class Counted(tuple[str, ...]):
    """Entries of a column that count how often one is read."""

    read = 0

    def __getitem__(self, row):
        Counted.read += 1
        return super().__getitem__(row)

    def __iter__(self):
        return (self[row] for row in range(len(self)))


def test_of_a_table_of_many_people_each_row_is_looked_at_for_its_own_recording_only() -> None:
    people, rows = 20, 30
    time = np.tile(np.arange(rows) / HZ, people)
    words = Counted(["yes", "no", "yes"] * (people * rows // 3))
    columns = Columns(
        path=Path("t.csv"),
        names=("time", "AU12"),
        numbers=np.stack([time, time % 0.3], axis=1),
        text={"success": words},
        lines_before=1,
        metadata={},
    )
    Counted.read = 0
    for person in range(people):
        own = np.arange(person * rows, (person + 1) * rows)
        faces = one_face(columns, own, f"P{person}", Findings())
        assert faces.good
        assert faces.rows.tolist() == own.tolist()
        assert faces.face.tolist() == [words[row] == "yes" for row in own]
    assert Counted.read <= 4 * people * rows  # a look over the whole table per recording would be 20 times as much


@pytest.mark.parametrize(
    ("column", "entry", "span", "expected"),
    [
        ("confidence", "98.5", "0 to 98.5", "confidences from 0 to 1, of which a face has 0.5 or more"),
        ("FaceScore", "98.5", "0 to 98.5", "confidences from 0 to 1"),
        ("success", "100", "0 to 100", "0 or 1"),
        ("Valid", "999", "0 to 999", "0 or 1"),
    ],
)
def test_percentages_and_codes_of_quality_are_refused_once_for_all_files(
    column: str, entry: str, span: str, expected: str, tmp_path: Path
) -> None:
    write_own(tmp_path)
    for one in sorted((tmp_path / "features").iterdir()):
        header, *rows = one.read_text().splitlines()
        rows = [f"{row};{entry if n % 3 else 0}" for n, row in enumerate(rows)]
        write_lines(one, [f"{header};{column}", *rows])
    with pytest.raises(InputError) as caught:
        open_corpus(tmp_path)
    (problem,) = caught.value.problems
    assert problem.where.endswith("P1.csv:3")
    assert problem.found.startswith(f"{span} in column {column} (and 1 more like it: ")
    assert problem.expected.startswith(expected)
    kept = open_corpus(tmp_path, options=BEFORE)
    assert all(one.valid.mean() == pytest.approx(2 / 3, abs=0.01) for one in kept.recordings)


def test_confidences_that_are_rounded_above_1_are_probabilities(tmp_path: Path) -> None:
    track, _ = track_of(
        tmp_path / "P1.csv", "time,confidence,AU12_r", [f"{n / HZ},1.0000001,{n % 7}" for n in range(9)]
    )
    assert track.valid.all()


def test_a_growing_table_of_percentages_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "t.csv", ["timestamp,confidence,AU12_r", "0.04,97,1", "0.08,98,2"])
    with GrowingTable(path, ["AU12"]) as table, pytest.raises(InputError, match="97 to 98 in column confidence"):
        table.poll()
