"""Federations with secure sums, in this process: the plain run up to the fixed point; nothing else leaves."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fed.executors.in_process import in_process
from fed.messages import Answer, Call, Report, Update
from fed.options import SECURE_BOUND, Federation, FederationError
from fed.round_records import QuorumLost
from fed.rounds import FederatedFolds
from fed.secure_client import without_figures
from fed.secure_round import most_windows
from fed.secure_sums.exchange import Masked, Terms
from fed.secure_sums.identities import PRIVATE, file_of, write_identities
from fed.secure_sums.ring import Part, add, zeros
from fed.secure_vector import Form, Places, decoded, encoded
from models.splits import FoldSplit
from tests.fed.losing import losing, spied
from tests.fed.secure_sums.test_protocol import uniform
from tests.fed.toys import PEOPLE, assert_same, federation, flat, learning, misbehaving, trained
from tests.models.toys import image_recipe, recipe, toy_frames, toy_series

# Six people are clients of fold 0, three of fold 1.
SPLITS = [
    FoldSplit(train=(0, 1, 2, 3, 4, 5), validation=(0,), held_out=(0,)),
    FoldSplit(train=(0, 2, 4), validation=(1, 3), held_out=(1, 3, 5)),
]
CHOSEN = recipe(epochs=2)
TWENTY = toy_series(20, shortest=20)
QUORUM: dict[str, Any] = {"on_client_failure": "quorum", "quorum": 0.66}


def secure(**settings: Any) -> FederatedFolds:
    return federation(**{"splits": SPLITS, "chosen": CHOSEN, "secure_sum": True, **settings})


def done(folds: FederatedFolds) -> FederatedFolds:
    assert len(list(folds.epochs())) == folds.recipe.epochs
    return folds


def far(one: FederatedFolds, other: FederatedFolds) -> float:
    return max(float((flat(one, k) - flat(other, k)).abs().max()) for k in range(one.num_folds))


@pytest.mark.parametrize("aggregator", ["mean", "weighted-mean"])
@pytest.mark.parametrize("more", [{}, {"server_optimiser": "fedadam"}, {"proximal": 0.1, "local_epochs": 2}])
def test_the_plain_run_up_to_the_fixed_point(aggregator: str, more: dict[str, Any]) -> None:
    plain = trained(splits=SPLITS, chosen=CHOSEN, aggregator=aggregator, **more)
    sums = done(secure(aggregator=aggregator, **more))
    assert far(plain, sums) < 1e-5
    for one, other in zip(plain.history, sums.history, strict=True):
        for name in ("train_loss", "validation_loss", "ccc_valence", "ccc_arousal"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-4), name
    assert [one.trained for one in plain.rounds] == [one.trained for one in sums.rounds]


def test_one_seed_gives_equal_bits_whatever_the_keys() -> None:
    assert_same(done(secure()), done(secure()))


def plain_sum(
    folds: FederatedFolds, fold: int, who: Sequence[str], *, number: int = 1, alone: FederatedFolds | None = None
) -> np.ndarray[Any, Any]:
    """The next round's weights of the plain sum of the quantised updates of `who`; of clients of `alone`, if given."""
    state, jobs = folds._states[fold], folds._cohort.training(fold)
    form = Form.of(
        Places.of(folds._trained, folds.layout.num_floats),
        folds.federation,
        len(jobs),
        most_windows(folds._descriptions, jobs),
    )
    call = Call(
        kind="train",
        number=number,
        jobs=tuple(job for job in jobs if job.client in who),
        deadline_seconds=100.0,
        weights=folds._broadcast.weights,
        integers=folds._broadcast.integers,
    )
    (answer,) = (alone or folds)._executor.run(call)
    total = zeros(form.parts)
    for update in answer.values.values():
        for one, other in zip(total, encoded(update, state.weights, form), strict=True):
            add(one, other)
    return decoded(total, state.weights, form, len(who)).weights


@pytest.mark.parametrize("aggregator", ["mean", "weighted-mean"])
def test_the_sum_is_that_of_the_quantised_updates_to_the_last_bit(aggregator: str) -> None:
    folds = secure(aggregator=aggregator)
    expected = [plain_sum(folds, k, [job.client for job in folds._cohort.training(k)]) for k in range(2)]
    next(folds.epochs())
    for k in range(2):
        np.testing.assert_array_equal(folds._states[k].weights, expected[k])
        assert not np.array_equal(folds._states[k].weights, plain_sum(folds, k, ["P0", "P2"]))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("stage", ["keys", "shares", "masked", "unmask"])
