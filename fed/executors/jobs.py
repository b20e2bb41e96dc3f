"""One job at a site, for every kind of call: what both executors run, so that they cannot differ."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fed.aggregators import SUMMED, PartialSum, added
from fed.client import ClientState, Job, Site
from fed.executor import FAILED, LATE, Answer, Call, Failure, Report, Value
from fed.updates import Expected, Floats, Integers, admit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A job with what it is done from: a row of the broadcast, and the client's kept state."""

    kind: str
    number: int
    job: Job
    weights: Floats | None = None
    integers: Integers | None = None
    state: ClientState | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Done:
    """What came of a job: a value and perhaps a state, or a failure."""

    value: Value = None
    state: ClientState | None = None
    failure: Failure | None = None


def work(site: Site, task: Task) -> Done:
    """Do one job; an exception of the client's becomes a failure with its full traceback."""
    try:
        return _work(site, task)
    except Exception as error:
        failure = Failure(
            fold=task.job.fold,
            client=task.job.client,
            kind=FAILED,
            reason=f"{type(error).__name__}: {error}",
            traceback=traceback.format_exc(),
        )
        return Done(failure=failure)


def _work(site: Site, task: Task) -> Done:
    if task.kind == "describe":
        return Done(value=site.describe(task.job.client))
    assert task.weights is not None, f"a call to {task.kind} without weights"
    assert task.integers is not None, f"a call to {task.kind} without integers"
    if task.kind == "evaluate":
        return Done(value=site.evaluate(task.job, task.weights, task.integers, task.state))
    if task.kind == "score":
        return Done(value=site.score(task.job, task.weights, task.integers))
    update, state = site.train(task.job, task.number, task.weights, task.integers, task.state)
    return Done(value=update, state=state)


def settle(site: Site, task: Task, done: Done, total: PartialSum | None, summed: str) -> tuple[Done, PartialSum | None]:
    """Pass an update through the gate and add it to the sum of its fold; only a report of it goes on."""
    if done.failure is not None:
        return done, total
    assert task.weights is not None, "a client trains from weights it was sent"
    expected = Expected(
        client=task.job.client,
        round=task.number,
        fold=task.job.fold,
        layout=site.layout(task.job),
        weights=task.weights,
    )
    refused = admit(done.value, expected)
    if refused is None:
        total = added(total, done.value, SUMMED[summed])
    return Done(value=Report.of(done.value, refused), state=done.state), total


def task_of(call: Call, job: Job) -> Task:
    """Return a job with its row of the broadcast, not copied."""
    return Task(
        kind=call.kind,
        number=call.number,
        job=job,
        weights=None if call.weights is None else call.weights[job.row],
        integers=None if call.integers is None else call.integers[job.row],
        state=call.states.get((job.fold, job.client)),
    )


def late(call: Call, job: Job) -> Done:
    """Drop a client by name because the deadline has passed."""
    reason = f"not done within {call.deadline_seconds:g} s"
    return Done(failure=Failure(fold=job.fold, client=job.client, kind=LATE, reason=reason))


def answer_of(fold: int, done: Mapping[str, Done], sums: Sequence[PartialSum]) -> Answer:
    """Return the answer of a fold from the outcomes of its jobs."""
    return Answer(
        fold=fold,
        values={name: one.value for name, one in done.items() if one.failure is None},
        failures=tuple(one.failure for one in done.values() if one.failure is not None),
        sums=tuple(sums),
        states={name: one.state for name, one in done.items() if one.state is not None},
    )
