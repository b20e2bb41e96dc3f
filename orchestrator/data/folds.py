"""Who is held out when: k folds by participant, in the corpus's order (paper, section IV.D)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from models.seeds import seed_for
from orchestrator.data.groups import GROUP_OPTION, Groups, alone
from orchestrator.errors import InputError, cut, number_of

MIN_FOLDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One train-and-test split; the three parts share no participant and no group, and together are everybody."""

    number: int
    train: tuple[str, ...]
    inner: tuple[str, ...]  # chooses the epoch and the configuration where the protocol says so; else empty
    held_out: tuple[str, ...]


def make_folds(  # noqa: PLR0913 - what decides a split
    participants: Sequence[str],
    k: int,
    *,
    inner_share: float = 0.0,
    seed: int = 0,
    hint: str = "",
    groups: Groups | None = None,
) -> tuple[Fold, ...]:
    """Split participants into k runs of neighbours whose sizes differ by at most one, the longer ones first.

    With `groups`, a partition of the participants, k runs of neighbouring groups, each as near to that size as whole
    groups allow; with as many folds as groups one group each. With `inner_share` that share of each fold's training
    groups (at least one; without groups: participants) is set apart, drawn by `seed`. Raises InputError if there are
    too few participants or groups, or if a group is larger than a fold; `hint` says why there may be too few.
    """
    units = alone(participants) if groups is None else groups
    assert sorted(person for unit in units for person in unit) == sorted(participants), "groups are a partition"
    if k < MIN_FOLDS:
        raise InputError.of("--folds", found=k, expected=f"at least {MIN_FOLDS}")
    _check_numbers(participants, units, k, grouped=groups is not None, inner=bool(inner_share), hint=hint)
    ends = _ends(units, k)
    place = {person: index for index, person in enumerate(participants)}
    folds, start = [], 0
    for number, end in enumerate(ends):
        others = [*units[:start], *units[end:]]
        if inner_share and len(others) < 2:
            found = f"{len(units)} {'participants' if groups is None else 'groups'}, of which fold {number} holds out"
            expected = "two more: one to train on and one that chooses the epoch; more folds hold out fewer"
            raise InputError.of("--folds", found=f"{found} {end - start}", expected=expected)
        inner = _draw_inner(others, inner_share, seed_for(seed, "fold", number, "inner")) if inner_share else []
        kept = [unit for unit in others if unit not in inner]
        parts = (_people(one, place) for one in (kept, inner, units[start:end]))
        train, set_apart, held_out = parts
        folds.append(Fold(number=number, train=train, inner=set_apart, held_out=held_out))
        start = end
    return tuple(folds)


def in_drawn_order(units: Groups, draw: int, *, seed: int) -> Groups:
    """Return the units (groups, or people alone) in the order that folds are cut from.

    That is the corpus's own order for draw 0, else a seeded one.
    """
    drawn = list(units)
    if draw:
        random.Random(seed_for(seed, "fold-draw", draw)).shuffle(drawn)
    return tuple(drawn)


def _check_numbers(  # noqa: PLR0913 - what the numbers are of
    participants: Sequence[str], units: Groups, k: int, *, grouped: bool, inner: bool, hint: str
) -> None:
    needed = max(k, MIN_FOLDS + 1) if inner else k
    what = "group" if grouped else "participant"
    if len(units) < needed:
        shared = "group" if grouped else "person"
        raise InputError.of(
            "--folds",
            found=f"{number_of(len(units), what)} for {k} folds" + (f" ({hint})" if hint else ""),
            expected=f"at least {needed} {what}s, or fewer folds: folds never share a {shared}",
        )
    largest, size = max(units, key=len), -(-len(participants) // k)
    if len(largest) > size and len(units) != k:
        found = f"a group of {len(largest)} people ({', '.join(map(cut, largest[:2]))} ...)"
        leave_one_out = f"--folds {len(units)}, one group each"
        expected = f"at most {size}, the people of a fold; fewer folds, or {leave_one_out}"
        raise InputError.of(GROUP_OPTION, found=found, expected=expected)


def _ends(units: Groups, k: int) -> list[int]:
    """Return where each of k runs of units ends: as near as can be to where folds of equal size would.

    Of two places equally near the later one, so that the longer runs come first.
    """
    cumulative = [0, *accumulate(map(len, units))]
    size, longer = divmod(cumulative[-1], k)
    ends: list[int] = []
    for number in range(k):
        wanted = (number + 1) * size + min(number + 1, longer)
        first, last = (ends[-1] if ends else 0) + 1, len(units) - (k - 1 - number)
        ends.append(min(range(first, last + 1), key=lambda end: (abs(cumulative[end] - wanted), -end)))
    return ends


def _people(units: Sequence[tuple[str, ...]], place: dict[str, int]) -> tuple[str, ...]:
    return tuple(sorted((person for unit in units for person in unit), key=place.__getitem__))


def _draw_inner(others: Sequence[tuple[str, ...]], share: float, seed: int) -> list[tuple[str, ...]]:
    count = min(max(1, round(share * len(others))), len(others) - 1)
    return random.Random(seed).sample(list(others), count)
