"""The tools that extract features from videos, as `--tool` names them; nothing is imported for it."""

AUTO = "auto"
OPENFACE, PY_FEAT, MEDIAPIPE = "openface", "py-feat", "mediapipe"
NAMES = (OPENFACE, PY_FEAT, MEDIAPIPE)  # in the order in which `auto` looks for them
