"""`--extend`: a search goes on with more values or more trials; what it has stays as it is.

The plan keeps its trials, their order, uids and packs, and gets new ones behind them. Results do not depend on what
else is in a plan, so an extended search has the results of one that had everything from the beginning.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.references import resolve
from models.seeds import seed_for
from models.sizes import NETWORKS
from orchestrator.data.backbone_features import Show
from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.planning.fold_clients import refusal
from orchestrator.planning.grid import decisive_of, grid_points, make_trials, parse_grid_overrides
from orchestrator.planning.launch import Launch, resume
from orchestrator.planning.packs import form_packs
from orchestrator.planning.plan import Plan, Trial
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.planning.strategies import SEARCHES
from tune_spaces.catalogue import find_method
from tune_spaces.method import Preset, hyper_parameters

OPTION = "--extend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What is added: networks, texts of `--set` whose values come beside those there are, trials in all, hours."""

    networks: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    trials: int | None = None
    hours: float | None = None

    def in_words(self) -> str:
        """Return them as they are typed."""
        words = [f"--network {one}" for one in self.networks] + [f"--set {one}" for one in self.overrides]
        return " ".join([*words, *([] if self.trials is None else [f"--trials {self.trials}"])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extended run, ready to go on, and a plan of the additions alone, by which they are shown and estimated."""

    launch: Launch
    added: Plan


def extend(output: Path, additions: Additions, show: Show | None = None) -> Extension:
    """Open the search in a folder and add to its plan; nothing is written yet, and the claim is the caller's.

    InputError: what `launch.resume` refuses, a run of one configuration, and additions that add nothing or do not go
    with the search.
    """
    begun = time.monotonic()
    _check(load_plan(output), additions)  # before the recordings are read
    launch = resume(output, show, where="--extend")
    assert launch.claim is not None, "a resumed run is claimed"
    try:
        plan, added = extended(launch.plan, launch.dataset, additions)
    except BaseException:
        launch.claim.give_back()
        raise
    return Extension(launch=dataclasses.replace(launch, plan=plan, begun=begun), added=added)


def extended(plan: Plan, dataset: Dataset, additions: Additions) -> tuple[Plan, Plan]:
    """Return the plan with what is added behind what it had, and a plan of the additions alone."""
    _check(plan, additions)
    total = additions.trials or plan.search.max_trials
    search = dataclasses.replace(plan.search, max_trials=total, hours=additions.hours or plan.search.hours)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    plan = dataclasses.replace(plan, extensions=(*plan.extensions, f"{when}: {additions.in_words()}"))
    if SEARCHES[plan.search.search].propose is not None:  # it chooses among all of the plan's trials as it goes
        alone = dataclasses.replace(search, max_trials=(total or 0) - plan.num_planned)
        return dataclasses.replace(plan, search=search), dataclasses.replace(plan, search=alone)
    planned = plan.trials[: plan.num_planned]
    more, refused = _points(plan, dataset, additions)
    count = None if total is None else total - len(planned)
    order = SEARCHES[plan.search.search].order
    if order is not None:
        more = resolve(order)(more, count, seed_for(plan.seed, "extension", len(planned)))
    added, behind = tuple(more[:count]), tuple(more[len(more) if count is None else count :])
    whole = dataclasses.replace(
        plan, search=search, trials=(*planned, *added, *behind), refused=(*plan.refused, *refused)
    )
    alone = dataclasses.replace(search, max_trials=None)
    new = dataclasses.replace(whole, search=alone, trials=added, refused=refused, packs=())
    packs = form_packs(new, added) if plan.packs else ()  # a plan of before has none, and goes on so
    return dataclasses.replace(whole, packs=(*plan.packs, *packs)), dataclasses.replace(new, packs=packs)


def _points(
    plan: Plan, dataset: Dataset, additions: Additions
) -> tuple[Sequence[Trial], tuple[Mapping[str, str], ...]]:
    """Return the points of the extended grid that the run does not train, and those that cannot be and are new."""
    made, refused = make_trials(
        grid_points(*_grid(plan, additions)),
        method=plan.method,
        corpus=plan.corpus,
        decisive=decisive_of(dataclasses.asdict(plan)),
        refuse=lambda length: refusal(dataset, plan.protocol, plan.federation, length),
    )
    known = {trial.uid for trial in plan.trials[: plan.num_planned]}
    more = [trial for trial in made if trial.uid not in known]
    seen = {(one["network"], one["point"]) for one in plan.refused}
    anew = tuple(one for one in refused if (one["network"], one["point"]) not in seen)
    if not more:
        why = f"; {anew[0]['why']}" if anew else ""
        found = f"nothing that the run's {len(known)} configurations are not{why}"
        raise InputError.of(OPTION, found=found, expected="other values by --set, or another --network")
    return more, anew


def _check(plan: Plan, additions: Additions) -> None:
    """Refuse a run that is no search, and what does not go with the way in which it chooses its points."""
    if plan.command != "tune":
        raise InputError.of(OPTION, found=f"a run of {plan.command}", expected="a search, by tune")
    for network in additions.networks:
        if network not in NETWORKS:
            raise InputError.of("--network", found=repr(network), expected=f"one of {', '.join(NETWORKS)}")
    strategy = SEARCHES[plan.search.search]
    if strategy.propose is not None and (additions.networks or additions.overrides):
        raise InputError.of(
            OPTION,
            found=f"other values, for a search by {plan.search.search}, which asked among those it had",
            expected="--trials alone, or a new search",
        )
    if plan.search.max_trials == plan.num_planned and additions.trials is None:
        found = f"no --trials, for a search of {plan.num_planned} of its configurations"
        raise InputError.of(OPTION, found=found, expected=f"--trials N: how many in all, above {plan.num_planned}")
    if strategy.propose is not None and plan.num_planned == len(plan.trials):
        raise InputError.of(OPTION, found=f"a search of all its {plan.num_planned} points", expected="a new search")
    if additions.trials is not None and additions.trials <= plan.num_planned:
        expected = f"above {plan.num_planned}, which the run has: it is how many in all"
        raise InputError.of("--trials", found=str(additions.trials), expected=expected)


def _grid(plan: Plan, additions: Additions) -> tuple[tuple[str, ...], Mapping[str, Sequence[float | int]]]:
    """Return the networks and the grid of the extended search: what its configurations have, and what is added."""
    seen: dict[str, tuple[float | int, ...]] = {
        one.name: tuple(dict.fromkeys(getattr(trial.hparams, one.name) for trial in plan.trials))
        for one in hyper_parameters()
    }
    networks = tuple(dict.fromkeys([*(trial.network for trial in plan.trials), *additions.networks]))
    there = Preset(networks=networks, grid=seen, epochs=None)
    given = parse_grid_overrides(additions.overrides, find_method(plan.method), there)
    return networks, {name: tuple(dict.fromkeys((*seen[name], *given[name]))) for name in seen}


def save(launch: Launch) -> None:
    """Write an extended plan in the place of the one before; from then on `--resume` goes on with it. InputError."""
    try:
        save_plan(launch.plan, launch.output)
    except OSError as error:
        found = f"{launch.output}: {error.strerror or error}"
        raise InputError.of(OPTION, found=found, expected="a folder with room for a larger plan") from error


def in_words(extension: Extension) -> str:
    """Return a line: how many there are, and how many come."""
    plan, added = extension.launch.plan, extension.added
    there = plan.num_planned - added.num_planned
    return f"extends   {extension.launch.output}: {there} configurations there, {added.num_planned} to come"
