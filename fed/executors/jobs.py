"""Jobs of clients, for every kind of call. Both executors run this code, so that their results are equal."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fed import secure_client
from fed.aggregators import added
from fed.client import Site
from fed.local_plan import LocalPlan
from fed.messages import FAILED, LATE, REFUSED, Answer, Call, Failure, Job, PartialSum, Report, Value, of_fold
from fed.updates import admit
from models.backends import STACKED, models_per_stack

STACKED_KINDS = ("train", "evaluate")  # calls that stacks can do


def in_turn(plan: LocalPlan, call: Call) -> list[list[Job]]:
    """Return a call's jobs fold by fold, so that one is averaged while the next one trains; stacks reach over folds."""
    return [list(call.jobs)] if plan.backend == STACKED else list(of_fold(call.jobs).values())


def messages(plan: LocalPlan, call: Call, jobs: Sequence[Job]) -> list[list[Job]]:
    """Divide one process's jobs of a call into those that are sent together: one each, or as many as are a stack.

    Jobs of one client are neighbours in a stack: they have equally many steps.
    """
    if plan.backend != STACKED or call.kind not in STACKED_KINDS:
        return [[job] for job in jobs]
    first = {name: place for place, name in reversed(list(enumerate(job.client for job in jobs)))}
    ordered, size = sorted(jobs, key=lambda job: first[job.client]), models_per_stack(plan.recipe)
    return [ordered[at : at + size] for at in range(0, len(ordered), size)]


def work_all(site: Site, call: Call) -> list[Value | Failure]:
    """Do all jobs of a message; several are done as one stack, in which whoever cannot be read fails alone."""
    if site.plan.backend != STACKED or call.kind not in STACKED_KINDS:
        return [work(site, call, job) for job in call.jobs]
    done = {job: failure for job in call.jobs if (failure := _unread(site, job)) is not None}
    left = [job for job in call.jobs if job not in done]
    try:
        done |= dict(zip(left, _stacked(site, call, left), strict=True))
    except Exception as error:
        if len(left) == 1:
            done[left[0]] = _failed(left[0], error)
        else:  # nobody knows yet whose fault it is
            for job in left:
                (done[job],) = work_all(site, replace(call, jobs=(job,)))
    return [done[job] for job in call.jobs]


def _unread(site: Site, job: Job) -> Failure | None:
    """Return why a client's data cannot be had; None: they are there."""
    try:
        site.read(job.client)
    except Exception as error:
        return _failed(job, error)
    return None


def _stacked(site: Site, call: Call, jobs: Sequence[Job]) -> Sequence[Value]:
    if not jobs:
        return []
    assert call.weights is not None, f"a call to {call.kind} without weights"
    assert call.integers is not None, f"a call to {call.kind} without integers"
    clients = site.stacked([job.client for job in jobs])
    if call.kind == "evaluate":
        return clients.evaluate(jobs, call.weights, call.integers)
    return clients.train(jobs, call.number, call.weights, call.integers)


def work(site: Site, call: Call, job: Job) -> Value | Failure:
    """Do one job of a call from its row of the broadcast; an exception becomes a failure with its full traceback."""
    try:
        return _work(site, call, job)
    except Exception as error:
        return _failed(job, error)


def _failed(job: Job, error: Exception) -> Failure:
    return Failure.of(job, FAILED, f"{type(error).__name__}: {error}", traceback.format_exc())


def _work(site: Site, call: Call, job: Job) -> Value | Failure:
    if call.questions:
        return secure_client.answer(site, call, job)
    if call.kind == "describe":
        return site.describe(job.client)
    assert call.weights is not None, f"a call to {call.kind} without weights"
    assert call.integers is not None, f"a call to {call.kind} without integers"
    weights, integers = call.weights[job.row], call.integers[job.row]  # not copied
    state = call.states.get((job.fold, job.client))
    if call.kind == "evaluate":
        return site.evaluate(job, weights, integers, state)
    if call.kind == "score":
        return site.score(job, weights, integers)
    return site.train(job, call.number, weights, integers, state)


def settle(
    site: Site, call: Call, job: Job, done: Value | Failure, total: PartialSum | None
) -> tuple[Report | Failure, PartialSum | None]:
    """Pass an update through the gate and add it to the sum of its fold; only a report of it goes on."""
    if isinstance(done, Failure):
        return done, total
    assert call.summed is not None, "a call for single updates"
    assert call.weights is not None, "a client trains from weights it was sent"
    refused = admit(done, job, call.number, site.network(job.client)[1], call.weights[job.row])
    if refused is not None:
        return Failure.of(job, REFUSED, refused), total
    return Report.of(done), added(total, done, call.summed)


def late(call: Call, job: Job) -> Failure:
    """Drop a client by name because the deadline has passed."""
    return Failure.of(job, LATE, f"not done within {call.deadline_seconds:g} s")


def answer_of(fold: int, done: Mapping[str, Value | Failure], sums: Sequence[PartialSum]) -> Answer:
    """Return the answer of a fold from the outcomes of its jobs, by client."""
    return Answer(
        fold=fold,
        values={name: one for name, one in done.items() if not isinstance(one, Failure)},
        failures=tuple(one for one in done.values() if isinstance(one, Failure)),
        sums=tuple(sums),
    )
