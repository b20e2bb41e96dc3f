"""Overlapping windows joined alike and smoothly: the step at a window's border, and the CCC of held-out people.

    python -m benchmarks.window_joining [--epochs 15] [--folds 8]

A BiGRU of 64 on windows of 200 frames of the embedded corpus, one thread; some minutes.
"""

import argparse
import dataclasses

import numpy as np
import torch

from models.ccc import Moments, ccc, frame_moments
from models.epochs import predict
from models.recipe import Recipe
from models.training import FoldsInTraining
from models.windows import cut, merge
from orchestrator.data.dataset import make_dataset
from orchestrator.planning.launch import load_corpus
from orchestrator.planning.request import DataOptions
from orchestrator.protocols import DESCRIBED

LENGTH = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--folds", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, _ = load_corpus(DataOptions(path=None, corpus=None))
    dataset = make_dataset(corpus, dataclasses.replace(DESCRIBED, num_folds=given.folds), seed=0)
    recipe = Recipe(
        network="bigru",
        learning_rate=0.003,
        hidden_size=64,
        sequence_length=LENGTH,
        num_layers=1,
        epochs=given.epochs,
        loss="mse",
        target="frame",
        partial_window="pad",
        windows_a_step=8,
        order="shuffled",
        keep="last",
    )
    series = dataset.local_series()
    training = FoldsInTraining(series, dataset.splits, recipe, seed=0)
    for _ in training.epochs():
        pass
    print("| overlap | joining | step at a border | elsewhere | CCC valence | CCC arousal |\n|---|---|---|---|---|---|")
    for overlap, joining in ((0.0, "mean"), (0.5, "mean"), (0.5, "tapered"), (0.8, "mean"), (0.8, "tapered")):
        step = round(LENGTH * (1 - overlap))
        windows = cut(series, LENGTH, step=step)
        at_border, elsewhere, scores = [], [], []
        for k, split in enumerate(dataset.splits):
            chosen = windows.of_series(split.held_out)
            model = training._models[k]
            traces = merge(predict(model, windows, chosen), windows, chosen, split.held_out, joining=joining)
            pooled = [Moments.zero(), Moments.zero()]
            for index, trace in zip(split.held_out, traces, strict=True):
                moments = frame_moments(trace, series[index].gold_T2, series[index].mask_T2)
                pooled = [a + b for a, b in zip(pooled, moments, strict=True)]
                moves = np.abs(np.diff(trace, axis=0)).mean(axis=1)
                borders = np.arange(step, len(trace), step) - 1
                at_border.append(moves[borders])
                elsewhere.append(np.delete(moves, borders))
            scores.append([ccc(one) for one in pooled])
        valence, arousal = np.mean(scores, axis=0)
        steps = f"{np.concatenate(at_border).mean():.4f} | {np.concatenate(elsewhere).mean():.4f}"
        print(f"| {overlap} | {joining} | {steps} | {valence:.4f} | {arousal:.4f} |", flush=True)


if __name__ == "__main__":
    main()
