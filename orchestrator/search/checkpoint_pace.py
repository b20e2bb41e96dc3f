"""When a training saves its state: every so many seconds, and never so often that it costs much."""

import time
from collections.abc import Callable

# A checkpoint may cost at most this share of the time spent training since the last one; ours.
CHECKPOINT_SHARE = 0.05


class CheckpointPace:
    """Decides after each epoch whether the state is saved."""

    def __init__(self, seconds: float) -> None:
        """`seconds` lie at least between two checkpoints."""
        self._seconds, self._saved, self._cost = seconds, time.monotonic(), 0.0

    def save_if_due(self, save: Callable[[], None]) -> None:
        """Call `save` if it is time to."""
        waited = time.monotonic() - self._saved
        if waited >= max(self._seconds, self._cost / CHECKPOINT_SHARE):
            begun = time.monotonic()
            save()
            self._saved = time.monotonic()
            self._cost = self._saved - begun
