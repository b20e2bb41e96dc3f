"""Faces drawn from facial actions: what a camera would have seen of the embedded corpus (docs/synthetic.md).

A face is a stack of soft-edged shapes on a plane that turns with the head. The true actions show, not what the
extraction tool made of them, and whose face it is shows as far as the dial `identity` lets it.
Shapes: T frames, t frames drawn at a time, S x S pixels; planes are (t, S, S), numbers of a frame (t, 1, 1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.corpora.synthetic.facial_model import ACTIONS, UNITS, FacialActions

Plane = NDArray[np.floating[Any]]
Color = tuple[float, float, float]

BLOCK_PIXELS = 2**17  # drawn at a time: a plane of them fits a core's cache
UNIT_FULL = 4.0  # intensity at which a movement of the face is at its full extent
FLUSH_FACE = 0.04  # green and blue that a flushed face loses everywhere
FLUSH_CHEEKS = 0.30  # and on the cheeks besides
CAMERA_NOISE = 0.01  # standard deviation of each pixel's brightness, of 1
# Pose, in half image sides for a degree: the head, and its features, which are nearer to the camera.
HEAD_SHIFT = 0.004
FEATURE_SHIFT = 0.0045

# The average face, and the standard deviation among people at identity 1. Lengths in half image sides.
PROPORTIONS: Mapping[str, tuple[float, float]] = {
    "face_width": (0.62, 0.05),
    "face_height": (0.80, 0.05),
    "eye_spacing": (0.27, 0.025),
    "eye_height": (-0.10, 0.03),
    "eye_size": (0.155, 0.015),
    "brow_height": (-0.33, 0.025),
    "brow_thickness": (0.04, 0.012),
    "nose_length": (0.20, 0.03),
    "nose_width": (0.085, 0.015),
    "mouth_height": (0.46, 0.03),
    "mouth_width": (0.25, 0.025),
    "lip_thickness": (0.045, 0.010),
    "hairline": (-0.55, 0.07),
    "hair_length": (0.10, 0.45),  # how far down the hair falls
    "light_side": (0.0, 0.25),  # brightness lost from one side of the face to the other
    "light": (1.0, 0.12),
}
COLORS: Mapping[str, tuple[Color, Color]] = {  # mean, and change of the logarithm with one draw for all three
    "skin": ((0.80, 0.60, 0.49), (0.28, 0.40, 0.50)),
    "hair": ((0.26, 0.17, 0.12), (0.45, 0.50, 0.55)),
    "lips": ((0.70, 0.33, 0.33), (0.12, 0.25, 0.20)),
    "iris": ((0.25, 0.25, 0.22), (-0.30, 0.25, 0.60)),
    "background": ((0.50, 0.55, 0.60), (0.20, 0.05, -0.25)),
    "shirt": ((0.30, 0.36, 0.50), (-0.60, 0.10, 0.60)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """What a person looks like, whatever the face does."""

    sizes: Mapping[str, float]  # by the names of PROPORTIONS
    colors: Mapping[str, NDArray[np.float32]]  # by the names of COLORS: (3,) RGB in [0, 1]


def appearance(participant: str, *, seed: int, identity: float) -> Appearance:
    """Draw a person's looks; at identity 0 everybody looks the same."""
    generator = np.random.default_rng(seed_for(seed, "synthetic", participant, "appearance"))

    def draw() -> float:
        return identity * float(np.clip(generator.standard_normal(), -2.0, 2.0))

    sizes = {name: mean + spread * draw() for name, (mean, spread) in PROPORTIONS.items()}
    colors = {
        name: np.clip(np.array(mean) * np.exp(draw() * np.array(change)), 0.02, 0.95).astype(np.float32)
        for name, (mean, change) in COLORS.items()
    }
    return Appearance(sizes=sizes, colors=colors)


