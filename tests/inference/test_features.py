"""`--features`: columns by pattern, in the plan, the summary, the card and the trials' uids."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.commands.options import patterns
from orchestrator.errors import InputError
from orchestrator.planning.grid import decisive
from orchestrator.planning.launch import prepare, reopen
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.search.small_searches import make_request

pytestmark = LEFT_OPEN


def test_only_what_matches_is_learned_from(small_corpus: Path, store: str, tmp_path: Path) -> None:
    every = prepare(make_request(small_corpus, tmp_path / "all", store), claim=False)
    data = DataOptions(path=small_corpus, corpus=None, features=("AU0*", "Yaw"))
    some = prepare(replace(make_request(small_corpus, tmp_path / "some", store), data=data), claim=True)
    names = some.dataset.feature_names
    assert "Yaw" in names
    assert {name[:3] for name in names} == {"AU0", "Yaw"}
    assert names == tuple(name for name in every.dataset.feature_names if name in names)
    assert some.plan.corpus.features == len(names) < every.plan.corpus.features
    assert not {trial.uid for trial in some.plan.trials} & {trial.uid for trial in every.plan.trials}
    again = load_plan(tmp_path / "some")
    assert again.features == ("AU0*", "Yaw")
    assert reopen(again).feature_names == names


def test_a_pattern_that_matches_nothing_is_refused(small_corpus: Path, store: str, tmp_path: Path) -> None:
    data = DataOptions(path=small_corpus, corpus=None, features=("AU*", "F0*"))
    with pytest.raises(InputError, match=r"--features: found F0\*, which matches none"):
        prepare(replace(make_request(small_corpus, tmp_path / "x", store), data=data), claim=False)
    with pytest.raises(InputError, match="--features: found beside --method images"):
        prepare(replace(make_request(small_corpus, tmp_path / "x", store, method="images"), data=data), claim=False)


def test_patterns_decide_a_trial_s_uid() -> None:
    assert decisive(DESCRIBED, 0, None, None, ("AU*",)) != decisive(DESCRIBED, 0, None, None)
    assert "features" not in decisive(DESCRIBED, 0, None, None)  # what was searched before keeps its uids


def test_commas_and_repeats_are_one_list() -> None:
    assert patterns(["AU*, Yaw", "Yaw", "F0_*"]) == ("AU*", "Yaw", "F0_*")


@pytest.mark.usefixtures("only_trials")
def test_the_run_says_so(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    done = run_here(
        *("evaluate", "--network", "rnn", "--learning-rate", 0.001, "--hidden-size", 4, "--sequence-length", 50),
        *("--num-layers", 1, "--epochs", 1, "--folds", 2, "--features", "AU0*,Yaw", "--no-log-model"),
        *("--data", small_corpus, "--output", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    assert read_summary(tmp_path / "run")["features"] == ["AU0*", "Yaw"]
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    assert card["feature_patterns"] == ["AU0*", "Yaw"]
    assert {name[:3] for name in card["features"]} == {"AU0", "Yaw"}
    assert not (tmp_path / "run" / "model.pt2").exists()
