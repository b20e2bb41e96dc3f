"""Train an epoch of 8 folds each time a line comes in, and write its CPU seconds; for `benchmarks.all_bars`.

    python benchmarks/epoch_server.py DATA.npz alone|stacked

Run as a file: which `models` it trains by is PYTHONPATH's to say, so that an earlier version can be measured beside the
present one. A line is a configuration as JSON, the fields of a Recipe; equal ones in a row go on training.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from models.allocator import keep_freed_memory, prefer_large_pages
from models.recipe import Recipe
from models.splits import FoldSplit
from models.windows import Series


def main() -> None:
    path, side = sys.argv[1:]
    prefer_large_pages()
    keep_freed_memory()
    torch.set_num_threads(1)
    data = np.load(path, allow_pickle=False)
    number = 0
    series = []
    while f"features{number}" in data:
        series.append(
            Series(
                participant=f"P{number:02}",
                session="",
                features_TF=data[f"features{number}"],
                valid_T=data[f"valid{number}"],
                gold_T2=data[f"gold{number}"],
            )
        )
        number += 1
    print("ready", flush=True)
    asked = ""
    epochs: Iterator[Any] = iter(())
    for line in sys.stdin:
        if line != asked:
            fields = json.loads(line)
            held_out = [tuple(part) for part in fields.pop("held_out")]
            splits = [
                FoldSplit(train=tuple(i for i in range(number) if i not in out), validation=out, held_out=out)
                for out in held_out
            ]
            asked, epochs = line, training(series, splits, Recipe(**fields), side)
        start = time.thread_time()
        next(epochs)
        print(time.thread_time() - start, flush=True)


def training(series: list[Series], splits: list[FoldSplit], recipe: Recipe, side: str) -> Iterator[Any]:
    if side == "stacked":
        from models.stacks.folds import StackedFolds

        return StackedFolds(series, splits, [recipe], seeds=[0]).epochs()
    from models.training import FoldsInTraining

    return FoldsInTraining(series, splits, recipe, seed=0).epochs()


if __name__ == "__main__":
    main()
