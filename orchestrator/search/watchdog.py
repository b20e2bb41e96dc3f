"""Deadlines for trials that report nothing and for a cluster with too few resources.

Tune waits for both for ever without a message. Only decisions here, no Ray: watch.py prints and acts on them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

# All ours. A trial is spoken of when it was silent for so many times its own longest pause between two reports, ...
SILENCE_FACTOR = 10.0
LEAST_SILENCE_SECONDS = 60.0  # ... never sooner, ...
FIRST_SILENCE_SECONDS = 600.0  # ... and before its first report not before this, however short an epoch should be.
KILL_FACTOR = 2.0  # at so many times that silence its process is ended
REPEAT_FACTOR = 0.5  # in between, and in a federation for ever, it is said again after so many times that silence
# The driver may itself have been stopped (Ctrl-Z, a laptop's lid): a longer pause between two looks counts as this.
MOST_TICK_SECONDS = 5.0
SHORTAGE_REPEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a silent trial is waited for."""

    factor: float = SILENCE_FACTOR
    least_seconds: float = LEAST_SILENCE_SECONDS
    first_seconds: float = FIRST_SILENCE_SECONDS
    kill_factor: float = KILL_FACTOR
    may_kill: bool = True  # not in a federation: there --round-deadline decides


PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A trial of which nothing was heard for `seconds`; its process is to be ended now if `kill`."""

    uid: str
    seconds: float
    limit: float  # seconds after which it is spoken of
    kill_at: float | None  # seconds after which its process is ended; None if it never is
    kill: bool


class _Ear:
    """What was heard of one trial: when, and how long it ever took it to say something."""

    def __init__(self, now: float) -> None:
        self.heard, self.longest, self.spoken_at = now, 0.0, 0.0


class Listener:
    """Notes when trials report, and tells which of them have been silent for too long."""

    def __init__(
        self,
        patience: Patience,
        epoch_seconds: Callable[[str], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`epoch_seconds` estimates one epoch of a trial; it is asked only once a first report is overdue."""
        self._patience, self._epoch_seconds, self._clock = patience, epoch_seconds, clock
        self._last_tick, self._awake = clock(), 0.0  # seconds that the driver was awake
        self._ears: dict[str, _Ear] = {}
        self._estimates: dict[str, float | None] = {}

    def began(self, uid: str) -> None:
        """Record that a trial has a process from now on."""
        self._ears[uid] = _Ear(self._tick())

    def expect(self, uid: str) -> None:
        """Record a trial whose process is there and has not answered yet; one that is known stays as it is."""
        if uid not in self._ears:
            self.began(uid)

    def heard(self, uid: str) -> None:
        """Record a report."""
        now = self._tick()
        ear = self._ears.setdefault(uid, _Ear(now))
        ear.longest = max(ear.longest, now - ear.heard)
        ear.heard, ear.spoken_at = now, 0.0

    def ended(self, uid: str) -> None:
        """Record that nothing is expected of a trial for now: it has ended, or waits for another process."""
        self._ears.pop(uid, None)

    def silent(self) -> list[Silence]:
        """Return what has to be said now; a trial whose process is to be ended is begun anew or ends."""
        now = self._tick()
        return [found for uid in list(self._ears) if (found := self._judge(uid, now)) is not None]

    def _judge(self, uid: str, now: float) -> Silence | None:
        ear, patience = self._ears[uid], self._patience
        seconds = now - ear.heard
        limit, may_kill = self._limit(uid, ear, seconds)
        kill_at = limit * patience.kill_factor if may_kill and patience.may_kill else None
        if seconds < limit:
            return None
        kill = kill_at is not None and seconds >= kill_at
        if kill:
            ear.heard, ear.spoken_at = now, 0.0  # if that does not help, the same again
        elif ear.spoken_at and seconds < ear.spoken_at + limit * REPEAT_FACTOR:
            return None
        else:
            ear.spoken_at = seconds
        return Silence(uid=uid, seconds=seconds, limit=limit, kill_at=kill_at, kill=kill)

    def _limit(self, uid: str, ear: _Ear, seconds: float) -> tuple[float, bool]:
        """Return the silence that is too long, and whether it is known well enough to end a process."""
        patience = self._patience
        if ear.longest:
            return max(patience.least_seconds, patience.factor * ear.longest), True
        if seconds < patience.first_seconds:
            return patience.first_seconds, True
        if uid not in self._estimates:
            self._estimates[uid] = self._epoch_seconds(uid)
        estimate = self._estimates[uid]
        if estimate is None:
            return patience.first_seconds, False
        return max(patience.first_seconds, patience.factor * estimate), True

    def _tick(self) -> float:
        now = self._clock()
        self._awake += min(max(0.0, now - self._last_tick), MOST_TICK_SECONDS)
        self._last_tick = now
        return self._awake


class Shortage:
    """How long a cluster has had too little room for what was reserved."""

    def __init__(
        self,
        wait_seconds: float,
        repeat_seconds: float = SHORTAGE_REPEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is missing yet."""
        self._wait, self._repeat, self._clock = wait_seconds, repeat_seconds, clock
        self._since: float | None = None
        self._said = 0.0

    def look(self, missing: str | None) -> str | None:
        """Return the line to say now, at once and then each minute; None if there is nothing to say."""
        now = self._clock()
        if missing is None:
            over, self._since = self._since is not None, None
            return "resources are there again" if over else None
        if self._since is None:
            self._since, self._said = now, now
        elif now - self._said < self._repeat:
            return None
        self._said = now
        left = max(0.0, self._wait - (now - self._since))
        return f"waiting for resources: {missing}; waits another {left:.0f} s (--wait-for-resources)"

    @property
    def over(self) -> bool:
        """Whether it has lasted longer than is waited for."""
        return self._since is not None and self._clock() - self._since >= self._wait
