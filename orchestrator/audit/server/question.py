# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""What does the server see? Attacks of a federation's server on the updates, or on the sums, of its rounds.

The federation is trained anew in this process: once with everybody for what single updates tell, and once for each fold
for what a sum tells of who is missing. Shapes: C clients, P people, K folds, Z moments at which a sum is asked.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fed.options import Federation
from orchestrator.audit.material import FEWEST_PEOPLE, Material, Show, material_of
from orchestrator.audit.membership.scores import Array, Mask
from orchestrator.audit.records import (
    LINKABILITY,
    ROW_SPACE,
    SUM,
    SUM_MEMBERSHIP,
    UPDATE,
    UPDATE_MATCH,
    Attack,
    Statistic,
)
from orchestrator.audit.server.diagnostic import NAME as INVERSION
from orchestrator.audit.server.diagnostic import inversion_task, refusal
from orchestrator.audit.server.links import ENERGY
from orchestrator.audit.server.sums import guessed_rounds, moments, pair_success, sums_seen
from orchestrator.audit.server.updates import (
    ATTACKERS_SHARE,
    CLIENTS_SHARE,
    FIRST_TO_LAST,
    IN_ROWS,
    LINKED,
    MATCHED,
    Found,
    asked_rounds,
    has_other_sessions,
    updates_seen,
)
from orchestrator.audit.statistics import share
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Task, Tasks
from orchestrator.audit.verdict import verdict

RULES = 1  # of the arithmetic of these attacks: an audit of other rules is made again
RANK_1, FIRST_LAST_RANK, PAIRS = "rank-1", "rank-1, first round to last", "right of two candidates"
_EACH = "The server, which follows the protocol, has each client's update of every round"
THREATS = {
    LINKABILITY: f"{_EACH}; clients send under another name in every round, and it links the names.",
    UPDATE_MATCH: f"{_EACH}; it has labelled recordings of the same people that the clients did not train on.",
    ROW_SPACE: f"{_EACH}; it has the recordings, and asks whose frames an update was made of.",
    SUM_MEMBERSHIP: (
        "The server, which follows the protocol, has the mean of the clients' updates of each round and no single one;"
        " it has the recordings of two candidates of whom one is a client, and like federations with either of them."
    ),
}


def server_tasks(subject: Subject) -> Tasks:
    """Return the tasks of a federation's server, on single updates and on sums, and why attacks are left out, by name.

    Nothing at all for what is no federation.
    """
    if subject.federation is None:
        return [], {}
    refused = _refused(subject, subject.federation)
    updates = tuple(name for name in _update_names() if name not in refused)
    sums = tuple(name for name in _sum_names(subject) if name not in refused)
    inputs = {**subject.identity, "rules": RULES}
    tasks = (
        Task(names=updates, inputs={**inputs, "attack": UPDATE}, run=partial(_run_updates, subject, updates)),
        Task(names=sums, inputs={**inputs, "attack": SUM}, run=partial(_run_sums, subject)),
    )
    diagnostics = [] if INVERSION in refused else [inversion_task(subject)]
    return [*(one for one in tasks if one.names), *diagnostics], refused


def _refused(subject: Subject, federation: Federation) -> dict[str, str]:
    people = len(subject.corpus.participants)
    if people < FEWEST_PEOPLE:
        why = f"{people} participants, at least {FEWEST_PEOPLE} are needed"
        return dict.fromkeys((*_update_names(), *_sum_names(subject), INVERSION), why)
    found = {}
    if subject.protocol.epochs < 2:
        found[f"{LINKABILITY} {UPDATE}"] = "one round has no other to be linked with"
    if subject.images is not None and subject.images.backbone != "frozen":
        found[f"{ROW_SPACE} {UPDATE}"] = "the first layer is a convolution, whose rows are no frames"
    too_much = refusal(subject)
    if too_much is not None:
        found[INVERSION] = too_much
    if federation.secure_sum:
        found |= dict.fromkeys((*_update_names(), INVERSION), "with secure sums the server has no client's update")
    return found


def _update_names() -> tuple[str, ...]:
    return tuple(f"{name} {UPDATE}" for name in (LINKABILITY, UPDATE_MATCH, ROW_SPACE))


def _sum_names(subject: Subject) -> tuple[str, ...]:
    return tuple(f"{SUM_MEMBERSHIP} {SUM} {variant}" for variant in moments(subject.protocol.epochs))


def _run_updates(subject: Subject, names: Sequence[str], show: Show, folder: Path) -> Sequence[Attack]:
    material = material_of(subject, show)
    attacks = update_attacks(material, updates_seen(material, folder, show))
    return [one for one in attacks if one.name in names]