def test_a_client_that_is_lost_leaves_the_round_and_is_back_in_the_next(stage: str, restart: bool) -> None:
    if restart and stage == "keys":
        return  # a process that is new before it sends keys has missed nothing
    split = SPLITS[:1]
    folds = secure(splits=split, start=losing({(stage, 1): ["P1", "P4"]}, restart=restart), **QUORUM)
    left = [name for name in PEOPLE if name not in ("P1", "P4") or stage == "unmask"]
    expected = plain_sum(folds, 0, left)
    next(folds.epochs())
    np.testing.assert_array_equal(folds._states[0].weights, expected)
    record = folds.rounds[0]
    assert record.trained == (tuple(left),)
    assert record.secure[0].dropped == {stage: ("P1", "P4")}
    assert record.secure[0].survivors == len(left)
    assert [one.kind for one in record.failures] == (
        [] if stage == "unmask" else ["restarted" if restart else "late"] * 2
    )
    list(folds.epochs())
    assert folds.rounds[1].trained == (PEOPLE,)


@pytest.mark.parametrize("seed", range(10))
def test_three_of_twenty_are_lost_and_the_plain_sum_of_seventeen_is_found(seed: int) -> None:
    """Each in a stage of chance, by silence or by a process that is started anew."""
    draw = random.Random(seed)
    people = [f"P{i}" for i in range(20)]
    lost: dict[tuple[str, int], list[str]] = {}
    for name in draw.sample(people, 3):
        lost.setdefault((draw.choice(["shares", "masked"]), 1), []).append(name)
    folds = secure(
        series=TWENTY,
        splits=[FoldSplit(train=tuple(range(20)), validation=(0,), held_out=(0,))],
        chosen=recipe(epochs=1),
        start=losing(lost, restart=seed % 2 == 1),
        **{**QUORUM, "quorum": 0.8},
    )
    left = [name for name in people if not any(name in names for names in lost.values())]
    expected = plain_sum(folds, 0, left)
    next(folds.epochs())
    np.testing.assert_array_equal(folds._states[0].weights, expected)
    assert len(folds.rounds[0].trained[0]) == folds.rounds[0].secure[0].survivors == 17


@pytest.mark.parametrize(("stage", "who"), [("masked", ["P1"]), ("shares", ["P1"]), ("unmask", [*PEOPLE[:4]])])
@pytest.mark.parametrize("policy", ["strict", "resilient"])
def test_without_enough_the_round_does_not_count(stage: str, who: Sequence[str], policy: str, tmp_path: Path) -> None:
    """Strictly one is too many, resiliently more than a third; and the shares of four of six neighbours are."""
    lost = who if policy == "strict" or stage == "unmask" else PEOPLE[:3]
    seen: list[tuple[Call, Answer]] = []
    settings: dict[str, Any] = {"splits": SPLITS[:1], "on_client_failure": policy, "checkpoint": tmp_path}
    folds = secure(**settings, **spied(seen, {(stage, 2): lost}))
    epochs = folds.epochs()
    next(epochs)
    before = flat(folds, 0)
    with pytest.raises(QuorumLost, match="round 2, fold 0: quorum lost") as lost_quorum:
        next(epochs)
    if stage == "unmask":
        assert "2 shares of the masks of P0, 3 are needed" in str(lost_quorum.value)
    else:
        needed = 6 if policy == "strict" else 4
        assert f"{6 - len(lost)} clients left and {needed} needed" in str(lost_quorum.value)
        assert not [call for call, _ in seen if call.kind == "unmask" and call.number == 2]
    assert torch.equal(flat(folds, 0), before)
    healed = secure(**settings)
    healed.load(tmp_path)
    assert healed.rounds[1].secure[0].survivors == 0
    assert healed.rounds[1].secure == folds.rounds[1].secure
    assert len(list(healed.epochs())) == 1
    assert_same(healed, done(secure(splits=SPLITS[:1])))


def test_a_run_that_is_taken_up_has_the_bits_of_an_undisturbed_one_and_its_ledger(tmp_path: Path) -> None:
    whole = done(secure(chosen=recipe(epochs=3)))
    first = secure(chosen=recipe(epochs=3), checkpoint=tmp_path)
    next(first.epochs())
    second = secure(chosen=recipe(epochs=3), checkpoint=tmp_path)
    second.load(tmp_path)
    assert len(list(second.epochs())) == 2
    assert_same(second, whole)
    assert [one.secure for one in second.rounds] == [one.secure for one in whole.rounds]
    assert second.rounds[0].secure[0].bytes_up["masked"] > 0


