"""Progress of a running search: trials done, running and left, epochs per second, best CCC, time left.

A live line in a terminal or a notebook, plain lines elsewhere. It also deletes weights that no later choice can need.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from orchestrator import measures
from orchestrator.evaluation.results import ranking, worth_keeping
from orchestrator.evaluation.trial_files import has_ended, read_result, record_failure
from orchestrator.files import read_json
from orchestrator.planning.cost import relative_cost
from orchestrator.planning.plan import Plan
from orchestrator.planning.repeats import repeat_of
from orchestrator.process.run_log import terminal
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_folder import CLIENT_FAILURE_FILE, FAILURE_FILE, MODEL_FILE, PREDICTIONS_FILE, RESULT_FILE
from orchestrator.run_records import Failure, TrialResult
from orchestrator.search.display import display_of
from tune_spaces.method import describe

PLAIN_SECONDS = 15.0  # without a terminal: at most so long between two lines
RATE_SECONDS = 60.0  # epochs per second over the last minute
SILENT_SECONDS = 60.0  # at most so long without a word: then the state is shown again
LOOK_SECONDS = 0.5  # between two looks into the folders of the trials that run


class Observer:
    """Follows one search on the driver."""

    def __init__(
        self,
        plan: Plan,
        trials_folder: Path,
        earlier: Sequence[TrialResult],
        changed: Callable[[], None],
        *,
        keeps_weights: bool = True,
    ) -> None:
        """Start from the results of an earlier run; `changed()` is called when a trial's folder has news.

        Without `keeps_weights` no trial is reported by itself, and of none weights and predictions stay.
        """
        self.plan, self.trials_folder, self.changed, self.keeps_weights = plan, trials_folder, changed, keeps_weights
        self.trials = {trial.uid: trial for trial in plan.trials}
        self.results = {result.uid: result for result in earlier}
        self.costs = {trial.uid: relative_cost(plan, trial) for trial in plan.trials}
        self.failed: set[str] = set()
        self.unrecorded: dict[str, Failure] = {}  # failures that could not be written into their folders
        self.told: list[str] = []  # trials of which a client's failure was shown
        self.last_look = 0.0
        self.running: dict[str, int] = {}  # uid -> its epochs so far
        self.trained: dict[str, int] = {}  # uid -> epochs trained since this run began
        self.ticks: deque[tuple[float, int]] = deque()
        self.begun = self.last_line = self.last_shown = time.monotonic()
        self.stream: TextIO = terminal()
        self.live = display_of(self.stream)
        self._writing = threading.RLock()  # baselines are told of from a thread of their own

    def __enter__(self) -> "Observer":
        """Open the display."""
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the display and leave its last state on the screen."""
        if self.live:
            self._show()
            self.live.stop()

    def placed(self, num_clients: int, num_processes: int, cpus: float) -> None:
        """Return how many processes of a trial hold a federation's clients, all at work at one time."""
        each = f"{cpus:g} CPUs and {self.plan.search.gpus_per_client:g} GPUs each"
        self._say(f"{num_clients} clients in {num_processes} processes per trial, {each}")

    def spoilt(self, reasons: Mapping[str, str]) -> None:
        """Return which trials are trained again because something of them is lost or damaged."""
        for uid, why in reasons.items():
            self.results.pop(uid, None)
            self._say(f"trained again: {self.name(uid)}, for {why}")

    def started(self, uid: str) -> None:
        """Record that a trial has a worker."""
        self.running.setdefault(uid, 0)
        self._show()

    def advanced(self, report: Mapping[str, Any]) -> None:
        """Record a trial's report."""
        uid = str(report["uid"])
        self.running[uid] = int(report["epoch"])
        self.trained[uid] = int(report["trained"])
        self.ticks.append((time.monotonic(), sum(self.trained.values())))
        self._show()

    def look(self) -> None:
        """Show the first failed client of each running trial as soon as it is there; Tune calls often.

        And the state, where nothing has been shown for a minute.
        """
        if time.monotonic() - (self.last_shown if self.live else self.last_line) >= SILENT_SECONDS:
            self._show()
        if self.plan.federation and time.monotonic() - self.last_look >= LOOK_SECONDS:
            self.last_look = time.monotonic()
            for uid in self.running:
                self._tell_client_failure(uid)

    def ended(self, uid: str) -> None:
        """Record a trial's result or failure, and delete what no later choice can need."""
        self._tell_client_failure(uid)
        self.running.pop(uid, None)
        folder = self.trials_folder / uid
        if (folder / RESULT_FILE).is_file():
            self.results[uid] = read_result(folder)
            self.prune()
            self._say(self._result_line(uid))
        elif uid in self.unrecorded:
            self._fail(uid, self.unrecorded[uid])
        elif (folder / FAILURE_FILE).is_file() and uid not in self.failed:
            self._fail(uid, Failure.from_json(read_json(folder / FAILURE_FILE), folder / FAILURE_FILE))
        self.changed()
        self._show()

    def unended(self, uids: Sequence[str]) -> list[str]:
        """Return which of some configurations have neither result nor failure."""
        ended = (uid in self.unrecorded or has_ended(self.trials_folder / uid) for uid in uids)
        return [uid for uid, done in zip(uids, ended, strict=True) if not done]

    def paused(self, uid: str) -> None:
        """Record that a configuration waits for another worker."""
        self.running.pop(uid, None)
        self._show()

    def died(self, uid: str, error: BaseException | str) -> None:
        """Record a trial whose worker process was lost for good; `error` may be the text that Ray has of it."""
        self._tell_client_failure(uid)
        self.running.pop(uid, None)
        record = record_failure(self.trials_folder, self.trials[uid], error, repeat=repeat_of(self.plan, uid))
        if record.unwritten is not None:
            self.unrecorded[uid] = record
        self._fail(uid, record)
        self.changed()

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self._say(text)

    def name(self, uid: str) -> str:
        """Return a trial as a person reads it."""
        trial, repeat = self.trials[uid], repeat_of(self.plan, uid)
        return f"{trial.network} {describe(trial.hparams)}" + ("" if repeat is None else f" (repeat {repeat})")

    def _tell_client_failure(self, uid: str) -> None:
        """Show what a federation left of its first failed client: in full once a run, then a line per trial."""
        if uid in self.told:
            return
        try:
            text = (self.trials_folder / uid / CLIENT_FAILURE_FILE).read_text(encoding="utf-8")
        except (OSError, ValueError):  # not there, or not to be read: the failure's own record has it
            return
        shown = text.partition("\n")[0] if self.told else text.rstrip()
        self._say(f"CLIENT FAILED in {self.name(uid)}: {shown}")
        self.told.append(uid)

    def _fail(self, uid: str, failure: Failure) -> None:
        first = not self.failed and uid not in self.told[:1]
        self.failed.add(uid)
        self._say(f"FAILED {self.name(uid)}: {failure.message}")
        if first:
            self._say(failure.traceback.rstrip())

    def prune(self) -> None:
        """Delete weights and predictions of trials that can no longer be reported."""
        keep = worth_keeping(list(self.results.values()), self.plan.protocol) if self.keeps_weights else set()
        for uid in self.results.keys() - keep:
            for name in (PREDICTIONS_FILE, MODEL_FILE):
                (self.trials_folder / uid / name).unlink(missing_ok=True)

    def _result_line(self, uid: str) -> str:
        result = self.results[uid]
        return (
            f"[{len(self.results) + len(self.failed)}/{self.plan.num_planned}]"
            f" {self.name(uid)}"
            f" {result.status}: loss {result.selection_loss:.4f}, {_scores(result)},"
            f" {(result.training_seconds or 0.0) / 60:.1f} min"
        )

    def _say(self, text: str) -> None:
        with self._writing:
            if self.live:
                self.live.print(text)
            else:
                print(text, file=self.stream, flush=True)
                self.last_line = time.monotonic()

    def status(self) -> str:
        """Return the state in one line."""
        done, planned = len(self.results) + len(self.failed), self.plan.num_planned
        parts = [
            f"trials {done} done, {len(self.running)} running, {max(0, planned - done - len(self.running))} left",
            f"{self._rate():.1f} epochs/s",
        ]
        if self.failed:
            parts.append(f"{len(self.failed)} FAILED")
        best = ranking(list(self.results.values()))
        if best:
            parts.append(f"best {_scores(best[0])}")
        left = self._seconds_left()
        parts.append(f"time left about {_duration(left)}" if left is not None else "time left unknown")
        return " | ".join(parts)

    def _rate(self) -> float:
        now = time.monotonic()
        while len(self.ticks) > 1 and self.ticks[0][0] < now - RATE_SECONDS:
            self.ticks.popleft()
        if not self.ticks:
            return 0.0
        since, epochs = self.ticks[0] if len(self.ticks) > 1 else (self.begun, 0)
        return (self.ticks[-1][1] - epochs) / max(now - since, 1e-9)

    def _seconds_left(self) -> float | None:
        """Scale the time so far by the work left; work is counted in parameters trained for an epoch."""
        total = self.plan.protocol.epochs
        so_far = sum(self.costs[uid] * epochs for uid, epochs in self.trained.items())
        if not so_far:
            return None
        ended = self.results.keys() | self.failed
        planned = [trial.uid for trial in self.plan.trials[: self.plan.num_planned]]
        left = sum(self.costs[uid] * (total - self.running.get(uid, 0)) for uid in planned if uid not in ended)
        return (time.monotonic() - self.begun) * left / so_far

    def _show(self) -> None:
        self.last_shown = time.monotonic()
        if self.live:
            with self._writing:
                self.live.update(self.status())
        elif time.monotonic() - self.last_line >= PLAIN_SECONDS:
            self._say(self.status())


def _scores(result: TrialResult) -> str:
    """Return the first measure of a result: `CCC valence 0.312 arousal 0.280`."""
    first = measures.headlines()[0]
    return " ".join([first.title, *(f"{d} {result.scores[f'{first.key}_{d}']:.3f}" for d in DIMENSIONS)])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
