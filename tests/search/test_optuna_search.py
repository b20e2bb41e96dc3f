import pytest

from orchestrator.planning.plan import SearchOptions
from orchestrator.search.optuna_search import GENERATION, OptunaGenerations, StopSearch, as_ray_searcher
from orchestrator.search.schedulers import VALIDATION_LOSS
from tests.records import make_plan, make_result

SIZES = tuple(range(2, 42))


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
    earlier = {uid: make_result(uid, [losses[uid]], [0.0]) for uid in handed[: count // 2]}
    assert walk(OptunaGenerations(plan, earlier), losses) == handed[count // 2 :]


def second_generation(seed: int, best: int) -> list[int]:
    """Answer a generation through Tune's interface as if so many layers were best; the layers of the next one."""
    grid = {"learning_rate": (1e-3,), "hidden_size": SIZES, "sequence_length": (10,), "num_layers": (1, 2)}
    plan = make_plan(grid=grid, seed=seed, search=SearchOptions(search="optuna", max_trials=2 * GENERATION))
    layers = {trial.uid: trial.hparams.num_layers for trial in plan.trials}
    searcher = as_ray_searcher(OptunaGenerations(plan, {}))
    for number in range(GENERATION):
        uid = searcher.suggest(str(number))["uid"]
        searcher.on_trial_complete(str(number), {VALIDATION_LOSS: abs(layers[uid] - best) + number / 100})
    return [layers[searcher.suggest(str(GENERATION + number))["uid"]] for number in range(GENERATION)]


@pytest.mark.parametrize("seed", range(3))
def test_the_sampler_learns_from_the_losses(seed: int) -> None:
    """Two rankings of one first generation: what comes next follows each of them."""
    one, two = second_generation(seed, best=1), second_generation(seed, best=2)
    assert one == second_generation(seed, best=1)
    assert one.count(1) > two.count(1)


def test_a_generation_waits_for_its_answers() -> None:
    plan = make_plan(search=SearchOptions(search="optuna", max_trials=8))
    generations = OptunaGenerations(plan, {})
    asked = [generations.ask(str(number)) for number in range(8)]
    assert None not in asked
    assert generations.ask("9") is None
