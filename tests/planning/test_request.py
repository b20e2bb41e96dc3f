"""What a request decides: in a federation no statistics over several people's frames, whatever the protocol says."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from orchestrator.data.dataset import make_dataset
from orchestrator.errors import Gather, InputError
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import DataOptions, Decided, Request, decide
from orchestrator.protocols import PROTOCOLS
from tests.data.test_dataset import make_corpus
from tune_spaces.catalogue import find_method, method_names

FEDERATED = [name for name in method_names() if find_method(name).federated]
POOLED = ("train", "both")  # scalings that need the frames, or the means, of several people in one place


def decided(
    method: str, protocol: str, images: dict[str, Any] | None = None, **changes: Any
) -> tuple[Decided, list[str]]:
    """The choices of a request, and what is wrong with it."""
    request = Request(
        command="tune",
        method=method,
        preset="demo",
        networks=(),
        overrides=(),
        point=None,
        protocol=protocol,
        protocol_changes=changes,
        image_changes=images or {},
        data=DataOptions(path=None, corpus=None),
        seed=0,
        search=SearchOptions(log_model=False),
        output=None,
        tracking_uri=None,
    )
    gather = Gather()
    return decide(request, gather), [str(problem) for problem in gather.problems]


@pytest.mark.parametrize("method", method_names())
def test_options_of_images_are_refused_where_there_are_none(method: str) -> None:
    nothing = {"image_size": None, "weights": None}
    assert not decided(method, "described", images=nothing)[1]
    given = {"image_size": 48, "frame_stride": None, "weights": "none"}
    if find_method(method).features == "frames":
        images = decided(method, "described", images=given)[0].images
        assert images is not None
        assert (images.image_size, images.weights) == (48, "none")
        return
    with pytest.raises(InputError, match=f"--image-size, --weights: found beside --method {method}.*--method fl or"):
        decided(method, "described", images=given)


def test_strict_in_a_federation_scales_nothing() -> None:
    found, problems = decided("fl-au", "strict")
    assert not problems
    assert found.protocol == dataclasses.replace(PROTOCOLS["strict"], epochs=found.protocol.epochs, scaling="none")
    central, problems = decided("au", "strict")
    assert not problems
    assert central.protocol.scaling == "train"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method", FEDERATED)
def test_no_protocol_of_a_federation_pools_frames(method: str, protocol: str) -> None:
    """Neither by what is decided, nor in what is made of it: no fold has a mean of its training people."""
    found, problems = decided(method, protocol)
    assert not problems
    if find_method(method).features != "frames":  # pictures are scaled by constants of the backbone
        assert found.protocol.scaling not in POOLED
        few = dataclasses.replace(found.protocol, num_folds=3)
        dataset = make_dataset(make_corpus(), few, seed=0, federated=True)
        assert all(split.mean_F is None and split.sd_F is None for split in dataset.splits)
        assert not dataset.own_scales


@pytest.mark.parametrize("scaling", POOLED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalings_over_several_people_are_refused_in_a_federation(protocol: str, scaling: str) -> None:
    _, problems = decided("fl-au", protocol, scaling=scaling)
    lines = [
        line for line in problems if line.startswith(f"--scaling: found {scaling}") and "in a federation no" in line
    ]
    assert len(lines) == 1, problems
    _, problems = decided("au", protocol, scaling=scaling)
    assert not any("federation" in line for line in problems)


def test_the_scaling_of_strict_follows_from_its_training_people_alone() -> None:
    """Centrally: a held-out person's features may be anything, the statistics of the fold stay."""
    found, _ = decided("au", "strict")
    few = dataclasses.replace(found.protocol, num_folds=3)
    corpus = make_corpus()
    changed = [
        dataclasses.replace(one, features=one.features * np.float32(100)) if one.participant in ("P0", "P1") else one
        for one in corpus.recordings
    ]
    plain = make_dataset(corpus, few, seed=0).splits[0]
    other = make_dataset(dataclasses.replace(corpus, recordings=tuple(changed)), few, seed=0).splits
    assert other[0].mean_F == pytest.approx(plain.mean_F)
    assert not np.allclose(np.asarray(other[1].mean_F), np.asarray(plain.mean_F))


@pytest.mark.parametrize("method", method_names())
def test_defences_are_of_features(method: str) -> None:
    assert decided(method, "described", defence=None)[1] == []
    found, problems = decided(method, "described", defence="noise=1")
    if find_method(method).features == "frames":
        words = f"--defence: found noise=1, beside --method {method}, which looks at pictures"
        assert problems == [f"{words}; expected a method on features: au or fl-au"]
    else:
        assert problems == []
        assert found.protocol.defence == "noise=1"
