"""Codes for missing values, such as -999: refused among features and labels, and no value of a participant."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.checks import labels_fit
from orchestrator.corpora.convert import convert
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats.unlabelled import read_feature_files
from orchestrator.corpora.live_table import GrowingTable
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.tables.column_kinds import missing_codes
from orchestrator.errors import InputError, Problem
from tests.corpora.annotators_files import write, write_features
from tests.corpora.own_files import write_own
from tests.corpora.writers import Content, content, three_people, write_avec, write_folder, write_recola, write_table

RNG = np.random.default_rng(0)
UNITS = RNG.uniform(0, 5, 200)  # intensities
PRESENCE = (RNG.random(200) > 0.5).astype(float)
EMBEDDING = RNG.standard_t(2, 5000) * 20  # far values that no other repeats
WRITERS: list[Callable[[Path, Sequence[Content]], Path]] = [
    write_folder,
    lambda root, some: write_table(root / "t.csv", some),
    lambda root, some: write_table(root / "t.parquet", some),
]


def problems_of(read: Callable[[], object]) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read()
    return caught.value.problems


def coded(one: Content, code: float, rows: Sequence[int] = (3, 4, 5), columns: Sequence[int] = (1,)) -> Content:
    features = one.features.copy()
    features[np.ix_(rows, columns)] = code
    return replace(one, features=features)


@pytest.mark.parametrize(
    ("values", "code", "cells"),
    [
        *((UNITS, code, 3) for code in (-99, 99, -999, 999, -9999, 9999, -99999, 99999, -32768, 1e20, -999.9)),
        *((UNITS, code, 1) for code in (-99, -999, -9999)),
        *((PRESENCE, code, 2) for code in (-99, 99, -999, 999)),
        (np.zeros(50), -999, 1),
        (UNITS * 400, -999, 1),  # places in a picture: none is negative
        (UNITS * 200, 9999, 2),
        (np.full(5, np.nan), -999, 20),
    ],
)
def test_codes_are_found(values: np.ndarray, code: float, cells: int) -> None:
    found = missing_codes([np.append(values, [code] * cells).astype(np.float32), np.array([np.nan])])
    assert [float(np.float32(one)) for one in found] == [float(np.float32(code))]
    others = values[np.isfinite(values)]
    assert next(iter(found.values())) == (pytest.approx((others.min(), others.max())) if len(others) else None)


@pytest.mark.parametrize(
    "values",
    [
        UNITS,
        PRESENCE,
        np.full(50, 999.0),
        np.full(50, 100.0),
        PRESENCE * 99,
        PRESENCE * 999,
        np.arange(0.0, 2000.0),
        np.append(UNITS * 100, 999.0),  # one of large numbers
        np.append(np.arange(-1200.0, 1200.0, 7), [-999.0, 999.0]),
        np.append(UNITS, 60.0),
        np.append(UNITS, [4.9999, 30.0, 30.0]),
        np.append(UNITS * -10, [-99.0, -99.0]),
        np.append(UNITS * -9, [-99.0, -99.0]),
        np.append(UNITS * -24, [-1000.0] * 40),  # a floor
        np.append(UNITS + 600, [999.0, 999.0]),
        EMBEDDING,
        np.array([]),
        np.full(9, np.nan),
    ],
)
def test_values_are_no_codes(values: np.ndarray) -> None:
    assert not missing_codes([values[::2], values[1::2]])


def test_a_growing_table_needs_one_cell_of_a_code() -> None:
    assert not missing_codes([np.append(UNITS, 999.0)])
    assert list(missing_codes([np.append(UNITS, 999.0)], repeated=1)) == [999.0]


@pytest.mark.parametrize("write_corpus", WRITERS)
def test_a_code_in_features_is_one_error_that_names_it(write_corpus: object, tmp_path: Path) -> None:
    first, second, third = three_people()
    some = [coded(first, -999), coded(second, -999, rows=range(7), columns=(0, 1)), third]
    root = write_corpus(tmp_path, some)  # type: ignore[operator]
    (problem,) = problems_of(lambda: open_corpus(root))
    every = np.concatenate([one.features[:, 0] for one in some])
    every = every[every != -999]
    of_first = f"{second.name}.csv" if root.is_dir() else root.name
    assert problem.where.rpartition("/")[2].startswith(of_first)
    assert problem.found == (
        f"-999 in column AU01, in 7 cells of {of_first}, far from all others, {every.min():g} to {every.max():g}:"
        " it looks like a code for a missing value (also 10 cells of AU12)"
    )
    assert problem.expected == "an empty cell, or NA, for a missing value; --features can leave a column out"
    assert open_corpus(root, options=BEFORE).recordings[0].features.min() == -999
    assert open_corpus(root, features=["Yaw"]).feature_names == ("Yaw",)


def test_a_code_in_a_column_of_its_own_names_all_files(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [coded(one, 9999, rows=[7]) for one in three_people()])
    (problem,) = problems_of(lambda: open_corpus(root))
    assert problem.where.endswith("P16.csv:9")
    assert problem.found.startswith(
        "9999 in column AU12, in 3 cells of P16.csv, P17.csv, P19.csv, far from all others, 0"
    )


def test_rows_without_a_face_may_have_any_code(tmp_path: Path) -> None:
    rows = [
        f"{p},{n / 25},{n % 5 and n * 3 % 7 if n > 9 else -999},{int(n > 9)},0.{n % 10},0.1"
        for p in "a"
        for n in range(40)
    ]
    write(tmp_path / "t.csv", "participant,time,AU12,success,valence,arousal", *rows)
    corpus = open_corpus(tmp_path / "t.csv")
    assert np.nanmin(corpus.recordings[0].features) == 0


def test_a_converted_table_is_looked_at_and_the_papers_trees_are_not(tmp_path: Path) -> None:
    some = [coded(one, -999) for one in three_people()]
    for write_tree in (write_recola, write_avec):
        corpus = open_corpus(write_tree(tmp_path / write_tree.__name__, some))
        assert corpus.recordings[0].features.min() == -999
    convert(corpus, tmp_path / "avec.parquet")
    assert open_corpus(tmp_path / "avec.parquet").recordings[0].features.min() == -999
    own = open_corpus(write_folder(tmp_path / "own", some), options=BEFORE)
    convert(own, tmp_path / "own.parquet")
    assert len(problems_of(lambda: open_corpus(tmp_path / "own.parquet"))) == 1


def test_a_code_is_refused_in_what_is_predicted(tmp_path: Path) -> None:
    names = ("AU01", "AU12", "Yaw")
    tree = write_recola(tmp_path / "recola", [coded(content(), -999)])
    assert read_feature_files(tree, names).recordings[0].features.min() == -999
    root = write_folder(tmp_path / "own", [coded(content(), -999, rows=range(50))])
    for path in (root, root / "features" / "P16.csv"):
        (problem,) = problems_of(partial(read_feature_files, path, names))
        assert problem.found.startswith(
            "-999 in column AU12, in 50 cells of P16.csv, without any other value: it looks"
        )
        assert problem.expected == "an empty cell, or NA, for a missing value"
        read_feature_files(path, names, options=BEFORE)
        read_feature_files(path, ["AU01", "Yaw"])


@pytest.mark.parametrize("code", ["-999", "999"])
def test_a_code_in_a_growing_table_is_refused_by_what_was_read_before(code: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, "timestamp,AU12_r,x", "0.04,1.5,-999", "0.08,2,-999")
    with GrowingTable(path, ["AU12"]) as table:
        assert table.poll() is not None
        with path.open("a") as file:
            file.write(f"0.12,{code},0\n")
        with pytest.raises(
            InputError, match=rf"t\.csv:4: found {code} in column AU12_r, in 1 cell of t\.csv, far from"
        ):
            table.poll()


def with_labels(one: Content, code: float, rows: Sequence[int] = (2, 3)) -> Content:
    ratings = one.ratings.copy()
    ratings[rows, 0, 0] = code
    return replace(one, ratings=ratings)


@pytest.mark.parametrize("write_corpus", WRITERS[:2])
def test_a_code_in_labels_invites_no_scale(write_corpus: object, tmp_path: Path) -> None:
    first, second, third = three_people()
    root = write_corpus(tmp_path, [with_labels(first, -999), with_labels(second, -999, rows=[9]), third])  # type: ignore[operator]
    (problem,) = problems_of(lambda: open_corpus(root))
    rater = first.raters[0]
    column = rater if root.is_dir() else f"valence_{rater}"
    files = " in 2 files" if root.is_dir() else ""
    assert problem.found == f"-999 in column {column}, 3 labels{files}: it looks like a code for a missing one"
    assert problem.expected == "an empty cell, or NA, if there is no label, and no -999 in --label-range"
    for low in (-999.0, -1000.0):
        stated = ReadOptions(label_range=(low, 1.0))
        if low == -999.0:
            assert problems_of(partial(open_corpus, root, options=stated)) == (problem,)
        else:  # what was stated is not doubted
            open_corpus(root, options=stated)
    assert "labels from -999 to" in problems_of(lambda: open_corpus(root, options=BEFORE))[0].found


def test_a_code_beside_another_scale_is_a_fault_of_its_own(tmp_path: Path) -> None:
    nine = [replace(one, ratings=np.round(one.ratings * 4 + 5, 4)) for one in three_people()]
    root = write_folder(tmp_path, [with_labels(nine[0], 99), *nine[1:]])
    code, scale = sorted(problems_of(lambda: open_corpus(root)), key=lambda one: "code" not in one.found)
    assert code.found.startswith("99 in column FM1, 2 labels: it looks like a code")
    low, high = min(one.ratings.min() for one in nine), max(one.ratings.max() for one in nine)
    assert f"labels from {low:g} to {high:g}, in 6 files" in scale.found
    assert len(problems_of(lambda: open_corpus(root, options=ReadOptions(label_range=(1.0, 9.0))))) == 1


def test_labels_with_a_code_do_not_fit() -> None:
    assert not labels_fit(np.array([0.1, 0.2, -999]), lambda row: (f"a.csv:{row}", "column a"), Findings())
    assert labels_fit(np.array([0.1, 0.2, np.nan]), lambda row: (f"a.csv:{row}", "column a"), Findings())


def test_a_wide_scale_has_no_codes(tmp_path: Path) -> None:
    some = [replace(one, ratings=np.round(one.ratings * 1000)) for one in three_people()]
    root = write_folder(tmp_path, [with_labels(some[0], -999), *some[1:]])
    open_corpus(root, options=ReadOptions(label_range=(-1000.0, 1000.0)))


def test_a_code_in_annotators_files(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    text = "".join(
        f"{d}_Eva\t\t00:00:0{n}.0\t{n}.0\t00:00:0{n}.9\t{n}.9\t00:00:00.9\t0.9\t{-999 if n < 2 else 0.1 * n:g}\n"
        for d in ("valence", "arousal")
        for n in range(5)
    )
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "P1.txt").write_text(text)
    (problem,) = problems_of(lambda: open_corpus(tmp_path))
    assert "-999 in tier valence_Eva, " in problem.found
    assert "4 labels: it looks like a code for a missing one" in problem.found


def test_a_code_of_an_attribute_is_no_value(tmp_path: Path) -> None:
    write_own(tmp_path)
    write(tmp_path / "participants.csv", "participant,age,site", "P1,-999,-9", "P2,30,999")
    corpus = open_corpus(tmp_path)
    assert corpus.attributes == {"P1": {"site": "-9"}, "P2": {"age": "30", "site": "999"}}
    assert "participants.csv: -999 in age is taken for a missing value" in corpus.notes
