"""Plans that get more values or trials: what they had stays in its place, and what comes is what a whole plan has."""

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.planning import extension
from orchestrator.planning.extension import Additions, extended
from orchestrator.planning.grid import choose_spread, decisive_of, uid_of
from orchestrator.planning.launch import Launch
from orchestrator.planning.packs import form_packs
from orchestrator.planning.plan import Plan, SearchOptions
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.search.optuna_search import OptunaGenerations
from tests.records import make_plan, make_result
from tests.search.test_optuna_search import walk

GRID = {"learning_rate": (1e-3, 1e-2), "hidden_size": (8, 16), "sequence_length": (50, 100), "num_layers": (1,)}
DATASET = cast(
    "Dataset",
    SimpleNamespace(refusal=lambda length, **_: "longer than any recording" if length > 500 else None),
)


def made(grid: Any = GRID, *, kept: int | None = None, **search: Any) -> Plan:
    """A plan as `launch` makes it, with packs."""
    options = SearchOptions(**{"backend": "auto", "pack": 2, "num_cpus": 2, **search})
    plan = make_plan(grid=grid, search=options)
    plan = dataclasses.replace(plan, trials=plan.trials[:kept])
    plan = dataclasses.replace(plan, packs=form_packs(plan, plan.trials[: plan.num_planned]))
    return dataclasses.replace(plan, decisive=decisive_of(dataclasses.asdict(plan)))


def uids(plan: Plan) -> list[str]:
    return [trial.uid for trial in plan.trials]


def test_values_come_behind_what_there_is_with_the_uids_of_a_whole_plan(tmp_path: Any) -> None:
    plan = made()
    whole, added = extended(plan, DATASET, Additions(overrides=("hidden_size=16,24",), networks=("bilstm",)))
    expected = make_plan(grid={**GRID, "hidden_size": (8, 16, 24)})
    assert uids(whole)[: len(plan.trials)] == uids(plan)
    assert whole.trials == (*plan.trials, *added.trials)
    assert whole.packs[: len(plan.packs)] == plan.packs
    assert whole.packs[len(plan.packs) :] == added.packs
    assert sorted(uid for pack in added.packs for uid in pack) == sorted(uids(added))
    assert max(map(len, added.packs)) == 2
    assert set(uids(expected)) < set(uids(whole))
    assert len(whole.trials) == 3 * 12
    assert whole.num_planned == 36
    assert added.num_planned == 20
    assert whole.decisive == plan.decisive
    assert whole.extensions[0].endswith(": --network bilstm --set hidden_size=16,24")
    save_plan(whole, tmp_path)
    assert load_plan(tmp_path) == whole


def test_a_grid_that_ends_early_goes_on_where_it_ended() -> None:
    plan = made(max_trials=4)
    whole, added = extended(plan, DATASET, Additions(trials=7))
    assert whole.trials == plan.trials
    assert (whole.num_planned, added.trials) == (7, plan.trials[4:7])
    again, more = extended(whole, DATASET, Additions(trials=100, hours=2.0))
    assert (again.num_planned, more.trials) == (16, plan.trials[7:])
    assert again.search.hours == 2.0
    assert len(again.extensions) == 2


def test_drawn_trials_stay_and_more_are_drawn_from_the_others() -> None:
    grid = {**GRID, "hidden_size": (8, 16, 32)}
    every = make_plan(grid=grid)
    drawn = choose_spread(every.trials, 8, 0)
    base = dataclasses.replace(made(grid, search="spread", max_trials=8), trials=drawn)
    base = dataclasses.replace(base, packs=form_packs(base, drawn))
    whole, added = extended(base, DATASET, Additions(trials=14))
    assert whole.trials[:8] == drawn
    assert len(set(uids(whole))) == whole.num_planned == 14
    assert sorted(one.network for one in added.trials) == ["bigru"] * 3 + ["rnn"] * 3
    assert set(uids(whole)) <= set(uids(every))
    assert extended(base, DATASET, Additions(trials=14))[0].trials == whole.trials
    decides = decisive_of(dataclasses.asdict(dataclasses.replace(base, seed=1)))
    same = [
        dataclasses.replace(one, uid=uid_of(one.network, dataclasses.asdict(one.hparams), decides)) for one in drawn
    ]
    other = extended(dataclasses.replace(base, seed=1, trials=tuple(same)), DATASET, Additions(trials=14))[1]
    assert [(one.network, one.hparams) for one in other.trials] != [(one.network, one.hparams) for one in added.trials]


