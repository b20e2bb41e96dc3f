"""What a column of numbers is, by its name and by its values: a facial action, or a count, a code, a clock.

Any number can stand in a table: row numbers, trials, ages, keys that were pressed. None of them is what a face does,
nor what a rater felt.
Shapes: N values of a column in one recording.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
AnyValues = NDArray[np.floating]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# MediaPipe's and ARKit's blendshapes, in small letters: any case is known.
BLENDSHAPES = frozenset(
    f"{name}{side}".lower()
    for name, sides in {
        **dict.fromkeys(("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn"), "lr"),
        **dict.fromkeys(("eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown"), "lr"),
        **dict.fromkeys(("mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp"), "lr"),
        **dict.fromkeys(("noseSneer",), "lr"),
        **dict.fromkeys(("_neutral", "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight"), ""),
        **dict.fromkeys(("mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker", "mouthRight"), ""),
        **dict.fromkeys(("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut"), ""),
    }.items()
    for side in ([{"l": "Left", "r": "Right"}[one] for one in sides] or [""])
)
_UNIT = re.compile(r"AU\d{2}(_c)?(_delta)?")
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
# Words that a name of a count or a code is made of, as people write them; a name is one if it has no other word.
_COUNTED = _words(
    "row rows line frame frames trial trials block segment segments clip clips video file stimulus stim item "
    "question task session run sample window chunk subject participant ppt pid person user speaker face rater "
    "annotator coder record recording event marker trigger condition group order batch epoch fold page scene "
    "shot turn utterance sentence word image img picture observation obs key button mouse visit day"
)
_COUNTS = frozenset("id ids index idx number no num nr n count counter code seq sequence nth total".split())  # noqa: SIM905
_ALONE = _words(
    "row rows line frame frames trial trials block segment segments clip item question subject participant "
    "ppt pid event marker trigger condition group order batch epoch fold observation obs key button visit"
)
_PERSON = frozenset(
    "age sex gender education handedness ethnicity nationality birth birthday birthyear weight height years".split()  # noqa: SIM905
)
_PRESSED = frozenset(
    "keypress keypressed keydown keyup buttonpress pressed press clicked click presses pushed held".split()  # noqa: SIM905
)
_FELT = _words("dominance liking familiarity label labels rating ratings target gold annotation annotations score")
_UNNAMED = re.compile(r"(unnamed|level)[ :._]*\d+|\.\.\.\d+|column\d+|index|#", re.IGNORECASE)
# Of several raters in one number: what they gave on average, and how much they differed.
_SUMMARIES = frozenset("mean average avg median gold goldstandard consensus ewe".split())  # noqa: SIM905
_SPREADS = frozenset("sd std stdev variance sem iqr confidence".split())  # noqa: SIM905

FEW_VALUES = 10  # ours: of fewer values of a column nothing is concluded
SEVERAL = 3  # ours: a count has at least so many different values; a flag that goes up once has two
CODES = tuple(sign * size for size in (99.0, 999.0, 9999.0, 99999.0) for sign in (-1.0, 1.0))  # for missing values
# Ours: so many times as far from all other values as these reach is no measurement, but a code.
FAR, FAR_OF_TWO_DIGITS, FAR_OF_ANY_VALUE = 1.0, 5.0, 20.0
REPEATED = 2  # ours: cells of a code, but for the negative ones of CODES, of which one is enough
COUNTER = "counts rows, segments or events, or is a clock: it only ever rises or falls"
CONSTANT = "has the same value everywhere"
OF_RECORDING = "has one value per recording: it says which one this is"
A_LABEL = "a label by its name"
BY_NAME = "a count, a code or a fact about the person by its name"


def is_unit(canonical: str) -> bool:
    """Whether a canonical name is an action unit's (its presence or difference, too) or a blendshape's."""
    return bool(_UNIT.fullmatch(canonical)) or canonical.lower() in BLENDSHAPES


def counts_by_name(name: str) -> bool:
    """Whether a column's name is made of nothing but words for counts, codes and facts about a person."""
    if _UNNAMED.fullmatch(name.strip()):
        return True
    words = [word.lower() for word in _TOKEN.findall(name)]
    known = _COUNTED | _COUNTS | _PERSON | _PRESSED
    # A name with a number is known by its values only: face_12 may be of an embedding.
    if not words or not all(word in known for word in words):
        return False
    return bool(set(words) & (_COUNTS | _PERSON | _PRESSED)) or (len(words) > 1) or words[0] in _ALONE


