"""What the algorithm asks of an executor and what comes back: the one interface between `rounds` and where clients run.

An executor is two functions. `in_process` and `ray_actors` in fed/executors/ each make one, and give the same bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fed.aggregators import PartialSum
from fed.client import Client, ClientState, Job, LocalPlan
from fed.updates import Floats, Integers, Update

Kind = Literal["describe", "train", "evaluate", "score"]
Value = Any  # Update or Report; Evaluation; list of Scored; Description: by the kind of the call

FAILED, LATE, REFUSED = "failed", "late", "refused"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """Work for many clients. Jobs name rows of `weights` (R, N) and `integers` (R, M), which is one broadcast.

    `summed` names an aggregator that is content with sums: the executor then passes each update through the gate
    where it was made, and hands over sums and `Report`s instead of updates.
    """

    kind: Kind
    number: int  # of the round, from 1; 0 outside rounds
    jobs: tuple[Job, ...]
    deadline_seconds: float
    weights: Floats | None = None
    integers: Integers | None = None
    states: Mapping[tuple[int, str], ClientState] = field(default_factory=dict)
    summed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An update without its weights; `refused` is the gate's reason, and then the sum is without it."""

    client: str
    num_samples: int
    train_loss: float
    seconds: float
    refused: str | None = None

    @classmethod
    def of(cls, update: Update, refused: str | None = None) -> "Report":
        """Keep what the record of the round needs."""
        return cls(
            client=update.client,
            num_samples=update.num_samples,
            train_loss=update.train_loss,
            seconds=update.seconds,
            refused=refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a client gave nothing: `kind` is "failed", "late" or "refused"; the full traceback where there is one."""

    fold: int
    client: str
    kind: str
    reason: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """Everything about one fold of a call, given as soon as its last client has answered or failed."""

    fold: int
    values: Mapping[str, Value]  # by client
    failures: tuple[Failure, ...] = ()
    sums: tuple[PartialSum, ...] = ()
    states: Mapping[str, ClientState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """`run` yields one answer per fold, in any order of folds; `close` gives processes and memory back.

    `run` never waits past the call's deadline by more than the time an executor needs to notice. `take` turns to
    another configuration of the same clients: whatever has been read or started stays.
    """

    run: Callable[[Call], Iterator[Answer]]
    take: Callable[[LocalPlan], None]
    close: Callable[[], None]


# An executor is started with its clients and what they must know.
Start = Callable[[Sequence[Client], LocalPlan], Executor]


def of_fold(jobs: Sequence[Job]) -> dict[int, list[Job]]:
    """Group jobs by fold, in the order of their first appearance."""
    grouped: dict[int, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.fold, []).append(job)
    return grouped
