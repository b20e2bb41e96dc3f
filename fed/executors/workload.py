"""How long each client takes and who was late: the order of jobs, and a better deal of clients to processes. No Ray."""

from collections.abc import Sequence

from fed.executors.placement import packed, span
from fed.messages import Job

# Clients move to another process, which must read their data again, only if a round gets so much shorter; ours.
REPACK_GAIN = 0.1


class Workload:
    """The clients' training times as they were last measured."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seconds: dict[str, float] = {}
        self._late: set[str] = set()
        self._dealt_again = False

    def trained(self, client: str, seconds: float) -> None:
        """Record a finished training."""
        self._seconds[client] = seconds
        self._late.discard(client)

    def was_late(self, client: str) -> None:
        """Record that a deadline passed before a client was done."""
        self._late.add(client)

    def ordered(self, jobs: Sequence[Job]) -> list[Job]:
        """Sort jobs: the longest first, and previously late clients last, so that nobody waits for them."""
        return sorted(jobs, key=lambda job: (job.client in self._late, -self._seconds.get(job.client, 0.0)))

    def better_hands(self, hands: Sequence[Sequence[str]]) -> list[list[str]] | None:
        """Return another deal of the clients that shortens a round, at most once; None: leave them where they are."""
        names = [name for hand in hands for name in hand]
        if self._dealt_again or len(hands) == len(names) or not all(name in self._seconds for name in names):
            return None
        self._dealt_again = True
        seconds = {name: self._seconds[name] for name in names}
        found = packed(seconds, len(hands))
        return None if span(seconds, found) > (1.0 - REPACK_GAIN) * span(seconds, hands) else found
