# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Who is in a sum? Which of two candidates one of its clients is, from the mean step that a server gets.

Each candidate's own step is guessed by training on their recordings. How much of it is in the mean is compared with
what is in the means of other federations that the candidate is in. Shapes: K federations, P people, N weights,
Z moments at which a sum is asked, G rounds in which steps are guessed.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models import checkpoints
from models.seeds import seed_for
from orchestrator.audit.material import Material, Show
from orchestrator.audit.membership.scores import Array, Mask
from orchestrator.audit.server.links import sketched
from orchestrator.audit.server.rounds import LocalTraining, mean_step, network_of, rounds
from orchestrator.data.folds import Fold

SAME = 1e-9  # ours: of the largest amount; what differs less differs by rounding
MOMENTS = (1, 5)  # rounds after which a sum is asked, beside all
GUESSED = 10  # ours: rounds in which candidates' steps are guessed, about so many beside the first five


def moments(num_rounds: int) -> dict[str, int]:
    """Return after how many rounds a sum is asked, by name: `1-round`, `5-rounds`, `all-rounds`."""
    found = {f"{number}-round{'s' if number > 1 else ''}": number for number in MOMENTS if number < num_rounds}
    return {**found, "all-rounds": num_rounds}


def guessed_rounds(num_rounds: int) -> tuple[int, ...]:
    """Return the rounds in which candidates' steps are guessed: the first five, every tenth part of all, the last."""
    every = range(1, num_rounds + 1, math.ceil(num_rounds / GUESSED))
    return tuple(sorted({*range(1, min(5, num_rounds) + 1), *every, num_rounds}))


def sums_seen(material: Material, folder: Path, show: Show) -> tuple[Array, Mask]:
    """Train a federation without each fold's people; return the amounts of everybody (Z, K, P), and who was in (K, P).

    All federations begin with the same weights. `folder` keeps those that are done.
    """
    amounts = []
    for fold in material.folds:
        place = folder / f"federation-{fold.number}"
        try:
            amount_ZP = checkpoints.read(place)[0]["amount_ZP"].numpy()
        except (checkpoints.CheckpointError, KeyError):
            amount_ZP = _amounts(material, fold, show)
            checkpoints.write(place, {"amount_ZP": torch.from_numpy(amount_ZP)}, {})
        amounts.append(amount_ZP)
    member_KP = np.array([[name in clients_of(fold) for name in material.people] for fold in material.folds])
    return np.stack(amounts, axis=1), member_KP


def clients_of(fold: Fold) -> Sequence[str]:
    """Return the people who train in a fold's federation."""
    return fold.train


def _amounts(material: Material, fold: Fold, show: Show) -> Array:
    """Return the mean amount of everybody over the guessed rounds up to each moment, (Z, P)."""
    split, num_rounds = material.split(clients_of(fold)), material.recipe.epochs
    attacker = LocalTraining(material.series, material, split, seed=seed_for(material.seed, "audit", "attacker"))
    guessed, network = guessed_rounds(num_rounds), network_of(material)
    federation = material.federation
    assert federation is not None, "sums of a federation"
    amounts_GP = []
    for seen in rounds(material, split, num_rounds):
        show(f"server: sums without the people of fold {fold.number}, round {seen.number}/{num_rounds}")
        if seen.number in guessed:
            mean_S, guesses = sketched(mean_step(seen, federation, network)), attacker.steps(seen)
            amounts_GP.append([amount(mean_S, sketched(guesses[name])) for name in material.people])
    until = [sum(number <= moment for number in guessed) for moment in moments(num_rounds).values()]
    return np.stack([np.mean(amounts_GP[:last], axis=0) for last in until])


def amount(mean_N: Array, guess_N: Array) -> float:
    """Return how much of a guessed step is in a mean step: its least-squares coefficient.

    If nothing else were like the guess: 1 / C in the mean of C clients of which one took this step, else 0.
    """
    square = float(guess_N @ guess_N)
    return float(mean_N @ guess_N) / square if square > 0.0 else 0.0


def pair_success(amount_KP: Array, member_KP: Mask) -> Array:
    """Return for each candidate who is not in the sum how often the one who is in it is told from them, (P,).

    A candidate's amount is seen beside their mean in the other federations that they are in: who is missing falls below
    it. The two candidates of federation k are somebody who is in it and somebody who is not, and the one further below
    is called missing; a tie is half right. The mean over the federations that the person is missing in; NaN for a
    person whom no pair can be made of.
    """
    num_federations, num_people = amount_KP.shape
    right: list[list[float]] = [[] for _ in range(num_people)]
    for k in range(num_federations):
        others_KP = member_KP.copy()
        others_KP[k] = False
        count_P = others_KP.sum(axis=0)
        usual_P = np.where(others_KP, amount_KP, 0.0).sum(axis=0) / np.maximum(count_P, 1)
        beside_P = np.where(count_P > 0, amount_KP[k] - usual_P, np.nan)
        inside = beside_P[member_KP[k] & np.isfinite(beside_P)]
        for person in np.flatnonzero(~member_KP[k] & np.isfinite(beside_P)):
            if len(inside):
                ahead = inside - beside_P[person]
                tied = np.abs(ahead) <= SAME * np.abs(amount_KP[k]).max()
                right[person].append(float(np.where(tied, 0.5, ahead > 0.0).mean()))
    return np.array([np.mean(one) if one else np.nan for one in right])
