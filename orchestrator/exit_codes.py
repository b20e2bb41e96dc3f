"""What the process tells its caller."""

FINISHED = 0
SOME_FAILED = 1
INPUT = 2
QUORUM_LOST = 3  # a federation had too few clients left
UNFORESEEN = 70  # a fault of the program; its traceback is in a log
INTERRUPTED = 130  # and resumable
