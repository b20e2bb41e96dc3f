"""The executor without Ray: all clients in this process, one after the other. The others must give its bits."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fed.client import Client, Site
from fed.executor import Executor
from fed.executors.jobs import answer_of, in_turn, late, messages, settle, work_all
from fed.local_plan import LocalPlan
from fed.messages import Answer, Call, Failure, Job, PartialSum, Value, of_fold


def in_process(clients: Sequence[Client], plan: LocalPlan, *, device: str = "cpu") -> Executor:
    """Start nothing; data is read when first needed.

    A client that is at work when a deadline passes is waited for and then dropped: no thread can be stopped.
    """
    site = Site(clients, plan, device)
    return Executor(run=lambda call: _run(site, call), take=site.take, close=lambda: None)


def _run(site: Site, call: Call) -> Iterator[Answer]:
    end = time.monotonic() + call.deadline_seconds
    for jobs in in_turn(site.plan, call):
        done: dict[Job, Value | Failure] = {}
        sums: dict[int, PartialSum | None] = {}
        for message in messages(site.plan, call, jobs):
            in_time = time.monotonic() < end
            found = work_all(site, replace(call, jobs=tuple(message))) if in_time else []
            if time.monotonic() >= end:
                found = [late(call, job) for job in message]
            for job, one in zip(message, found, strict=True):
                done[job] = one
                if call.summed is not None:
                    done[job], sums[job.fold] = settle(site, call, job, one, sums.get(job.fold))
        for fold, own in of_fold(jobs).items():
            total = sums.get(fold)
            yield answer_of(fold, {job.client: done[job] for job in own}, [] if total is None else [total])
