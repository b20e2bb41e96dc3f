"""Federations in one process: known answers, resuming, failures, and nothing that depends on chance."""

import itertools
import json
import logging
import math
import pickle
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fed.client import Client
from fed.executors.in_process import in_process
from fed.options import Federation
from fed.round_records import ClientFailed, QuorumLost
from fed.scores import pooled
from models.ccc import Moments, ccc, frame_moments
from models.checkpoints import CheckpointError
from models.epochs import Evaluation
from models.splits import FoldSplit
from models.training import FoldsInTraining
from tests.fed.toys import (
    PEOPLE,
    RECIPE,
    SERIES,
    SPLITS,
    assert_same,
    federation,
    flat,
    in_memory,
    learning,
    misbehaving,
    trained,
    without_seconds,
    write,
)
from tests.models.toys import recipe


def failing(how: str, who: str = "P2", number: int = 2, **settings: Any) -> Any:
    return federation(start=learning(partial(misbehaving, how, who, number, "unused"), in_process), **settings)


@pytest.mark.parametrize("keep", ["last", "best", "best-together"])
def test_one_client_that_keeps_its_optimiser_is_centralised_training(keep: str) -> None:
    chosen = recipe(order="in-order", epochs=5, keep=keep, learning_rate=0.05)
    splits = [
        FoldSplit(train=(0,), validation=(1,), held_out=(4, 1)),
        FoldSplit(train=(3,), validation=(2,), held_out=(2,)),
    ]
    central = FoldsInTraining(SERIES, splits, chosen, seed=5)
    assert len(list(central.epochs())) == 5
    for aggregator in ("mean", "weighted-mean", "median"):
        folds = trained(splits=splits, chosen=chosen, seed=5, optimiser="kept", aggregator=aggregator)
        assert without_seconds(folds.history) == without_seconds(central.history)
        for k, split in enumerate(splits):
            assert folds.chosen_epoch(k) == central.chosen_epoch(k)
            assert torch.equal(flat(folds, k), flat(central, k))
            found, expected = folds.predict(k, split.held_out), central.predict(k, split.held_out)
            for mine, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine, other)
    fresh = trained(splits=splits, chosen=chosen, seed=5)
    assert not torch.equal(flat(fresh, 0), flat(central, 0))


def test_clients_with_equal_data_are_one_of_them() -> None:
    chosen = recipe(order="in-order", epochs=3)
    one = FoldSplit(train=(0,), validation=(3,), held_out=(3,))
    copies = [replace(SERIES[0], participant=name) for name in ("A", "B", "C")]
    for aggregator in ("mean", "weighted-mean", "median", "trimmed-mean"):
        alone = trained(splits=[one], chosen=chosen, aggregator=aggregator)
        split = FoldSplit(train=(0, 1, 2), validation=(3,), held_out=(3,))
        together = trained(series=[*copies, SERIES[3]], splits=[split], chosen=chosen, aggregator=aggregator)
        assert torch.equal(flat(alone, 0), flat(together, 0))
        assert len(together.rounds[-1].trained[0]) == 3


def test_one_seed_repeats_and_two_differ() -> None:
    first, again, other = (trained(seed=seed) for seed in (0, 0, 1))
    assert_same(first, again)
    assert not torch.equal(flat(first, 0), flat(other, 0))


def test_the_order_of_the_clients_is_irrelevant_to_the_weights() -> None:
    first = trained()
    other = trained(clients=in_memory(SERIES)[::-1])
    for k in range(2):
        assert torch.equal(flat(first, k), flat(other, k))


def test_a_fold_does_not_depend_on_the_others() -> None:
    together, alone = trained(), trained(splits=SPLITS[:1])
    assert torch.equal(flat(together, 0), flat(alone, 0))
    assert not torch.equal(flat(together, 1), flat(alone, 0))


def test_people_held_out_do_not_reach_the_weights() -> None:
    changed = [replace(one, features_TF=-one.features_TF) if i % 2 == 0 else one for i, one in enumerate(SERIES)]
    first, second = trained(splits=SPLITS[:1]), trained(splits=SPLITS[:1], series=changed)
    assert SPLITS[0].train == (1, 3, 5)
    assert torch.equal(flat(first, 0), flat(second, 0))
    assert first.history[-1].validation_loss != second.history[-1].validation_loss


