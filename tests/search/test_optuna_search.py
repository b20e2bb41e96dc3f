import pytest

from orchestrator.planning.plan import SearchOptions
from orchestrator.search.halving import VALIDATION_LOSS
from orchestrator.search.optuna_search import GENERATION, OptunaGenerations, StopSearch, as_ray_searcher
from tests.records import make_plan, make_result

SIZES = tuple(range(2, 42))


def walk(generations: OptunaGenerations, losses: dict[str, float]) -> list[str]:
    handed: list[str] = []
    while True:
        try:
            uids = generations.ask(str(len(handed)))
        except StopSearch:
            return handed
        assert uids is not None
        (uid,) = uids
        generations.tell(str(len(handed)), {uid: losses[uid]})
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
        (uid,) = searcher.suggest(str(number))["pack"]["uids"]
        searcher.on_trial_complete(str(number), report({uid: abs(layers[uid] - best) + number / 100}))
    asked = [searcher.suggest(str(GENERATION + number))["pack"]["uids"] for number in range(GENERATION)]
    return [layers[uid] for (uid,) in asked]


def report(losses: dict[str, float], failed: tuple[str, ...] = (), **others: object) -> dict[str, object]:
    members = [{"uid": uid, VALIDATION_LOSS: loss} for uid, loss in losses.items()]
    return {"members": members, "failed": [*failed], **others}


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


RATES = {"learning_rate": (1e-2, 1e-3, 1e-4), "hidden_size": (8,), "sequence_length": (10,), "num_layers": (1,)}


def packed() -> OptunaGenerations:
    options = SearchOptions(search="optuna", backend="auto", pack=3, num_cpus=1)
    return OptunaGenerations(make_plan(grid=RATES, search=options), {})


def test_points_of_one_shape_are_trained_together() -> None:
    """Whoever fails, is stopped early or ends with the others: each has its own answer."""
    searcher = as_ray_searcher(generations := packed())
    packs = [searcher.suggest(str(number))["pack"]["uids"] for number in range(2)]
    assert [len(pack) for pack in packs] == [3, 3]
    one, two, three = packs[0]
    searcher.on_trial_result("0", report({one: 0.5, two: 0.6, three: 0.7}))
    searcher.on_trial_result("0", report({one: 0.4, three: 0.65}, failed=(two,)))
    searcher.on_trial_complete("0", report({one: 0.3}))  # three was stopped before
    assert {uid: generations.known[uid] for uid in packs[0]} == {one: 0.3, two: None, three: 0.65}


@pytest.mark.parametrize("how", ["died", "broken"])
def test_a_pack_that_fails_as_a_whole_is_handed_out_in_halves(how: str) -> None:
    searcher = as_ray_searcher(generations := packed())
    (one, two, three), _ = (searcher.suggest(str(number))["pack"]["uids"] for number in range(2))
    broken = report({one: 0.5, two: 0.5, three: 0.5}, broken="out of memory")
    searcher.on_trial_complete("0", broken if how == "broken" else None, error=how == "died")
    halves = [searcher.suggest(name)["pack"]["uids"] for name in ("2", "3")]
    assert halves == [[one], [two, three]]
    searcher.on_trial_complete("2", None, error=True)
    assert generations.known == {one: None}
