"""Reuse of client processes, with the data that they have read, from one trial to the next."""

from collections.abc import Sequence

from fed.client import Client
from fed.executor import Executor, Start
from fed.local_plan import LocalPlan


class ReusedClients:
    """Starts an executor as `start` does, and returns the same one again while the clients stay the same.

    A process that imports torch and reads its clients' data takes seconds, which a search would spend anew with every
    configuration. One user at a time: whoever comes next ends what the one before did with it.
    """

    def __init__(self, start: Start) -> None:
        """Start nothing yet."""
        self._start = start
        self._clients: tuple[Client, ...] = ()
        self._kept: Executor | None = None

    def __call__(self, clients: Sequence[Client], plan: LocalPlan) -> Executor:
        """Return an executor whose `close` leaves everything as it is."""
        if self._kept is not None and self._clients == tuple(clients):
            self._kept.take(plan)
        else:
            self.close()
            self._kept, self._clients = self._start(clients, plan), tuple(clients)
        return Executor(run=self._kept.run, take=self._kept.take, close=lambda: None)

    def close(self) -> None:
        """End the processes and free their memory."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None
