"""Freed memory stays with a process that asks for that: its next request touches no new page. Threads included."""

import os
import platform
import subprocess
import sys

import pytest

from models.allocator import prefer_large_pages

# Page faults of ten tensors of 96 MB made one after the other by another thread, once the heap has found its shape.
FAULTS = """
import resource, threading, torch
from models.allocator import keep_freed_memory
kept = keep_freed_memory() if {keep} else False
def fill(times):
    for _ in range(times):
        torch.ones(24 << 20)
def measure():
    fill(16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill(10)
    print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=measure)
thread.start()
thread.join()
"""
PAGES = 96 * 2**20 // 4096


def faults(keep: bool) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "THP_MEM_ALLOC_ENABLE": "0"},
    )
    kept, number = done.stdout.split()
    return kept == "True", int(number)


def test_freed_memory_is_used_again() -> None:
    kept, number = faults(keep=True)
    assert kept == (platform.libc_ver()[0] == "glibc")
    if kept:
        # Less than one tensor's pages for ten tensors; the system may give large pages unasked, which are fewer.
        assert number < PAGES, number


def test_what_a_user_said_of_large_pages_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    prefer_large_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    prefer_large_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
