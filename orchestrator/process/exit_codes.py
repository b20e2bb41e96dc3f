"""Process exit codes."""

FINISHED = 0
SOME_FAILED = 1
INPUT = 2
QUORUM_LOST = 3  # a federation had too few clients left
RESOURCES_MISSING = 4  # the cluster became too small for a trial, and stayed so; resumable
RAY_LOST = 5  # Ray itself died under the command (raylet, GCS, or the cluster's); resumable
UNFORESEEN = 70  # a fault of the program; its traceback is in a log
INTERRUPTED = 130  # and resumable
