"""Which face is followed in a growing table, and what becomes of frames without it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora import live_table
from orchestrator.corpora.live_table import GrowingTable, Rows
from orchestrator.corpora.video.followed_face import MOST_NOTES, FollowedFace

HZ = 25


def rows_of(faces: Sequence[tuple[int, ...]]) -> list[str]:
    """OpenFace's rows, with the faces that each frame shows; AU12 is the face's id and the frame."""
    return [
        f"{frame + 1},{face},{frame / HZ:.2f},0.98,1,{face}.{frame:03}\n"
        for frame, some in enumerate(faces)
        for face in some
    ]


def read(path: Path) -> list[Rows]:
    with GrowingTable(path, ["AU12"]) as table:
        return [*iter(table.poll, None)]


def table(path: Path, faces: Sequence[tuple[int, ...]]) -> Path:
    path.write_text("frame,face_id,timestamp,confidence,success,AU12_r\n" + "".join(rows_of(faces)))
    return path


def test_a_new_id_is_followed_after_a_second_and_both_are_said(tmp_path: Path) -> None:
    first, second = read(table(tmp_path / "t.csv", [(0,)] * 60 + [(1,)] * 60))
    assert first.time.tolist() == [round(frame / HZ, 2) for frame in range(85)]
    assert first.valid.tolist() == [True] * 60 + [False] * 25
    assert np.isnan(first.features[60:]).all()
    assert first.notes == (
        "face 0 is gone at 2.4 s and face 1 is there: nothing is predicted;"
        " if it stays away for 1 s, that one is followed",
    )
    assert (second.begins, second.notes) == (
        True,
        ("face 1 is followed from 3.4 s on, as if the recording began there",),
    )
    assert second.valid.all()
    assert second.time[0] == 3.4
    assert len(second.time) == 35


def test_a_face_that_comes_back_in_time_is_followed_on(tmp_path: Path) -> None:
    (rows,) = read(table(tmp_path / "t.csv", [(0, 1)] * 10 + [(1,)] * 10 + [(1, 0)] * 10))
    assert rows.valid.tolist() == [True] * 10 + [False] * 10 + [True] * 10
    assert not rows.begins
    assert [note.partition(":")[0] for note in rows.notes] == [
        "face 0 is gone at 0.4 s and face 1 is there",
        "face 0 is back at 0.8 s",
    ]
    assert (rows.features[20:, 0] < 1).all()


def test_the_face_that_was_there_most_often_is_followed(tmp_path: Path) -> None:
    faces = [(0,)] * 5 + [(1,)] * 8 + [(2,)] * 30
    _, second = read(table(tmp_path / "t.csv", faces))
    assert "face 2 is followed from 1.2 s" in second.notes[0]


@pytest.mark.parametrize("piece", [80, 137, 400])
def test_pieces_change_nothing(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "t.csv", [(0, 1)] * 20 + [(1, 2)] * 40 + [(2, 1)] * 20)
    whole = read(path)
    monkeypatch.setattr(live_table, "MOST_BYTES", piece)
    pieces = read(path)
    assert len(pieces) > len(whole) == 2
    for name in ("time", "valid", "features"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(one, name) for one in pieces]),
            np.concatenate([getattr(one, name) for one in whole]),
        )
    assert [note for one in pieces for note in one.notes] == [note for one in whole for note in one.notes]
    assert sum(one.begins for one in pieces) == 1


def test_notes_on_faces_that_come_and_go_are_bounded() -> None:
    ids = np.array([0.0, 1.0] * 500)
    parts, held = FollowedFace().parts(ids, np.arange(1000) / HZ)
    notes = [note for part in parts for note in part.notes]
    assert len(notes) == MOST_NOTES
    assert held == 1
    assert notes[-1].endswith("changes of the face are not told any more")
