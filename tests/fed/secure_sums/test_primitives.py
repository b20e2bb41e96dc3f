"""Vectors of RFC 7748, 5869 and 8439; shares, rings and graphs by what they promise."""

import itertools
import math
import random

import numpy as np
import pytest

from fed.secure_sums import masks, ring
from fed.secure_sums.graph import least_survivors, neighbours_of, num_neighbours, share_threshold
from fed.secure_sums.ring import OutOfBound, RingError, fits, mean, part, quantised, signed_sum, zeros
from fed.secure_sums.shamir import PRIME, combined, split

ALICE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
BOB = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")


def test_x25519_as_in_rfc_7748() -> None:
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    bob = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    assert (masks.public_of(ALICE), masks.public_of(BOB)) == (alice, bob)
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert masks.agreed(ALICE, bob) == masks.agreed(BOB, alice) == secret
    with pytest.raises(ValueError, match="shared key"):
        masks.agreed(ALICE, bytes(32))  # a point of low order


def test_hkdf_as_in_rfc_5869() -> None:
    found = masks.derived(
        b"\x0b" * 22, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), salt=bytes.fromhex("000102030405060708090a0b0c"), length=42
    )
    assert found == bytes.fromhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    without = masks.derived(b"\x0b" * 22, b"", length=42)
    assert without == bytes.fromhex(
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_chacha20_as_in_rfc_8439() -> None:
    """Appendix A.1, vectors 1 and 2: key, nonce 0; blocks 0 and 1 of one stream."""
    zeros = bytes(128)
    expected = bytes.fromhex(
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    assert masks.key_stream(bytes(32)).update(zeros) == expected


def test_sealed_messages_open_with_their_key_and_purpose_only() -> None:
    key, message = bytes(range(32)), b"two shares"
    found = masks.sealed(key, message, b"from P1 to P2")
    assert len(found) == len(message) + masks.TAG_BYTES
    assert masks.opened(key, found, b"from P1 to P2") == message
    for wrong in (
        (bytes(32), found, b"from P1 to P2"),
        (key, found, b"from P2 to P1"),
        (key, found[:-1], b""),
        (key, b"", b""),
    ):
        with pytest.raises(masks.SealBroken):
            masks.opened(*wrong)


def test_masks_of_two_signs_cancel_over_blocks_and_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "BLOCK", 64)
    vector = [np.arange(21, dtype="<u8"), np.arange(1000, 1037, dtype="<u4")]
    before = [one.copy() for one in vector]
    masks.add_masks(vector, [(bytes(32), 1), (b"\1" * 32, 1)])
    stream = masks.key_stream(bytes(32)).update(bytes(21 * 8 + 37 * 4))
    other = masks.key_stream(b"\1" * 32).update(bytes(21 * 8 + 37 * 4))
    of_both = [np.frombuffer(one, "<u4", offset=168) for one in (stream, other)]
    np.testing.assert_array_equal(vector[1], before[1] + of_both[0] + of_both[1])
    masks.add_masks(vector, [(b"\1" * 32, -1), (bytes(32), -1)])
    for one, other_one in zip(vector, before, strict=True):
        np.testing.assert_array_equal(one, other_one)


def test_digests_keep_parts_apart() -> None:
    assert masks.digest(b"ab", b"c") != masks.digest(b"a", b"bc") != masks.digest(b"abc")


def test_the_modulus_is_prime() -> None:
    """Miller and Rabin's test, 40 bases."""
    odd, twos = PRIME - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 42):
        x = pow(base, odd, PRIME)
        assert x in (1, PRIME - 1) or any((x := x * x % PRIME) == PRIME - 1 for _ in range(twos - 1)), base


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_any_five_of_eight_shares_give_the_secret(secret: bytes) -> None:
    shares = split(secret, range(3, 11), 5, random.Random(0).randbytes)
    for chosen in itertools.combinations(shares, 5):
        assert combined({place: shares[place] for place in chosen}, 5) == secret
    assert combined(shares, 5) == secret


def test_below_the_threshold_every_secret_is_as_likely() -> None:
    """To any four shares of a secret there is, for any other secret, one set of coefficients that gives them."""
    shares = split(bytes(range(32)), range(1, 9), 5, random.Random(1).randbytes)
    with pytest.raises(ValueError, match="4 shares, 5 are needed"):
        combined({place: shares[place] for place in (1, 2, 3, 4)}, 5)
    four = {place: int.from_bytes(shares[place], "big") for place in (1, 2, 3, 4)}
    for other in (0, 1, 12345, 2**256 - 1):
        # The polynomial through the four and (0, other), at place 5: a valid fifth share of the other secret.
        points = {0: other, **four}
        fifth = 0
        for x, y in points.items():
            above, below = 1, 1
            for z in points:
                if z != x:
                    above, below = above * (5 - z) % PRIME, below * (x - z) % PRIME
            fifth = (fifth + y * above * pow(below, -1, PRIME)) % PRIME
        found = combined({**{place: shares[place] for place in four}, 5: fifth.to_bytes(33, "big")}, 5)
        assert int.from_bytes(found, "big") == other


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="of 31 bytes"):
        split(bytes(31), (1, 2), 2, random.randbytes)
    for places, threshold in (((1, 2), 3), ((1, 1), 2), ((0, 1), 2), ((1, 2), 0)):
        with pytest.raises(ValueError, match="threshold"):
            split(bytes(32), places, threshold, random.randbytes)
    with pytest.raises(ValueError, match="no secret of 32 bytes"):
        combined({1: (2**256).to_bytes(33, "big")}, 1)


