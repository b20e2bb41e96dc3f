"""What `predict` does unless told otherwise; here, so that --help needs no torch."""

# Ours: every frame but the first and the last of a recording is in two windows, and in the middle half of one.
DEFAULT_OVERLAP = 0.5
MAX_OVERLAP = 0.95  # ours: each frame is then predicted twenty times
DEFAULT_IDLE_SECONDS = 10.0  # ours: a recording that writes nothing for so long has ended
NOT_STATED = "not stated"  # of predictions: their purpose
SYNTHETIC_LINE = "SYNTHETIC: the model or the recordings are generated; these predictions say nothing about people"