def _run_sums(subject: Subject, show: Show, folder: Path) -> Sequence[Attack]:
    material = material_of(subject, show)
    return sum_attacks(material, *sums_seen(material, folder, show))


def update_attacks(material: Material, found: Found) -> list[Attack]:
    """Return the records of what single updates tell, from each client's share of right answers."""
    num_rounds = material.recipe.epochs
    asked = ", ".join(map(str, asked_rounds(num_rounds)))
    attacks = []
    if LINKED in found:
        other = share(FIRST_LAST_RANK, found[FIRST_TO_LAST], 1 / len(material.people), seed=material.seed)
        note = f"steps of neighbouring rounds, of {num_rounds}, linked by their cosine around the round's mean step"
        attacks.append(_update_attack(material, LINKABILITY, found[LINKED], [note], others=(other,)))
    if has_other_sessions(material.series):
        recordings = "clients train on all sessions but the last, which the attacker has"
    else:
        recordings = (
            f"clients train on the first {CLIENTS_SHARE:.0%} of each recording, the attacker has the last"
            f" {ATTACKERS_SHARE:.0%}"
        )
    note = f"from the weights of rounds {asked}: {recordings}, with a random order of its own"
    attacks.append(_update_attack(material, UPDATE_MATCH, found[MATCHED], [note]))
    if IN_ROWS in found:
        recipe = material.recipe
        note = (
            f"steps of rounds {asked}: the leading rows of the first layer's step, with {ENERGY:.0%} of its square, and"
            " everybody's frames, each beside the other clients' steps"
        )
        frames = recipe.windows_a_step * recipe.sequence_length
        full = f"one gradient is of up to {frames} frames; fewer than a frame has inputs would lie open one by one"
        attacks.append(_update_attack(material, ROW_SPACE, found[IN_ROWS], [note, full]))
    return attacks


def _update_attack(
    material: Material, name: str, right_C: Array, notes: Sequence[str], *, others: tuple[Statistic, ...] = ()
) -> Attack:
    main = share(RANK_1, right_C, 1 / len(right_C), seed=material.seed)
    return Attack(
        attack=name,
        source=UPDATE,
        threat=THREATS[name],
        main=main,
        others=others,
        people=len(right_C),
        verdict=verdict(main),
        notes=(
            f"one federation of all {len(right_C)} people, {material.recipe.epochs} rounds; the server gets each"
            " person's update, as it does if every person has a machine of their own",
            *notes,
            *material.notes,
        ),
        settings={"rounds": material.recipe.epochs, "clients": len(right_C)},
        per_person={person: {RANK_1: float(value)} for person, value in zip(material.people, right_C, strict=True)},
    )


def sum_attacks(material: Material, amount_ZKP: Array, member_KP: Mask) -> list[Attack]:
    """Return a record for each moment, from everybody's amounts in each federation's sums."""
    federation, num_rounds = material.federation, material.recipe.epochs
    assert federation is not None, "sums of a federation"
    fewest, most = int(member_KP.sum(axis=1).min()), int(member_KP.sum(axis=1).max())
    clients = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    what = (
        "the sum in fixed-point numbers, as it is left once the masks of secure sums have cancelled"
        if federation.secure_sum
        else "the mean of the updates, which this server could also take apart: see the attacks on single updates"
    )
    attacks = []
    for (variant, last), amount_KP in zip(moments(num_rounds).items(), amount_ZKP, strict=True):
        right_P = pair_success(amount_KP, member_KP)
        there_P = np.isfinite(right_P)
        main = share(PAIRS, right_P[there_P], 0.5, seed=material.seed)
        guessed = sum(number <= last for number in guessed_rounds(num_rounds))
        attacks.append(
            Attack(
                attack=SUM_MEMBERSHIP,
                source=SUM,
                variant=variant,
                threat=THREATS[SUM_MEMBERSHIP],
                main=main,
                people=int(there_P.sum()),
                verdict=verdict(main),
                notes=(
                    f"sums of {clients} clients; {what}",
                    f"candidates' steps guessed in {guessed} of the first {last} rounds, with a random order of their"
                    " own, and set beside those of the other folds' federations",
                    "the other federations share most of their people with the attacked one: more than an attacker"
                    " from outside has",
                    *material.notes,
                ),
                settings={"rounds": last, "secure": federation.secure_sum},
                per_person={
                    person: {PAIRS: float(value) if np.isfinite(value) else None}
                    for person, value in zip(material.people, right_P, strict=True)
                },
            )
        )
    return attacks
