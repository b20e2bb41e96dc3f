"""What the name of a column says about its unit of time: `time_ms`, `Timestamp (ms)`, `time [s]`, `milliseconds`."""

import re
from functools import lru_cache

# Spellings of each unit, in lower case; the first is the option's.
SPELLINGS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "msecs", "millis", "millisec", "millisecs", "millisecond", "milliseconds"),
    "us": ("us", "µs", "μs", "usec", "usecs", "microsec", "microsecs", "microsecond", "microseconds"),
    "ns": ("ns", "nsec", "nsecs", "nanosec", "nanosecs", "nanosecond", "nanoseconds"),
    "min": ("min", "mins", "minute", "minutes"),
}
_UNIT_OF = {spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings}
# What may stand before the unit, without blanks, lines and dots.
_TIMES = frozenset(("time", "timestamp", "frametime", "frametimestamp", "approxtime", "timestampin", "timein", "t"))
_TIMES |= {"frametimein", "videotime", "elapsedtime", "elapsed"}
_ALONE = frozenset(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds", "seconds"))  # `min` is a minimum
_WORDS = "|".join(sorted(map(re.escape, _UNIT_OF), key=len, reverse=True))
_WITH_UNIT = re.compile(rf"([a-z][a-z _.\-]*?)(?:[ _.\-]*[(\[{{] *(?:in )?|[ _.\-]+)({_WORDS}) *[)\]}}]?")
_RUN_TOGETHER = re.compile(r"(time|timestamp)(ms|msec|millis|milliseconds)")


@lru_cache(maxsize=1 << 16)  # a table of many people asks for each of them
def unit_of_name(name: str) -> str | None:
    """Return the unit that a time column's name says (s, ms, us, ns, min); None for any other name.

    A name of a time alone, such as `time`, says no unit.
    """
    bare = " ".join(name.lower().split())
    if bare in _ALONE:
        return _UNIT_OF[bare]
    match = _RUN_TOGETHER.fullmatch(bare) or _WITH_UNIT.fullmatch(bare)
    if match is None or re.sub(r"[ _.\-]", "", match[1]) not in _TIMES:
        return None
    return _UNIT_OF[match[2]]
