"""What `audit` prints: a table of at most 80 columns, the notes, and the rule of its words."""

import textwrap
from collections import Counter
from collections.abc import Collection, Sequence

from orchestrator.audit.level import CONFIGURATIONS, defence_of, level
from orchestrator.audit.records import TEST_TITLES, TESTS, TITLES, Attack, Audit, Statistic, place_of
from orchestrator.audit.verdict import DIAGNOSTIC, DIAGNOSTIC_RULE, NOT_MEASURED, RULE, advantages
from orchestrator.errors import cut
from orchestrator.files import JsonObject

WIDTH = 80
NAME_WIDTH = 30


def table(audit: Audit) -> str:
    """Return the attacks in the order of the three tests, what was not run and why, and the rule of the words.

    Of each the main statistic with its interval, chance and the word; a test without an attack is not measured.
    """
    times = Counter(note for one in audit.attacks for note in one.notes)
    shared = [note for note, count in times.items() if count > 1]
    lines: list[str] = []
    for test, title in TEST_TITLES.items():
        measured = [one for one in audit.attacks if one.attack in TESTS[test]]
        lines += [title, *_of_attacks(measured, shared)] if measured else [f"{title} {NOT_MEASURED}"]
    lines += _of_attacks([one for one in audit.attacks if place_of(one.attack) == len(TESTS)], shared)
    if audit.skipped:
        lines.append("Not measured")
    for name, why in audit.skipped.items():
        lines += _indented(f"{name}: {why}", 2)
    for note in shared:
        lines += _indented(f"Of {times[note]} of these: {note}.", 0)
    rules = [RULE, *([DIAGNOSTIC_RULE] if any(one.verdict == DIAGNOSTIC for one in audit.attacks) else [])]
    return "\n".join([*lines, *_indented(f"Verdicts: {'; '.join(rules)}.", 0)])


def answer(audit: Audit) -> list[str]:
    """Return in words what the audit found: the word of its configuration, the attack behind it, and what it lacks."""
    own = next((one for one in CONFIGURATIONS if one.of(audit, defence_of(audit))), None)
    if own is None:
        return []
    found = level(own, [audit], defence_of(audit))
    behind = "" if defence_of(audit) is None else f", behind {defence_of(audit)}"
    lines = [f"What leaves a person ({own.title}{behind}): {own.leaves}."]
    if found.decisive is None or found.word is None:
        lines.append(f"Its privacy is {NOT_MEASURED}: without {', '.join(found.missing)}.")
    else:
        one = found.decisive
        lines.append(f"Its privacy is {found.word}: {one.verdict} by {one.name}, {_advantage(one)}{one.people} people.")
        lines.append(f"The attacker: {one.threat}" if one.threat else "")
        if found.missing:
            lines.append(f"Measured in part: without {', '.join(found.missing)}.")
    if audit.synthetic:
        lines.append("SYNTHETIC recordings: this says nothing about people.")
    return [line for text in lines for line in _indented(text, 0)]


def _advantage(one: Attack) -> str:
    """Return the attacker's advantage with the ends of its interval and a comma; nothing if it is not defined."""
    found = advantages(one.main)
    if found is None:
        return ""
    value, low, high = found
    between = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"advantage {value:.3f}{between}, "


def _of_attacks(attacks: Sequence[Attack], shared: Collection[str]) -> list[str]:
    """Return the lines of attacks, by name; without the notes that several have."""
    lines = []
    for attack in dict.fromkeys(one.attack for one in attacks):
        own = [one for one in attacks if one.attack == attack]
        lines.append(TITLES.get(attack, attack))
        sources = dict.fromkeys(one.source for one in own)
        measured = ", ".join(dict.fromkeys(one.main.name for one in own))
        measured = cut(f"{measured} of {own[0].source}" if len(sources) == 1 else measured, NAME_WIDTH - 3)
        lines.append(f"  {measured:{NAME_WIDTH - 2}s}{'value':>6s}  {'95 %':13s}{'chance':>6s}  verdict")
        for one in own:
            lines += [_row(one, beside=len(sources) > 1), *(f"    {statistic_line(other)}" for other in one.others)]
            lines += [line for note in one.notes if note not in shared for line in _indented(note, 4)]
            lines += _indented(f"* {one.footnote}", 4) if one.footnote else []
    return lines


def _indented(text: str, by: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * by, subsequent_indent=" " * (by + 2 if by else 0))


def rows(audit: Audit) -> list[JsonObject]:
    """Return a row per attack and statistic, as a table has them."""
    return [
        {
            "attack": one.attack,
            "source": one.source,
            "variant": one.variant,
            "statistic": statistic.name,
            "unit": statistic.unit,
            "value": statistic.value,
            "lower": statistic.lower,
            "upper": statistic.upper,
            "chance": statistic.chance,
            "main": statistic is one.main,
            "verdict": one.verdict if statistic is one.main else None,
            "people": one.people,
        }
        for one in audit.attacks
        for statistic in (one.main, *one.others)
    ]


def statistic_line(one: Statistic) -> str:
    """Return a statistic with its unit, its interval and its chance level."""
    chance = "" if one.chance is None else f", chance {one.chance:.3g}"
    unit = f" {one.unit}" if one.unit else ""
    return f"{one.name}: {with_ends(one)}{unit}{chance}"  # names such as `true positive rate at 0.0625` end in a number


def with_ends(one: Statistic) -> str:
    """Return a value with the ends of its interval; "-" for what is not defined."""
    if one.value is None:
        return "-"
    ends = "" if one.lower is None or one.upper is None else f" [{one.lower:.3f}, {one.upper:.3f}]"
    return f"{one.value:.3f}{ends}"


def _row(one: Attack, *, beside: bool) -> str:
    main = one.main
    name = one.variant if one.variant and not beside else f"{one.source} {one.variant}".rstrip()
    name = cut(name, NAME_WIDTH - 3)
    value = "-" if main.value is None else f"{main.value:.3f}"
    ends = "" if main.lower is None or main.upper is None else f"{main.lower:.3f}-{main.upper:.3f}"
    chance = "" if main.chance is None else f"{main.chance:.3f}"
    return f"  {name:{NAME_WIDTH - 2}s}{value:>6s}  {ends:13s}{chance:>6s}  {one.verdict}"
