import pytest

from orchestrator.plan import SearchOptions
from orchestrator.searchers import OptunaGenerations, StopSearch
from tests.records import make_plan


def walk(generations: OptunaGenerations, losses: dict[str, float]) -> list[str]:
    handed: list[str] = []
    while True:
        try:
            uid = generations.ask(str(len(handed)))
        except StopSearch:
            return handed
        assert uid is not None
        generations.tell(str(len(handed)), losses[uid])
        handed.append(uid)


@pytest.mark.parametrize("count", [3, 8, 10, 16])
def test_every_planned_trial_is_handed_out_once_even_when_the_sampler_sticks(count: int) -> None:
    grid = {"learning_rate": (1e-3,), "hidden_size": (2, 3, 4, 5), "sequence_length": (10,), "num_layers": (1, 2)}
    plan = make_plan(grid=grid, search=SearchOptions(search="optuna", max_trials=count))
    losses = {trial.uid: float(number) for number, trial in enumerate(plan.trials)}
    handed = walk(OptunaGenerations(plan, {}), losses)
    assert len(handed) == len(set(handed)) == count
    # The first half answered by an earlier run: the same points, without training them again.
    earlier = {uid: {"curve": {"validation_loss": [losses[uid]]}} for uid in handed[: count // 2]}
    assert walk(OptunaGenerations(plan, earlier), losses) == handed[count // 2 :]


def test_a_generation_waits_for_its_answers() -> None:
    plan = make_plan(search=SearchOptions(search="optuna", max_trials=8))
    generations = OptunaGenerations(plan, {})
    asked = [generations.ask(str(number)) for number in range(8)]
    assert None not in asked
    assert generations.ask("9") is None
