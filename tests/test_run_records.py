"""Typed records: a damaged one is refused with its file and field, keys of a newer version are kept."""

import json
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.files import json_text, parse_json
from orchestrator.json_records import newer_keys
from orchestrator.run_folder import RESULT_FILE, SUMMARY_FILE
from orchestrator.run_records import Failure, Summary, TrialResult
from tests import golden


def raw(name: str) -> dict[str, Any]:
    return dict(json.loads((golden.FOLDER / "fl-au" / name).read_text()))


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("uid",), 3, "uid: found 3"),
        (("selection_loss",), "0.1", 'selection_loss: found "0.1"'),
        (("ccc_valence",), [0.1], "ccc_valence: found [0.1]"),
        (("folds", 1, "ccc_arousal"), "high", 'folds.1.ccc_arousal: found "high"'),
        (("folds", 0, "moments"), [1], "folds.0.moments: found [1]"),
        (("hparams", "hidden_size"), 8.5, "hparams.hidden_size: found 8.5"),
        (("hparams", "dropout"), 0.5, "hparams.dropout: found a key that this version does not know; expected one of"),
        (("federation", "by_round", 0, "round"), True, "federation.by_round.0.round: found true"),
        (("curve", "train_loss"), 0.5, "curve.train_loss: found 0.5"),
    ],
)
def test_a_damaged_result_names_file_and_field(place: tuple[Any, ...], value: object, field: str) -> None:
    record = raw(RESULT_FILE)
    inside: Any = record
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with pytest.raises(InputError) as caught:
        TrialResult.from_json(record, "some/result.json")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"some/result.json: {field}")


@pytest.mark.parametrize("key", ["uid", "hparams", "status", "selection_loss", "federation", "folds", "curve"])
def test_a_result_without_what_it_is_about_is_none(key: str) -> None:
    record = raw(RESULT_FILE)
    del record[key]
    with pytest.raises(InputError, match=f"r.json: {key}: found nothing"):
        TrialResult.from_json(record, "r.json")


@pytest.mark.parametrize("other", [None, 3, [], "text"])
def test_what_is_no_object_is_refused(other: object) -> None:
    with pytest.raises(InputError, match="expected a JSON object"):
        Failure.from_json(other, "failure.json")


def test_numbers_beyond_a_double_are_refused(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="found 1e999; expected JSON, finite numbers"):
        parse_json(b'{"selection_loss": 1e999}', tmp_path / "result.json")


def test_keys_of_a_newer_version_are_kept_and_named() -> None:
    record = raw(SUMMARY_FILE)
    record["epsilon"] = {"value": 3}
    record["folds"][1]["icc_valence"] = 0.5
    record["federation"]["masks"] = 7
    read = Summary.from_json(record, "summary.json")
    assert sorted(newer_keys(read)) == ["epsilon", "federation.masks", "folds.icc_valence"]
    assert json.loads(json_text(read.to_json())) == record
