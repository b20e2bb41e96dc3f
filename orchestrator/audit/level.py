"""The privacy of a configuration in one word: which attacks count for it, and the rule (report: Table III).

A configuration is a method, with or without secure sums. What counts is what leaves a participant in it: the data, the
updates or their sums, and always the released model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.audit import records
from orchestrator.audit.records import Attack, Audit
from orchestrator.audit.verdict import EXPOSED, NOT_SHOWN, PARTLY, PRIVACY, RULE, UNDERPOWERED, advantages

Counted = tuple[str, str, str | None]  # attack, source, variant; None: every variant
WORST_FIRST = (EXPOSED, PARTLY, UNDERPOWERED, NOT_SHOWN)

_MODEL: Counted = (records.MEMBERSHIP, records.MODEL, None)
_UPDATES: tuple[Counted, ...] = tuple(
    (attack, records.UPDATE, None) for attack in (records.LINKABILITY, records.UPDATE_MATCH, records.ROW_SPACE)
)
_SUMS: tuple[Counted, ...] = ((records.SUM_MEMBERSHIP, records.SUM, None),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A method with or without secure sums: what leaves a participant, in words and as the attacks that count."""

    method: str
    secure: bool
    title: str
    leaves: str
    counted: tuple[Counted, ...]
    beside: tuple[Counted, ...] = ()  # count where they were made, and are not missing where not
    always: bool = True  # in a table, also where nobody has measured it

    def of(self, audit: Audit, defence: str | None = None) -> bool:
        """Return whether an audit is of this configuration with a defence (`noise=2`), or without one."""
        return self._of_any_defence(audit) and defence_of(audit) == defence

    def defences(self, audits: Sequence[Audit]) -> list[str]:
        """Return the defences with which this configuration was audited, each once."""
        found = (defence_of(audit) for audit in audits if self._of_any_defence(audit))
        return list(dict.fromkeys(one for one in found if one is not None))

    def _of_any_defence(self, audit: Audit) -> bool:
        return audit.subject.get("method") == self.method and bool(audit.subject.get("secure_sum")) == self.secure


CONFIGURATIONS = (
    Configuration(
        method="images",
        secure=False,
        title="Images",
        leaves="videos; the model",
        counted=((records.IDENTITY, records.PIXELS, None), _MODEL),
    ),
    Configuration(
        method="au",
        secure=False,
        title="Action units",
        leaves="action units; the model",
        counted=((records.IDENTITY, records.ACTION_UNITS, "shared"), _MODEL),
        beside=tuple((records.IDENTITY, records.ACTION_UNITS, f"shared {one}") for one in records.PUBLISHED),
    ),
    Configuration(
        method="fl",
        secure=False,
        title="Federated images",
        leaves="updates; the model",
        counted=(*_UPDATES, _MODEL),
    ),
    Configuration(
        method="fl",
        secure=True,
        title="Federated images, secure sums",
        leaves="sums of updates; the model",
        counted=(*_SUMS, _MODEL),
    ),
    Configuration(
        method="fl-au",
        secure=False,
        title="Federated action units",
        leaves="updates; the model",
        counted=(*_UPDATES, _MODEL),
    ),
    Configuration(
        method="fl-au",
        secure=True,
        title="Federated action units, secure sums",
        leaves="sums of updates; the model",
        counted=(*_SUMS, _MODEL),
        always=False,
    ),
)
LEVEL_RULE = (
    f"Of the attacks on what leaves a participant the worst verdict decides: {EXPOSED} is {PRIVACY[EXPOSED]},"
    f" {PARTLY} is {PRIVACY[PARTLY]}, {NOT_SHOWN} is {PRIVACY[NOT_SHOWN]}. {RULE[0].upper()}{RULE[1:]}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A configuration's word, None if nothing was measured; the attack that decides; the attacks that are missing."""

    word: str | None
    decisive: Attack | None
    attacks: tuple[Attack, ...]
    missing: tuple[str, ...]


def defence_of(audit: Audit) -> str | None:
    """Return the defence of the run that was audited; None without one, and of audits that did not record it."""
    return audit.subject.get("defence") or None


def level(configuration: Configuration, audits: Sequence[Audit], defence: str | None = None) -> Level:
    """Return the level from audits, the latest first: of each attack the latest record counts.

    Only audits with this `defence` count, None: only those without one. What noise hides is not hidden without it.
    """
    latest: dict[str, Attack] = {}
    for audit in audits:
        if configuration.of(audit, defence):
            for one in audit.attacks:
                latest.setdefault(one.name, one)
    found: list[Attack] = []
    missing = []
    for attack, source, variant in (*configuration.counted, *configuration.beside):
        own = [
            one
            for one in latest.values()
            if (one.attack, one.source) == (attack, source)
            and variant in (None, one.variant)
            and one.verdict in PRIVACY
        ]
        found += own
        if not own and (attack, source, variant) in configuration.counted:
            missing.append(" ".join(part for part in (attack, source, variant) if part))
    if not found:
        return Level(word=None, decisive=None, attacks=(), missing=tuple(missing))
    decisive = min(found, key=lambda one: (WORST_FIRST.index(one.verdict), -_advantage(one)))
    return Level(word=PRIVACY[decisive.verdict], decisive=decisive, attacks=tuple(found), missing=tuple(missing))


def _advantage(one: Attack) -> float:
    """Return an attack's advantage, by which attacks of one verdict are told apart; least where it is not known."""
    found = advantages(one.main)
    return -math.inf if found is None else found[0]
