"""What the process tells its caller."""

FINISHED = 0
SOME_FAILED = 1
INPUT = 2
INTERRUPTED = 130  # and resumable
