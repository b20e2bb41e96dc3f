"""A whole epoch of 8 folds on one thread: one model after another (A) and as stacks (B), in turn.

    python -m benchmarks.packs [--network bigru] [--hidden 8,16,64,128,256] [--length 200] [--layers 1] [--epochs 3]
                               [--participants 23] [--rates 1] [--wall]

Embedded corpus, windows of 200 frames, 8 windows per step, the protocol's defaults; training and validation. Times are
the thread's CPU seconds, which other work on the machine disturbs least; `--wall` takes the clock's. A ratio is A / B
of one pair of epochs, given as the median with the smallest and the largest. `--rates 3` trains three learning rates in
one pack; fewer `--participants` make an epoch shorter. Bars (hidden 8, 16, 64, 128, 256): 2.5, 2, 1.15, 1, 1.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from models.allocator import keep_freed_memory, prefer_large_pages
from models.backends import AUTO, choose, models_per_stack
from models.recipe import Recipe
from models.stacks.folds import StackedFolds
from models.training import FoldsInTraining
from models.windows import Series
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED

NUM_FOLDS = 8
RATES = (1e-3, 3e-4, 1e-4)
BARS = {8: 2.5, 16: 2.0, 64: 1.15, 128: 1.0, 256: 1.0}


def make_recipe(network: str, hidden_size: int, length: int, num_layers: int = 1) -> Recipe:
    return Recipe(
        network=network,
        learning_rate=RATES[0],
        hidden_size=hidden_size,
        sequence_length=length,
        num_layers=num_layers,
        epochs=1_000,
        loss=DESCRIBED.loss,
        target=DESCRIBED.target,
        partial_window=DESCRIBED.partial_window,
        windows_a_step=DESCRIBED.windows_a_step,
        order=DESCRIBED.order,
        keep=DESCRIBED.epoch_choice,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="bigru")
    parser.add_argument("--hidden", default="8,16,64,128,256")
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--participants", type=int, default=23)
    parser.add_argument("--rates", type=int, default=1)
    parser.add_argument("--wall", action="store_true")
    given = parser.parse_args()
    clock = time.perf_counter if given.wall else time.thread_time
    prefer_large_pages()
    keep_freed_memory()
    torch.set_num_threads(1)
    corpus, _ = load_corpus(DataOptions(path=None, corpus=None))
    dataset = make_dataset(corpus, dataclasses.replace(DESCRIBED, num_folds=NUM_FOLDS), seed=0)
    series = [one for one in dataset.local_series() if isinstance(one, Series)]
    # Fewer people train; those that are held out stay, so that every fold has some.
    splits = [replace(one, train=one.train[: given.participants]) for one in dataset.splits]
    print(
        "| network | hidden | models per stack | A, s | B, s | A / B | bar | auto |\n|---|---|---|---|---|---|---|---|"
    )
    for hidden_size in map(int, given.hidden.split(",")):
        recipe = make_recipe(given.network, hidden_size, given.length, given.layers)
        recipes = [replace(recipe, learning_rate=rate) for rate in RATES[: given.rates]]
        plain = [FoldsInTraining(series, splits, one, seed=0).epochs() for one in recipes]
        stacked = StackedFolds(series, splits, recipes, seeds=[0] * len(recipes)).epochs()

        def seconds(parts: Sequence[Iterator[object]]) -> float:
            start = clock()
            for one in parts:
                next(one)
            return clock() - start

        pairs = [(seconds(plain), seconds([stacked])) for _ in range(1 + given.epochs)][1:]
        ratios = sorted(a / b for a, b in pairs)
        median = statistics.median(ratios)
        bar = BARS.get(hidden_size, 1.0)
        told = f"{bar:g}: {'holds' if median >= bar else 'falls short'}"
        a, b = (statistics.median(one) for one in zip(*pairs, strict=True))
        auto = choose(AUTO, recipe, models=NUM_FOLDS * len(recipes))
        print(
            f"| {given.network} | {hidden_size} | {models_per_stack(recipe)} | {a:.2f} | {b:.2f} "
            f"| {median:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {told} | {auto} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
