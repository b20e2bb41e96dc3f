"""Which face is followed in a table with several, while it grows, and what becomes of frames without it.

The first face that is there is followed by its id. A frame that shows others and not this one gets no prediction. After
SWITCH_SECONDS of such frames the face that was there most often since then is followed instead, as if the recording
began there: a tracker that has lost a face gives it a new id, and nobody can tell this from another person.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.tables.faces import FIRST_ID

SWITCH_SECONDS = 1.0  # ours: longer than a blink or a hand before the face, short for whoever waits
_NOBODY = np.inf  # is followed before the first face
MOST_NOTES = 20  # ours: of one recording; faces may come and go with every frame


@dataclass(slots=True, kw_only=True)
class Part:
    """Rows that belong together; one row per frame."""

    rows: list[int] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)  # whether the followed face is in the frame
    notes: list[str] = field(default_factory=list)
    begins: bool = False  # with another face than the part before

    @classmethod
    def whole(cls, count: int) -> "Part":
        """Return all rows of a table of one face."""
        return cls(rows=list(range(count)), shown=[True] * count)

    def add(self, row: int, *, shown: bool) -> None:
        """Add a frame's row."""
        self.rows.append(row)
        self.shown.append(shown)


class FollowedFace:
    """The face that is followed, from one piece of the table to the next."""

    def __init__(self) -> None:
        """Start with nobody followed."""
        self._face = _NOBODY
        self._gone_since: float | None = None
        self._others: Counter[float] = Counter()
        self._last, self._was_shown = -np.inf, True
        self._notes = 0

    def parts(self, ids: NDArray[np.float64], time: NDArray[np.float64]) -> tuple[list[Part], int]:
        """Sort rows with their faces' ids (N,) and times (N,) into parts, a new one where another face is followed.

        An id of NaN or below 0 is of a frame without a face. The number is of rows at the end that are not looked at:
        the first ones of a frame, of which the followed face's may be still to come. They are to be given again with
        what comes behind them.
        """
        parts = [Part()]
        starts = np.flatnonzero(np.diff(time, prepend=np.nan) != 0)
        for start, end in pairwise([*map(int, starts), len(time)]):
            faces = [float(one) for one in ids[start:end]]
            known = [one for one in faces if one >= FIRST_ID]  # false for NaN
            self._face = known[0] if self._face == _NOBODY and known else self._face
            now, there = float(time[start]), self._face in faces
            if now == self._last and not (there and self._was_shown):
                continue  # the rest of a frame whose first rows were read before
            if end == len(time) and not there:
                return [part for part in parts if part.rows], end - start
            self._last, self._was_shown = now, there
            if there:
                self._came_back(now, parts[-1])
                parts[-1].add(start + faces.index(self._face), shown=True)
            elif known and self._switches(known, now, parts):
                there = self._face in faces
                parts[-1].add(start + (faces.index(self._face) if there else 0), shown=there)
            else:
                parts[-1].add(start, shown=False)
        return [part for part in parts if part.rows], 0

    def _came_back(self, now: float, part: Part) -> None:
        if self._gone_since is not None:
            self._say(part, f"face {self._face:g} is back at {now:g} s")
        self._gone_since = None
        self._others.clear()

    def _switches(self, faces: list[float], now: float, parts: list[Part]) -> bool:
        """Record a frame with other faces; return True if one of them is followed from here on."""
        if self._gone_since is None:
            self._gone_since = now
            others = ", ".join(f"{one:g}" for one in dict.fromkeys(faces))
            text = f"face {self._face:g} is gone at {now:g} s and face {others} is there: nothing is predicted"
            self._say(parts[-1], f"{text}; if it stays away for {SWITCH_SECONDS:g} s, that one is followed")
        self._others.update(faces)
        if now - self._gone_since < SWITCH_SECONDS:
            return False
        self._face = self._others.most_common(1)[0][0]
        self._gone_since = None
        self._others.clear()
        parts.append(Part(begins=True))
        self._say(parts[-1], f"face {self._face:g} is followed from {now:g} s on, as if the recording began there")
        return True

    def _say(self, part: Part, text: str) -> None:
        self._notes += 1
        if self._notes <= MOST_NOTES:
            more = "; changes of the face are not told any more" if self._notes == MOST_NOTES else ""
            part.notes.append(text + more)