def test_a_draw_that_found_fewer_than_its_number_goes_on_up_to_it() -> None:
    """16 points where up to 20 were to be trained: 4 of the 8 that come."""
    plan = made(search="spread", max_trials=20)
    whole, added = extended(plan, DATASET, Additions(overrides=("hidden_size=24",)))
    assert (len(added.trials), whole.num_planned, whole.search.max_trials) == (4, 20, 20)


def test_an_older_plan_without_packs_gets_none() -> None:
    plan = dataclasses.replace(made(), packs=())
    assert extended(plan, DATASET, Additions(overrides=("hidden_size=24",)))[0].packs == ()


def test_optuna_asks_what_it_would_have_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 of 20 points first, the second generation a half one: the same 20 as if they were asked for at once."""
    alone = "orchestrator.search.optuna_search.form_packs"
    monkeypatch.setattr(alone, lambda _, found: [(one.uid,) for one in found])
    grid = {**GRID, "hidden_size": (8, 16, 24, 32)}
    plan = made(grid, search="optuna", max_trials=12)
    losses = {uid: float(number * 7 % 11) for number, uid in enumerate(uids(plan))}
    first = walk(OptunaGenerations(plan, {}), losses)
    whole, added = extended(plan, DATASET, Additions(trials=20))
    assert (whole.num_planned, added.num_planned, whole.trials) == (20, 8, plan.trials)
    earlier = {uid: make_result(uid, [losses[uid]], [0.0]) for uid in first}
    earlier = {uid: dataclasses.replace(one, curve={"validation_loss": (losses[uid],)}) for uid, one in earlier.items()}
    at_once = walk(OptunaGenerations(made(grid, search="optuna", max_trials=20), {}), losses)
    then = walk(OptunaGenerations(whole, earlier), losses)
    assert first[:8] == at_once[:8]
    assert set(first[8:]) < set(at_once[8:16])  # a generation is handed out in the order of the plan
    assert {*first, *then[:4]} == {*at_once[:16]}
    assert then[4:] == at_once[16:]


def test_what_is_refused_is_kept_apart_and_said_once() -> None:
    plan = made()
    whole, added = extended(plan, DATASET, Additions(overrides=("sequence_length=200,1000",)))
    assert len(added.trials) == len(added.refused) == 8
    assert whole.refused == added.refused
    again = extended(whole, DATASET, Additions(overrides=("sequence_length=300,1000",)))
    assert len(again[0].refused) == 8
    assert again[1].refused == ()


@pytest.mark.parametrize(
    ("plan", "additions", "message"),
    [
        (
            made(),
            {},
            "--extend: found nothing that the run's 16 configurations are not; expected other values by --set",
        ),
        (made(), {"overrides": ("hidden_size=8",)}, "--extend: found nothing that the run's 16 configurations are not"),
        (made(), {"overrides": ("sequence_length=900",)}, "are not; longer than any recording; expected other"),
        (made(), {"overrides": ("size=8",)}, "--set: found 'size=8'; expected one of learning_rate"),
        (made(), {"networks": ("x",)}, "--network: found 'x'; expected one of rnn"),
        (made(max_trials=4), {"overrides": ("hidden_size=9",)}, "found no --trials, for a search of 4 of its config"),
        (made(max_trials=4), {"trials": 4}, "--trials: found 4; expected above 4, which the run has"),
        (
            made(search="optuna", max_trials=4),
            {"trials": 8, "overrides": ("hidden_size=9",)},
            "--extend: found other values, for a search by optuna, which asked among those it had; expected --trials",
        ),
        (made(search="optuna"), {"trials": 99}, "--extend: found a search of all its 16 points; expected a new search"),
        (dataclasses.replace(made(), command="evaluate"), {"trials": 9}, "found a run of evaluate; expected a search"),
    ],
)
def test_what_adds_nothing_or_does_not_fit_is_refused(plan: Plan, additions: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        extended(plan, DATASET, Additions(**additions))
    assert message in str(caught.value)


def test_a_plan_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(extension, "save_plan", full)
    launch = cast("Launch", SimpleNamespace(plan=made(), output=tmp_path))
    with pytest.raises(InputError, match=r"--extend: found .*: No space left on device; expected a folder with room"):
        extension.save(launch)
