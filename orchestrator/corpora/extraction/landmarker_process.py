"""A process of its own that runs MediaPipe's face landmarker; it imports nothing of this project.

Arguments: the model file, width and height. Standard input: for each frame eight bytes, its milliseconds as a
little-endian integer, then height x width x 3 bytes of RGB. Standard output: a line of JSON for each frame, the scores
of the blendshapes by name, or null without a face.
Interface: `mediapipe.tasks.python.vision.FaceLandmarker`, checked with MediaPipe 1.2.3.
"""

import json
import os
import sys
from typing import BinaryIO

TIME_BYTES = 8


def main() -> None:
    """Answer frames until the input ends."""
    sys.path.pop(0)  # this file's folder, whose modules have names of packages
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    model, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=model),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
        output_face_blendshapes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        while head := _exactly(sys.stdin.buffer, TIME_BYTES):
            pixels = np.frombuffer(_exactly(sys.stdin.buffer, width * height * 3), np.uint8)
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=pixels.reshape(height, width, 3).copy()
            )
            found = landmarker.detect_for_video(image, int.from_bytes(head, "little"))
            shapes = found.face_blendshapes
            scores = {one.category_name: float(one.score) for one in shapes[0]} if shapes else None
            answers.write(json.dumps(scores) + "\n")
            answers.flush()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes; fewer only at the end of the input."""
    parts = b""
    while len(parts) < size and (more := stream.read(size - len(parts))):
        parts += more
    return parts


if __name__ == "__main__":
    main()
