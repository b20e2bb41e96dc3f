"""Raters of several rates in one table are joined as from files of their own; missing labels stay missing."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.convert import convert
from orchestrator.corpora.gold_standard import gold_standard
from orchestrator.corpora.read_options import RULES, RULES_OF_ONE_STEP, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.recording import Corpus
from tests.corpora.own_files import DIMENSIONS, at, write_lines, write_own

HZ, SECONDS = 25, 20
ROWS = HZ * SECONDS + 1
Cell = Callable[[int], str]  # a rater's entry in a row of 25 per second


def anna(row: int) -> str:
    return f"{np.sin(row / 40):.4f}"


def ben(row: int) -> str:
    return f"{np.cos(row / 60):.4f}" if not row % HZ else ""


def with_gaps(row: int) -> str:
    """At one label per second, a third of them missing."""
    return ben(row) if row // HZ not in {3, 5, 6, 11, 14, 15, 18} else ""


def at_random(row: int) -> str:
    """Of every row, but two thirds of them are missing."""
    return f"{row / 1000:.3f}" if np.random.default_rng(row).random() < 1 / 3 else ""


def far_apart(row: int) -> str:
    """Every fifth row of 20 s, were there as many."""
    return f"{row / 1000:.3f}" if not row % 4 else ""


def smile(person: str, row: int) -> str:
    return f"{0.5 + 0.4 * np.sin(row / 7 + int(person[1:])):.4f}"


def features(root: Path) -> None:
    for person in ("P1", "P2"):
        rows = [f"{row / HZ:.2f},{smile(person, row)}" for row in range(ROWS)]
        write_lines(root / "features" / f"{person}.csv", ["time,AU12", *rows])


def in_files(root: Path, raters: Mapping[str, Cell]) -> Path:
    """A file per rater, without rows that have no label."""
    features(root)
    for person in ("P1", "P2"):
        for name, cell in raters.items():
            rows = [f"{row / HZ:.2f},{cell(row)},{cell(row)}" for row in range(ROWS) if cell(row)]
            write_lines(root / "annotations" / name / f"{person}.csv", ["time,valence,arousal", *rows])
    return root


def in_one_file(root: Path, raters: Mapping[str, Cell], *, per_dimension: bool = False) -> Path:
    """One file of all raters per recording, or one per recording and dimension, with empty cells."""
    features(root)
    for person in ("P1", "P2"):
        cells = [[cell(row) for cell in raters.values()] for row in range(ROWS)]
        kept = [(row, own) for row, own in enumerate(cells) if any(own)]
        if per_dimension:
            rows = [",".join([f"{row / HZ:.2f}", *own]) for row, own in kept]
            for dimension in DIMENSIONS:
                write_lines(root / "annotations" / dimension / f"{person}.csv", [",".join(["time", *raters]), *rows])
            continue
        names = [f"{dimension}_{name}" for dimension in DIMENSIONS for name in raters]
        rows = [",".join([f"{row / HZ:.2f}", *own, *own]) for row, own in kept]
        write_lines(root / "annotations" / f"{person}.csv", [",".join(["time", *names]), *rows])
    return root


def in_a_table(path: Path, raters: Mapping[str, Cell], times: Callable[[int], float] = lambda row: row / HZ) -> Path:
    """One table of features and labels."""
    names = [f"{dimension}_{name}" for dimension in DIMENSIONS for name in raters]
    lines = [",".join(["participant", "time", "AU12", *names])]
    for person in ("P1", "P2"):
        for row in range(ROWS):
            own = [cell(row) for cell in raters.values()]
            lines.append(",".join([person, f"{times(row):.2f}", smile(person, row), *own, *own]))
    return write_lines(path, lines)


def in_both(corpus: Corpus) -> dict[str, np.ndarray]:
    return {rater: corpus.recordings[0].ratings[:, index] for index, rater in enumerate(corpus.recordings[0].raters)}


@pytest.mark.parametrize("raters", [{"anna": anna, "ben": ben}, {"anna": anna, "ben": with_gaps}, {"ben": ben}])
def test_one_table_gives_the_gold_standard_of_two_files(tmp_path: Path, raters: Mapping[str, Cell]) -> None:
    apart = open_corpus(in_files(tmp_path / "apart", raters))
    expected = in_both(apart)
    assert np.isfinite(expected["ben"]).mean() > 0.5
    ways = [
        in_one_file(tmp_path / "wide", raters),
        in_one_file(tmp_path / "dimensions", raters, per_dimension=True),
        in_a_table(tmp_path / "t.csv", raters),
    ]
    for path in ways:
        found = open_corpus(path)
        own = in_both(found)
        assert list(own) == list(expected)
        for rater, labels in expected.items():
            np.testing.assert_array_equal(own[rater], labels, err_msg=f"{path} {rater}")
        gold = gold_standard(found.recordings[0].ratings, "mean")
        np.testing.assert_array_equal(gold, gold_standard(apart.recordings[0].ratings, "mean"))
        assert found.labels_used == apart.labels_used
        if len(raters) > 1 or path.is_file():
            assert "labels of rater ben are 1 s apart, joined by that step [P1, P2]" in found.notes
        assert not any("rater anna" in note for note in found.notes)


def test_a_run_of_before_reads_one_table_as_it_did(tmp_path: Path) -> None:
    before = ReadOptions(rules=RULES_OF_ONE_STEP)
    for path in (
        in_one_file(tmp_path / "wide", {"anna": anna, "ben": ben}),
        in_a_table(tmp_path / "t.csv", {"anna": anna, "ben": ben}),
    ):
        found = open_corpus(path, options=before)
        there = np.isfinite(in_both(found)["ben"][:, 0])
        assert np.flatnonzero(there).tolist() == list(range(0, ROWS, HZ))
        assert not any("apart" in note for note in found.notes)


def test_labels_that_are_missing_irregularly_stay_missing(tmp_path: Path) -> None:
    found = open_corpus(in_a_table(tmp_path / "t.csv", {"anna": anna, "ben": at_random}))
    there = np.isfinite(in_both(found)["ben"][:, 0])
    assert np.flatnonzero(there).tolist() == [row for row in range(ROWS) if at_random(row)]
    note = "most rows have no label of rater ben, irregularly: nothing is joined between the labels [P1, P2]"
    assert note in found.notes


def test_labels_too_far_apart_are_joined_only_if_the_unit_is_said(tmp_path: Path) -> None:
    """Of rows 5 s apart, a rater's every 20 s: in a file of their own they would be asked about."""
    path = in_a_table(tmp_path / "t.csv", {"anna": anna, "ben": far_apart}, lambda row: row * 5.0)
    found = open_corpus(path)
    assert np.isfinite(in_both(found)["ben"][:, 0]).sum() == len(range(0, ROWS, 4))
    note = "labels of rater ben are 20 s apart, too far to be joined between (--time-unit s joins them) [P1, P2]"
    assert note in found.notes
    told = open_corpus(path, reading=Reading(time_unit={"features": "s"}))
    assert np.isfinite(in_both(told)["ben"][:, 0]).all()


