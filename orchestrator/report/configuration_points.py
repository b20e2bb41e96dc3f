"""Of each configuration whose privacy can be measured: what it reached, what it leaks, and what it cost, side by side.

A configuration is a method with or without secure sums (orchestrator/audit/level.py), and with each defence of features
by itself. Nothing is taken over from one to another: what was not run or not measured has no number here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.audit.level import CONFIGURATIONS, Configuration, Level, level
from orchestrator.audit.records import Audit
from orchestrator.audit.verdict import advantages
from orchestrator.json_records import number
from orchestrator.measures import HIGH, LOW
from orchestrator.report.blocks import headline, protocol_fields
from orchestrator.report.queries import of_method, summary_of
from orchestrator.report.search_record import Search

SECONDS_PER_MINUTE, SECONDS_PER_HOUR = 60.0, 3600.0
NOT_RUN = "no search of it is reported"
NOT_AUDITED = "its privacy is not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A number and its 95 % interval over people; both ends are None where there is no interval."""

    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A configuration with the search that stands for it, None if there is none, and its level of privacy.

    `defence` is what was done to the features (`noise=2`), None without one.
    """

    configuration: Configuration
    defence: str | None = None
    search: Search | None
    level: Level
    synthetic: bool

    @property
    def title(self) -> str:
        """The configuration's title, and the defence if there is one."""
        return self.configuration.title if self.defence is None else f"{self.configuration.title}, {self.defence}"

    @property
    def unknown(self) -> bool:
        """Whether there is neither a search nor an audit of it."""
        return self.search is None and self.level.word is None

    def score(self, dimension: str) -> Ends | None:
        """Return the CCC of frames of a dimension with its interval; None if it was not run."""
        if self.search is None:
            return None
        scores, key = summary_of(self.search).scores, f"ccc_{dimension}"
        return _ends(scores.get(key), scores.get(f"{key}_{LOW}"), scores.get(f"{key}_{HIGH}"))

    @property
    def leak(self) -> Ends | None:
        """The advantage of the attack that decides the word (0: chance, 1: certainty); None if nothing was measured."""
        main = None if self.level.decisive is None else self.level.decisive.main
        found = None if main is None else advantages(main)
        return None if found is None else _ends(*found)

    @property
    def seconds(self) -> float | None:
        """Seconds by the clock of training the configuration on all folds."""
        return None if self.search is None else number(summary_of(self.search).training_seconds)

    @property
    def mib(self) -> float | None:
        """MiB of one model with float32 numbers."""
        return None if self.search is None else number(summary_of(self.search).model_size_mib)

    @property
    def federated(self) -> bool:
        """Whether clients and a server exchange anything."""
        return self.search is not None and self.search.plan.get("federation") is not None

    @property
    def sent_bytes(self) -> int | None:
        """Bytes that clients and server sent each other in all rounds; None without clients, or if not recorded."""
        record = None if self.search is None else summary_of(self.search).federation
        return None if record is None else record.bytes_up + record.bytes_down

    def money(self, price_per_hour: float | None) -> float | None:
        """Return the training's price, in the unit of the price per hour; None without one or without a time."""
        return (
            None if price_per_hour is None or self.seconds is None else price_per_hour * self.seconds / SECONDS_PER_HOUR
        )

    @property
    def absent(self) -> tuple[str, ...]:
        """Why the configuration has no place between accuracy and privacy; empty if it has one."""
        reasons = [NOT_RUN] if self.search is None else []
        return (*reasons, NOT_AUDITED) if self.leak is None else tuple(reasons)


def points(searches: Sequence[Search], audits: Sequence[Audit]) -> list[Point]:
    """Return a point for each configuration of Table III, and for those beyond it that have been run or measured.

    `audits`: of the searches' corpus, the latest first. A configuration with a defence is a point of its own.
    """
    found = []
    for one in CONFIGURATIONS:
        of_it = [search for search in of_method(searches, one.method) if _is_secure(search) == one.secure]
        defences = dict.fromkeys([*map(_defence, of_it), *one.defences(audits)])
        for defence in (None, *sorted(name for name in defences if name is not None)):
            own = headline([search for search in of_it if _defence(search) == defence], one.method)
            measured = level(one, _own_first(audits, own), defence)
            fakes = [audit.synthetic for audit in audits if one.of(audit, defence)]
            fake = (own is not None and own.synthetic) or any(fakes)
            if (one.always and defence is None) or own is not None or measured.word is not None:
                point = Point(configuration=one, defence=defence, search=own, level=measured, synthetic=fake)
                found.append(point)
    return found


def _own_first(audits: Sequence[Audit], search: Search | None) -> list[Audit]:
    """Return the audits of the model that a search reports, then the others: its privacy stands beside its accuracy."""
    best = None if search is None else summary_of(search).best
    return sorted(audits, key=lambda audit: best is None or audit.subject.get("model") != best.uid)


def _defence(search: Search) -> str | None:
    value = protocol_fields(search).get("defence")
    return str(value) if value else None


def _is_secure(search: Search) -> bool:
    federation = search.plan.get("federation")
    return isinstance(federation, dict) and bool(federation.get("secure_sum"))


def _ends(value: object, lower: object, upper: object) -> Ends | None:
    middle, low, high = number(value), number(lower), number(upper)
    if middle is None:
        return None
    whole = low is not None and high is not None
    return Ends(value=middle, lower=low if whole else None, upper=high if whole else None)
