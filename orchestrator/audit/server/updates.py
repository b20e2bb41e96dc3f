# ruff: noqa: N806 - shape suffixes, by the legend below
"""What single updates tell a server: which are one client's, whose recordings fit them, whose frames lie in them.

One federation of everybody. Shapes: C clients, N weights, S entries of a sketch, T frames, F inputs of the first layer.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from fed.updates import Layout
from models import checkpoints
from models.frames import FrameSeries
from models.seeds import seed_for
from models.windows import Series
from orchestrator.audit.material import Material, Show
from orchestrator.audit.server.links import Array, first_choices, fits, outside, similarities, sketched
from orchestrator.audit.server.rounds import LocalTraining, Seen, first_layer, network_of, rounds
from orchestrator.data.series import AnySeries

# Shares of a recording: what the client trains on, and what the attacker has; a fifth lies between them.
CLIENTS_SHARE, ATTACKERS_SHARE = 0.4, 0.4
LINKED, FIRST_TO_LAST, MATCHED, IN_ROWS = "linked", "first-to-last", "matched", "in-rows"

Found = Mapping[str, Array]  # by what was asked, each client's share of right answers (C,)


def updates_seen(material: Material, folder: Path, show: Show) -> Found:
    """Train a federation of everybody and ask every round; `folder` keeps the answers once all are there."""
    place = folder / "updates"
    try:
        return {name: one.numpy() for name, one in checkpoints.read(place)[0].items()}
    except checkpoints.CheckpointError:
        found = _asked(material, show)
    checkpoints.write(place, {name: torch.from_numpy(one) for name, one in found.items()}, {})
    return found


def asked_rounds(num_rounds: int) -> tuple[int, ...]:
    """Return the rounds in which updates are matched with recordings: the first, the middle one and the last."""
    return tuple(sorted({1, (num_rounds + 1) // 2, num_rounds}))


def _asked(material: Material, show: Show) -> Found:
    split, num_rounds = material.split(material.people), material.recipe.epochs
    layout = Layout.of(network_of(material).state_dict())
    client, attacker = (
        LocalTraining(part, material, split, seed=seed_for(material.seed, "audit", which))
        for which, part in zip(("client", "attacker"), other_recordings(material.series), strict=True)
    )
    frames = frames_of(material)
    linked: list[Array] = []
    matched: list[Array] = []
    in_rows: list[Array] = []
    first_CS = before_CS = None
    for seen in rounds(material, split, num_rounds):
        show(f"server: updates of all people, round {seen.number}/{num_rounds}")
        step_CN = np.stack([seen.steps()[name] for name in material.people])
        now_CS = np.stack([sketched(step_N) for step_N in step_CN])
        if before_CS is None:
            first_CS = now_CS
        else:
            linked.append(first_choices(similarities(now_CS, before_CS)))
        before_CS = now_CS
        if seen.number in asked_rounds(num_rounds):
            matched.append(first_choices(similarities(*(_lined_up(one, seen, material) for one in (client, attacker)))))
            if frames:
                outside_CC = np.stack([outside(first_layer(step_N, layout), frames) for step_N in step_CN])
                in_rows.append(first_choices(fits(outside_CC)))
    assert first_CS is not None, "a federation has a round"
    assert before_CS is not None, "and the first is before all others"
    found = {MATCHED: np.mean(matched, axis=0)}
    if linked:
        found |= {LINKED: np.mean(linked, axis=0), FIRST_TO_LAST: first_choices(similarities(before_CS, first_CS))}
    return found | ({IN_ROWS: np.mean(in_rows, axis=0)} if in_rows else {})


def _lined_up(training: LocalTraining, seen: Seen, material: Material) -> Array:
    steps = training.steps(seen)
    return np.stack([sketched(steps[name]) for name in material.people])


def frames_of(material: Material) -> list[Array]:
    """Return each person's frames (T, F) as the first layer meets them; none of images, which it does not meet."""
    found: dict[str, list[Array]] = {name: [] for name in material.people}
    for one in material.series:
        if isinstance(one, Series):
            found[one.participant].append(one.features_TF[one.valid_T].astype(np.float64))
    return [np.concatenate(own) for own in found.values()] if all(found.values()) else []


def other_recordings(series: Sequence[AnySeries]) -> tuple[list[AnySeries], list[AnySeries]]:
    """Divide recordings into what clients train on and what an attacker has of the same people.

    The last session of everybody if all have several; else the first and the last part of every recording.
    """
    sessions: dict[str, list[AnySeries]] = {}
    for one in series:
        sessions.setdefault(one.participant, []).append(one)
    if all(len(own) > 1 for own in sessions.values()):
        last = [own[-1] for own in sessions.values()]
        return [one for one in series if one not in last], last
    return (
        [_part(one, 0.0, CLIENTS_SHARE) for one in series],
        [_part(one, 1.0 - ATTACKERS_SHARE, 1.0) for one in series],
    )


def has_other_sessions(series: Sequence[AnySeries]) -> bool:
    """Return whether the attacker's recordings are other sessions."""
    names = [one.participant for one in series]
    return all(names.count(name) > 1 for name in names)


def _part(one: AnySeries, begin: float, end: float) -> AnySeries:
    num_frames = len(one.valid_T)
    at = slice(math.floor(begin * num_frames), max(1, math.ceil(end * num_frames)))
    if isinstance(one, FrameSeries):
        return dataclasses.replace(one, index_T=one.index_T[at], gold_T2=one.gold_T2[at])
    return dataclasses.replace(one, features_TF=one.features_TF[at], valid_T=one.valid_T[at], gold_T2=one.gold_T2[at])
