"""How a corpus is read, as far as options decide it: kept in the plan and the card, used again on reading again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import InputError

RULES_BEFORE = 1  # of plans and cards without a number: any column is a feature, a session follows a last underscore
# Version 0.2 until November 2026: columns are judged, names are in NFC, BIDS names are known.
RULES_OF_ONE_STEP = 2
# Raters of one table have steps of their own, of two labels as near a frame the earlier counts, and a unit of time that
# no file takes is refused.
RULES = 3
PARTICIPANT_OPTION = "--participant-pattern"
RATERS_OPTION = "--raters"
RANGE_OPTION = "--label-range"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a user said of the files, and the rules by which they are read."""

    rules: int = RULES
    participant_pattern: str | None = None  # a regular expression for the names of files; groups participant, session
    label_range: tuple[float, float] | None = None  # the ends of the raters' scale, mapped to -1 and 1
    raters: tuple[str, ...] = ()  # patterns of the columns that are raters; without one they are judged by their names

    @property
    def current(self) -> bool:
        """Whether today's rules hold, not those of plans and cards from before there were options."""
        return self.rules > RULES_BEFORE

    @property
    def own_steps(self) -> bool:
        """Whether the rules are 3: raters are joined by own steps, and some file has to take a unit of time."""
        return self.rules > RULES_OF_ONE_STEP


BEFORE = ReadOptions(rules=RULES_BEFORE)


def options_of_card(card: Mapping[str, Any]) -> ReadOptions:
    """Return the options that a model's card keeps; TypeError or ValueError if they are none."""
    kept = card["corpus"].get("options") if isinstance(card["corpus"], dict) else None
    if kept is None:
        return BEFORE
    scale = kept.get("label_range")
    ends = None if scale is None else parsed_range(",".join(map(str, scale)))
    values = {**kept, "label_range": ends, "raters": tuple(kept.get("raters", ()))}
    options = ReadOptions(**values)
    if not isinstance(options.rules, int) or not all(isinstance(one, str) for one in options.raters):
        raise TypeError("options of reading that are none")
    if options.participant_pattern is not None:
        checked_pattern(str(options.participant_pattern))
    return options


def parsed_range(text: str | None) -> tuple[float, float] | None:
    """Read `1,9`: the ends of a scale of labels; InputError for anything else."""
    if text is None:
        return None
    expected = "two finite numbers LOW,HIGH, the ends of the raters' scale, such as 1,9"
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError.of(RANGE_OPTION, found=repr(text), expected=expected) from error
    if not (abs(low) < float("inf") and abs(high) < float("inf") and low < high):
        raise InputError.of(RANGE_OPTION, found=repr(text), expected=expected)
    return low, high


def checked_pattern(pattern: str | None) -> str | None:
    """Return the pattern if it is a regular expression that can name a participant; InputError otherwise."""
    if pattern is None:
        return None
    try:
        re.compile(pattern)
    except re.error as error:
        found = f"{pattern!r} ({error})"
        expected = r"a regular expression, such as '(?P<participant>P\d+)_(?P<session>\d+)'"
        raise InputError.of(PARTICIPANT_OPTION, found=found, expected=expected) from error
    return pattern
