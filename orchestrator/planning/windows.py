"""Windows for recordings that are shorter than those of a preset, such as rows of whole trials."""

import dataclasses
from collections.abc import Sequence

from orchestrator.planning.request import Decided
from tune_spaces.method import HParams, Method

# Of the paper's grid every point stands as it is; these are ours, to find something that can be trained.
ADAPTED = ("demo", "standard")
LENGTH = "sequence_length"
LEAST = 2  # ours: of one time step there is no sequence, unless no recording has more

Points = tuple[tuple[str, HParams], ...]


def fitting_lengths(longest: int, count: int) -> tuple[int, ...]:
    """Return at most `count` lengths in time steps, rising: the longest recording's, half of it, a quarter ..."""
    found = [longest]
    while len(found) < count and (shorter := -(-found[-1] // 2)) >= LEAST and shorter < found[-1]:
        found.append(shorter)
    return tuple(reversed(found))


def lengths_of_preset(decided: Decided) -> tuple[int, ...] | None:
    """Return the lengths of the preset's windows, rising; None where the user gave others, or one configuration."""
    request = decided.request
    if request.point is not None or any(one.partition("=")[0] == LENGTH for one in request.overrides):
        return None
    return of_preset(decided.method, decided.preset_name)


def of_preset(method: Method, preset_name: str) -> tuple[int, ...]:
    """Return the lengths of a preset's windows, rising."""
    return tuple(sorted(int(one) for one in method.presets[preset_name].grid[LENGTH]))


def adapted(points: Points, lengths: Sequence[int], longest: int) -> Points:
    """Return the points with fitting lengths in the place of the preset's `lengths`, which must all be too long.

    The order stays; of points that have become equal one is left.
    """
    fitting = fitting_lengths(longest, len(lengths))
    place = {length: fitting[min(rank, len(fitting) - 1)] for rank, length in enumerate(sorted(lengths))}
    return tuple(
        dict.fromkeys(
            (network, dataclasses.replace(hparams, sequence_length=place[hparams.sequence_length]))
            for network, hparams in points
        )
    )
