"""Options beside the protocol keep searches apart, and rows name them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fed.options import Federation
from orchestrator.report import selection
from orchestrator.report.blocks import same_key
from orchestrator.report.collect import collect
from orchestrator.report.own_options import option_changes
from orchestrator.report.queries import protocol_label
from orchestrator.report.search_record import Search
from orchestrator.tracking.reader import StoreReader
from tests.report.made_runs import make_run, track

IMAGES = {"image_size": 224, "frame_stride": 1, "face_crop": "none", "backbone": "trained", "weights": "imagenet"}
PROTOCOL = {"name": "described", "epochs": 100, "num_folds": 8}


def search(**parts: Any) -> Search:
    corpus = {"sha256": "0" * 64, "synthetic": False}
    plan = {"method": "fl", "protocol": PROTOCOL, "corpus": corpus, "images": IMAGES, **parts}
    return Search(plan=plan, summary=None, trials=())


def federated(**choices: Any) -> Search:
    return search(federation=asdict(Federation(**choices)))


def test_rows_name_what_is_not_the_papers() -> None:
    assert option_changes(federated()) == []
    assert option_changes(federated(secure_sum=True)) == ["secure sums"]
    assert option_changes(federated(secure_sum=True, secure_bound=2.0)) == ["secure sums", "secure bound 2.0"]
    assert option_changes(federated(aggregator="trimmed-mean")) == ["aggregator trimmed-mean"]
    trimmed = federated(aggregator="trimmed-mean", trim_share=0.2)
    assert option_changes(trimmed) == ["aggregator trimmed-mean", "trim share 0.2"]
    assert option_changes(federated(optimiser="kept")) == ["optimiser kept"]
    assert option_changes(federated(on_client_failure="quorum", round_deadline_seconds=60.0)) == []
    small = search(images={**IMAGES, "image_size": 48, "frame_stride": 25, "backbone": "frozen", "weights": "none"})
    words = ["48 px", "1 frame of 25", "frozen backbone", "random weights"]
    assert option_changes(small) == words
    assert option_changes(search(features=["AU*", "gaze*"])) == ["features AU* gaze*"]


def test_searches_of_other_options_are_not_put_together() -> None:
    plain = federated()
    for other in (
        federated(secure_sum=True),
        federated(aggregator="median"),
        search(federation=plain.plan["federation"], images={**IMAGES, "image_size": 48}),
        search(federation=plain.plan["federation"], features=["AU*"]),
    ):
        assert same_key(plain) != same_key(other)
    assert same_key(plain) == same_key(federated(on_client_failure="quorum", quorum=0.5))
    earlier = {
        key: value for key, value in plain.plan["federation"].items() if not key.startswith(("server", "secure"))
    }
    assert same_key(plain) == same_key(search(federation=earlier, features=[]))


def test_a_plain_and_a_secure_search_are_both_reported(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    plain, secure = (
        make_run(tmp_path / name, {"rnn": (loss,)}, method="fl", federation=asdict(Federation(secure_sum=sums)))
        for name, loss, sums in (("plain", 0.4, False), ("secure", 0.5, True))
    )
    track(uri, plain, secure)
    found = collect(StoreReader(uri, tmp_path), (), (), None).searches
    chosen, notes = selection.select(found)
    assert {protocol_label(one) for one in chosen} == {"described", "described, secure sums"}
    assert notes == {}
