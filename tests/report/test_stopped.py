"""Configurations that the scheduler stopped by the reported people: a choice, though one alone finished."""

from dataclasses import replace

import pytest

from orchestrator.evaluation.person_records import ScoredPeople
from orchestrator.protocols import DESCRIBED, PUBLISHED, Protocol
from orchestrator.report.queries import no_correction
from orchestrator.report.search_record import Search
from orchestrator.report.tables.method_comparison import comparisons
from orchestrator.report.tables.optimism import optimism
from orchestrator.run_records import STOPPED
from tests.report.test_comparisons import ONE, OTHER, cells, made, recorded


def searched(finished: int, stopped: int, *, protocol: Protocol = DESCRIBED, corrected: float | None = None) -> Search:
    people = ScoredPeople(networks={"rnn": recorded(ONE)}, baselines={"ridge": recorded(OTHER)})
    one = made("au", people, networks=("rnn",) * (finished + stopped), protocol=protocol)
    assert one.summary is not None
    return replace(
        one,
        trials=[replace(trial, status=STOPPED) if k >= finished else trial for k, trial in enumerate(one.trials)],
        summary=replace(one.summary, scores={**one.summary.scores, "ccc_corrected_valence": corrected}),
    )


def remark_on_ridge(search: Search) -> str:
    found = {cells(row)[0]: cells(row)[-1] for row in comparisons([search]).rows}
    return str(found["Action Units − ridge"])


@pytest.mark.parametrize(("finished", "stopped", "chosen"), [(1, 0, False), (1, 3, True), (2, 3, True), (2, 0, True)])
def test_a_p_is_after_selection_if_others_were_stopped(finished: int, stopped: int, *, chosen: bool) -> None:
    assert remark_on_ridge(searched(finished, stopped)) == ("p after selection of the first" if chosen else "")


def test_networks_are_chosen_from_their_own_configurations_stopped_ones_too() -> None:
    people = ScoredPeople(networks={"rnn": recorded(ONE), "bigru": recorded(OTHER)})
    search = made("au", people, networks=("rnn", "bigru", "rnn"))
    stopped = replace(search, trials=[*search.trials[:2], replace(search.trials[2], status=STOPPED)])
    found = {cells(row)[0]: cells(row)[-1] for row in comparisons([stopped]).rows}
    assert found["Action Units, BiGRU − Action Units, RNN"] == "p after selection of the second"


@pytest.mark.parametrize(
    ("search", "word", "remark"),
    [
        (searched(1, 0), "nothing selected", None),
        (
            searched(1, 3),
            "others stopped",
            "the scheduler stopped 3 of 4 configurations by the reported people; not corrected",
        ),
        (
            searched(2, 3, corrected=0.125),
            None,
            "the scheduler stopped 3 of 5 configurations by the reported people; corrected among the 2 that finished",
        ),
        (searched(2, 3), None, "the scheduler stopped 3 of 5 configurations by the reported people; not corrected"),
        (
            searched(2, 1, protocol=PUBLISHED),
            "not valid",
            "the scheduler stopped 1 of 3 configurations by the reported people; not corrected",
        ),
        (searched(2, 0, corrected=0.125), None, None),
    ],
)
def test_the_table_of_optimism_says_what_is_not_corrected(search: Search, word: str | None, remark: str | None) -> None:
    assert no_correction(search) == word
    table, name = optimism([search]), str(search.plan["protocol"]["name"])
    said = [one for one in table.remarks if "stopped" in one]
    assert said == ([] if remark is None else [f"Action Units, {name}: {remark}"])
    key = [one.key for one in table.columns].index(f"{name}_corrected")
    value = search.summary.scores["ccc_corrected_valence"] if search.summary else None
    row = next(cells(one) for one in table.rows if cells(one)[:2] == ["Action Units", "valence"])
    assert row[key] == (word or value or "not recorded")
