"""The videos that are to be extracted from, and what lies beside them."""

from pathlib import Path

from orchestrator.corpora.folders import OF_THE_CORPUS, SYNTHETIC_MARKERS
from orchestrator.corpora.tables.frame_rate import VIDEO_SUFFIXES
from orchestrator.corpora.video.videos import why_no_video
from orchestrator.errors import InputError, Problem


def videos_of(source: Path) -> tuple[Path, ...]:
    """Return a video, or those of a folder, sorted; InputError if there is none or two have one name."""
    found = [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    videos = [path for path in found if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        what = "no such file or folder" if not source.exists() else "no video"
        expected = f"a video or a folder of videos ({' '.join(VIDEO_SUFFIXES)})"
        raise InputError.of(str(source), found=what, expected=expected)
    stems = [video.stem for video in videos]
    twice = [video for video in videos if stems.count(video.stem) > 1]
    if twice:
        raise InputError(
            Problem(where=str(video), found="another video of that name", expected="one video per recording")
            for video in twice
        )
    return tuple(video.absolute() for video in videos)  # not resolved: a link has its own name


def left_out(source: Path) -> tuple[str, ...]:
    """Return a line for each file or folder beside the videos of a folder that is no video: nothing is extracted."""
    if not source.is_dir():
        return ()
    beside = [one for one in sorted(source.iterdir()) if not one.name.startswith(".")]
    others = [one for one in beside if one.name not in OF_THE_CORPUS and one.name not in SYNTHETIC_MARKERS]
    reasons = {one: "a folder, and only videos are extracted" if one.is_dir() else why_no_video(one) for one in others}
    return tuple(f"{one.name}: {why}" for one, why in reasons.items() if why)
