"""`summary.json` has the keys that docs/outputs.md has, and no other; the golden files are those of fixed runs."""

import dataclasses
import json

import pytest

from orchestrator import measures
from orchestrator.data.dataset import make_dataset
from orchestrator.evaluation import summary
from orchestrator.evaluation.results import Outcome
from orchestrator.evaluation.search_baselines import Scored
from orchestrator.protocols import DESCRIBED
from tests import golden
from tests.data.test_dataset import make_corpus
from tests.documents import SOMETIMES, summary_keys
from tests.golden import METHODS
from tests.records import make_plan


@pytest.mark.parametrize("method", METHODS)
def test_a_summary_has_the_documented_keys_and_no_other(method: str) -> None:
    found = json.loads((golden.FOLDER / method / "summary.json").read_text())
    assert summary_keys() - SOMETIMES <= set(found) <= summary_keys()
    assert ("raters" in found) == (method == "au")  # labels of a federation do not meet


def test_the_documents_table_is_read_whole() -> None:
    keys = summary_keys()
    assert {"status", "command", "search_seconds", "features", "protocol_fields", "folds", "intervals"} <= keys
    assert {f"{name}_arousal" for name in ("pearson", "mse", "mae", "ccc_corrected")} <= keys
    assert {"ccc_valence_low", "ccc_window_arousal_high"} <= keys
    assert not {"constant_valence", "num_frames_valence", "epochs"} & keys


def test_a_summary_of_nothing_has_every_key_too() -> None:
    """Where nothing finished the scores are null."""
    three_folds = dataclasses.replace(DESCRIBED, num_folds=3)
    dataset = make_dataset(make_corpus(), three_folds, seed=0)
    nothing = Outcome(results=(), failures=())
    built = summary.build(
        make_plan(protocol=three_folds), dataset, nothing,
        status="interrupted", tracking={}, baselines=Scored(scores={}, left_out={}),
    ).to_json()  # fmt: skip
    assert summary_keys() - SOMETIMES <= set(built) <= summary_keys()
    assert {built[key] for key in measures.score_keys()} == {None}
    assert built["trials"] == {"planned": 8, "finished": 0, "failed": 0, "stopped": 0}


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_and_a_person_have_their_keys(method: str) -> None:
    """docs/outputs.md: `folds[]` and `participants[]`."""
    found = json.loads((golden.FOLDER / method / "summary.json").read_text())
    per_fold = {"fold", "participants", "uid", "chosen_epoch", "selection_loss", "train_loss"}
    assert all(set(fold) == per_fold | set(measures.fold_keys()) for fold in found["folds"])
    own = {f"{name}_{dimension}" for name in ("ccc", "num_frames") for dimension in ("valence", "arousal")}
    assert all(set(person) == {"participant", "fold"} | own for person in found["participants"])
    assert set(found["trials"]) == {"planned", "finished", "failed", "stopped"}
    assert set(found["best"]) == {"network", "hparams", "uid", "loss"}
