"""Settings of the memory allocator for training: freed memory stays in the process, in large pages. Changes no result.

A training step frees and allocates tens of megabytes, and the system zeroes each page of 4 kB that it returns: that
takes a tenth to a quarter of a step of ResNet18. Linux with glibc only; elsewhere nothing happens.
"""

import ctypes
import os

# glibc's numbers for mallopt(3), from its <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Ours: no tensor of a step is larger; what is goes back to the system when it is freed.
LARGEST_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Keep freed memory in this process for its next request; return whether that is possible.

    One arena for all threads: a thread's own holds 64 MB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    wishes = ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES), (M_TRIM_THRESHOLD, 2 * LARGEST_KEPT_BYTES - 1))
    return all(mallopt(*wish) == 1 for wish in wishes)


def prefer_large_pages() -> None:
    """Make torch request large pages, as numpy does by itself; before its first tensor, for it looks only once."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
