"""`--purpose` of `predict` and `score`: recorded beside the predictions, else said to be not stated."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.files import sha256_of
from tests.inference.conftest import Make


def predict(model: Path, source: Path, output: Path, *words: str) -> Result:
    names = ["predict", "--model", str(model), "--input", str(source), "--output", str(output)]
    return CliRunner().invoke(cli, [*names, "--device", "cpu", *words])


@pytest.mark.parametrize(
    ("words", "purpose"), [(["--purpose", " a pilot of stress \n"], "a pilot of stress"), ([], "not stated")]
)
def test_it_is_recorded_beside_the_table_whose_columns_stay(
    small_corpus: Path, make_model: Make, tmp_path: Path, words: list[str], purpose: str
) -> None:
    folder, output = make_model(small_corpus), tmp_path / "out.csv"
    done = predict(folder, small_corpus, output, *words)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.provenance.json").read_text())
    assert found["purpose"] == purpose
    assert found["predictions_sha256"] == sha256_of(output)
    assert found["model"]["uid"] == json.loads((folder / "card.json").read_text())["uid"]
    assert "5(1)(f)" in found["use_statement"]
    assert f"purpose   {purpose}\n" in done.output
    assert output.read_text().splitlines()[0] == "participant,session,time,valence,arousal"
    again = predict(folder, small_corpus, tmp_path / "out.csv")
    assert again.exit_code == 2
    output.unlink()
    assert "out.provenance.json" in predict(folder, small_corpus, output).output


@pytest.mark.parametrize("purpose", ["", "  ", "two\nlines", "x" * 501, "bell \x07"])
def test_what_is_no_line_is_refused(tmp_path: Path, purpose: str) -> None:
    done = predict(tmp_path, tmp_path, tmp_path / "out.csv", "--purpose", purpose)
    assert done.exit_code == 2
    assert "expected one line of 1 to 500 printable characters" in " ".join(done.output.split())


def test_score_has_it_in_its_scores(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    model = make_model(small_corpus)
    for words, purpose in ((["--purpose", "a check"], "a check"), ([], "not stated")):
        folder = tmp_path / purpose
        names = ["score", "--model", str(model), "--data", str(small_corpus), "--include-seen"]
        done = CliRunner().invoke(cli, [*names, "--output", str(folder), "--device", "cpu", *words])
        assert done.exit_code == 0, done.output
        assert json.loads((folder / "scores.json").read_text())["purpose"] == purpose
