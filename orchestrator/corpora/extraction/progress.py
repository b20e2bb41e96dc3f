"""How far an extraction is: a line for each part that is done, with the frames per second and the time left."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.corpora.extraction.whole_table import expected_frames

Show = Callable[[str], object]


class Progress:
    """Counts frames over all videos and tells them by `show`; without it, nothing."""

    def __init__(self, videos: Sequence[Path], show: Show | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask each video's head how many frames it has; `clock` gives seconds."""
        self._show, self._clock = show, clock
        self._expected = {video: expected_frames(video) for video in videos} if show else {}
        self._left = sum(frames or 0 for frames in self._expected.values())
        self._video, self._of_video, self._done_now = Path(), 0, 0
        self._started = clock()

    def begin(self, video: Path) -> None:
        """Turn to a video."""
        self._video, self._of_video = video, 0

    def advance(self, frames: int, now: bool) -> None:
        """Add frames of the video; `now` is False for those that an earlier run did."""
        if self._show is None:
            return
        self._of_video += frames
        self._left = max(0, self._left - frames)
        self._done_now += frames if now else 0
        parts = [f"{self._of_video} of {self._expected[self._video] or 'unknown'} frames"]
        seconds = self._clock() - self._started
        if not now:
            parts.append("done by an earlier run")
        elif seconds > 0:
            rate = self._done_now / seconds
            parts += [f"{rate:.1f} frames/s", f"{duration(self._left / rate)} left"]
        self._show(f"{self._video.name}: {', '.join(parts)}")


def duration(seconds: float) -> str:
    """Return seconds in words of at most two units: 8 s, 2 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} s"
    hours, of_hour = divmod(minutes, 60)
    return f"{hours} h {of_hour} min" if hours else f"{minutes} min {rest} s"