def labels_by_name(name: str) -> bool:
    """Whether a column's name is made of words for what raters say: the answer, and no feature."""
    words = [word.lower() for word in _TOKEN.findall(name)]
    return bool(set(words) & _FELT) and set(words) <= _FELT | _COUNTED | _COUNTS | _SUMMARIES | _SPREADS


def is_summary(name: str) -> bool:
    """Whether a column's name says that it sums up raters."""
    words = {word.lower() for word in _TOKEN.findall(name)}
    return bool(words & _SUMMARIES) and not words & _SPREADS


def is_spread(name: str) -> bool:
    """Whether a column's name says how much raters differ, or how sure they are."""
    return bool({word.lower() for word in _TOKEN.findall(name)} & _SPREADS)


def why_no_action(recordings: Sequence[Values]) -> str | None:
    """Return why a column cannot be what a face does, from its values (N,) in each recording; None if it can.

    Missing values are passed over; of few values nothing is concluded.
    """
    there = [values[np.isfinite(values)] for values in recordings]
    long = [values for values in there if len(values) > 1]
    if sum(map(len, long)) < FEW_VALUES:
        return None
    if all(np.ptp(values) == 0 for values in long):
        every = np.concatenate(there)
        return CONSTANT if np.ptp(every) == 0 else OF_RECORDING
    return COUNTER if only_counts(long) else None


def only_counts(recordings: Sequence[Values]) -> bool:
    """Whether values (N,), two or more a recording and none missing, rise or fall with every row.

    The same for whole numbers that never turn back and take SEVERAL values: numbers of trials and segments.
    """
    for sign in (1.0, -1.0):
        steps = [sign * np.diff(values) for values in recordings]
        if all((step > 0).all() for step in steps):
            return True
        whole = all((values == np.round(values)).all() for values in recordings)
        several = max(len(np.unique(values)) for values in recordings) >= SEVERAL
        if whole and several and all((step >= 0).all() for step in steps):
            return True
    return False


def missing_codes(
    recordings: Sequence[AnyValues], *, repeated: int = REPEATED
) -> dict[float, tuple[float, float] | None]:
    """Return the codes for missing values among a column's values (N,) in each recording, and what the others span.

    A code is one of CODES far outside the other values, or a negative one if no other value is negative; or any one
    value of two digits or more, very far outside and in `repeated` cells. None: there is no other value, which only a
    negative code may be. NaN is passed over.
    """
    values = np.concatenate([one[np.isfinite(one)] for one in recordings]) if recordings else np.zeros(0)
    if not len(values) or np.abs(values).max() < min(map(abs, CODES)):
        return {}
    known = [code for code in CODES if (values == code).any()]
    rest = values[~np.isin(values, known)]
    if not len(rest):
        return dict.fromkeys(code for code in known if code < 0)
    low, high = float(rest.min()), float(rest.max())
    codes: dict[float, tuple[float, float] | None] = {
        code: (low, high) for code in known if _is_code(code, low, high, int((values == code).sum()), repeated)
    }
    values = values[~np.isin(values, list(codes))]
    for end in {float(values.min()), float(values.max())}:
        rest = values[values != end]
        if abs(end) < min(map(abs, CODES)) or len(values) - len(rest) < repeated or not len(rest):
            continue
        span = float(rest.min()), float(rest.max())
        if _is_far(end, *span, FAR_OF_ANY_VALUE) and len(np.unique(rest)) >= FEW_VALUES:
            codes[end] = span
    return codes


def _is_code(code: float, low: float, high: float, cells: int, repeated: int) -> bool:
    far = _is_far(code, low, high, FAR if abs(code) > 99 else FAR_OF_TWO_DIGITS)
    if code < 0:
        return far or low >= 0
    return far and cells >= repeated and max(abs(low), abs(high)) > 0


def _is_far(value: float, low: float, high: float, times: float) -> bool:
    """Whether a value is outside others, `low` to `high`, by so many times their distance from zero or their span."""
    reach = max(abs(low), abs(high), high - low)
    return not low <= value <= high and max(low - value, value - high) >= times * reach
