"""What a file says of its pictures beside the pixels: which stream they are, how they are turned, their pixels' shape.

A telephone films lying on its side and says so in a matrix (video) or in EXIF (photograph); a television's pixels are
not square; music has a cover. All of it is obeyed, or refused if it cannot be.
"""

import math
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from orchestrator.errors import InputError

Turn = tuple[int, int, int, int]  # a, b, c, d: the pixel at x, y belongs to a x + c y, b x + d y

UPRIGHT: Turn = (1, 0, 0, 1)
# EXIF 2.3, tag 0x0112; 0 is written by cameras that do not know.
_ORIENTATIONS: dict[int, Turn] = {
    **{0: UPRIGHT, 1: UPRIGHT, 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1)},
    **{5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)},
}
_ORIENTATION_TAG = 0x0112
_EXIF = b"Exif\0\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_ENTRIES = 1000  # ours: of a directory of EXIF; cameras write some 50
RIGHT_ANGLE_TOLERANCE = 1e-3  # ours: the matrix has fixed-point numbers
MOST_STRETCHED = 10  # ours: pixels ten times as wide as high are a damaged header


def picture_stream(container: Any, path: Path) -> Any:
    """Choose the stream of pictures: the largest that is no cover; InputError if there is none or no largest.

    Of equally large ones the one that the file calls its default.
    """
    streams = [one for one in container.streams.video if one.codec_context is not None]
    real = [one for one in streams if not one.disposition & Disposition.attached_pic]
    if not real:
        if container.streams.video and not streams:
            raise InputError.of(str(path), found="a video of an unknown codec", expected="one that FFmpeg can decode")
        found = "only an attached picture, a cover" if streams else "no video in it"
        raise InputError.of(str(path), found=found, expected="a file with a video stream")
    largest = max(_area(one) for one in real)
    best = [one for one in real if _area(one) == largest]
    chosen = [one for one in best if one.disposition & Disposition.default] if len(best) > 1 else best
    if len(chosen) != 1:
        found = f"{len(best)} video streams of {best[0].codec_context.width} x {best[0].codec_context.height}"
        raise InputError.of(str(path), found=found, expected="one video stream, or one that is larger than the others")
    return chosen[0]


def _area(stream: Any) -> int:
    return int(stream.codec_context.width * stream.codec_context.height)


def check_flat(frame: Any, where: str) -> None:
    """Refuse pictures for two eyes and all round (InputError): the middle of one is no face."""
    stereo, round_about = frame.side_data.get("STEREO3D"), frame.side_data.get("SPHERICAL")
    if stereo is not None and int.from_bytes(bytes(stereo)[:4], sys.byteorder):  # 0: AV_STEREO3D_2D
        raise InputError.of(where, found="a picture for two eyes (3D)", expected="a flat picture")
    if round_about is not None:
        raise InputError.of(where, found="a picture all round (360 degrees)", expected="a flat picture")


def turn_of_frame(frame: Any, where: str) -> Turn:
    """Read how a video's frame is to be turned; InputError for other than quarter turns and mirrors."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    numbers = struct.unpack("=9i", bytes(data)[:36])
    a, b, c, d = (numbers[index] / 65536 for index in (0, 1, 3, 4))
    scale = math.hypot(a, b) or 1.0
    exact = tuple(round(one / scale) for one in (a, b, c, d))
    turned = all(
        abs(one / scale - whole) <= RIGHT_ANGLE_TOLERANCE for one, whole in zip((a, b, c, d), exact, strict=True)
    )
    if not turned or exact not in _ORIENTATIONS.values():
        degrees = math.degrees(math.atan2(b, a))
        raise InputError.of(where, found=f"a picture turned by {degrees:.1f} degrees", expected="quarter turns")
    return exact[0], exact[1], exact[2], exact[3]


def turn_of_image(data: bytes, path: Path) -> Turn:
    """Read how a photograph is to be turned from its EXIF; upright without any."""
    tiff = _tiff_of_png(data) if data.startswith(_PNG) else _tiff_of_jpeg(data)
    value = _orientation(tiff) if tiff else 1
    if value not in _ORIENTATIONS:
        raise InputError.of(str(path), found=f"EXIF orientation {value}", expected="1 to 8")
    return _ORIENTATIONS[value]


def _tiff_of_jpeg(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA or length < 2:  # the pixels begin
            break
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body.startswith(_EXIF):
            return body[len(_EXIF) :]
        at += 2 + length
    return b""


def _tiff_of_png(data: bytes) -> bytes:
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(min(count, _MOST_ENTRIES)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value)
    except struct.error:  # cut off
        return 1
    return 1


def pixel_shape(ratio: Fraction | None, where: str) -> Fraction:
    """Return the width of a pixel over its height, 1 where the file says nothing; InputError for an absurd one."""
    if not ratio:
        return Fraction(1)
    if not Fraction(1, MOST_STRETCHED) <= ratio <= MOST_STRETCHED:
        found = f"pixels of the shape {ratio.numerator}:{ratio.denominator}"
        raise InputError.of(where, found=found, expected=f"at most {MOST_STRETCHED}:1")
    return ratio


def as_seen(frame: Any, turn: Turn, shape: Fraction) -> Any:
    """Return a frame as it is to be seen: square pixels, then turned; the same one where nothing is to be done."""
    if shape != 1:
        width, height = frame.width, frame.height
        wide = shape > 1  # the shorter side of the pixels is stretched: nothing is lost
        frame = frame.reformat(
            width=round(width * shape) if wide else width, height=height if wide else round(height / shape)
        )
    if turn == UPRIGHT:
        return frame
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(turned(frame.to_ndarray(format="rgb24"), turn)), "rgb24")


def turned(image: NDArray[np.uint8], turn: Turn) -> NDArray[np.uint8]:
    """Rotate and mirror a picture (H, W, 3)."""
    a, b, c, d = turn
    if a:
        return image[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]
    return image.transpose(1, 0, 2)[:: 1 if b > 0 else -1, :: 1 if c > 0 else -1]
