"""Handlers of Tune's events on the driver: they inform the observer and run the watchdogs.

Tune ends a search if one of our callbacks or schedulers raises. So none does: each fault is printed in one line.
"""

import contextlib
import functools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune

from fed.executors.placement import in_words, shortfall
from orchestrator.process.interrupts import asked_to_end
from orchestrator.run_records import Failure
from orchestrator.search.endings import ResourcesMissing, SearchEnded, StorageFull, folder_of, unwritable
from orchestrator.search.pack_config import PackConfig
from orchestrator.search.progress import Observer
from orchestrator.search.watchdog import Listener, Shortage, Silence

WORKER_DEATHS = 2  # a trial whose process dies is taken up again from its checkpoint so many times
WORKER_DIED = "the worker process died"
LOOK_SECONDS = 1.0  # between two looks for silent trials and for missing resources
SHORT_LOOKS = 2  # so many looks in a row must find too little room: Tune hears of a dead node a little later than Ray


class WorkerHung(RuntimeError):  # noqa: N818 - it names what is the matter
    """A worker process that said nothing for so long that it was ended, each time it was tried."""


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Make a method of `Watch` one that cannot raise."""

    @functools.wraps(method)
    def run(self: "Watch", **info: Any) -> None:
        try:
            method(self, **info)
        except Exception as error:
            self.complain(f"while {method.__name__.removeprefix('on_').replace('_', ' ')}", error)

    return run


class Watch(tune.Callback):  # type: ignore[misc]
    """Passes Tune's events to the observer, ends hung workers, and says when the search has to end."""

    def __init__(  # noqa: PLR0913 - what a search is watched by
        self,
        observer: Observer | None,
        *,
        bundles: Sequence[Mapping[str, float]] = (),
        storage: tuple[str, Path] = ("--output", Path()),
        listener: Listener | None = None,
        shortage: Shortage | None = None,
        hung: Counter[str] | None = None,
    ) -> None:
        """`bundles` are what a trial reserves; `storage` is the option and the folder that trials are written to.

        `hung` counts, over all watches of a search, the processes of each trial that were ended as they said nothing.
        """
        self.observer, self.bundles, self.storage = observer, bundles, storage
        self.listener, self.shortage = listener, shortage
        self.lost: list[PackConfig] = []  # given up by Tune without the tries it owes them
        self.broken: list[PackConfig] = []  # of several configurations, failed as a whole: nobody knows by which
        self.told: set[str] = set()  # configurations whose end the observer knows
        self.ending: SearchEnded | None = None  # why nothing further is to be tried
        self.controller: Any = None  # Tune's own, which alone knows a worker that has not answered yet
        self.hung: Counter[str] = Counter() if hung is None else hung
        self.short_looks, self.last_look = 0, 0.0
        self.said: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune writes its callbacks to disk; ours hold threads and terminals, and nothing ever reads them back."""
        return Watch, (None,)

    def complain(self, doing: str, error: BaseException) -> None:
        """Log what went wrong in a handler of ours; a full disk ends the search, nothing else does."""
        with contextlib.suppress(Exception):
            self.end_if_unwritable(error)
            line = f"{doing}: {type(error).__name__}: {error}"
            if self.observer and not self.ending and line not in self.said:
                self.said.add(line)  # Tune comes by ten times per second
                self.observer.say(line)

    def end_if_unwritable(self, error: BaseException | str) -> bool:
        """End the search if the error is that of a folder that takes nothing more; tell whether it is."""
        reason = unwritable(error)
        if reason is not None and self.ending is None:
            option: str | None
            option, trials = self.storage
            folder = folder_of(error, trials)
            if not folder.is_relative_to(trials.parent):  # Ray's and Tune's own notes lie in the temporary folder
                option = "TMPDIR" if folder.is_relative_to(tempfile.gettempdir()) else None
            self.ending = StorageFull(option, folder, reason)
        return reason is not None

    @guarded
    def on_step_end(self, *, trials: Sequence[Any] = (), **_info: Any) -> None:
        """Run the periodic checks; Tune calls this several times per second, also while it only waits."""
        if not self.observer:
            return
        self.observer.look()
        if time.monotonic() - self.last_look >= LOOK_SECONDS:
            self.last_look = time.monotonic()
            self._look_for_room(trials)
            self._listen(trials)

    @guarded
    def on_trial_start(self, *, trial: Any, **_info: Any) -> None:
        """Record that a trial has a worker."""
        pack = PackConfig.of(trial.config)
        if self.listener:
            self.listener.began(pack.uid)
        if self.observer:
            for uid in pack.uids:
                if uid not in self.told:
                    self.observer.started(uid)

    @guarded
    def on_trial_result(self, *, result: dict[str, Any], **_info: Any) -> None:
        """Record a report of a trial's configurations, and what its worker could not write itself."""
        if self.listener:
            self.listener.heard(str(result["uid"]))
        if result.get("unwritable"):
            self.end_if_unwritable(str(result["unwritable"]))
        if self.observer is None:
            return
        note = result.get("note")
        if note and note not in self.said:
            self.said.add(note)
            self.observer.say(note)
        for raw in result["unrecorded"]:
            failure = Failure.from_json(raw, "a worker's report")
            self.observer.unrecorded[failure.uid] = failure
        for one in result["members"]:
            if one["epoch"] and one["uid"] not in self.told:
                self.observer.advanced(one)
        for uid in result["ended"]:
            self.ended(uid)

    def ended(self, uid: str) -> None:
        """Record what a configuration left, once."""
        if self.observer and uid not in self.told:
            self.told.add(uid)
            self.observer.ended(uid)

    @guarded
    def on_trial_complete(self, *, trial: Any, **_info: Any) -> None:
        """Record what a trial's configurations left."""
        pack = PackConfig.of(trial.config)
        if self.listener:
            self.listener.ended(pack.uid)
        broken = (getattr(trial, "last_result", None) or {}).get("broken")
        if broken:
            self._break(pack, str(broken).strip().splitlines()[-1])
            return
        for uid in pack.uids:
            self.ended(uid)

    @guarded
    def on_trial_recover(self, *, trial: Any, **_info: Any) -> None:
        """Expect nothing of a trial that waits for another process."""
        if self.listener:
            self.listener.ended(PackConfig.of(trial.config).uid)

    @guarded
    def on_trial_error(self, *, trial: Any, **_info: Any) -> None:
        """Record a trial that Tune has given up, for good or to be tried once more."""
        pack = PackConfig.of(trial.config)
        if self.listener:
            self.listener.ended(pack.uid)
        text = _error_of(trial)
        if self.observer is None or self.end_if_unwritable(text or ""):
            return
        if trial.num_failures <= WORKER_DEATHS:
            # It died on its way from one trial to the next, where Tune does not try again.
            self.lost.append(pack)
        else:
            # The trial's process died (out of memory, a lost node) more often than it is taken up again.
            self.gave_up(pack, self.reason(pack.uid, text))

    def gave_up(self, pack: PackConfig, reason: BaseException | str) -> None:
        """Record what a pack's process died by too often: the failure of the one that is left, or nobody's yet."""
        assert self.observer is not None
        left = self.observer.unended(pack.uids) if len(pack.uids) > 1 else pack.uids
        if len(left) > 1:
            self._break(pack, str(reason).strip().splitlines()[-1])
            return
        for uid in left:
            self.told.add(uid)
            self.observer.died(uid, reason)

    def _break(self, pack: PackConfig, reason: str) -> None:
        """Leave a pack that failed as a whole to be divided, until only what is at fault fails."""
        self.broken.append(pack)
        if self.observer:
            left = self.observer.unended(pack.uids)
            self.observer.say(
                f"{len(left)} configurations failed together ({reason}): trained again in halves, from their checkpoint"
            )
            for uid in pack.uids:
                if uid in left:
                    self.observer.paused(uid)
                else:
                    self.ended(uid)

    def reason(self, uid: str, text: str | None = None) -> BaseException | str:
        """Return what a trial failed by whose process is not tried again: Ray's text, or that it hung."""
        if self.hung[uid]:
            return WorkerHung(f"it hung: {self.hung[uid]} times its process said nothing for too long and was ended")
        return text or RuntimeError(WORKER_DIED)

    def _look_for_room(self, trials: Sequence[Any]) -> None:
        if self.shortage is None or self.observer is None:
            return
        # Asked anew each time: ray.cluster_resources() answers from memory.
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        running = max(1, sum(trial.status == "RUNNING" for trial in trials))
        missing = shortfall([*self.bundles] * running, nodes)
        self.short_looks = self.short_looks + 1 if missing else 0
        if missing and self.short_looks < SHORT_LOOKS:
            return
        who = "a trial needs" if running == 1 else f"{running} trials need each"
        have = _summed(nodes) or "nothing"
        text = f"{who} {_summed(self.bundles)}; the living nodes have {have}; missing {in_words(missing)}"
        line = self.shortage.look(text if missing else None)
        if line:
            self.observer.say(line)
        if missing and self.shortage.over and self.ending is None:
            self.ending = ResourcesMissing(f"resources stayed away: {text}")

    def _listen(self, trials: Sequence[Any]) -> None:
        if self.listener is None or self.observer is None:
            return
        for trial in trials:
            # A process that hangs before it ever answers has no event of Tune's.
            if not trial.is_finished() and self.actor_of(trial) is not None:
                self.listener.expect(PackConfig.of(trial.config).uid)
        for silence in self.listener.silent():
            trial = next(one for one in trials if PackConfig.of(one.config).uid == silence.uid)
            actor = self.actor_of(trial)
            self.observer.say(self._told(silence))
            if silence.kill and actor is not None:
                self.hung[silence.uid] += 1
                ray.kill(actor)  # ends a stopped process, too

    def _told(self, silence: Silence) -> str:
        assert self.observer is not None
        line = f"{self.observer.name(silence.uid)}: no report for {silence.seconds:.0f} s"
        if silence.kill:
            return f"{line}; its process is ended and the trial taken up from its checkpoint"
        if silence.kill_at is None:
            return f"{line} ({silence.limit:.0f} s would be long)"
        return f"{line} ({silence.limit:.0f} s would be long); its process is ended at {silence.kill_at:.0f} s"

    def actor_of(self, trial: Any) -> Any:
        """Return the handle of a trial's worker; None if there is none yet."""
        with contextlib.suppress(AttributeError, KeyError, IndexError, TypeError):
            tracked = self.controller._trial_to_actor[trial]
            return self.controller._actor_manager._live_actors_to_ray_actors_resources[tracked][0]
        return trial.temporary_state.ray_actor


def _summed(parts: Sequence[Mapping[str, float]]) -> str:
    """Return resources as `0.1 CPUs + 2 x (0.9 CPUs)`, equal ones together."""
    each = Counter(in_words(part) for part in parts)
    return " + ".join(f"{count} x ({words})" if count > 1 else words for words, count in each.items())


def _error_of(trial: Any) -> str | None:
    """Return the text of all errors of a trial; Tune's own `get_error` reads a copy that lags behind."""
    with contextlib.suppress(AttributeError, OSError, TypeError, ValueError):
        return Path(trial.error_file).read_text(encoding="utf-8")
    found = trial.get_error()  # text as well, or None
    return None if found is None else str(found)


class Ender(tune.Stopper):  # type: ignore[misc]
    """Stops all trials as soon as the watch has a reason."""

    def __init__(self, watch: Watch) -> None:
        """Ask this watch."""
        self.watch = watch

    def __reduce__(self) -> tuple[Any, ...]:
        """See `Watch`."""
        return Ender, (self.watch,)

    def __call__(self, _trial_id: str, _result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether the search has to end."""
        return self.watch.ending is not None or asked_to_end()
