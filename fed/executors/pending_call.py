"""The state of a running call: jobs sent, answers received, partial sums not yet fetched. No Ray."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fed.executors.jobs import answer_of, late
from fed.messages import FAILED, Answer, Call, Failure, Job, PartialSum, Report, Value

Reference = Any  # of what an actor will answer; opaque here


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """One actor slot: its assigned clients, the current actor, and consecutive deaths without a finished job."""

    names: list[str]
    actor: Any = None
    starting: Reference | None = None  # ready once the actor is
    start_by: float = 0.0
    wait_by: float = 0.0  # as `start_by`, while the cluster is too small for it
    barren_deaths: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class PendingCall:
    """The state of one call; a slot's sum of a fold counts as in as soon as it is in `sums`, None for no sum."""

    call: Call
    serial: int
    sent: Reference | None
    end: float
    slots: Sequence[Slot]
    jobs: dict[int, list[Job]]
    # Messages in the order of submission, each with its jobs.
    pending: dict[Reference, tuple[Slot, tuple[Job, ...]]] = field(default_factory=dict)
    # Jobs of slots whose process has died, in order: each is sent when the one before it is done.
    held: list[tuple[Slot, Job]] = field(default_factory=list)
    asked: dict[Reference, tuple[Slot, int]] = field(default_factory=dict)  # sums, by slot and fold
    done: dict[tuple[int, str], Value | Failure] = field(default_factory=dict)  # by fold and client
    sums: dict[tuple[int, int], PartialSum | None] = field(default_factory=dict)  # by fold and id of the slot
    deaths: Counter[str] = field(default_factory=Counter)

    def finish(self, job: Job, done: Value | Failure) -> None:
        """Record the result of a job."""
        self.done[job.fold, job.client] = done

    def fail(self, job: Job, reason: str, traceback: str = "") -> None:
        """Record that a job has failed."""
        self.finish(job, Failure.of(job, FAILED, reason, traceback))

    def message(self, jobs: Sequence[Job]) -> Call:
        """Return the call as the jobs' clients get it, without the broadcast, which travels once for all."""
        places = [(job.fold, job.client) for job in jobs]
        states = {place: self.call.states[place] for place in places if place in self.call.states}
        asked = {place: self.call.questions[place] for place in places if place in self.call.questions}
        return replace(self.call, jobs=tuple(jobs), weights=None, integers=None, states=states, questions=asked)

    def break_off(self) -> list[tuple[Slot, Job]]:
        """Drop all jobs that are not done, by name; return them with the slots that are still at work."""
        dropped = [(slot, job) for slot, jobs in self.pending.values() for job in jobs] + self.held
        for _, job in dropped:
            self.finish(job, late(self.call, job))
        self.pending, self.held = {}, []
        return dropped

    def wants_sum(self, slot: Slot, fold: int) -> bool:
        """Return whether a slot's sum of a fold must be fetched now; records it if there is nothing to fetch."""
        place = (fold, id(slot))
        mine = [(fold, job.client) for job in self.jobs[fold] if job.client in slot.names]
        if self.call.summed is None or place in self.sums or any(one not in self.done for one in mine):
            return False
        if (slot, fold) in self.asked.values():
            return False
        if any(isinstance(self.done[one], Report) for one in mine):
            return True
        self.sums[place] = None
        return False

    def sent_to(self, slot: Slot) -> list[Job]:
        """Return the jobs that a slot's actor was sent and has not answered, in the order of submission."""
        return [job for owner, jobs in self.pending.values() if owner is slot for job in jobs]

    def next_held(self, slot: Slot) -> Job | None:
        """Remove and return the job that a slot does next, if it has nothing else to do and one is held."""
        held = next((place for place in self.held if place[0] is slot), None)
        if held is None or self.sent_to(slot):
            return None
        self.held.remove(held)
        return held[1]

    def lose(self, slot: Slot) -> list[Job]:
        """Drop all that died with a slot's actor; return the jobs to be done again, those sent first.

        Jobs whose sum was still in the actor come last: they were no part in its death.
        """
        again = self.sent_to(slot) + [job for owner, job in self.held if owner is slot]
        self.held = [place for place in self.held if place[0] is not slot]
        self.pending = {ref: place for ref, place in self.pending.items() if place[0] is not slot}
        self.asked = {ref: place for ref, place in self.asked.items() if place[0] is not slot}
        if self.call.summed is not None:
            for fold, jobs in self.jobs.items():
                if (fold, id(slot)) not in self.sums:
                    again += [job for job in jobs if job.client in slot.names and self._take_back(job)]
        return again

    def _take_back(self, job: Job) -> bool:
        if not isinstance(self.done.get((job.fold, job.client)), Report):
            return False
        del self.done[job.fold, job.client]
        return True

    def lose_sum(self, slot: Slot, fold: int) -> None:
        """Drop a sum that cannot be fetched in time: its clients count as late."""
        self.sums[fold, id(slot)] = None
        for job in self.jobs[fold]:
            if job.client in slot.names:
                self.finish(job, late(self.call, job))

    def complete(self, fold: int) -> bool:
        """Return whether everything of a fold is there."""
        if any((fold, job.client) not in self.done for job in self.jobs[fold]):
            return False
        owners = [slot for slot in self.slots if any(job.client in slot.names for job in self.jobs[fold])]
        return self.call.summed is None or all((fold, id(slot)) in self.sums for slot in owners)

    def answer(self, fold: int) -> Answer:
        """Remove and return a complete fold's results: nothing large of it stays referenced here."""
        done = {job.client: self.done[fold, job.client] for job in self.jobs[fold]}
        sums = [self.sums.get((fold, id(slot))) for slot in self.slots]
        self.sums |= {(fold, id(slot)): None for slot in self.slots}
        self.done |= {(fold, name): None for name in done}
        return answer_of(fold, done, [total for total in sums if total is not None])