def test_the_ledger_has_true_sizes() -> None:
    folds = done(secure())
    for one in folds.rounds:
        first, second = one.secure
        assert (first.survivors, second.survivors) == (6, 3)
        size = folds.layout.num_floats * 4 + 3 * 8
        assert (first.bits["weights"], first.bits["loss"]) == (32, 64)
        assert first.bytes_up == {
            "keys": 6 * 64,
            "shares": 6 * (5 * (2 * 33 + 16) + 32),
            "masked": 6 * size,
            "unmask": 6 * 5 * 33,
        }
        assert first.bytes_down["masked"] > 6 * folds.layout.num_bytes
        total = sum(sum(part.bytes_up.values()) for part in (first, second))
        assert one.bytes_up == total
        evaluated = 3 * folds.layout.num_bytes
        assert one.bytes_down == evaluated + sum(sum(part.bytes_down.values()) for part in (first, second))
        assert all(0 < seconds < 10 for seconds in one.client_seconds)


def test_what_the_server_gets_of_a_client_is_uniform_and_holds_no_report() -> None:
    seen: list[tuple[Call, Answer]] = []
    folds = secure(chosen=recipe(epochs=1, hidden_size=24), **spied(seen))
    next(folds.epochs())
    masked = [value for call, answer in seen if call.kind == "masked" for value in answer.values.values()]
    assert len(masked) == 9
    for one in masked:
        assert isinstance(one, Masked)
        content = b"".join(part.tobytes() for part in one.vector)
        assert len(content) > 10_000
        assert uniform(content)
    training = {
        type(v) for call, answer in seen if call.kind not in ("describe", "evaluate") for v in answer.values.values()
    }
    assert not training & {Update, Report}
    assert {call.kind for call, _ in seen} == {"describe", "keys", "shares", "masked", "unmask", "evaluate"}
    moved = plain_sum(folds, 0, ["P0"]) - folds._broadcast.weights[0]
    assert not uniform((moved * 2**23).astype("<i4").tobytes())


@pytest.mark.parametrize("how", ["nan", "raise"])
def test_a_client_that_its_own_gate_refuses_or_that_raises_leaves_the_round(how: str) -> None:
    start = learning(partial(misbehaving, how, "P2", 1, "unused"), in_process)
    folds = secure(splits=SPLITS[:1], start=start, **QUORUM)
    next(folds.epochs())
    (failure,) = folds.rounds[0].failures
    assert failure.client == "P2"
    if how == "nan":
        assert failure.reason == "by its own gate: # of # weights are not finite"
        assert folds.rounds[0].refused == (failure,)
    else:
        assert failure.reason == "ValueError: the camera fell off the table"
    assert "P2" not in folds.rounds[0].trained[0]
    assert torch.isfinite(flat(folds, 0)).all()


def test_a_verdict_has_no_figures() -> None:
    assert without_figures("lies 1.25e+03 from the weights it was sent, at most 1,000 are allowed") == (
        "lies # from the weights it was sent, at most # are allowed"
    )
    assert without_figures("its training loss is nan") == "its training loss is nan"


def test_a_weight_that_moves_beyond_the_bound_takes_its_client_out_of_the_round() -> None:
    folds = secure(splits=SPLITS[:1], secure_bound=1e-6)
    with pytest.raises(QuorumLost, match=r"P0 refused: weights: more than 1e-06 from what it was sent.*--secure-bound"):
        next(folds.epochs())


def test_statistics_are_summed_and_counters_are_not() -> None:
    people = toy_frames(4, shortest=16)
    split = [FoldSplit(train=(0, 1, 2), validation=(3,), held_out=(3,))]
    settings: dict[str, Any] = {"series": people, "splits": split, "chosen": image_recipe(epochs=1)}
    plain, sums = trained(**settings), done(secure(**settings))
    mine, other = plain.fold_state(0), sums.fold_state(0)
    counters = [name for name in mine if name.endswith("num_batches_tracked")]
    assert len(counters) == 20
    assert {int(other[name]) for name in counters} == {0}
    moved = 0
    for name, value in mine.items():
        if name not in counters:
            torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-6)
            moved += name.endswith("running_var") and bool((value - 1).abs().max() > 0.05)
    assert moved == 20
    assert sums.rounds[0].secure[0].bits["statistics"] == 64


