"""The Ray actor that hosts some clients, without Ray: one job at a time, partial sums returned by a second thread."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from fed.client import Client, Site
from fed.executors.jobs import settle, work_all
from fed.local_plan import LocalPlan
from fed.messages import LATE, Call, Failure, Floats, Integers, Job, PartialSum, Value
from models.allocator import keep_freed_memory, prefer_large_pages

# Before a ClientProcess is made: what it is made of may hold tensors already.
prefer_large_pages()


class ClientProcess:
    """Hosts some clients. Jobs run one at a time; a second thread returns partial sums, also during a slow job."""

    def __init__(self, clients: Sequence[Client], plan: LocalPlan, num_threads: int, device: Callable[[], str]) -> None:
        """Store the share of the machine that was assigned; nothing is read yet."""
        keep_freed_memory()
        self._num_threads = num_threads
        self._site = Site(clients, plan, device())
        self._lock = threading.Lock()
        self._sums: dict[tuple[int, int], PartialSum | None] = {}  # by call and fold
        self._taken: set[tuple[int, int]] = set()

    def pid(self) -> int:
        """Return the number of this process; an answer says that it has started."""
        return os.getpid()

    def work(self, call: Call, sent: tuple[Floats, Integers] | None, serial: int) -> list[Value | Failure]:
        """Do the jobs of a message from the broadcast, whose arrays are read-only views of the object store."""
        if torch.get_num_threads() != self._num_threads:
            torch.set_num_threads(self._num_threads)  # a worker starts with a number of its own
        if sent is not None:
            call = replace(call, weights=sent[0], integers=sent[1])
        done = work_all(self._site, call)
        if call.summed is None:
            return done
        return [self._settle(call, *pair, serial) for pair in zip(call.jobs, done, strict=True)]

    def _settle(self, call: Call, job: Job, done: Value | Failure, serial: int) -> Value | Failure:
        """Add one update to the sum of its fold, unless the sum has been handed over."""
        place = (serial, job.fold)
        with self._lock:
            if place in self._taken:
                return Failure.of(job, LATE, "done after its sum was handed over")
            settled, self._sums[place] = settle(self._site, call, job, done, self._sums.get(place))
        return settled

    def take_sum(self, call: int, fold: int) -> PartialSum | None:
        """Return a fold's sum, also while a late client is still at work; clients that finish later are not in it."""
        with self._lock:
            # What is left of earlier calls, which were broken off, will never be asked for.
            self._sums = {place: total for place, total in self._sums.items() if place[0] == call}
            self._taken = {place for place in self._taken if place[0] == call} | {(call, fold)}
            return self._sums.pop((call, fold), None)

    def take(self, plan: LocalPlan) -> None:
        """Switch to another configuration of the same clients; loaded data are kept."""
        with self._lock:
            self._site.take(plan)
            self._sums, self._taken = {}, set()

    def forget(self, names: Sequence[str]) -> None:
        """Drop the data of clients that moved elsewhere."""
        self._site.forget(names)
