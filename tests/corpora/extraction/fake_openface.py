"""A stand-in for OpenFace 2's FeatureExtraction: its options, its header, its number formats; made-up values.

FAKE_OPENFACE says what goes wrong: `fail`, `mute` (no table, exit code 0, as OpenFace on a video that it
cannot open), `cut` (the table ends in a row), `short` (half the rows), `less` (one row missing), `text` (no
number where one belongs), `hang` (for a minute, and FAKE_OPENFACE_HEARTBEAT grows the while).
FAKE_OPENFACE_ON limits it to the videos whose name begins so.
"""

import math
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import av

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PRESENT = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
EYE_LANDMARKS = 56


def header(options):
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    if "-gaze" in options:
        names += [f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"] + ["gaze_angle_x", "gaze_angle_y"]
        names += [f"eye_lmk_{axis}_{index}" for axis in "xyXYZ" for index in range(EYE_LANDMARKS)]
    if "-pose" in options:
        names += [f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz"]
    if "-aus" in options:
        names += [f"AU{unit:02}_r" for unit in UNITS] + [f"AU{unit:02}_c" for unit in PRESENT]
    return names


def cell(name, frame, hz):
    fixed = {"frame": f"{frame}", "face_id": "0", "timestamp": f"{(frame - 1) / hz:.3f}"}
    fixed |= {"confidence": "0.98", "success": "1"}
    if name in fixed:
        return fixed[name]
    wave = math.sin(0.1 * frame + len(name) + sum(map(ord, name)))
    if name.endswith("_r"):
        return f"{2.5 + 2.5 * wave:.2f}"
    if name.endswith("_c"):
        return f"{float(wave > 0):.1f}"
    return f"{wave:.3f}"


def main(arguments):
    options = dict(pairwise(arguments)) | dict.fromkeys(arguments[-1:], "")
    video = Path(options["-f"])
    fault = os.environ.get("FAKE_OPENFACE", "")
    if not video.name.startswith(os.environ.get("FAKE_OPENFACE_ON", "")):
        fault = ""
    print("Reading the landmark detector/tracker from: model/main_ceclm_general.txt")
    if fault == "fail":
        print("ERROR: the model files are missing", file=sys.stderr)
        return 3
    if fault == "mute":
        print("Could not open the input", file=sys.stderr)
        return 0
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        hz = float(stream.average_rate)
        num_frames = sum(1 for _ in container.decode(stream))
    num_frames = {"short": num_frames // 2, "less": num_frames - 1}.get(fault, num_frames)
    names = header(options)
    lines = [",".join(names)]
    lines += [",".join(cell(name, frame, hz) for name in names) for frame in range(1, num_frames + 1)]
    if fault == "text":
        lines[-1] = lines[-1].replace(",0.98,", ",nan,")
    text = "\n".join(lines) + "\n"
    if fault == "cut":
        text = text[:-2]  # the last cell is still a number
    folder = Path(options["-out_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{Path(options['-of']).stem}.csv"
    if fault == "hang":
        table.write_text(text[: len(text) // 2])
        for _ in range(600):
            with Path(os.environ["FAKE_OPENFACE_HEARTBEAT"]).open("a") as heartbeat:
                heartbeat.write(".")
            time.sleep(0.1)
    table.write_text(text)
    (folder / f"{Path(options['-of']).stem}_of_details.txt").write_text("Input:" + str(video) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
