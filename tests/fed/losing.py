"""An executor that loses clients: by stage of a round of secure sums, or lets their process forget all it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fed.client import Client, Site
from fed.executor import Executor, Start
from fed.executors import in_process as module
from fed.local_plan import LocalPlan
from fed.messages import LATE, Answer, Call, Failure, of_fold

Lost = Mapping[tuple[str, int], Sequence[str]]  # who is lost in a stage of a round
Watch = Callable[[Call, Answer], None]


def losing(lost: Lost, watch: Watch | None = None, *, restart: bool = False) -> Start:
    """Start clients in this process of which `lost` give no answer, or forget their keys before they do."""

    def start(clients: Sequence[Client], plan: LocalPlan) -> Executor:
        site = Site(clients, plan)

        def run(call: Call) -> Iterator[Answer]:
            gone = [] if restart else lost.get((call.kind, call.number), ())
            if restart:
                forgotten = lost.get((call.kind, call.number), ())
                site.sums = {place: one for place, one in site.sums.items() if place[1] not in forgotten}
            kept = replace(call, jobs=tuple(job for job in call.jobs if job.client not in gone))
            answers = {answer.fold: answer for answer in module._run(site, kept)}
            for fold, jobs in of_fold(call.jobs).items():
                found = answers.get(fold, Answer(fold=fold, values={}))
                late = tuple(Failure.of(job, LATE, "lost on its way") for job in jobs if job.client in gone)
                found = replace(found, failures=(*found.failures, *late))
                if watch is not None:
                    watch(call, found)
                yield found

        return Executor(run=run, take=site.take, close=lambda: None)

    return start


def spied(seen: list[tuple[Call, Answer]], lost: Lost | None = None) -> dict[str, Any]:
    """Settings of a federation whose calls and answers are kept."""
    return {"start": losing(lost or {}, lambda call, answer: seen.append((call, answer)))}