def test_the_curve_is_what_the_predictions_say() -> None:
    folds = federation()
    list(folds.epochs())
    for k, split in enumerate(SPLITS):
        traces = folds.predict(k, split.validation)
        pairs = [
            frame_moments(trace, SERIES[i].gold_T2, SERIES[i].mask_T2)
            for trace, i in zip(traces, split.validation, strict=True)
        ]
        valence, arousal = (sum(column, Moments.zero()) for column in zip(*pairs, strict=True))
        # Predictions are equal; moments are summed in another order.
        assert folds.history[-1].ccc_valence[k] == pytest.approx(ccc(valence), abs=1e-12)
        assert folds.history[-1].ccc_arousal[k] == pytest.approx(ccc(arousal), abs=1e-12)
    swapped = folds.predict(0, (5, 0))
    assert [len(trace) for trace in swapped] == [len(SERIES[5].valid_T), len(SERIES[0].valid_T)]


def test_participants_with_two_sessions_and_strangers() -> None:
    series = [SERIES[0], SERIES[1], replace(SERIES[2], participant="P0"), SERIES[3]]
    split = FoldSplit(train=(0, 1, 2), validation=(3,), held_out=(3,))
    folds = trained(series=series, splits=[split], clients=in_memory([*series, SERIES[5]]))
    assert folds.rounds[-1].trained == (("P0", "P1"),)
    traces = folds.predict(0, (2, 1, 0))
    assert [len(trace) for trace in traces] == [len(series[i].valid_T) for i in (2, 1, 0)]


def test_every_round_is_recorded() -> None:
    folds = trained()
    assert [one.number for one in folds.rounds] == [1, 2]
    size = folds.layout.num_bytes
    for one, epoch in zip(folds.rounds, folds.history, strict=True):
        assert one.trained == (("P1", "P3", "P5"), ("P0", "P2", "P4"))
        assert one.failed == one.refused == ()
        assert one.bytes_up == 6 * size
        assert one.bytes_down == 12 * size
        assert (one.train_loss, one.validation_loss) == (epoch.train_loss, epoch.validation_loss)
        assert 0 < sum(one.client_seconds) < one.seconds == epoch.seconds
    expected = sum(seconds for one in folds.rounds for seconds in one.client_seconds) / 3
    assert folds.paper_seconds == pytest.approx(expected)


def test_pooling_one_person_changes_nothing_and_several_weigh() -> None:
    ones = [
        Evaluation(loss=loss, count=count, valence=Moments.zero(), arousal=Moments.zero())
        for loss, count in ((0.1, 3), (0.7, 11))
    ]
    assert pooled(ones[:1]).loss == 0.1
    assert pooled(ones).loss == pytest.approx((0.3 + 7.7) / 14)
    assert pooled(ones).count == 14


@pytest.mark.parametrize("aggregator", ["mean", "personalised"])
@pytest.mark.parametrize("keep", ["last", "best", "best-together"])
def test_saved_and_loaded_equals_uninterrupted(tmp_path: Path, aggregator: str, keep: str) -> None:
    settings: dict[str, Any] = {"chosen": recipe(epochs=4, keep=keep), "aggregator": aggregator, "optimiser": "kept"}
    whole = trained(**settings)
    for stop in (1, 3):
        first = federation(checkpoint=tmp_path / str(stop), **settings)
        for epoch in first.epochs():
            if epoch.number == stop:
                break
        second = federation(checkpoint=tmp_path / str(stop), **settings)
        second.load(tmp_path / str(stop))
        assert len(second.history) == len(second.rounds) == stop
        assert len(list(second.epochs())) == 4 - stop
        assert_same(second, whole)
        for mine, other in zip(second.predict(1, (0, 3)), whole.predict(1, (0, 3)), strict=True):
            np.testing.assert_array_equal(mine, other)
        assert [replace(r, seconds=0.0, client_seconds=()) for r in second.rounds] == [
            replace(r, seconds=0.0, client_seconds=()) for r in whole.rounds
        ]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"chosen": recipe(epochs=3)}, "recipe"),
        ({"splits": SPLITS[::-1]}, "splits"),
        ({"aggregator": "median"}, "federation"),
        ({"proximal": 0.1}, "federation"),
        ({"clients": in_memory(SERIES)[::-1]}, "clients"),
        ({"series": [SERIES[0], *SERIES[2:], replace(SERIES[1], participant="P9")]}, "participants"),
    ],
)
def test_checkpoints_of_other_federations_are_refused(tmp_path: Path, changes: dict[str, Any], name: str) -> None:
    federation().save(tmp_path)
    with pytest.raises(CheckpointError, match=f"of another training: {name} is"):
        federation(**changes).load(tmp_path)
    federation(on_client_failure="resilient").load(tmp_path)


