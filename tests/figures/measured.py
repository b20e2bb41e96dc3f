"""Made-up searches with intervals and audits of them, whose figures are known."""

from dataclasses import replace
from typing import Any

from orchestrator.audit.records import Attack, Audit, Statistic
from orchestrator.audit.verdict import PARTLY
from orchestrator.report.search_record import Search
from orchestrator.run_records import FederationRecord
from tests.figures.evidence import make_search, make_summary, make_trials

RECORD = FederationRecord(
    rounds=3, clients=5, bytes_up=2_000_000, bytes_down=500_000, failures=0, wall_seconds=9.0, paper_seconds=2.0
)


def attack(  # noqa: PLR0917 - as in a table
    source: str, low: float, value: float, high: float, verdict: str = PARTLY, kind: str = "identity"
) -> Attack:
    main = Statistic(name="rank-1", unit="", value=value, lower=low, upper=high, chance=0.2)
    variant = "shared" if source == "action-units" else ""
    return Attack(attack=kind, source=source, variant=variant, threat="", main=main, people=23, verdict=verdict)


def audit(
    method: str, *attacks: Attack, secure: bool = False, defence: str | None = None, model: str | None = None
) -> Audit:
    subject = {"method": method, "secure_sum": "yes" if secure else None, "defence": defence, "model": model}
    return Audit(subject=subject, seed=0, synthetic=True, participants=23, attacks=attacks)


def search(method: str, *, federation: Any = None, hours: float = 0.5, **scores: float) -> Search:
    best = make_trials()[0]
    made = make_summary({}, best)
    intervals = {"ccc_valence_low": 0.1, "ccc_valence_high": 0.6, "ccc_arousal_low": 0.2, "ccc_arousal_high": 0.5}
    made = replace(
        made,
        scores={**made.scores, **intervals, "ccc_valence": 0.4, "ccc_arousal": 0.3, **scores},
        training_seconds=hours * 3600,
        model_size_mib=0.25,
        federation=RECORD if federation is not None else None,
    )
    return make_search([best], summary=made, method=method, title=method, federation=federation)


UNITS = audit("au", attack("action-units", 0.36, 0.44, 0.52))
