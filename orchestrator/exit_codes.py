"""What the process tells its caller."""

FINISHED = 0
SOME_FAILED = 1
INPUT = 2
QUORUM_LOST = 3  # a federation had too few clients left
INTERRUPTED = 130  # and resumable