def test_with_identities_the_list_is_signed_and_a_stranger_is_refused(tmp_path: Path) -> None:
    write_identities(tmp_path, PEOPLE)
    seen: list[tuple[Call, Answer]] = []
    folds = done(secure(identities=tmp_path, **spied(seen)))
    assert_same(folds, done(secure()))
    assert "receipts" in folds.rounds[0].secure[0].bytes_up
    assert {call.kind for call, _ in seen} >= {"receipts"}
    write_identities(tmp_path / "other", ["P1"])
    file_of(tmp_path, "P1", PRIVATE).write_bytes(file_of(tmp_path / "other", "P1", PRIVATE).read_bytes())
    with pytest.raises(QuorumLost, match="the keys of P1 are not signed by its identity"):
        next(secure(identities=tmp_path).epochs())
    file_of(tmp_path, "P3", PRIVATE).unlink()
    with pytest.raises(QuorumLost, match=r"P3 failed: IdentityError: .*P3.private: found No such file"):
        next(secure(identities=tmp_path).epochs())


def test_a_client_takes_no_rings_of_another_arithmetic() -> None:
    def coarser(call: Call) -> Call:
        def changed(terms: Terms) -> Terms:
            parts: tuple[Part, ...] = tuple(replace(one, exponent=one.exponent + 1) for one in terms.parts)
            return replace(terms, parts=parts)

        return replace(call, questions={k: replace(one, terms=changed(one.terms)) for k, one in call.questions.items()})

    folds = secure(splits=SPLITS[:1])
    run = folds._executor.run
    folds._executor = replace(folds._executor, run=lambda call: run(coarser(call) if call.questions else call))
    with pytest.raises(QuorumLost, match="other rings than this client's own arithmetic gives"):
        next(folds.epochs())


def test_terms_and_questions_of_another_sum_are_refused() -> None:
    folds = secure(splits=SPLITS[:1])
    run = folds._executor.run

    def replayed(call: Call) -> Any:
        if call.kind == "shares":
            other = {k: replace(one, terms=replace(one.terms, run=b"another")) for k, one in call.questions.items()}
            call = replace(call, questions=other)
        return run(call)

    folds._executor = replace(folds._executor, run=replayed)
    with pytest.raises(QuorumLost, match="asked about another sum than the one it sent keys for"):
        next(folds.epochs())
    folds._executor = replace(
        folds._executor, run=lambda call: run(replace(call, number=7) if call.questions else call)
    )
    with pytest.raises(QuorumLost, match="terms of round 1, fold 0: not those of the call"):
        next(folds.epochs())


def test_a_round_is_summed_once_by_a_process() -> None:
    folds = secure(splits=SPLITS[:1])
    run, seen = folds._executor.run, []
    folds._executor = replace(folds._executor, run=lambda call: seen.append(call) or run(call))  # type: ignore[func-returns-value]
    list(folds.epochs())
    first, second = (call for call in seen if call.kind == "keys")
    for again, message in ((first, "round 1 after those of round 2"), (second, "round 2 after those of round 2")):
        (answer,) = run(again)
        assert not answer.values
        assert {one.reason for one in answer.failures} == {f"ProtocolError: asked for keys of {message}"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"aggregator": "median"},
            "beside --aggregator median, which needs single updates; expected mean or weighted-mean",
        ),
        ({"aggregator": "trimmed-mean"}, "beside --aggregator trimmed-mean, which needs single updates"),
        ({"aggregator": "personalised"}, "beside --aggregator personalised, which needs single updates"),
        (
            {"optimiser": "kept"},
            "beside --client-optimiser kept, whose state goes to the server; expected --client-optimiser fresh",
        ),
        (
            {"batch_norm": "local"},
            "beside --batch-norm local, whose state goes to the server; expected --batch-norm mean or frozen",
        ),
        ({"secure_bound": 0.0}, "secure_bound: found 0.0; expected over 0"),
        ({"secure_sum": "yes"}, "secure_sum: found 'yes'; expected true or false"),
    ],
)
def test_what_does_not_go_with_sums_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FederationError, match=message):
        Federation(**{"secure_sum": True, **options})


def test_a_federation_without_sums_says_nothing_of_them() -> None:
    assert "secure_sum" not in Federation().to_dict()
    assert Federation().secure_bound is None
    assert Federation(secure_sum=True).secure_bound == SECURE_BOUND
    with pytest.raises(
        FederationError, match=r"secure_bound: found 4.0 without --secure-sum; expected both or neither"
    ):
        Federation(secure_bound=4.0)


def test_folds_of_two_clients_are_refused_before_anything_is_trained() -> None:
    split = FoldSplit(train=(0, 1), validation=(2,), held_out=(2,))
    with pytest.raises(ValueError, match="fold 0 trains on 2 clients: a sum of fewer than 3 tells too much"):
        secure(splits=[split])
    assert federation(splits=[split]).num_folds == 1
