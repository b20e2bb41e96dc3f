"""Secure sums through the command line: the plain run up to the fixed point, and what its records say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from fed.secure_sums.identities import write_identities
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic.tree import synthesize
from tests.conftest import LEFT_OPEN, Run, read_summary

pytestmark = [pytest.mark.usefixtures("only_trials"), *LEFT_OPEN]
SMALL = (
    *("tune", "--method", "fl-au", "--preset", "demo", "--network", "rnn", "--folds", 3, "--num-cpus", 2),
    *("--set", "hidden_size=8", "--set", "sequence_length=50", "--trials", 1, "--epochs", 2, "--no-log-model"),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people of 16 s; a fold trains on four."""
    return synthesize(tmp_path_factory.mktemp("people") / "corpus", participants=6, seconds=16.0, seed=4)


def result(output: Path) -> dict[str, Any]:
    (path,) = (output / "trials").glob("*/result.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_search_with_secure_sums_is_the_plain_one_up_to_the_fixed_point(
    people: Path, run_here: Run, run_inside: Run, tmp_path: Path
) -> None:
    """The weighted mean, with identities; the mean and the server's optimisers: tests/fed/test_secure_round.py."""
    names = open_corpus(people).participants
    write_identities(tmp_path / "keys", names)
    secure = ("--secure-sum", "--identities", tmp_path / "keys")
    for kind, more, run in (("plain", (), run_here), ("secure", secure, run_inside)):
        done = run(*(*SMALL, "--aggregator", "weighted-mean", *more, "--data", people, "--output", tmp_path / kind))
        assert done.returncode == 0, done.stderr
    assert "6 clients in 6 processes per trial, 0.3 CPUs and 0 GPUs each" in done.stderr
    assert "secure    each client has its own process; the server learns sums only" in done.stdout
    plain, sums = (pq.read_table(tmp_path / kind / "predictions.parquet") for kind in ("plain", "secure"))
    for column in ("valence_pred", "arousal_pred"):
        # Two rounds: a fresh Adam's first step is as long as the learning rate, whichever way a small gradient points.
        np.testing.assert_allclose(plain[column].to_numpy(), sums[column].to_numpy(), atol=2e-3)
    one, other = (result(tmp_path / kind) for kind in ("plain", "secure"))
    assert one["uid"] != other["uid"]
    for name in ("train_loss", "validation_loss"):
        first, second = (found["federation"]["by_round"][0][name] for found in (one, other))
        assert first == pytest.approx(second, abs=1e-6)
    assert "left_apart" not in one["federation"]
    assert "secure" not in one["federation"]["by_round"][0]
    assert len(other["federation"]["left_apart"]) == 3
    assert read_summary(tmp_path / "secure")["federation"]["left_apart"] == other["federation"]["left_apart"]
    for record in other["federation"]["by_round"]:
        found = record["secure"]
        assert (found["survivors"], found["lost"]) == ([4, 4, 4], [])
        assert found["bytes_up"]["keys"] == 3 * 4 * 128
        assert {*found["bytes_up"]} == {"keys", "shares", "masked", "receipts", "unmask"}
        assert record["bytes_up"] == sum(found["bytes_up"].values())
        assert found["bits"]["windows"] == 64
    assert other["federation"]["paper_seconds"] > 0


def test_too_few_clients_left_ends_with_3(people: Path, run_inside: Run, tmp_path: Path) -> None:
    done = run_inside(
        *(*SMALL, "--secure-sum", "--on-client-failure", "resilient", "--round-deadline", 0.0001),
        *("--data", people, "--output", tmp_path / "run"),
    )
    assert done.returncode == 3, done.stdout + done.stderr


def test_what_cannot_be_had_is_refused_with_2(people: Path, run_inside: Run, tmp_path: Path) -> None:
    words = (*SMALL, "--secure-sum", "--data", people, "--output", tmp_path / "run")
    done = run_inside(*words, "--aggregator", "median", "--client-actors", 2)
    assert done.returncode == 2
    assert "--secure-sum: found beside --aggregator median" in done.stderr
    done = run_inside(*words, "--gpus-per-client", 1)
    assert done.returncode == 2
    assert "with --secure-sum each client has its own process" in done.stderr
    assert not (tmp_path / "run").exists()
