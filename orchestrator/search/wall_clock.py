"""How long a run has been worked at by the clock, all its parts together if it was broken off and resumed."""

import contextlib
import time
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.files import read_json, write_json
from orchestrator.json_records import number
from orchestrator.run_folder import WALL_CLOCK_FILE
from orchestrator.run_records import FINISHED


class WallClock:
    """Adds to what earlier parts of a run took; what a part that was killed took counts up to its last save."""

    def __init__(self, output: Path, begun: float, *, new: bool) -> None:
        """Begin at `begun`, of `time.monotonic`; `new`: nothing of the run was there before.

        Of a run whose earlier parts are not known, as an older version left none, the whole is not known either.
        """
        self._file, self._begun = output / WALL_CLOCK_FILE, begun
        self._earlier: float | None = 0.0 if new else None
        self._held: float | None = None
        with contextlib.suppress(InputError):  # not there, or damaged
            self._earlier = number(read_json(self._file).get("seconds"))

    def seconds(self) -> float | None:
        """Return the seconds so far, None if they are not known."""
        if self._held is not None:
            return self._held
        return None if self._earlier is None else self._earlier + time.monotonic() - self._begun

    def hold(self, summary: Path) -> None:
        """Stay at what a summary says: a run that has ended is only looked at again."""
        with contextlib.suppress(InputError):
            content = read_json(summary)
            if content.get("status") == FINISHED:
                self._held = number(content.get("wall_seconds"))

    def save(self) -> None:
        """Write them down; a disk that takes nothing is told of by what matters more."""
        seconds = self.seconds()
        if seconds is not None:
            with contextlib.suppress(OSError):
                write_json(self._file, {"seconds": seconds})
