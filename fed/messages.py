"""What a server and its clients tell each other: a call with jobs goes out, updates or their sums come back.

Free of torch. Shapes: R rows of a broadcast, N floating-point numbers of a network (weights and statistics),
M integers (counters of batches).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fed.exact_sums import ExactSum
from fed.secure_sums.exchange import Question, Stage

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
ClientState = Mapping[str, NDArray[np.generic]]  # what a client keeps from one round to the next

Kind = Literal["describe", "train", "evaluate", "score"] | Stage  # of a round of secure sums; clients train in "masked"
# Update or Report; Evaluation; list of Scored; Description; what secure_sums/exchange.py has: by the kind of the call.
Value = Any

FAILED, LATE, REFUSED = "failed", "late", "refused"
RESTARTED, UNRECOVERED = "restarted", "unrecovered"  # of secure sums only


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one client shall do: with which row of the weights, on which of its series, on which part of them.

    `part` is "all", or for personal networks "first" (train on the first four fifths) and "last" (the rest).
    """

    fold: int
    client: str
    row: int
    series: tuple[int, ...]
    part: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """Work for many clients. Jobs name rows of `weights` (R, N) and `integers` (R, M), which is one broadcast.

    `summed` names an aggregator that needs sums only: the executor then passes each update through the gate where it
    was made, and returns sums and `Report`s instead of updates.
    """

    kind: Kind
    number: int  # of the round, from 1; 0 outside rounds
    jobs: tuple[Job, ...]
    deadline_seconds: float
    weights: Floats | None = None
    integers: Integers | None = None
    states: Mapping[tuple[int, str], ClientState] = field(default_factory=dict)  # by fold and client
    summed: str | None = None
    questions: Mapping[tuple[int, str], Question] = field(default_factory=dict)  # of secure sums, by fold and client


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Update:
    """A client's trained network with what aggregation must know of it; nothing else leaves a client's training.

    `num_samples` counts the windows trained on; `train_loss` is the mean over the compared elements of all local
    epochs; `seconds` is the time of training alone; `state` is what the client keeps, for the checkpoint.
    """

    client: str
    round: int
    fold: int
    layout: str  # the digest of its layout: keys, shapes and types
    num_samples: int
    weights: Floats  # (N,)
    integers: Integers  # (M,)
    train_loss: float
    seconds: float
    state: ClientState | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """An update without its weights, which passed the gate and are in a sum or were aggregated."""

    client: str
    num_samples: int
    train_loss: float
    seconds: float
    state: ClientState | None = None

    @classmethod
    def of(cls, update: Update) -> "Report":
        """Keep what the record of the round needs, and the client's state."""
        return cls(
            client=update.client,
            num_samples=update.num_samples,
            train_loss=update.train_loss,
            seconds=update.seconds,
            state=update.state,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartialSum:
    """The exact sum of some clients' updates, in which no single one can be told."""

    floats: ExactSum
    integers: Integers  # (M,), the largest
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a client gave nothing: `kind` is "failed", "late", "refused" ...; the full traceback where there is one."""

    fold: int
    client: str
    kind: str
    reason: str
    traceback: str = ""

    @classmethod
    def of(cls, job: Job, kind: str, reason: str, traceback: str = "") -> "Failure":
        """Return the failure of a job."""
        return cls(fold=job.fold, client=job.client, kind=kind, reason=reason, traceback=traceback)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """Everything about one fold of a call, given as soon as its last client has answered or failed."""

    fold: int
    values: Mapping[str, Value]  # by client
    failures: tuple[Failure, ...] = ()
    sums: tuple[PartialSum, ...] = ()


def of_fold(jobs: Sequence[Job]) -> dict[int, list[Job]]:
    """Group jobs by fold, in the order of their first appearance."""
    grouped: dict[int, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.fold, []).append(job)
    return grouped
