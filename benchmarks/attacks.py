"""Aggregators under attack, 4 of 20 clients: one round of known truth, and whole federations on the embedded corpus.

    python -m benchmarks.attacks [--only mean --only median] [--rounds 12] [--folds 6] [--seed 0]
    python -m benchmarks.attacks --one-round

The first prints, for each attack, the CCC (mean of valence and arousal, pooled over the people held out) of an RNN of
16 on action units, and what the attack costs against the same aggregator's CCC without one; about 10 s per cell of the
table. Bar: at most 0.05 for the robust aggregators. The second prints how far one round of linear regressions ends from
the mean of the honest clients, in lengths of that mean's step; the mean of five draws, and the largest.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.attacked_federation import scene, score
from benchmarks.attacked_round import OPTIONS, moved, people, round_of, sent
from benchmarks.attackers import ATTACKS, LABEL_FLIP, NO_ATTACK, PASSING
from fed.choices import AGGREGATORS
from fed.options import Federation
from models.recipe import Recipe
from models.training import TrainingDiverged

BAR = 0.05
SEEDS = range(5)  # of the single rounds
REFUSED = "NaN"  # stands for all updates that the gate refuses
COMPARED = tuple(name for name, one in AGGREGATORS.items() if not one.personal)
RECIPE = {
    "network": "rnn",
    "learning_rate": 0.02,
    "hidden_size": 16,
    "sequence_length": 50,
    "num_layers": 1,
    "loss": "mse",
    "target": "frame",
    "partial_window": "pad",
    "windows_a_step": 8,
    "order": "shuffled",
    "keep": "last",
}


def one_round_rows() -> dict[str, list[tuple[float, float]]]:
    """For each attack that passes the gate, by aggregator: mean and largest distance over the draws."""
    drawn = [(seed, people(seed)) for seed in SEEDS]
    rows: dict[str, list[tuple[float, float]]] = {}
    for attack in (NO_ATTACK, *PASSING, LABEL_FLIP):
        rows[attack] = []
        for aggregator in COMPARED:
            found = [
                moved(made, round_of(aggregator, made.origin, sent(made, attack, seed)).state.weights)
                for seed, made in drawn
            ]
            rows[attack].append((float(np.mean(found)), max(found)))
    return rows


def header(names: Sequence[str]) -> str:
    return f"| attack | {' | '.join(f'`{name}`' for name in names)} |\n|---|{'---|' * len(names)}"


def print_one_round() -> None:
    print(header(COMPARED))
    for attack, found in one_round_rows().items():
        print(f"| {attack} | {' | '.join(f'{mean:.2f} ({most:.2f})' for mean, most in found)} |")


def print_federations(names: Sequence[str], attacks: Sequence[str], rounds: int, folds: int, seed: int) -> None:
    made, recipe = scene(folds, seed), Recipe(**RECIPE, epochs=rounds)  # type: ignore[arg-type]
    print(f"attackers {', '.join(made.bad)}; {rounds} rounds, {folds} folds, seed {seed}; cost bar {BAR}")
    print("| aggregator | attack | valence | arousal | CCC | cost | refused |\n|---|---|---|---|---|---|---|")
    for name in names:
        federation = Federation(aggregator=name, on_client_failure="resilient", **OPTIONS.get(name, {}))
        still = 0.0
        for attack in (NO_ATTACK, *attacks):
            try:
                valence, arousal, refused = score(made, recipe, federation, attack, seed=seed)
            except TrainingDiverged as error:
                print(f"| {name} | {attack} | diverged | epoch {error.epoch} | 0 | {still:+.3f} | |", flush=True)
                continue
            mean = (valence + arousal) / 2
            still = mean if attack == NO_ATTACK else still
            row = (
                name,
                attack,
                f"{valence:.3f}",
                f"{arousal:.3f}",
                f"{mean:.3f}",
                f"{still - mean:+.3f}",
                str(refused),
            )
            print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one-round", action="store_true")
    parser.add_argument("--only", action="append", choices=COMPARED)
    parser.add_argument("--attack", action="append", choices=(*ATTACKS, LABEL_FLIP))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.one_round:
        print_one_round()
        return
    attacks = given.attack or (*PASSING, LABEL_FLIP, REFUSED)
    print_federations(given.only or COMPARED, attacks, given.rounds, given.folds, given.seed)


if __name__ == "__main__":
    main()
