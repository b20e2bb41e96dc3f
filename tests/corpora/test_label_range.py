"""Labels on another scale than [-1, 1]: refused in one line that names the option, or mapped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.read_options import ReadOptions, parsed_range
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import InputError
from tests.corpora.writers import Content, three_people, write_folder, write_table

NINE = ReadOptions(label_range=(1.0, 9.0))


def on_nine(one: Content) -> Content:
    """The same labels from 1 to 9."""
    return replace(one, ratings=np.round(one.ratings * 4 + 5, 4))


@pytest.mark.parametrize("write", [write_folder, lambda root, some: write_table(root / "t.csv", some)])
def test_labels_are_mapped(write, tmp_path: Path) -> None:
    plain = open_corpus(write(tmp_path / "plain", three_people()))
    mapped = open_corpus(write(tmp_path / "nine", [on_nine(one) for one in three_people()]), options=NINE)
    for one, other in zip(plain.recordings, mapped.recordings, strict=True):
        np.testing.assert_allclose(other.ratings, one.ratings, atol=1e-6)
    assert "labels mapped from 1 to 9 to -1 to 1" in mapped.notes
    assert mapped.options.label_range == (1.0, 9.0)


def test_another_scale_is_one_error_that_names_range_and_option(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [on_nine(one) for one in three_people()])
    with pytest.raises(InputError) as caught:
        open_corpus(root)
    (problem,) = caught.value.problems
    every = np.concatenate([on_nine(one).ratings.ravel() for one in three_people()])
    assert problem.found.endswith(f"labels from {every.min():g} to {every.max():g}, in 6 files")
    assert problem.where.endswith("P16.csv:2")
    assert problem.expected.startswith(
        "labels in [-1, 1], or --label-range LOW,HIGH with the ends of the raters' scale"
    )


def test_labels_off_the_scale_that_was_named_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [on_nine(one) for one in three_people()])
    with pytest.raises(InputError, match=r"expected labels in \[1, 5\], as --label-range says"):
        open_corpus(root, options=ReadOptions(label_range=(1.0, 5.0)))


@pytest.mark.parametrize(
    ("text", "ends"), [("1,9", (1.0, 9.0)), ("-1000, 1000", (-1000.0, 1000.0)), ("0,1", (0.0, 1.0)), (None, None)]
)
def test_the_option_is_two_numbers(text: str | None, ends: tuple[float, float] | None) -> None:
    assert parsed_range(text) == ends


@pytest.mark.parametrize("text", ["9", "9,1", "1,1", "a,b", "1,2,3", "0,inf", "nan,1", ""])
def test_other_than_two_rising_numbers_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--label-range: found .* expected two finite numbers"):
        parsed_range(text)
