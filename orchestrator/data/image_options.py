"""How a method on frames gets its images."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How a method on frames gets its images; part of what decides a result."""

    image_size: int  # pixels per side
    frame_stride: int  # every so many time steps one is kept
    face_crop: str  # none | haar | yunet
    backbone: str  # trained | frozen
    weights: str  # imagenet | none | a file
