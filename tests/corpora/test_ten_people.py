"""Ten people as OpenFace 2 writes them beside three raters at 10 Hz, and the folder that `data template` writes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.corpora.convert import convert
from orchestrator.corpora.manifest import manifest_text
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED
from tests.corpora.tool_files import GAZE, OPENFACE_C, OPENFACE_R, POSE, UNITS_OPENFACE, openface_clock, write_tool
from tests.corpora.writers import DIMENSIONS, content, write_ratings

ROWS = 90
NAMES = ("frame", "face_id", "timestamp", "confidence", "success", *GAZE, *POSE, *UNITS_OPENFACE)
RATERS = ("Anna", "Ben", "Max")
UNITS = tuple(f"AU{unit:02}" for unit in OPENFACE_R) + tuple(f"AU{unit:02}_c" for unit in OPENFACE_C)


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ten")
    for number in range(1, 11):
        name = f"P{number:02}"
        write_tool(root / "features" / f"{name}.csv", NAMES, openface_clock(ROWS), seed=number, num_rows=ROWS)
        one = content(name, num_rows=35, raters=RATERS, hz=10.0)
        one = dataclasses.replace(one, time=np.round(np.arange(35) / 10, 1))
        for dimension in DIMENSIONS:
            write_ratings(root / "annotations" / dimension / f"{name}.csv", one, dimension, separator=",")
    return root


def test_data_check_says_what_is_there(ten: Path) -> None:
    text = manifest_text(open_corpus(ten))
    for line in (
        "  participants   10 with 10 sessions",
        "  rows           900, 90 per session, 30 Hz",
        f"  features       49: {', '.join((*GAZE, *POSE, *UNITS))}",
        f"{'':17}--method au learns from the 35 action units; --features takes others: {', '.join((*GAZE, *POSE))}",
        "  raters         3: Anna, Ben, Max",
        "  dropped        nothing",
    ):
        assert line in text.splitlines(), text
    assert "asked" not in text


def test_action_units_are_learnt_from(ten: Path) -> None:
    corpus, _ = load_corpus(DataOptions(path=ten, corpus=None))
    assert corpus.feature_names == UNITS
    dataset = make_dataset(corpus, DESCRIBED, seed=0)
    assert dataset.num_features == 35
    assert dataset.feature_line.startswith("35 of 49 taken, action units: AU01, AU02, AU04")
    assert dataset.feature_line.endswith(f"left out, --features takes them: {', '.join((*GAZE, *POSE))}")


def test_the_help_s_example_takes_the_intensities(ten: Path) -> None:
    corpus, _ = load_corpus(DataOptions(path=ten, corpus=None, features=("AU*_r",)))
    assert corpus.feature_names == UNITS[:17]
    converted = ten.with_name("converted.parquet")
    convert(open_corpus(ten), converted)  # where the columns are AU01 ...
    again, _ = load_corpus(DataOptions(path=converted, corpus=None, features=("AU*_r",)))
    assert again.feature_names == UNITS[:17]


def test_methods_on_images_have_the_corpus_of_the_others(ten: Path) -> None:
    """None of the features is used then, and a report is about the searches of one corpus."""
    units, images = (load_corpus(DataOptions(path=ten, corpus=None), faces=faces)[0] for faces in (False, True))
    assert images.sha256 == units.sha256 != open_corpus(ten).sha256


def test_the_template_is_valid_and_never_written_over_anything(tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(cli, ["data", "template", str(tmp_path / "own")])
    assert made.exit_code == 0, made.output
    checked = runner.invoke(cli, ["data", "check", str(tmp_path / "own")])
    assert checked.exit_code == 0, checked.output
    corpus = open_corpus(tmp_path / "own")
    assert [one.name for one in corpus.recordings] == ["P01_1", "P01_2", "P02", "P03", "P04"]
    assert corpus.participants == ("P01", "P02", "P03", "P04")
    assert corpus.synthetic
    assert corpus.attributes["P03"] == {"sex": "f", "age": "52"}
    assert (corpus.dropped, corpus.questions) == ((), ())
    assert min(corpus.joined.values()) == 1.0
    again = runner.invoke(cli, ["data", "template", str(tmp_path / "own")])
    assert again.exit_code == 2
    assert len(again.output.splitlines()) == 1
