"""The rule that turns an attack's numbers into a word; the same for every attack, and printed wherever a word is.

What counts is the advantage: how far the attacker gets of the way from chance (0) to certainty (1). Both ends of its
interval decide, never its value alone.
"""

from orchestrator.audit.records import Statistic

# Ours: an advantage below the first is called no leak; above the second most people are exposed.
SMALL = 0.1
LARGE = 0.5

EXPOSED = "exposed"
PARTLY = "partly exposed"
NOT_SHOWN = "no leak above a tenth"
UNDERPOWERED = "underpowered"
NOT_MEASURED = "not measured"
DIAGNOSTIC = "diagnostic"  # in the place of a word, of an attack in a setting that no run has

# Of Table III: its column is called privacy, so that much leakage is little of it.
PRIVACY = {EXPOSED: "Low", PARTLY: "Average", NOT_SHOWN: "High", UNDERPOWERED: UNDERPOWERED}

RULE = (
    f"the advantage is (value - chance) / (1 - chance); {EXPOSED}: its 95 % interval over people is above {LARGE:g};"
    f" {NOT_SHOWN}: below {SMALL:g}; {PARTLY}: above 0; else {UNDERPOWERED}: too few people to say either"
)

DIAGNOSTIC_RULE = f"{DIAGNOSTIC}: asked in a setting easier than any run's; it has no verdict and counts for no word"


def advantage(value: float, chance: float, best: float = 1.0) -> float:
    """Return how far a value is from chance (0) to the best that an attacker can reach (1); below 0 if worse."""
    assert best > chance, (best, chance)
    return (value - chance) / (best - chance)


def advantages(one: Statistic) -> tuple[float, float | None, float | None] | None:
    """Return the advantage of a statistic of which 1 is certainty, and the ends of its interval; None without it."""
    if one.value is None or one.chance is None:
        return None
    lower, upper = (None if end is None else advantage(end, one.chance) for end in (one.lower, one.upper))
    return advantage(one.value, one.chance), lower, upper


def verdict(one: Statistic, *, best: float = 1.0) -> str:
    """Return the word for a statistic of which `best` is certainty: exposed, partly exposed, no leak, underpowered."""
    if one.value is None:
        return NOT_MEASURED
    if one.lower is None or one.upper is None or one.chance is None:
        return UNDERPOWERED
    low, high = (advantage(end, one.chance, best) for end in (one.lower, one.upper))
    if low > LARGE:
        return EXPOSED
    if high < SMALL:
        return NOT_SHOWN
    return PARTLY if low > 0.0 else UNDERPOWERED