def test_a_rater_who_is_left_out_is_not_told_of(tmp_path: Path) -> None:
    path = in_a_table(tmp_path / "t.csv", {"anna": anna, "ben": lambda row: "0.3" if ben(row) else ""})
    found = open_corpus(path)
    assert found.recordings[0].raters == ("anna",)
    assert not any("apart" in note for note in found.notes)


def test_a_converted_table_is_read_as_it_stands(tmp_path: Path) -> None:
    """What is joined is written; a rater of every second frame has no step of their own in it."""
    raters = {"anna": anna, "ben": lambda row: anna(row) if not row % 2 else ""}
    first = open_corpus(in_a_table(tmp_path / "t.csv", raters), options=ReadOptions(rules=RULES_OF_ONE_STEP))
    convert(first, tmp_path / "t.parquet")
    again = open_corpus(tmp_path / "t.parquet")
    assert again.sha256 == first.sha256
    assert np.isnan(in_both(again)["ben"][1::2]).all()


def test_of_two_labels_in_the_middle_of_which_a_frame_is_the_earlier_counts(tmp_path: Path) -> None:
    """By the rules of before now the one and now the other, as the times' last digits fall."""
    own = write_own(tmp_path / "own", at(10.0), lambda row: f"{row / 10 + 0.05:.2f}", num_frames=99, num_labels=99)
    for path in (own / "annotations").rglob("*.csv"):
        write_lines(path, ["time;r1", *(f"{row / 10 + 0.05:.2f};{row / 1000:.3f}" for row in range(99))])
    steps = [
        np.diff(open_corpus(own, options=ReadOptions(rules=rules)).recordings[0].ratings[1:, 0, 0])
        for rules in (RULES, RULES_OF_ONE_STEP)
    ]
    np.testing.assert_allclose(steps[0], 0.001, atol=1e-6)
    assert np.abs(steps[1] - 0.001).max() > 0.0009
