"""Which tool made the features of a table, a corpus or a saved model: another tool's numbers mean something else."""

import re
from collections.abc import Iterable, Sequence

from orchestrator.corpora.tables.action_units import PLAIN, tool_of
from orchestrator.corpora.tables.column_kinds import BLENDSHAPES
from orchestrator.corpora.tables.columns import Columns

MEDIAPIPE = "MediaPipe"
UNKNOWN = ""  # a table that no tool's columns give away, several tools, a model from before tools were recorded
TOOL_KEY = "features_tool"  # in the metadata of tables that `data convert` writes
_UNIT = re.compile(r"AU_?\d", re.IGNORECASE)
# The same program: version 2 added a column face_id, which files may have lost.
_SAME = {"OpenFace 1": "OpenFace 2"}


def tool_of_columns(columns: Columns) -> str:
    """Return the name of the tool that a file says of itself or that its columns give away; UNKNOWN for any other."""
    said = columns.metadata.get(TOOL_KEY)
    if said:
        return said
    names = (*columns.names, *columns.text)
    tool = tool_of(names)
    if tool.name == MEDIAPIPE and any(_UNIT.match(name) for name in names):
        return UNKNOWN  # Py-Feat 2 has blendshapes beside its units, and a table of its features may have no more
    return UNKNOWN if tool is PLAIN else tool.name


def common_tool(names: Iterable[str]) -> str:
    """Return the tool of all recordings of a corpus; UNKNOWN if they are of several."""
    found = list(dict.fromkeys(names))
    if len({_SAME.get(one, one) for one in found}) != 1:
        return UNKNOWN
    return found[0]


def are_of_one_tool(one: str, other: str) -> bool:
    """Whether features of two tools mean the same, as far as is known."""
    return UNKNOWN in (one, other) or _SAME.get(one, one) == _SAME.get(other, other)


def tool_by_features(names: Sequence[str]) -> str:
    """Return the tool by the canonical names of a model's features, for models that do not say it; else UNKNOWN."""
    every = set(names)
    if every and all(name.lower() in BLENDSHAPES for name in every):
        return MEDIAPIPE
    if "AU45" in every:  # a blink, of all tools in OpenFace alone
        return "OpenFace 2"
    if "AU43" in every:  # closed eyes, in Py-Feat alone
        return "Py-Feat"
    return UNKNOWN
