"""Model folders that lie, outputs that are inputs, and people who are called like a formula."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run
from tests.faults.harness import Start, refusal, snapshot
from tests.faults.table import injects

MOST_BYTES = 1200 * 1024**2  # twice what importing torch and a small model take
SECONDS = 60.0
LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "card-hidden-size-20000": lambda card: card["hparams"].update(hidden_size=20_000),
    "card-hidden-size-1000000": lambda card: card["hparams"].update(hidden_size=1_000_000),
    "card-num-layers-100000": lambda card: card["hparams"].update(num_layers=100_000),
    "card-weights-sha256-number": lambda card: card.update(weights_sha256=7),
}


@injects(*LIES)
@pytest.mark.parametrize("row", LIES)
def test_a_card_is_judged_before_anything_is_built(
    row: str, finished: Path, small_corpus: Path, start: Start, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(finished / "model", model)
    card = json.loads((model / "card.json").read_text())
    LIES[row](card)
    (model / "card.json").write_text(json.dumps(card))
    command = start("predict", "--model", model, "--input", small_corpus, "--output", tmp_path / "out.csv")
    assert str(model) in refusal(command.ended(SECONDS))
    assert 0 < command.peak_bytes < MOST_BYTES
    assert not (tmp_path / "out.csv").exists()


@pytest.fixture
def recording(small_corpus: Path, run_inside: Run, tmp_path: Path) -> Path:
    """The corpus as one table, in a folder of its own."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    done = run_inside("data", "convert", small_corpus, "--out", folder / "all.parquet")
    assert done.returncode == 0, done.stderr
    return folder / "all.parquet"


def as_csv(recording: Path) -> Path:
    """The first hundred rows of a table as a CSV file, which `predict` reads and writes."""
    table = pq.read_table(recording).slice(0, 100)
    file = recording.with_suffix(".csv")
    pa.csv.write_csv(table, file)
    return file


@injects("predict-output-is-input", quick=True)
@pytest.mark.parametrize("force", [(), ("--force",)], ids=["plain", "force"])
@pytest.mark.parametrize("how", ["same", "link", "hard-link"])
def test_an_output_that_is_the_input_is_refused(
    how: str, force: tuple[str, ...], finished: Path, recording: Path, run_inside: Run
) -> None:
    source = as_csv(recording)
    output = source
    if how != "same":
        output = source.with_name("other.csv")
        if how == "link":
            output.symlink_to(source)
        else:
            os.link(source, output)
    before = snapshot(recording.parent)
    refusal(run_inside("predict", "--model", finished, "--input", source, "--output", output, *force))
    assert snapshot(recording.parent) == before


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["plain", "force"])
def test_so_is_one_inside_an_input_folder_and_a_converted_corpus_itself(
    force: tuple[str, ...], finished: Path, recording: Path, run_inside: Run, tmp_path: Path
) -> None:
    source, folder = as_csv(recording), recording.parent
    recording.unlink()
    before = snapshot(folder)
    refusal(run_inside("predict", "--model", finished, "--input", folder, "--output", folder / "new.csv", *force))
    refusal(run_inside("predict", "--model", finished, "--input", folder, "--output", source, *force))
    refusal(run_inside("data", "convert", folder, "--out", folder / "new.parquet", *force))
    assert snapshot(folder) == before
    model = shutil.copytree(finished / "model", tmp_path / "model")
    before = snapshot(model)
    weights = model / "model.safetensors"
    refusal(run_inside("export", "--model", model, "--format", "pt2", "--output", weights, *force))
    assert snapshot(model) == before


@injects("predict-output-exists", quick=True)
@pytest.mark.parametrize("command", ["predict", "export", "convert"])
def test_another_file_is_replaced_with_force_alone(
    command: str, finished: Path, recording: Path, run_inside: Run, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    output = place / {"predict": "out.csv", "export": "out.pt2", "convert": "out.parquet"}[command]
    words = {
        "predict": ("predict", "--model", finished, "--input", recording, "--output", output),
        "export": ("export", "--model", finished, "--format", "pt2", "--output", output),
        "convert": ("data", "convert", recording, "--out", output),
    }[command]
    output.write_text("my diary")
    before = snapshot(place)
    assert "--force" in refusal(run_inside(*words))
    assert snapshot(place) == before
    done = run_inside(*words, "--force")
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() != b"my diary"


NAMES = ['=HYPERLINK("http://evil.example")', "+1+1", "-1+2", "@SUM(1)", "=cmd|' /C calc'!A0", "plain"]


@injects("formula-cells", quick=True)
def test_names_that_are_formulas_are_text_in_the_csv(
    finished: Path, recording: Path, run_inside: Run, tmp_path: Path
) -> None:
    table = pq.read_table(recording)
    at = table.column_names.index("participant")
    people = table["participant"].to_pylist()
    renamed = dict(zip(dict.fromkeys(people), NAMES, strict=True))
    column = pa.array([renamed[one] for one in people])
    pq.write_table(table.set_column(at, "participant", column), recording)
    output = tmp_path / "predictions.csv"
    done = run_inside("predict", "--model", finished, "--input", recording, "--output", output)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(output.open()))
    header, cells = rows[0], [cell for row in rows[1:] for cell in row[:2]]
    assert header[:3] == ["participant", "session", "time"]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert len({row[0] for row in rows[1:]}) == len(NAMES)
    assert any(number.startswith("-") for row in rows[1:] for number in row[3:5]), "numbers are not text"
