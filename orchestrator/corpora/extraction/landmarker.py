"""MediaPipe's face landmarker: 52 blendshapes per frame, from pictures that this project decodes.

A frame without a face has `success` 0 and empty cells. Each chunk is a process of its own, so that a crash costs one
chunk, and begins with the frames before it, whose answers are dropped: the landmarker follows a face from frame to
frame.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any

from orchestrator.corpora.extraction import landmarker_process
from orchestrator.corpora.extraction.chunks import Chunked, write_in_chunks
from orchestrator.corpora.extraction.model_file import FACE_LANDMARKER, cached_file, given_file
from orchestrator.corpora.extraction.programs import end_with_children, last_lines, python_with
from orchestrator.corpora.extraction.progress import Show
from orchestrator.corpora.extraction.tool import AbsentError, Job, Tool
from orchestrator.corpora.extraction.tool_names import MEDIAPIPE
from orchestrator.corpora.extraction.whole_table import NotWholeError, TableForm
from orchestrator.files import sha256_of
from orchestrator.process.extras import install_command

MODEL_OPTION = "--model-file"
DECIMALS = 6  # ours: of a score from 0 to 1; float32 has about seven digits

# In the model's order (mediapipe.tasks.python.vision.face_landmarker.Blendshapes), as the model names them.
BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
COLUMNS = ("frame", "timestamp", "success", *BLENDSHAPES)


def find(executable: str | None, model_file: Path | None = None, show: Show | None = None) -> Tool:
    """Return the tool, run by the Python at `executable` (None: this one).

    `model_file` is used instead of the known one, which is fetched once. AbsentError: no MediaPipe there;
    InputError: no model file.
    """
    python = python_with("mediapipe", executable)
    if python is None:
        found = f"no MediaPipe in {executable or 'this Python'}"
        raise AbsentError.of(f"--tool {MEDIAPIPE}", found=found, expected=install_command(MEDIAPIPE))
    where = f"--tool {MEDIAPIPE}"
    model = (
        cached_file(FACE_LANDMARKER, where, option=MODEL_OPTION, show=show)
        if model_file is None
        else given_file(MODEL_OPTION, model_file)
    )
    identity = f"{MEDIAPIPE} {sha256_of(model)}"

    def write(job: Job) -> Path:
        def begin() -> Landmarker:
            return Landmarker(python, model, job.timeout_seconds)

        return write_in_chunks(job, Chunked(identity=identity, columns=COLUMNS, begin=begin))

    form = TableForm(numbers=COLUMNS[:3], columns=COLUMNS, one_face=True)
    return Tool(
        name=MEDIAPIPE, form=form, write=write, about=f"MediaPipe in {python}, model {model}", identity=identity
    )


class Landmarker:
    """A landmarker's process, from its first frame on; ended with `timeout_seconds` at the latest."""

    def __init__(self, python: str, model: Path, timeout_seconds: float) -> None:
        """Remember what to start: the size of the pictures is known with the first."""
        self._command = (python, landmarker_process.__file__)
        self._model, self._timeout = model, timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: Timer | None = None
        self._first: float | None = None
        self._last = -1  # milliseconds
        self._overdue = False

    def __enter__(self) -> "Landmarker":
        """Make a place for what the process says."""
        self._folder = tempfile.TemporaryDirectory(prefix="landmarker-")
        self._said = Path(self._folder.name) / "said.txt"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            end_with_children(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                try:
                    assert pipe is not None
                    pipe.close()
                except OSError:  # what was not taken before it ended
                    continue
        self._folder.cleanup()

    def row(self, index: int, seconds: float, frame: Any) -> str:
        """Return a frame's row of the table; NotWholeError if the process ends, hangs or answers nonsense."""
        scores = self._ask(seconds, frame)
        cells = [""] * len(BLENDSHAPES) if scores is None else [f"{scores[one]:.{DECIMALS}f}" for one in BLENDSHAPES]
        return ",".join((str(index), f"{seconds:.{DECIMALS}f}", str(int(scores is not None)), *cells)) + "\n"

    def _ask(self, seconds: float, frame: Any) -> Mapping[str, float] | None:
        pixels = frame.to_ndarray(format="rgb24")
        process = self._process or self._start(*pixels.shape[:2])
        self._first = seconds if self._first is None else self._first
        # Its times have to rise; frames may be less than a millisecond apart.
        self._last = max(self._last + 1, round((seconds - self._first) * 1000))
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(self._last.to_bytes(landmarker_process.TIME_BYTES, "little"))
            process.stdin.write(pixels.tobytes())
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise BrokenPipeError
        except BrokenPipeError:
            raise NotWholeError(self._why_ended(process)) from None
        return self._scores(line)

    def _scores(self, line: bytes) -> Mapping[str, float] | None:
        try:
            scores: Mapping[str, float] | None = json.loads(line)
            missing = [] if scores is None else [one for one in BLENDSHAPES if one not in scores]
        except (ValueError, TypeError) as error:
            raise NotWholeError(f"an answer of MediaPipe that is none: {line[:80]!r}") from error
        if missing:
            raise NotWholeError(f"a model without the blendshapes {', '.join(missing[:5])}")
        return scores

    def _start(self, height: int, width: int) -> subprocess.Popen[bytes]:
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                (*self._command, str(self._model), str(width), str(height)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        self._timer = Timer(self._timeout, self._end_overdue)
        self._timer.daemon = True
        self._timer.start()
        return self._process

    def _end_overdue(self) -> None:
        if self._process is not None:
            self._overdue = True
            end_with_children(self._process)

    def _why_ended(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        what = (
            f"no end after {self._timeout:g} s"
            if self._overdue
            else f"exit code {code} of {Path(self._command[0]).name}"
        )
        return f"{what}; last lines: {last_lines(self._said)}"
