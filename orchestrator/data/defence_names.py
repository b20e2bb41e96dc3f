"""Defences by name: what is done to features so that they tell less of who somebody is (docs/privacy.md).

A defence is a text, `low-pass=0.5,noise=1`: part of the protocol. What it does is in defences.py; nothing heavy here.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.errors import InputError

OPTION = "--defence"
DROP = "drop"
LOW_PASS = "low-pass"

# What `drop` takes, by columns' names.
KINDS = {
    "pose": re.compile(r"(yaw|pitch|roll|pose_?.*|head_?.*)(_delta)?"),
    "gaze": re.compile(r"gaze_?.*"),
    "flow": re.compile(r"(opt_.*|.*flow.*)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One defence that changes values: `apply` names its function of a recording, its values and the strength."""

    help: str
    apply: str


_FUNCTIONS = "orchestrator.data.defences"
# In the order in which they are applied.
DEFENCES: Mapping[str, Defence] = {
    LOW_PASS: Defence(help="HZ above which changes are averaged away", apply=f"{_FUNCTIONS}:low_pass"),
    "noise": Defence(help="white noise of that deviation, in the features' unit", apply=f"{_FUNCTIONS}:noise"),
    "correlated-noise": Defence(
        help="the same, slow and half along all columns", apply=f"{_FUNCTIONS}:correlated_noise"
    ),
    "quantise": Defence(help="rounding to a step, in the features' unit", apply=f"{_FUNCTIONS}:quantise"),
}
HELP = "; ".join(
    [*(f"{name}: {one.help}" for name, one in DEFENCES.items()), f"{DROP}: {', '.join(KINDS)}, joined by +"]
)


def canonical(given: Iterable[str]) -> str | None:
    """Return texts `NAME=VALUE` as a protocol has them, in the order in which they are applied; None for none.

    A text may be several, joined by commas, as a protocol has them and `--print-config` writes them.
    InputError names the option, what is no defence, no value, or there twice.
    """
    found: dict[str, str] = {}
    for text in (one for several in given for one in several.split(",")):
        name, _, value = (part.strip() for part in text.partition("="))
        if name in found:
            raise InputError.of(OPTION, found=f"{name} twice", expected="each defence once")
        found[name] = _value(name, value, text)
    order = (DROP, *DEFENCES)
    return ",".join(f"{name}={found[name]}" for name in order if name in found) or None


def _value(name: str, value: str, text: str) -> str:
    if name == DROP:
        kinds = [one.strip() for one in value.split("+")]
        unknown = [one for one in kinds if one not in KINDS]
        if unknown:
            raise InputError.of(OPTION, found=repr(text), expected=f"{DROP}= and of {', '.join(KINDS)}, joined by +")
        return "+".join(one for one in KINDS if one in kinds)
    if name not in DEFENCES:
        raise InputError.of(
            OPTION, found=repr(text), expected=f"NAME=VALUE, NAME one of {', '.join((DROP, *DEFENCES))}"
        )
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError.of(OPTION, found=repr(text), expected=f"{name}= and a number above 0")
    return f"{number:g}"


def parts(defence: str | None) -> dict[str, str]:
    """Return the values by name of a protocol's text; InputError for one that was not made by `canonical`."""
    texts = defence.split(",") if defence else []
    if canonical(texts) != (defence or None):
        raise InputError.of(OPTION, found=repr(defence), expected="defences as `tune` writes them")
    return dict(text.split("=", 1) for text in texts)


def changes_values(defence: str | None) -> bool:
    """Return whether values are changed, which needs the whole recording, and not only columns left out."""
    return bool(parts(defence).keys() - {DROP})
