"""What a contributor would add: a format of recordings, a gold standard, an aggregator, a scheduler; each a toy."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fed.aggregators import ServerState
from fed.messages import Update
from fed.options import Federation
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.formats import table
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.source import Source

LOOKS_LIKE = "a folder with recordings.toy"


def find(path: Path) -> bool:
    return (path / "recordings.toy").is_file()


def read(root: Path, findings: Findings, reading: Reading) -> list[Source]:
    """Read a table under another name."""
    copy = root / ".read" / "recordings.parquet"
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(root / "recordings.toy", copy)
    return table.read(copy, findings, reading)


def boldest(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the largest rating of each frame."""
    return np.asarray(ratings.max(axis=1))


def towards_the_first(state: ServerState, updates: Sequence[Update], options: Federation) -> ServerState:
    """Keep the share `trim_share` of the first client's network; the rest is the second one's."""
    assert options.trim_share is not None
    first, second = sorted(updates, key=lambda one: one.client)[:2]
    share = np.float32(options.trim_share)
    return replace(state, weights=share * first.weights + (1 - share) * second.weights, integers=first.integers)


class Scheduler:
    """Records what it was made with."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __call__(self, uid: str, _epoch: int, _loss: float) -> bool:
        """Nobody goes on who is not called a."""
        return uid == "a"