@pytest.mark.parametrize("aggregator", ["mean", "median"])
def test_a_client_of_nans_is_refused_by_name_and_poisons_nothing(aggregator: str) -> None:
    folds = failing("nan", aggregator=aggregator, on_client_failure="resilient")
    assert len(list(folds.epochs())) == 2
    refused = [(one.client, one.reason) for one in folds.rounds[1].refused]
    assert refused == [("P2", "6 of 522 weights are not finite")]
    assert folds.rounds[1].trained[1] == ("P0", "P4")
    assert all(torch.isfinite(flat(folds, k)).all() for k in range(2))
    without = trained(splits=[SPLITS[0], replace(SPLITS[1], train=(0, 4))])
    assert not torch.equal(flat(folds, 1), flat(without, 1))  # it was there in the first round


def test_a_client_that_raises_is_named_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    folds = failing("raise", on_client_failure="quorum", quorum=0.6)
    with caplog.at_level(logging.ERROR, logger="fed"):
        assert len(list(folds.epochs())) == 2
    (failure,) = folds.rounds[1].failed
    assert (failure.client, failure.fold, failure.kind) == ("P2", 1, "failed")
    assert failure.reason == "ValueError: the camera fell off the table"
    first = folds.first_failure
    assert first is not None
    assert str(first) == "client P2, round 2, fold 1: failed, ValueError: the camera fell off the table"
    assert "misbehaving" in first.traceback
    assert first.traceback in caplog.text
    assert str(pickle.loads(pickle.dumps(first))) == str(first)


@pytest.mark.parametrize(("policy", "quorum"), [("strict", 0.1), ("quorum", 0.8), ("resilient", 0.8)])
def test_below_the_quorum_everything_stays_as_it_was(tmp_path: Path, policy: str, quorum: float) -> None:
    settings: dict[str, Any] = {"on_client_failure": policy, "quorum": quorum, "checkpoint": tmp_path}
    folds = failing("raise", **settings)
    if policy == "resilient":
        assert len(list(folds.epochs())) == 2
        return
    epochs = folds.epochs()
    next(epochs)
    before = [flat(folds, k) for k in range(2)]
    with pytest.raises(
        QuorumLost, match=r"round 2, fold 1: quorum lost, 2 clients left and 3 needed \(P2 failed"
    ) as it:
        next(epochs)
    assert isinstance(it.value.__cause__, ClientFailed)
    assert str(pickle.loads(pickle.dumps(it.value))) == str(it.value)
    assert [torch.equal(flat(folds, k), before[k]) for k in range(2)] == [True, True]
    assert len(folds.history) == 1
    assert folds.rounds[-1].train_loss == ()
    healed = federation(**settings)
    healed.load(tmp_path)
    assert len(healed.rounds) == 2
    assert len(list(healed.epochs())) == 1
    assert_same(healed, trained())


def test_a_deadline_drops_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    folds = federation(on_client_failure="resilient", round_deadline_seconds=30.0)
    now, real = [0.0], time.monotonic

    def clock() -> float:
        now[0] += 4.0 if len(folds.history) else 0.0
        return real() + now[0]

    monkeypatch.setattr("fed.executors.in_process.time.monotonic", clock)
    epochs = folds.epochs()
    next(epochs)
    with pytest.raises(QuorumLost):
        next(epochs)
    assert {one.kind for one in folds.rounds[-1].failures} == {"late"}
    assert {one.reason for one in folds.rounds[-1].failures} == {"not done within 30 s"}


def test_recipes_that_cannot_be_read_stop_the_start() -> None:
    def broken() -> list[Any]:
        raise OSError("no such folder")

    clients = [Client(name="P0", load=broken), *in_memory(SERIES)[1:]]
    with pytest.raises(ClientFailed, match="client P0, round 0, fold 0: failed, OSError: no such folder"):
        federation(clients=clients)
    swapped = [Client(name="P0", load=in_memory(SERIES)[1].load), *in_memory(SERIES)[1:]]
    with pytest.raises(ClientFailed, match="client P0: its recipe gives series of P1, expected its own"):
        federation(clients=swapped)


