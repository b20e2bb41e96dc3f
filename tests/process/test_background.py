"""A call beside the caller: its result, its error, and a word to whoever waits."""

import threading

import pytest

from orchestrator.process.background import Beside


def test_result_comes_with_a_word_only_if_it_is_waited_for() -> None:
    go_on, words = threading.Event(), []
    beside = Beside(lambda: go_on.wait(10) and 5)

    def waiting() -> None:
        words.append("waiting")
        go_on.set()

    assert beside.result(waiting) == 5
    assert beside.result(waiting) == 5
    assert words == ["waiting"]


def test_an_error_is_raised_for_whoever_asks() -> None:
    def fail() -> None:
        raise ValueError("no such baseline")

    beside = Beside(fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="no such baseline"):
            beside.result()


def test_it_does_not_keep_the_process_from_ending() -> None:
    never = threading.Event()
    Beside(never.wait)
    assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())
    never.set()
