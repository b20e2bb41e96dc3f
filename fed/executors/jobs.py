"""One job of one client, for every kind of call. Both executors run this code, so that their results are equal."""

import traceback
from collections.abc import Mapping, Sequence

from fed.aggregators import added
from fed.client import Site
from fed.messages import FAILED, LATE, REFUSED, Answer, Call, Failure, Job, PartialSum, Report, Value
from fed.updates import admit


def work(site: Site, call: Call, job: Job) -> Value | Failure:
    """Do one job of a call from its row of the broadcast; an exception becomes a failure with its full traceback."""
    try:
        return _work(site, call, job)
    except Exception as error:
        return Failure.of(job, FAILED, f"{type(error).__name__}: {error}", traceback.format_exc())


def _work(site: Site, call: Call, job: Job) -> Value:
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
    refused = admit(done, job, call.number, site.layout(job), call.weights[job.row])
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
