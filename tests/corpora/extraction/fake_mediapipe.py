"""A stand-in for MediaPipe: the part of its interface that is used, with made-up scores.

What it answers depends on the picture and, as of a landmarker that follows a face, on the frames before it. A black
picture has no face. FAKE_MEDIAPIPE_LOG names a file that grows by a byte a frame; FAKE_MEDIAPIPE says what goes wrong:
`crash` (at the frame FAKE_MEDIAPIPE_AT of a process), `lacking` (a blendshape is missing), `slow`.
"""

import textwrap
from pathlib import Path

TOP = """
    class ImageFormat:
        SRGB = 1

    class Image:
        def __init__(self, image_format, data):
            assert image_format == ImageFormat.SRGB and data.dtype.name == "uint8" and data.shape[2] == 3
            self.data = data
"""
TASKS = """
    import os, sys, time
    from types import SimpleNamespace
    from pathlib import Path

    NAMES = {names!r}

    class BaseOptions:
        def __init__(self, model_asset_path):
            self.content = Path(model_asset_path).read_bytes()

    class Landmarker:
        def __init__(self, options):
            assert options.running_mode == "VIDEO" and options.output_face_blendshapes and options.num_faces == 1
            self.state, self.count, self.last = 0.0, 0, -1
            print("INFO: a library that prints")  # to standard output: no answer

        @classmethod
        def create_from_options(cls, options):
            if options.base_options.content != b"model":
                raise RuntimeError("Unable to open zip archive.")
            return cls(options)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def detect_for_video(self, image, timestamp_ms):
            assert timestamp_ms > self.last, "times that do not rise"
            self.last, self.count = timestamp_ms, self.count + 1
            fault = os.environ.get("FAKE_MEDIAPIPE", "")
            with open(os.environ["FAKE_MEDIAPIPE_LOG"], "a") as log:
                log.write(".")
            if fault == "slow":
                time.sleep(0.02)
            if fault == "crash" and self.count == int(os.environ["FAKE_MEDIAPIPE_AT"]):
                print("a crash in native code", file=sys.stderr, flush=True)
                os._exit(139)
            mean = float(image.data.mean()) / 255
            self.state = 0.5 * self.state + 0.5 * mean
            names = NAMES[1:] if fault == "lacking" else NAMES
            faces = [[SimpleNamespace(category_name=name, score=self.state / (1 + k)) for k, name in enumerate(names)]]
            return SimpleNamespace(face_blendshapes=faces if mean > 0.02 else [])

    vision = SimpleNamespace(
        FaceLandmarker=Landmarker, FaceLandmarkerOptions=SimpleNamespace, RunningMode=SimpleNamespace(VIDEO="VIDEO")
    )
"""


def install(site: Path, names: tuple[str, ...]) -> None:
    """Write the package below a folder for PYTHONPATH."""
    tasks = site / "mediapipe" / "tasks" / "python"
    tasks.mkdir(parents=True)
    (site / "mediapipe" / "__init__.py").write_text(textwrap.dedent(TOP))
    (site / "mediapipe" / "tasks" / "__init__.py").write_text("")
    (tasks / "__init__.py").write_text(textwrap.dedent(TASKS).format(names=names))
