"""Clients in Ray actors that live for all rounds and folds: the same bits as `fed.executors.in_process`, on many cores.

An actor holds some clients' data and one network. The weights of a round are put once; sums are formed in the
actor. A dead actor is replaced and its clients try again. The only importer of ray in this package.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fed.client import Client
from fed.executor import Executor, Start
from fed.executors.client_process import ClientProcess
from fed.executors.jobs import in_turn, messages
from fed.executors.pending_call import PendingCall, Reference, Slot
from fed.executors.placement import ClusterTooSmall, num_actors, packed
from fed.executors.ray_cluster import assigned_device, check_cluster, lacks_room, share_of_each
from fed.executors.workload import Workload
from fed.local_plan import LocalPlan
from fed.messages import FAILED, Answer, Call, Failure, Job, Value, of_fold

# A client under whom an actor has died so often is given up; all ours.
MAX_TRIES = 3
# An actor that dies so often without one finished job in between is not replaced again.
MAX_BARREN_DEATHS = 2 * MAX_TRIES
# Starting a process and importing torch takes seconds; longer means that there is no room.
START_SECONDS = 300.0
# While the cluster is too small (a node died) it is waited for; so long between two looks.
ROOM_LOOK_SECONDS = 2.0
# After a deadline: for fetching sums from actors of which one client is still at work.
GRACE_SECONDS = 10.0


def in_actors(
    *,
    client_actors: int | str = "auto",
    cpus_per_client: float = 1.0,
    gpus_per_client: float = 0.0,
    wait_seconds: float = START_SECONDS,
) -> Start:
    """Return a start function with these actors' resources, for `FederatedFolds(start=...)`.

    `wait_seconds` is how long a process is waited for while no living node has room for it.
    """
    shares = cpus_per_client, gpus_per_client
    return partial(_started, client_actors=client_actors, shares=shares, wait_seconds=wait_seconds)


def _started(
    clients: Sequence[Client],
    plan: LocalPlan,
    *,
    client_actors: int | str,
    shares: tuple[float, float],
    wait_seconds: float,
) -> Executor:
    group = ray.util.get_current_placement_group()
    each = {"cpus_per_client": shares[0], "gpus_per_client": shares[1]}
    # The trial's own bundle comes first; the cluster's room was asked before the group was reserved.
    nodes = group.bundle_specs[1:] if group is not None else None
    if plan.federation.secure_sum:
        # Nobody else's process may hold a client's keys.
        client_actors = len(clients)
        share = nodes[0].get("CPU", 0.0) if nodes else share_of_each(len(clients), **each)
        each["cpus_per_client"], shares = share, (share, shares[1])
    if nodes is not None:
        number = num_actors(nodes, len(clients), client_actors=client_actors, **each)
    else:
        number = check_cluster(len(clients), client_actors=client_actors, **each)
    pool = Pool(clients, plan, number, *shares, group, wait_seconds)
    try:
        pool.start()
    except BaseException:
        pool.close()
        raise
    return Executor(run=pool.run, take=pool.take, close=pool.close)


class Pool:
    """The actors of one trial, or of several on the same clients, one after the other."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an actor needs, and where it may run
        self,
        clients: Sequence[Client],
        plan: LocalPlan,
        number: int,
        cpus: float,
        gpus: float,
        group: Any,
        wait_seconds: float = START_SECONDS,
    ) -> None:
        """Deal the `clients` out to `number` actors of so many `cpus` and `gpus`; nothing is started yet.

        `plan` is what all clients must know, `group` the placement group whose bundles the actors take, `wait_seconds`
        how long an actor may take to start.
        """
        self._wait_seconds = wait_seconds
        self._shares = (cpus, gpus)
        self._group = group
        # One put for all actors. It holds recipes for reading data, and no data.
        self._known = ray.put(tuple(clients)), ray.put(plan)
        self._plan = plan
        self._slots = [Slot(names=hand) for hand in packed({client.name: 1.0 for client in clients}, number)]
        self._workload = Workload()
        self._sent: tuple[Any, Any] | None = None
        self._calls = 0

    def start(self) -> None:
        """Start all actors; ClusterTooSmall where they find no room in START_SECONDS."""
        for slot in self._slots:
            self._create(slot)
        starting = [slot.starting for slot in self._slots]
        _, missing = ray.wait(starting, num_returns=len(starting), timeout=START_SECONDS)
        if missing:
            cpus, gpus = self._shares
            raise ClusterTooSmall(
                f"{len(missing)} of {len(starting)} client processes with {cpus:g} CPUs and {gpus:g} GPUs each found "
                f"no room within {START_SECONDS:g} s; free now: {ray.available_resources()}"
            )

    def take(self, plan: LocalPlan) -> None:
        """Switch to another configuration; processes, their data and the placement of clients stay."""
        self._sent = None
        self._known = self._known[0], ray.put(plan)
        self._plan = plan
        for slot in self._slots:
            if slot.actor is not None:
                slot.actor.take.remote(self._known[1])  # before any job of that configuration; the dead are replaced

    def close(self) -> None:
        """End all actors."""
        self._sent = None
        for slot in self._slots:
            _end(slot)

    def run(self, call: Call) -> Iterator[Answer]:
        """Yield every fold's answer as soon as it is complete; late clients are dropped at the deadline."""
        self._calls += 1
        waiting = PendingCall(
            call=call,
            serial=self._calls,
            sent=self._put(call),
            end=time.monotonic() + call.deadline_seconds,
            slots=self._slots,
            jobs=of_fold(call.jobs),
        )
        try:
            for slot in self._slots:
                slot.barren_deaths = 0
                if slot.actor is None:
                    self._create(slot)
            for jobs in in_turn(self._plan, call):
                for slot in self._slots:
                    mine = self._workload.ordered([job for job in jobs if job.client in slot.names])
                    self._submit(waiting, slot, messages(self._plan, call, mine))
            left = list(waiting.jobs)
            while left:
                busy = [] if self._step(waiting) else self._break_off(waiting)
                for slot in busy:
                    _end(slot)  # whoever is still at work would keep the next call waiting
                for fold in [fold for fold in left if waiting.complete(fold)]:
                    left.remove(fold)
                    yield waiting.answer(fold)
        finally:
            for slot, _ in waiting.pending.values():
                _end(slot)
        if call.kind == "train":
            self._repack()

    def _create(self, slot: Slot) -> None:
        cpus, gpus = self._shares
        strategy = None
        if self._group is not None:
            strategy = PlacementGroupSchedulingStrategy(placement_group=self._group)
        slot.actor = (
            ray.remote(concurrency_groups={"control": 1})(ClientProcess)
            .options(
                num_cpus=cpus,
                num_gpus=gpus,
                scheduling_strategy=strategy,
                max_restarts=0,
                max_task_retries=0,
            )
            .remote(*self._known, max(1, int(cpus)), partial(assigned_device, gpus))
        )
        slot.starting = slot.actor.pid.remote()
        slot.start_by = time.monotonic() + START_SECONDS
        slot.wait_by = time.monotonic() + max(START_SECONDS, self._wait_seconds)

    def _put(self, call: Call) -> Any:
        """Put a broadcast into the object store once, and release the one before."""
        if call.weights is None:
            return None
        if self._sent is None or self._sent[0] is not call.weights:
            self._sent = None
            self._sent = call.weights, ray.put((call.weights, call.integers))
        return self._sent[1]

    def _submit(self, waiting: PendingCall, slot: Slot, together: Sequence[Sequence[Job]]) -> None:
        for jobs in together:
            reference = slot.actor.work.remote(waiting.message(jobs), waiting.sent, waiting.serial)
            waiting.pending[reference] = slot, tuple(jobs)

    def _step(self, waiting: PendingCall) -> bool:
        """Wait for one thing to happen and take note of it; False when the deadline has passed."""
        starting = {slot.starting: slot for slot in self._slots if slot.starting is not None}
        assert waiting.pending or waiting.asked, "a call that is not complete, and nothing under way"
        waited = [*waiting.pending, *waiting.asked, *starting]
        until = min([waiting.end, *(slot.start_by for slot in starting.values())])
        # At least a glance: something may have arrived on the dot.
        ready, _ = ray.wait(waited, num_returns=1, timeout=max(0.0, until - time.monotonic()))
        if time.monotonic() >= waiting.end:
            return False
        for reference in ready:
            if reference in starting:
                starting[reference].starting = None  # if it died instead, its jobs will say so
            elif reference in waiting.asked:
                self._receive_sum(waiting, reference)
            elif reference in waiting.pending:
                self._receive(waiting, reference)
        for slot in starting.values():
            if slot.starting is not None and time.monotonic() >= slot.start_by:
                if time.monotonic() < slot.wait_by and self._lacks_room():
                    slot.start_by = time.monotonic() + ROOM_LOOK_SECONDS
                else:
                    self._give_up(waiting, slot, f"no room for its process within {START_SECONDS:g} s")
        return True

    def _lacks_room(self) -> bool:
        share = {key: each for key, each in zip(("CPU", "GPU"), self._shares, strict=True) if each > 0}
        return lacks_room([share] * len(self._slots) if self._group is None else self._group.bundle_specs)

    def _receive(self, waiting: PendingCall, reference: Reference) -> None:
        slot, jobs = waiting.pending[reference]
        try:
            found: list[Value | Failure] = ray.get(reference)
        except RayTaskError as error:
            found = [Failure.of(job, FAILED, _last_line(error), str(error)) for job in jobs]
        except RayError as error:
            self._replace(waiting, slot, error)
            return
        del waiting.pending[reference]
        slot.barren_deaths = 0
        for job, done in zip(jobs, found, strict=True):
            waiting.finish(job, done)
            if waiting.call.kind == "train" and not isinstance(done, Failure):
                self._workload.trained(job.client, done.seconds)
        self._send_held(waiting, slot)
        for fold in dict.fromkeys(job.fold for job in jobs):
            self._ask_for_sum(waiting, slot, fold)

    def _send_held(self, waiting: PendingCall, slot: Slot) -> None:
        if (job := waiting.next_held(slot)) is not None:
            self._submit(waiting, slot, [[job]])

    def _ask_for_sum(self, waiting: PendingCall, slot: Slot, fold: int) -> None:
        if waiting.wants_sum(slot, fold):
            beside = slot.actor.take_sum.options(concurrency_group="control")
            waiting.asked[beside.remote(waiting.serial, fold)] = slot, fold

    def _receive_sum(self, waiting: PendingCall, reference: Reference) -> None:
        slot, fold = waiting.asked[reference]
        try:
            total = ray.get(reference)
        except RayError as error:
            self._replace(waiting, slot, error)
            return
        del waiting.asked[reference]
        waiting.sums[fold, id(slot)] = total

    def _replace(self, waiting: PendingCall, slot: Slot, error: RayError) -> None:
        """Start a new actor for one that died; its jobs, and those whose sum died with it, are done again.

        Of several that were sent nobody knows whose fault it was, for an answer may have died on its way with the
        process of the next job: they are sent one by one from then on, each when the one before it is done.
        """
        _end(slot)
        sent = waiting.sent_to(slot)
        again = waiting.lose(slot)
        slot.barren_deaths += 1
        blamed = sent[0] if len(sent) == 1 else None
        if blamed is not None:
            waiting.deaths[blamed.client] += 1
            if waiting.deaths[blamed.client] >= MAX_TRIES:
                again.remove(blamed)
                waiting.fail(blamed, f"its process died {MAX_TRIES} times: {_last_line(error)}", str(error))
        self._create(slot)
        waiting.held += [(slot, job) for job in again]
        self._send_held(waiting, slot)
        if blamed is not None:
            self._ask_for_sum(waiting, slot, blamed.fold)
        if slot.barren_deaths >= MAX_BARREN_DEATHS:
            self._give_up(waiting, slot, f"its process died {slot.barren_deaths} times in a row: {_last_line(error)}")

    def _give_up(self, waiting: PendingCall, slot: Slot, reason: str) -> None:
        """Fail all that a slot has left to do; the next call tries it afresh."""
        _end(slot)
        for job in waiting.lose(slot):
            waiting.fail(job, reason)
        for fold in waiting.jobs:
            self._ask_for_sum(waiting, slot, fold)

    def _break_off(self, waiting: PendingCall) -> list[Slot]:
        """Drop all who are late, by name; fetch the sums of those who were in time. Gives the slots still at work."""
        busy = []
        for slot, job in waiting.break_off():
            self._workload.was_late(job.client)
            busy.append(slot)
        for fold in waiting.jobs:
            for slot in self._slots:
                self._ask_for_sum(waiting, slot, fold)
        if waiting.asked:
            ray.wait(list(waiting.asked), num_returns=len(waiting.asked), timeout=GRACE_SECONDS)
        for reference, (slot, fold) in waiting.asked.items():
            try:
                waiting.sums[fold, id(slot)] = ray.get(reference, timeout=0)
            except RayError:  # dead, or silent for too long
                waiting.lose_sum(slot, fold)
                busy.append(slot)
        waiting.asked = {}
        return busy

    def _repack(self) -> None:
        """Deal the clients out again, once, by the times of their first round, if that shortens a round."""
        hands = self._workload.better_hands([slot.names for slot in self._slots])
        if hands is None:
            return
        for slot, hand in zip(self._slots, hands, strict=True):
            if slot.actor is not None:
                slot.actor.forget.remote([name for name in slot.names if name not in hand])
            slot.names = hand


def _end(slot: Slot) -> None:
    if slot.actor is not None and ray.is_initialized():
        ray.kill(slot.actor, no_restart=True)
    slot.actor = slot.starting = None


def _last_line(error: Exception) -> str:
    """The line of Ray's long messages that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1 if isinstance(error, RayTaskError) else 0] if lines else type(error).__name__