def render(face: FacialActions, looks: Appearance, *, size: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Draw every frame of a person's true face: blocks (t, S, S, 3) RGB, T frames in all.

    `seed` moves the camera's noise only; size is S in pixels.
    """
    noise = np.random.default_rng(seed_for(seed, "synthetic", face.participant, "camera"))
    block = max(1, BLOCK_PIXELS // size**2)
    for start in range(0, len(face.time), block):
        drawing = _Drawing(face, slice(start, start + block), looks, size)
        drawing.draw()
        grain = noise.standard_normal(drawing.x.shape, dtype=np.float32) * np.float32(CAMERA_NOISE)
        planes = (drawing.rgb + grain).clip(0.0, 1.0) * 255.0 + 0.5
        yield np.ascontiguousarray(planes.astype(np.uint8).transpose(1, 2, 3, 0))


class _Drawing:
    """A block of frames in the making: coordinates, movements, and the picture so far."""

    def __init__(self, face: FacialActions, frames: slice, looks: Appearance, size: int) -> None:
        actions = face.actions[frames].astype(np.float32)[:, :, None, None]
        self.moves = {name: actions[:, index] / np.float32(UNIT_FULL) for index, name in enumerate(UNITS)}
        self.open = 1.0 - face.blink[frames].astype(np.float32)[:, None, None]
        self.flush = face.flush[frames].astype(np.float32)[:, None, None]
        self.looks, self.sizes, self.soft = looks, looks.sizes, np.float32(2.0 / size)
        yaw, pitch, roll = (actions[:, ACTIONS.index(name)] for name in ("Yaw", "Pitch", "Roll"))
        grid = ((np.arange(size, dtype=np.float32) + 0.5) * 2.0 / size - 1.0).astype(np.float32)
        shape = (len(actions), size, size)
        self.x, self.y = (np.broadcast_to(axis, shape) for axis in (grid[None, None, :], grid[None, :, None]))
        # The head turns about a point in the neck, below the picture's middle.
        x, y = grid[None, None, :] - HEAD_SHIFT * yaw, grid[None, :, None] + HEAD_SHIFT * pitch - 0.7
        cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
        self.u, self.v = cos * x + sin * y, cos * y - sin * x + np.float32(0.7)
        self.fu, self.fv = self.u - FEATURE_SHIFT * yaw, self.v + FEATURE_SHIFT * pitch
        self.a = np.abs(self.fu)  # the actions are symmetric: one half of the face serves both
        self.rgb = np.empty((3, *shape), dtype=np.float32)

    def draw(self) -> None:
        """Draw all, from the back to the front."""
        self._behind()
        self._head()
        self._cheeks_and_folds()
        self._eyes()
        self._brows()
        self._nose()
        self._mouth()
        side = self.sizes["light_side"] * self.u * 0.8
        self.rgb *= self.sizes["light"] * (1.0 - side)

    # Brushes

    def _paint(self, mask: Plane, color: Color | NDArray[np.float32]) -> None:
        for channel, level in enumerate(color):
            self.rgb[channel] += mask * (np.float32(level) - self.rgb[channel])

    def _shade(self, mask: Plane, factor: float | Plane) -> None:
        """Darken (factor above 0) or brighten (below) under a mask."""
        self.rgb *= 1.0 - mask * factor

    def _above(self, distance: Plane, softness: float = 1.0) -> Plane:
        """Return 1 where a signed distance is positive, 0 where it is negative, soft over about a pixel."""
        edge: Plane = np.clip(distance / (self.soft * np.float32(softness)) + np.float32(0.5), 0.0, 1.0)
        return edge

    def _ellipse(self, x: Plane, y: Plane, width: float | Plane, height: float | Plane) -> Plane:
        """Return an ellipse about the origin; x and y are relative to its centre."""
        radius = np.sqrt((x / width) ** 2 + (y / height) ** 2)
        return self._above((1.0 - radius) * np.minimum(width, height))

    def _glow(self, x: Plane, y: Plane, width: float, height: float) -> Plane:
        """Return a smooth hill of that half width and height: 1 in the middle."""
        hill: Plane = np.maximum(1.0 - (x / width) ** 2 - (y / height) ** 2, 0.0)
        return hill * hill

    def _stroke(self, away: Plane, thickness: float | Plane, along: Plane) -> Plane:
        """Return a line: `away` is the distance from it, `along` is positive between its ends."""
        return self._above(thickness / 2 - np.abs(away)) * self._above(along)

    # Parts of the picture

    def _behind(self) -> None:
        for plane, level in zip(self.rgb, self.looks.colors["background"], strict=True):
            plane[:] = level * (1.0 - 0.15 * self.y)
        width = self.sizes["face_width"] * 1.18
        falls = np.maximum(self.v * (1.0 - self.sizes["hair_length"]), self.v * 0.55)
        self.hair = self._ellipse(self.u, np.where(self.v > 0.0, falls, self.v) + 0.10, width, 0.92)
        self._paint(self.hair, self.looks.colors["hair"])
        neck = self._ellipse(0.5 * (self.x + self.u), self.y - 0.75, 0.30, 0.60)
        self._paint(neck, self.looks.colors["skin"] * 0.82)
        self._paint(self._ellipse(self.x, self.y - 1.35, 1.05, 0.52), self.looks.colors["shirt"])

    def _head(self) -> None:
        width, height = self.sizes["face_width"], self.sizes["face_height"]
        jaw = np.maximum(self.v, 0.0)
        drop = 1.0 + 0.10 * self.moves["AU25"]  # parted lips lower the jaw
        below = np.where(self.v > 0.0, self.v / drop, self.v)
        head = self._ellipse(self.u * (1.0 + 0.22 * jaw), below - 0.04, width, height)
        self._paint(head, self.looks.colors["skin"])
        self._shade(head * np.maximum((self.u / width) ** 2 - 0.45, 0.0), 0.45)  # rounded at the sides
        self.rgb[1:] *= 1.0 - FLUSH_FACE * head * self.flush
        fringe = self._above(self.sizes["hairline"] + 0.35 * self.u**2 - self.v, 2.0)
        self._paint(self.hair * fringe, self.looks.colors["hair"])

    def _cheeks_and_folds(self) -> None:
        moves, eye = self.moves, self.sizes["eye_height"]
        across, down = self.a - 0.34, self.fv - (eye + 0.27 - 0.04 * moves["AU6"])
        cheek = self._glow(across, down, 0.20, 0.15)
        self._shade(cheek, -0.22 * moves["AU6"])
        self.rgb[1:] *= 1.0 - cheek * (0.14 * moves["AU6"] + FLUSH_CHEEKS * self.flush)  # and redder
        pouch = self._stroke(down + 0.14 - 0.8 * across**2, 0.035, 0.14 - np.abs(across))
        self._shade(pouch, 0.40 * moves["AU6"])
        crows = self._stroke((self.fv - eye) % np.float32(0.07) - 0.035, 0.03, 0.05 - np.abs(self.a - 0.50))
        self._shade(crows * (np.abs(self.fv - eye) < 0.10), 0.45 * moves["AU6"])
        # Forehead: the inner brow raises lines in the middle, the outer one at the sides.
        lines = self._stroke((self.fv + 0.54) % np.float32(0.085) - 0.042, 0.03, 0.075 - np.abs(self.fv + 0.46))
        middle = self._above(0.17 - self.a, 3.0)
        self._shade(lines * middle, 0.38 * moves["AU1"])
        self._shade(lines * (self._above(0.42 - self.a, 3.0) - middle), 0.38 * moves["AU2"])
        fold = self.a - (0.12 + 0.62 * (self.fv - 0.18))
        crease = self._stroke(fold, 0.045, 0.14 - np.abs(self.fv - 0.32))
        self._shade(crease, 0.04 + 0.55 * moves["AU11"] + 0.10 * moves["AU12"])

    def _eyes(self) -> None:
        moves, half = self.moves, self.sizes["eye_size"]
        x, y = self.a - self.sizes["eye_spacing"], self.fv - self.sizes["eye_height"]
        lens = np.maximum(1.0 - (x / half) ** 2, 0.0)
        height = 0.58 * half * self.open
        narrow = 1.0 - 0.42 * np.minimum(moves["AU7"], 1.6)
        upper = height * narrow * (1.0 + 0.75 * moves["AU5"])
        lower = height * narrow * (1.0 - 0.35 * np.minimum(moves["AU6"], 1.6)) * 0.85
        sunk = 0.35 * half * (1.0 - self.open)  # closed lids meet low
        top, bottom = sunk - upper * lens, sunk + lower * lens
        within = self._above(half - np.abs(x))
        eye = self._above(y - top) * self._above(bottom - y) * within * self._above(self.open - 0.15, 4.0)
        self._paint(eye, (0.95, 0.94, 0.92))
        distance = np.sqrt(x * x + y * y)
        self._paint(eye * self._above(0.52 * half - distance), self.looks.colors["iris"])
        self._paint(eye * self._above(0.26 * half - distance), (0.05, 0.04, 0.04))
        self._shade(self._stroke(y - top, 0.045, half * 1.1 - np.abs(x)), 0.65)
        self._shade(self._stroke(y - bottom, 0.03, half - np.abs(x)), 0.15 + 0.35 * moves["AU7"])

    def _brows(self) -> None:
        moves = self.moves
        inner, outer = self.sizes["eye_spacing"] - 0.16 - 0.05 * moves["AU4"], self.sizes["eye_spacing"] + 0.17
        along = (self.a - inner) / (outer - inner)
        at_inner = -0.15 * moves["AU1"] + 0.13 * moves["AU4"]
        at_outer = -0.15 * moves["AU2"] + 0.03 * moves["AU4"]
        arch = 0.16 * along * (1.0 - along)
        curve = self.sizes["brow_height"] + at_inner + (at_outer - at_inner) * along - arch
        thickness = 2.0 * self.sizes["brow_thickness"] * (1.15 - 0.4 * along)
        ends = np.minimum(self.a - inner, outer - self.a)
        self._paint(self._stroke(self.fv - curve, thickness, ends), self.looks.colors["hair"] * 0.75)
        furrow = self._stroke(self.a - 0.05, 0.035, 0.085 - np.abs(self.fv + 0.26))
        self._shade(furrow, 0.50 * np.minimum(moves["AU4"], 1.6))

    def _nose(self) -> None:
        moves, width = self.moves, self.sizes["nose_width"]
        up = 0.05 * moves["AU9"]
        tip = self.sizes["nose_length"] - up
        self._shade(self._glow(self.fu, self.fv - 0.5 * tip, 0.06, 0.26), -0.16)
        self._shade(self._glow(self.a - width, self.fv - tip, 0.06, 0.07), 0.30 + 0.10 * moves["AU9"])
        wide = self.a - width * (0.75 + 0.35 * moves["AU9"])
        self._shade(self._ellipse(wide, self.fv - tip - 0.03, 0.035, 0.025), 0.60)
        wrinkle = self._stroke((self.fv + 0.17) % np.float32(0.075) - 0.0375, 0.032, 0.11 - self.a)
        self._shade(wrinkle * self._above(0.09 - np.abs(self.fv + 0.06)), 0.50 * np.minimum(moves["AU9"], 1.6))

    def _mouth(self) -> None:
        moves, sizes = self.moves, self.sizes
        half = sizes["mouth_width"] * (
            1.0 + 0.28 * moves["AU12"] + 0.32 * moves["AU20"] - 0.26 * moves["AU24"] - 0.06 * moves["AU23"]
        )
        half = np.maximum(half, 0.12)
        across = np.minimum((self.a / half) ** 2, 1.0)
        bulge = 1.0 - across
        corners = -0.17 * moves["AU12"] + 0.15 * moves["AU15"] + 0.02 * moves["AU20"]
        # The middle of the mouth gives way a little, so that a smile also opens downwards.
        line = sizes["mouth_height"] + corners * (across - 0.35) - 0.06 * moves["AU17"] * bulge
        gap = 0.17 * moves["AU25"] * bulge * (1.0 - 0.3 * np.minimum(moves["AU24"], 1.5))
        thin = (1.0 - 0.42 * np.minimum(moves["AU23"], 1.6)) * (1.0 - 0.30 * np.minimum(moves["AU24"], 1.6))
        lip = sizes["lip_thickness"] * thin * (0.35 + 0.65 * bulge)
        y, within = self.fv - line, self._above(half - self.a)
        outside = self._above(y + 0.35 * gap + lip) * self._above(0.65 * gap + 1.35 * lip - y) * within
        inside = self._above(y + 0.35 * gap) * self._above(0.65 * gap - y) * within
        self._paint(outside, self.looks.colors["lips"])
        self._shade(self._stroke(y, 0.028, half - self.a), 0.45 + 0.30 * np.minimum(moves["AU24"], 1.5))
        self._paint(inside * self._above(gap - 0.02), (0.18, 0.05, 0.06))
        teeth = inside * self._above(0.02 + 0.25 * gap - y - 0.35 * gap)
        self._paint(teeth * self._above(gap - 0.04), (0.93, 0.92, 0.88))
        marks = self._glow(self.a - half, self.fv - sizes["mouth_height"] - 0.10, 0.07, 0.10)
        self._shade(marks, 0.45 * np.minimum(moves["AU15"], 1.6))
        chin = self.fv - sizes["mouth_height"] - 0.20
        self._shade(self._glow(self.fu, chin, 0.15, 0.09), 0.40 * np.minimum(moves["AU17"], 1.6))
