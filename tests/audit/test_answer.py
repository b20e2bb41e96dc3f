"""The last lines of an audit: the word of its configuration, who the attacker is, and what was not measured."""

import dataclasses
from typing import Any

from orchestrator.audit.output import answer, statistic_line, table
from orchestrator.audit.records import Audit, Statistic
from orchestrator.audit.verdict import PARTLY, UNDERPOWERED
from tests.figures.measured import attack, audit

UNITS = attack("action-units", 0.36, 0.44, 0.52)


def said(made: Audit, **changes: Any) -> str:
    lines = answer(dataclasses.replace(made, **changes))
    assert all(len(line) <= 80 for line in lines)
    return " ".join(lines)


def test_the_word_is_that_of_the_worst_attack_on_what_leaves_a_person() -> None:
    worst = dataclasses.replace(UNITS, threat="Somebody has recordings.")
    idle = attack("model", 0.2, 0.2, 0.9, UNDERPOWERED, "membership")
    assert said(audit("au", idle, worst)) == (
        "What leaves a person (Action units): action units; the model. "
        "Its privacy is Average: partly exposed by identity action-units shared, advantage 0.300 (0.200 to 0.400), 23 "
        "people. The attacker: Somebody has recordings. SYNTHETIC recordings: this says nothing about people."
    )


def test_what_was_not_attacked_is_named() -> None:
    part = said(audit("au", UNITS, defence="noise=2"), synthetic=False)
    assert "(Action units, behind noise=2)" in part
    assert part.endswith("Measured in part: without membership model.")
    assert "not measured: without identity pixels, membership model." in said(audit("images", UNITS))


def test_of_a_method_that_no_table_has_nothing_is_said() -> None:
    assert answer(audit("another", UNITS)) == []


def test_a_number_in_a_name_does_not_run_into_the_value() -> None:
    one = Statistic(name="true positive rate at 0.0625", unit="", value=0.9, lower=0.5, upper=1.0, chance=0.0625)
    assert statistic_line(one) == "true positive rate at 0.0625: 0.900 [0.500, 1.000], chance 0.0625"
    assert f"    {statistic_line(one)}" in table(audit("au", dataclasses.replace(UNITS, others=(one,)))).splitlines()
    assert PARTLY in table(audit("au", UNITS))