@pytest.mark.parametrize(("number", "degree"), [(3, 2), (9, 8), (10, 8), (12, 10), (20, 14), (23, 16), (57, 16)])
def test_graphs_are_regular_and_mutual(number: int, degree: int) -> None:
    roster = [f"P{i}" for i in range(number)]
    graph = neighbours_of(roster, b"seed")
    assert {len({*near}) for near in graph.values()} == {degree}
    assert all(name in graph[other] for name, near in graph.items() for other in near if other != name)
    assert not any(name in near for name, near in graph.items())
    assert graph == neighbours_of(roster[::-1], b"seed")
    assert (graph == neighbours_of(roster, b"other")) == (number <= 9)
    reached, waiting = set(), [roster[0]]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += graph[one]
    assert reached == {*roster}


def test_a_third_of_a_roster_up_to_23_may_be_lost_whoever_it_is() -> None:
    for number in range(3, 24):
        degree, lost = num_neighbours(number), number - least_survivors(number)
        assert degree % 2 == 0 or degree == number - 1
        assert degree - lost >= share_threshold(degree), number


def test_thresholds() -> None:
    assert [share_threshold(n) for n in (2, 3, 7, 8)] == [2, 2, 4, 5]
    assert [least_survivors(n) for n in (1, 3, 4, 6, 20, 21)] == [3, 3, 3, 4, 14, 14]


@pytest.mark.parametrize(
    ("clients", "weight", "bound", "bits", "exponent"),
    [(20, 1, 8.0, 32, -23), (1, 1, 8.0, 32, -27), (20, 1000, 8.0, 64, -44), (20, 2**27, 65536.0, 64, -15)],
)
def test_the_ring_is_chosen_by_the_bound(clients: int, weight: int, bound: float, bits: int, exponent: int) -> None:
    chosen = part("w", 4, bound=bound, num_clients=clients, max_weight=weight, coarsest=-15)
    assert (chosen.bits, chosen.exponent) == (bits, exponent)
    assert fits(clients * weight, bound, exponent, bits)
    if exponent > ring.FINEST:
        assert not fits(clients * weight, bound, exponent - 1, bits)


@pytest.mark.parametrize("bits", [32, 64])
def test_the_largest_sum_does_not_overflow_and_one_client_more_could(bits: int) -> None:
    clients, weight, bound = 7, 3, 5.0
    chosen = part("w", 2, bound=bound, num_clients=clients, max_weight=weight, least_bits=bits)
    assert chosen.bits == bits
    total = zeros([chosen])[0]
    for _ in range(clients):
        ring.add(total, quantised(chosen, np.array([bound, -bound]), weight))
    np.testing.assert_allclose(mean(chosen, total, clients * weight), [bound, -bound], rtol=1e-7)
    exact = clients * weight * int(bound * 2**-chosen.exponent)
    assert signed_sum(chosen, total).tolist() == [exact, -exact]


def test_what_no_ring_holds_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(RingError, match=r"w: 20 clients x weight 268435456 x 65536 in steps of 2\^-22 are .* 64"):
        part("w", 4, bound=65536.0, num_clients=20, max_weight=1 << 28)
    with pytest.raises(RingError, match="must be above 0"):
        part("w", 4, bound=math.inf, num_clients=20, max_weight=1)


def test_the_error_is_at_most_half_a_step_and_what_is_outside_is_refused() -> None:
    generator = np.random.default_rng(0)
    chosen = part("w", 100_000, bound=8.0, num_clients=20, max_weight=1)
    values, origin = (generator.uniform(-4, 4, 100_000).astype(np.float32) for _ in range(2))
    found = mean(chosen, quantised(chosen, values, 1, origin), 1)
    error = np.abs(found - (values.astype(np.float64) - origin))
    assert 0.4 * chosen.step < error.max() <= 0.5 * chosen.step
    for bad in (8.1, -8.1, np.nan, np.inf):
        values[99_999] = origin[99_999] + np.float32(bad)
        with pytest.raises(OutOfBound, match=r"^w: more than 8 from what it was sent"):
            quantised(chosen, values, 1, origin)