def test_inputs_that_cannot_be_federated_are_refused() -> None:
    with pytest.raises(ValueError, match="no client for participants P5"):
        federation(clients=in_memory(SERIES[:5]))
    with pytest.raises(ValueError, match="two clients are called P0"):
        federation(clients=[in_memory(SERIES)[0], *in_memory(SERIES)])
    unlabelled = replace(SERIES[1], gold_T2=np.full_like(SERIES[1].gold_T2, np.nan))
    with pytest.raises(ValueError, match="fold 0: no labelled window of 16 frames to train on in its 1 series"):
        federation(
            series=[SERIES[0], unlabelled, *SERIES[2:]],
            splits=[FoldSplit(train=(1,), validation=(0,), held_out=(0,))],
        )
    with pytest.raises(ValueError, match="P0: its recipe gives 2 series, expected 1"):
        federation(clients=in_memory([*SERIES, SERIES[0]]))
    narrow = replace(SERIES[5], features_TF=SERIES[5].features_TF[:, :3])
    with pytest.raises(ValueError, match=r"differ in their number of features: 6 .*, 3 \(client P5\)"):
        federation(clients=in_memory([*SERIES[:5], narrow]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregator": "krum"}, "aggregator: found 'krum'; expected one of mean"),
        ({"optimiser": "new"}, "found 'new'; expected one of fresh, kept"),
        ({"batch_norm": "off"}, "found 'off'; expected one of mean, local, frozen"),
        ({"on_client_failure": "cry"}, "expected one of strict, quorum, resilient"),
        ({"local_epochs": 0}, "local_epochs: found 0; expected at least 1"),
        ({"proximal": -1.0}, "proximal: found -1.0; expected at least 0"),
        ({"quorum": 0.0}, "quorum: found 0.0; expected over 0"),
        ({"quorum": 1.2}, "quorum: found 1.2; expected over 0 and at most 1"),
        ({"round_deadline_seconds": float("inf")}, "round_deadline_seconds: found inf; expected over 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Federation(**options)


def test_how_many_clients_a_round_needs() -> None:
    needed = {p: [Federation(on_client_failure=p).needed(n) for n in (1, 5, 20, 21)] for p in ("strict", "resilient")}
    assert needed == {"strict": [1, 5, 20, 21], "resilient": [1, 1, 1, 1]}
    assert [Federation(on_client_failure="quorum").needed(n) for n in (1, 5, 20, 21)] == [1, 4, 16, 17]


def test_a_quorum_is_counted_as_whole_fractions_are() -> None:
    """0.55 of 20 is 11.000000000000002 in binary fractions; it must not ask for a twelfth client."""
    assert Federation(on_client_failure="quorum", quorum=0.55).needed(20) == 11
    for percent, clients in itertools.product(range(1, 101), range(1, 60)):
        quorum = Federation(on_client_failure="quorum", quorum=percent / 100)
        assert quorum.needed(clients) == math.ceil(Fraction(percent, 100) * clients), (percent, clients)


def test_of_equal_losses_the_first_round_is_kept() -> None:
    """Steps so short that no weight moves."""
    folds = trained(chosen=recipe(keep="best", learning_rate=1e-30))
    assert all(len({epoch.validation_loss[k] for epoch in folds.history}) == 1 for k in range(2))
    assert len(folds.history) == 3
    assert [folds.chosen_epoch(k) for k in range(2)] == [1, 1]


def test_no_planted_byte_reaches_a_checkpoint(tmp_path: Path) -> None:
    marked, marks = planted()
    folds = federation(
        series=marked,
        clients=write(marked, tmp_path / "data"),
        checkpoint=tmp_path / "saved",
        aggregator="personalised",
    )
    assert len(list(folds.epochs())) == 2
    files = sorted((tmp_path / "saved").iterdir())
    assert len(files) == 2
    for file in files:
        content = file.read_bytes()
        assert len(content) > 1000
        assert not any(mark in content for mark in marks)
    assert any(mark in (tmp_path / "data" / "P0-0.npz").read_bytes() for mark in marks)
    json.loads((tmp_path / "saved" / "checkpoint.json").read_text())


def planted() -> tuple[list[Any], list[bytes]]:
    """Series with runs of values that no training would bring about, and the bytes of two such in a row."""
    secret, label = np.float32(0.7531902), np.float32(-0.2468013)
    made = []
    for one in SERIES:
        features, gold = one.features_TF.copy(), one.gold_T2.copy()
        features[40:44] = secret
        gold[50:54] = label
        made.append(replace(one, features_TF=features, gold_T2=gold))
    return made, [np.array([value, value], np.float32).tobytes() for value in (secret, label)]


def test_the_toys_differ_in_weights_and_sizes() -> None:
    assert len({len(one.valid_T) for one in SERIES}) == len(PEOPLE) == 6
    folds = trained(chosen=replace(RECIPE, epochs=1))
    weighted = trained(chosen=replace(RECIPE, epochs=1), aggregator="weighted-mean")
    median = trained(chosen=replace(RECIPE, epochs=1), aggregator="median")
    assert not torch.equal(flat(folds, 0), flat(weighted, 0))
    assert not torch.equal(flat(folds, 0), flat(median, 0))
