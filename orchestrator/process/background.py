"""A call that goes on beside the caller, in a thread that does not keep the process from ending."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """The result of a call, once it is there."""

    def __init__(self, call: Callable[[], T]) -> None:
        """Begin."""
        self._call = call
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._call())
        except BaseException as error:  # for whoever asks for the result
            self._error = error

    def result(self, waiting: Callable[[], object] = lambda: None) -> T:
        """Return what the call returned, or raise what it raised; `waiting()` is called if it has not ended yet."""
        if self._thread.is_alive():
            waiting()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]
