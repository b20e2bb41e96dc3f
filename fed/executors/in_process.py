"""The executor without Ray: all clients in this process, one after the other. The others must give its bits."""

import time
from collections.abc import Iterator, Sequence

from fed.client import Client, LocalPlan, Site
from fed.executor import Executor
from fed.executors.jobs import answer_of, late, settle, work
from fed.messages import Answer, Call, Failure, PartialSum, Value, of_fold


def in_process(clients: Sequence[Client], plan: LocalPlan, *, device: str = "cpu") -> Executor:
    """Start nothing; data is read when first needed.

    A client that is at work when a deadline passes is waited for and then dropped: no thread can be stopped.
    """
    site = Site(clients, plan, device)
    return Executor(run=lambda call: _run(site, call), take=site.take, close=lambda: None)


def _run(site: Site, call: Call) -> Iterator[Answer]:
    end = time.monotonic() + call.deadline_seconds
    for fold, jobs in of_fold(call.jobs).items():
        total: PartialSum | None = None
        done: dict[str, Value | Failure] = {}
        for job in jobs:
            one = late(call, job) if time.monotonic() >= end else work(site, call, job)
            if time.monotonic() >= end:
                one = late(call, job)
            if call.summed is not None:
                one, total = settle(site, call, job, one, total)
            done[job.client] = one
        yield answer_of(fold, done, [] if total is None else [total])
