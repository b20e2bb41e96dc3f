"""Which face is followed in a growing table, and by the rules of earlier runs."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.tables.tracks import Track, read_track

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
