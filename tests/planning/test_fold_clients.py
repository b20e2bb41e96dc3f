"""What a federation demands of its clients is asked before it begins: windows of everybody, options with an effect."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fed.options import Federation
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.fold_clients import refusal
from orchestrator.planning.plan import SearchOptions
from orchestrator.protocols import DESCRIBED, Protocol
from tests.data.test_dataset import make_corpus
from tests.planning.test_secure_sums import decided

WHOLE = dataclasses.replace(DESCRIBED, partial_window="drop")
FRAMES = 20  # of one person; the others have twice as many


def why_not(length: int, protocol: Protocol = DESCRIBED, **federation: Any) -> str | None:
    corpus = make_corpus()
    first, *others = corpus.recordings
    short = dataclasses.replace(
        first,
        time=first.time[:FRAMES],
        features=first.features[:FRAMES],
        valid=np.ones(FRAMES, dtype=bool),
        ratings=np.nan_to_num(first.ratings[:FRAMES]),
    )
    corpus = dataclasses.replace(corpus, recordings=(short, *others))
    protocol = dataclasses.replace(protocol, num_folds=3)
    dataset = make_dataset(corpus, protocol, seed=0, federated=True)
    return refusal(dataset, protocol, Federation(**federation), length)


@pytest.mark.parametrize(
    ("length", "protocol", "federation", "frames"),
    [
        (16, DESCRIBED, {"aggregator": "personalised"}, None),
        (17, DESCRIBED, {"aggregator": "personalised"}, "first 16"),
        (17, DESCRIBED, {}, None),
        (21, DESCRIBED, {}, None),
        (20, WHOLE, {}, None),
        (21, WHOLE, {}, "20"),
        (21, WHOLE, {"on_client_failure": "resilient"}, None),
    ],
)
def test_windows_that_leave_a_client_nothing_to_train_on_are_refused(
    length: int, protocol: Protocol, federation: dict[str, Any], frames: str | None
) -> None:
    why = why_not(length, protocol, **federation)
    if frames is None:
        assert why is None
    else:
        assert why is not None
        assert f"has no labelled window in its {frames} frames (--on-client-failure strict)" in why


@pytest.mark.parametrize(
    ("method", "search", "federation", "message"),
    [
        (
            "fl-au",
            {},
            {"quorum": 0.5},
            "--quorum: found 0.5 beside --on-client-failure strict; expected it with quorum",
        ),
        ("fl-au", {}, {"quorum": 0.8, "on_client_failure": "resilient"}, "--quorum: found 0.8 beside"),
        ("fl-au", {}, {"quorum": 0.5, "on_client_failure": "quorum"}, None),
        ("au", {"client_actors": 4}, {}, "--client-actors: found beside --method au, which is no federation"),
        ("au", {"cpus_per_client": 2.0, "gpus_per_client": 1.0}, {}, "--cpus-per-client, --gpus-per-client: found"),
        ("fl-au", {"client_actors": 4, "cpus_per_client": 2.0}, {}, None),
    ],
)
def test_options_of_a_federation_without_an_effect_are_refused(
    method: str, search: dict[str, Any], federation: dict[str, Any], message: str | None
) -> None:
    _, problems = decided(method, SearchOptions(**search), **federation)
    assert [message in problem for problem in problems] == [True] if message else problems == []
