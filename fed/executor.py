"""The one interface between the algorithm and where clients run: an executor is three functions.

`in_process` and `ray_actors` in fed/executors/ each make one, and give the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fed.client import Client
from fed.local_plan import LocalPlan
from fed.messages import Answer, Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """`run` yields one answer per fold, in any order of folds; `close` gives processes and memory back.

    `run` never waits past the call's deadline by more than the time an executor needs to notice. `take` switches to
    another configuration of the same clients: whatever has been read or started stays.
    """

    run: Callable[[Call], Iterator[Answer]]
    take: Callable[[LocalPlan], None]
    close: Callable[[], None]


# An executor is started with its clients and what they must know.
Start = Callable[[Sequence[Client], LocalPlan], Executor]
