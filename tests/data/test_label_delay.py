"""A delay of the labels that falls between two frames, or moves nothing: what a new run keeps and says of it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from orchestrator.commands import preview
from orchestrator.data.label_delay import moved_by, with_label_shift
from orchestrator.data.series import ratings_of
from orchestrator.errors import InputError
from orchestrator.planning import launch
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.planning.request import Request
from orchestrator.protocols import DESCRIBED, Protocol
from tests.corpora.own_files import at, write_own
from tests.search.small_searches import make_request

TENTHS = np.arange(80) / 10
Ask = Callable[..., Request]


def delayed_by(seconds: float) -> Protocol:
    return dataclasses.replace(DESCRIBED, label_delay_seconds=seconds)


@pytest.fixture
def ask(tmp_path: Path, store: str) -> Ask:
    own = write_own(tmp_path / "own", at(10.0), at(10.0), num_frames=120, num_labels=120, people=("A", "B", "C"))

    def make(**changes: object) -> Request:
        overrides = ("hidden_size=8", "sequence_length=20", "num_layers=1")
        made = make_request(own, tmp_path / "run", store, overrides=overrides)
        return dataclasses.replace(made, protocol_changes={**made.protocol_changes, **changes})

    return make


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.24, 0.27, 2.0, 100.0])
def test_where_whole_frames_move_as_the_nearest_label_does_a_run_is_as_before(seconds: float) -> None:
    assert with_label_shift(delayed_by(seconds), [TENTHS, TENTHS[:1]]) == delayed_by(seconds)


def test_a_delay_in_the_middle_of_two_frames_is_moved_by_whole_frames() -> None:
    found = with_label_shift(delayed_by(0.25), [TENTHS[:1], TENTHS])
    assert found == dataclasses.replace(delayed_by(0.25), label_shift="whole-frames")
    assert moved_by(found, [TENTHS]) == pytest.approx((0.2, 0.2))
    assert moved_by(delayed_by(0.25), [TENTHS]) is None  # of a run of before: now 0.2, now 0.3
    assert moved_by(delayed_by(0.2), [TENTHS]) is None
    assert moved_by(delayed_by(100.0), [TENTHS]) is None


@pytest.mark.parametrize("seconds", [0.01, 0.05])
def test_a_delay_that_moves_no_label_is_refused(seconds: float) -> None:
    said = (
        f"--label-delay: found {seconds:g}, which moves no label; expected more than 0.05 s, half a frame, or no delay"
    )
    with pytest.raises(InputError) as caught:
        with_label_shift(delayed_by(seconds), [TENTHS, TENTHS[:1], np.arange(9.0) / 5])
    assert str(caught.value) == said
    assert with_label_shift(delayed_by(seconds), [TENTHS[:1]]) == delayed_by(seconds)
    assert with_label_shift(delayed_by(0.06), [TENTHS, np.arange(9.0) / 5]).label_delay_seconds == 0.06


def test_a_search_keeps_how_labels_were_moved(ask: Ask, tmp_path: Path) -> None:
    ready = launch.prepare(ask(label_delay_seconds=0.25), claim=False)
    assert ready.plan.protocol.label_shift == "whole-frames"
    line = "labels    of 0.2 s later, in whole frames (--label-delay 0.25 s); the last 0.2 s have none"
    assert line in preview.announce(ready.plan, ready.dataset).splitlines()
    save_plan(ready.plan, tmp_path)
    again = load_plan(tmp_path)
    assert again == ready.plan
    corpus = launch.reread(again)
    (one, *_) = corpus.recordings
    np.testing.assert_array_equal(ratings_of(one, again.protocol)[:-2], one.ratings[2:])
    before = dataclasses.replace(again.protocol, label_shift="nearest")
    mixed = ratings_of(one, before)
    assert not np.array_equal(mixed[:-3], one.ratings[2:-1])
    assert not np.array_equal(mixed[:-3], one.ratings[3:])


def test_a_delay_of_whole_frames_keeps_the_uids_of_before(ask: Ask) -> None:
    plan = launch.prepare(ask(label_delay_seconds=0.3), claim=False).plan
    assert plan.protocol.label_shift == "nearest"
    assert "label_shift" not in plan.decisive["protocol"]
    with pytest.raises(InputError, match=r"--label-delay: found 0\.04, which moves no label"):
        launch.prepare(ask(label_delay_seconds=0.04), claim=False)
