"""Videos for a model of features: extracted by the tool that made the features which the model was trained on.

Tables lie in the cache, named by the video's contents and the tool, so that an extraction which was broken off goes on.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.corpora.cache import cache_folder, written_to
from orchestrator.corpora.extraction.extract import FEATURES, extract_with
from orchestrator.corpora.extraction.sources import videos_of
from orchestrator.corpora.extraction.tool import AbsentError, Tool
from orchestrator.corpora.extraction.tool_names import AUTO, MEDIAPIPE, NAMES, OPENFACE, PY_FEAT
from orchestrator.corpora.extraction.tools import find_tool
from orchestrator.corpora.folders import is_marked_synthetic
from orchestrator.corpora.formats.unlabelled import Unlabelled
from orchestrator.corpora.recording import VideoSource
from orchestrator.corpora.tables.column_files import is_readable
from orchestrator.corpora.tables.feature_tools import UNKNOWN
from orchestrator.corpora.tables.frame_rate import RATE_FILE, VIDEO_SUFFIXES, mean_rate
from orchestrator.corpora.video.decoding import content_hash
from orchestrator.errors import Gather, InputError
from orchestrator.files import locked, write_text

KEY_DIGITS = 24
# What makes the features of a tool, as tables name it.
EXTRACTED_BY = {"OpenFace 1": OPENFACE, "OpenFace 2": OPENFACE, "Py-Feat": PY_FEAT, "MediaPipe": MEDIAPIPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracting:
    """What a user says of the extraction: a program or a Python, MediaPipe's model file; `show` takes progress."""

    executable: str | None = None
    model_file: Path | None = None
    show: Callable[[str], object] | None = None


def is_of_videos(path: Path) -> bool:
    """Whether a path is a video, or a folder of videos with neither tables nor folders in it."""
    if path.is_file():
        return path.suffix.lower() in VIDEO_SUFFIXES
    if not path.is_dir():
        return False
    there = [one for one in path.iterdir() if not one.name.startswith(".")]
    others = [one for one in there if one.is_dir() or (is_readable(one) and one.suffix.lower() != ".txt")]
    return not others and any(one.suffix.lower() in VIDEO_SUFFIXES for one in there)


def read_extracted(
    source: Path, trained: str, given: Extracting, read: Callable[[Path, Path], Unlabelled]
) -> Unlabelled:
    """Extract from a video or each of a folder, and read the tables.

    `trained` is the tool of the model's features; `read` takes a table and the video that it is of. InputError: a tool
    that cannot be run here, a video that fails, a table that `read` refuses.
    """
    if trained != UNKNOWN and trained not in EXTRACTED_BY:
        expected = (
            f"tables of features by {trained}, which the model was trained on and no command here extracts; a model"
            f" that takes videos is trained on tables by {', '.join(NAMES)}: yours, or of `data synthesize --tool"
            f" {MEDIAPIPE}` to try it"
        )
        raise InputError.of(str(source), found="a video", expected=expected)
    videos = videos_of(source)
    try:
        tool = find_tool(EXTRACTED_BY.get(trained, AUTO), given.executable, given.model_file, given.show)
    except AbsentError as error:
        if trained == UNKNOWN:
            raise
        also = f"; or a table by {trained}, whose features the model was trained on"
        raise AbsentError([replace(one, expected=one.expected + also) for one in error.problems]) from error
    gather = Gather()
    found = [gather.run(lambda one=video: read(_table_of(one, tool, given), one)) for video in videos]  # type: ignore[misc]
    gather.settle()
    return _merged([one for one in found if one is not None], source, tool)


def _table_of(video: Path, tool: Tool, given: Extracting) -> Path:
    identity = [content_hash(VideoSource(path=video)), tool.name, tool.identity, video.stem]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:KEY_DIGITS]
    out = cache_folder() / f"extracted-{key}"
    with written_to(cache_folder()), locked(out.with_suffix(".lock")):
        report = extract_with(tool, (video,), out, show=given.show)
        if report.failed:
            raise InputError(report.failed)
        hz = mean_rate(video)
        if hz is not None:  # Py-Feat's tables count frames
            write_text(out / FEATURES / RATE_FILE, f"{hz!r}\n")
    return (*report.done, *report.skipped)[0]


def _merged(every: Sequence[Unlabelled], source: Path, tool: Tool) -> Unlabelled:
    first, *others = every
    notes = dict.fromkeys(note for one in every for note in one.notes)
    return replace(
        first,
        recordings=(*first.recordings, *(recording for one in others for recording in one.recordings)),
        notes=(f"features extracted by {tool.name}: {tool.about}", *notes),
        synthetic=any(one.synthetic for one in every) or is_marked_synthetic(source),
    )
