"""Who is held out when: k folds by participant, in the corpus's order (paper, section IV.D)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from models.seeds import seed_for
from orchestrator.errors import InputError

MIN_FOLDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One train-and-test split; the three groups share no participant and together are everybody."""

    number: int
    train: tuple[str, ...]
    inner: tuple[str, ...]  # chooses the epoch and the configuration where the protocol says so; else empty
    held_out: tuple[str, ...]


def make_folds(
    participants: Sequence[str], k: int, *, inner_share: float = 0.0, seed: int = 0, hint: str = ""
) -> tuple[Fold, ...]:
    """Split participants into k runs of neighbours whose sizes differ by at most one, the longer ones first.

    With `inner_share` that share of each fold's training participants (at least one) is set apart, drawn by `seed`.
    Raises InputError if there are too few participants; `hint` says why that may be.
    """
    needed = max(k, MIN_FOLDS + (1 if inner_share else 0))
    if k < MIN_FOLDS:
        raise InputError.of("--folds", found=k, expected=f"at least {MIN_FOLDS}")
    if len(participants) < needed:
        raise InputError.of(
            "--folds",
            found=f"{len(participants)} participant(s) for {k} folds" + (f" ({hint})" if hint else ""),
            expected=f"at least {needed} participants, or fewer folds: folds never share a person",
        )
    size, longer = divmod(len(participants), k)
    folds, start = [], 0
    for number in range(k):
        end = start + size + (number < longer)
        others = [*participants[:start], *participants[end:]]
        if inner_share and len(others) < 2:
            raise InputError.of(
                "--folds",
                found=f"{len(participants)} participants, of which fold {number} holds out {end - start}",
                expected="two more: one to train on and one that chooses the epoch; more folds hold out fewer",
            )
        inner = _draw_inner(others, inner_share, seed_for(seed, "fold", number, "inner")) if inner_share else ()
        folds.append(
            Fold(
                number=number,
                train=tuple(person for person in others if person not in inner),
                inner=inner,
                held_out=tuple(participants[start:end]),
            )
        )
        start = end
    return tuple(folds)


def in_drawn_order(participants: Sequence[str], draw: int, *, seed: int) -> tuple[str, ...]:
    """Return the participants in the order that folds are cut from: the corpus's for draw 0, else a seeded one."""
    people = list(participants)
    if draw:
        random.Random(seed_for(seed, "fold-draw", draw)).shuffle(people)
    return tuple(people)


def _draw_inner(others: Sequence[str], share: float, seed: int) -> tuple[str, ...]:
    count = min(max(1, round(share * len(others))), len(others) - 1)
    chosen = set(random.Random(seed).sample(list(others), count))
    return tuple(person for person in others if person in chosen)
