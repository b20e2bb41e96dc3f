"""The protocol: exact sums whoever is lost, and no more for a server that asks twice, sends two models or replays."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fed.secure_sums.client import SumClient
from fed.secure_sums.exchange import ProtocolError, Question
from fed.secure_sums.graph import neighbours_of
from fed.secure_sums.identities import IdentityError, file_of, main, read_identities, write_identities
from fed.secure_sums.masks import digest
from fed.secure_sums.ring import Ring
from tests.fed.secure_sums.rehearsal import MODEL, Rehearsal, names, parts, plain_sum, seeded, terms, vector_of

STAGES = ("keys", "shares", "masked", "unmask")


def assert_sum(found: Sequence[Ring], who: Sequence[str], asked: Rehearsal) -> None:
    for one, other in zip(found, plain_sum(who, asked.terms), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("number", [3, 6, 9, 10, 20])
def test_the_sum_is_the_plain_one_to_the_last_bit(number: int) -> None:
    asked = Rehearsal(terms(number))
    assert_sum(asked.run(), names(number), asked)
    assert asked.server.survivors == tuple(names(number))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [6, 20])
def test_whoever_is_lost_the_sum_is_that_of_the_others(stage: str, number: int) -> None:
    lost = names(number)[1 : 1 + (2 if number == 6 else 3)]
    asked = Rehearsal(terms(number), {stage: lost})
    found = asked.run()
    left = [name for name in names(number) if name not in lost]
    # Who is lost when the shares are asked for has sent its vector.
    assert_sum(found, names(number) if stage == "unmask" else left, asked)
    assert asked.server.survivors == tuple(names(number) if stage == "unmask" else left)


@pytest.mark.parametrize("seed", range(10))
def test_three_of_twenty_are_lost_at_stages_of_chance(seed: int) -> None:
    draw = random.Random(seed)
    lost: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for name in draw.sample(names(20), 3):
        lost[draw.choice(STAGES)].append(name)
    asked = Rehearsal(terms(20), lost)
    found = asked.run()
    early = {name for stage in STAGES[:3] for name in lost[stage]}
    assert_sum(found, [name for name in names(20) if name not in early], asked)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("seed", range(3))
def test_any_six_of_twenty_may_be_lost(stage: str, seed: int) -> None:
    lost = random.Random(seed).sample(names(20), 6)
    asked = Rehearsal(terms(20), {stage: lost})
    assert_sum(asked.run(), [name for name in names(20) if name not in lost or stage == "unmask"], asked)


@pytest.mark.parametrize("stage", STAGES[:3])
def test_below_two_thirds_of_the_roster_nothing_is_asked_or_answered(stage: str) -> None:
    asked = Rehearsal(terms(6), {stage: names(6)[:3]})
    with pytest.raises(ProtocolError, match="at least 4 are needed"):
        asked.run()
    assert not asked.server.opened


def test_without_enough_shares_the_sum_stays_masked() -> None:
    asked = Rehearsal(terms(6), {"unmask": names(6)[:4]})
    with pytest.raises(ProtocolError, match=r"^2 shares of the masks of P00, 3 are needed$"):
        asked.run()
    assert any(
        (one != other).any() for one, other in zip(asked.server.total, plain_sum(names(6), asked.terms), strict=True)
    )


def uniform(content: bytes) -> bool:
    """Whether bytes look uniform: chi-square with 255 degrees of freedom, at a level of one in ten thousand."""
    counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
    expected = len(content) / 256
    return float(((counts - expected) ** 2 / expected).sum()) < 347.7


def test_what_the_server_receives_is_uniform_and_what_was_masked_is_not() -> None:
    asked = Rehearsal(terms(20, parts=parts(20, size=4000)))
    asked.run()
    vectors = [one for one in asked.received if len(one) == 16_000]
    shares = b"".join(one for one in asked.received if len(one) == 82)
    assert len(vectors) == 20
    assert len(shares) == 20 * 14 * 82
    for one in vectors:
        assert uniform(one)
    # A share is a number below 2^256 + 297 in 33 bytes: its first byte is sealed, too.
    assert uniform(shares)
    for name in names(20):
        assert not uniform(vector_of(name, asked.terms)[1].tobytes())
    assert uniform(b"".join(vectors))
    assert not uniform(asked.server.total[1].tobytes())


def test_two_models_give_noise() -> None:
    asked = Rehearsal(terms(6), models={"P02": digest(b"another model for P02 alone")})
    found = asked.run()
    plain = plain_sum(names(6), asked.terms)
    assert all((one != other).mean() > 0.9 for one, other in zip(found, plain, strict=True))
    # Also nothing of P02 is left when all others are taken away.
    rest = plain_sum([name for name in names(6) if name != "P02"], asked.terms)
    own = vector_of("P02", asked.terms)
    assert all((one - other != mine).mean() > 0.9 for one, other, mine in zip(found, rest, own, strict=True))


def test_another_list_of_keys_or_of_sharers_gives_noise_or_a_refusal() -> None:
    asked = Rehearsal(terms(12))
    asked.run(until="shares")
    questions = asked.server.ask_for_shares()
    fewer = {name: one for name, one in questions["P00"].keys.items() if name != "P11"}
    odd = asked.clients["P00"].shares(fewer)
    honest = {name: asked.clients[name].shares(one.keys) for name, one in questions.items() if name != "P00"}
    near = next(name for name in honest if "P00" in honest[name].sealed and name in odd.sealed)
    with pytest.raises(ProtocolError, match=r"the shares of .* cannot be opened"):
        asked.clients[near].receive(
            {who: one.sealed[near] for who, one in {**honest, "P00": odd}.items() if near in one.sealed}, names(12)
        )


def test_the_question_for_shares_is_answered_once() -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="unmask")
    client = asked.clients["P00"]
    first = client.unmask(names(6), {})
    assert client.unmask(names(6)[::-1], {}) is first
    with pytest.raises(ProtocolError, match="a second, different question for shares"):
        client.unmask(names(6)[:5], {})
    assert not {*first.own_masks} & {*first.keys}
    assert {*first.own_masks} == {*names(6)[1:]}


def test_both_shares_of_one_client_are_never_given() -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="unmask")
    answers = [asked.clients[name].unmask(names(6)[:4], {}) for name in names(6)[:4]]
    for one in answers:
        assert not {*one.own_masks} & {*one.keys}
        assert {*one.keys} == {"P04", "P05"}


@pytest.mark.parametrize(
    ("survivors", "message"),
    [
        (["P00", "P01", "P02"], "a sum of 3 clients, at least 4 are needed"),
        (["P00", "P00", "P00", "P01"], "a sum of 2 clients"),
        (["P01", "P02", "P03", "P04"], "this client must be one"),
        ([*names(6), "P99"], "must have shared"),
    ],
)
def test_impossible_lists_of_those_in_the_sum_are_refused(survivors: Sequence[str], message: str) -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="unmask")
    with pytest.raises(ProtocolError, match=message):
        asked.clients["P00"].unmask(survivors, {})


def test_every_stage_is_entered_once_and_in_order() -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="unmask")
    client, server = asked.clients["P00"], asked.server
    for again in (
        client.keys,
        lambda: client.shares(server.keys),
        lambda: client.receive({}, names(6)),
        lambda: client.masked(vector_of("P00", asked.terms), MODEL),
    ):
        with pytest.raises(ProtocolError, match=r"asked for '.*' in stage 'masked', expected after"):
            again()
    fresh = SumClient(asked.terms, "P00", random=seeded(99))
    for early in (lambda: fresh.shares(server.keys), lambda: fresh.unmask(names(6), {})):
        with pytest.raises(ProtocolError, match="in stage 'made'"):
            early()


def test_a_replay_of_an_earlier_sum_opens_nothing() -> None:
    """Messages of round 1 in round 2, whose keys are fresh: not even the terms agree."""
    before, now = Rehearsal(terms(6)), Rehearsal(terms(6, number=2))
    before.run()
    now.clients = {name: SumClient(now.terms, name, random=seeded(100 + i)) for i, name in enumerate(names(6))}
    now.run(until="shares")
    client = now.clients["P00"]
    with pytest.raises(ProtocolError, match="has not the own ones"):
        client.shares(before.server.keys)
    replayed = Rehearsal(terms(6, number=2))
    replayed.run(until="masked")
    old = before.server.ask_for_masked()["P01"]
    with pytest.raises(ProtocolError, match="the shares of P00 cannot be opened"):
        replayed.clients["P01"].receive(old.sealed, old.names)


def test_keys_that_a_server_could_use_are_refused() -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="shares")
    keys = dict(asked.server.keys)
    for bad, message in (
        ({**keys, "P05": keys["P04"]}, "a key is there twice"),
        ({name: keys[name] for name in names(6)[:3]}, "keys of 3 clients of the roster, at least 4"),
        ({**keys, "P77": replace(keys["P05"], masking=bytes(32))}, "keys of 7 clients of the roster"),
        ({**keys, "P00": keys["P01"]}, "has not the own ones"),
    ):
        client = SumClient(asked.terms, "P00", random=seeded(0))
        client.keys()
        with pytest.raises(ProtocolError, match=message):
            client.shares(bad)


@pytest.mark.parametrize(
    ("roster", "message"),
    [(("P1", "P0", "P2"), "must be sorted"), (("P0", "P0", "P1"), "must be sorted"), (("P0", "P1"), "a roster of 2")],
)
def test_impossible_rosters_are_refused(roster: tuple[str, ...], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        terms(6, roster=roster)


def test_wrong_shares_are_found_out() -> None:
    asked = Rehearsal(terms(6), {"masked": ["P05"]})
    asked.run(until="unmask")
    asked._unmask("unmask")
    for kind, who in (("keys", "P05"), ("own_masks", "P01")):
        rehearsed = dict(asked.server.opened)
        for name, one in rehearsed.items():
            of_kind = dict(getattr(one, kind))
            if who in of_kind:
                of_kind[who] = bytes(32) + b"\5"
            asked.server.opened[name] = replace(one, **{kind: of_kind})
        with pytest.raises(ProtocolError, match=f"the shares of {who}"):
            asked.server.unmasked()
        asked.server.opened = rehearsed


def test_a_vector_counts_once() -> None:
    asked = Rehearsal(terms(6))
    asked.run(until="masked")
    client = asked.clients["P00"]
    question: Question = asked.server.ask_for_masked()["P00"]
    client.receive(question.sealed, question.names)
    masked = client.masked(vector_of("P00", asked.terms), MODEL)
    asked.server.add("P00", masked)
    with pytest.raises(ProtocolError, match="a vector of P00"):
        asked.server.add("P00", masked)


def test_the_graph_changes_with_every_key() -> None:
    first, second = Rehearsal(terms(20)), Rehearsal(terms(20))
    second.clients["P19"] = SumClient(second.terms, "P19", random=seeded(999))
    graphs = []
    for one in (first, second):
        one.run()
        graphs.append({name: {*one.server.shares[name].sealed} for name in names(20)})
    assert graphs[0] != graphs[1]
    assert {len(near) for graph in graphs for near in graph.values()} == {14}
    assert neighbours_of(names(20), b"x") != neighbours_of(names(20), b"y")


def identified(folder: Path, who: Sequence[str], missing: Mapping[str, str] | None = None) -> dict[str, object]:
    write_identities(folder, who)
    return {name: read_identities(folder, who, name) for name in who if name not in (missing or {})}


def test_with_identities_keys_and_lists_are_signed(tmp_path: Path) -> None:
    people = identified(tmp_path, names(6))
    asked = Rehearsal(terms(6), {"masked": ["P05"]}, identities=people)  # type: ignore[arg-type]
    assert_sum(asked.run(), names(6)[:5], asked)
    assert {len(one.signature) for one in asked.server.keys.values()} == {64}
    assert len(asked.server.receipts) == 5


def test_with_identities_a_server_can_neither_invent_keys_nor_show_two_lists(tmp_path: Path) -> None:
    people = identified(tmp_path, names(6))
    asked = Rehearsal(terms(6), identities=people)  # type: ignore[arg-type]
    asked.run(until="shares")
    forged = SumClient(asked.terms, "P03", random=seeded(77)).keys()
    with pytest.raises(ProtocolError, match="the keys of P03 are not signed by its identity"):
        asked.clients["P00"].shares({**asked.server.keys, "P03": forged})
    again = Rehearsal(terms(6), identities=people)  # type: ignore[arg-type]
    again.run(until="receipts")
    again._receipts("receipts")
    with pytest.raises(ProtocolError, match="a second, different list"):
        again.clients["P00"].receipt(names(6)[:5])
    with pytest.raises(ProtocolError, match="another list of those in the sum than was signed"):
        again.clients["P00"].unmask(names(6)[:5], again.server.receipts)
    few = dict(list(again.server.receipts.items())[:3])
    with pytest.raises(ProtocolError, match="3 clients signed the list, at least 4 are needed"):
        again.clients["P00"].unmask(names(6), few)
    swapped = dict(zip(again.server.receipts, [*again.server.receipts.values()][::-1], strict=True))
    with pytest.raises(ProtocolError, match="0 clients signed"):
        again.clients["P00"].unmask(names(6), swapped)


def test_key_files(tmp_path: Path) -> None:
    main([str(tmp_path), "P/1", "é"])
    assert {one.name for one in tmp_path.iterdir()} == {
        "P%2F1.public",
        "P%2F1.private",
        "%C3%A9.public",
        "%C3%A9.private",
    }
    assert file_of(tmp_path, "P/1", ".private").stat().st_mode & 0o077 == 0
    before = file_of(tmp_path, "é", ".public").read_text()
    write_identities(tmp_path, ["é"])
    assert file_of(tmp_path, "é", ".public").read_text() == before
    file_of(tmp_path, "é", ".public").write_text("zz\n")
    with pytest.raises(IdentityError, match=r"%C3%A9.public: found 2 characters; expected the Ed25519 key of é"):
        read_identities(tmp_path, ["é"], "é")
    with pytest.raises(IdentityError, match=r"P2.public: found No such file"):
        read_identities(tmp_path, ["P2"], "P/1")
