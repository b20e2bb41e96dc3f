"""Repeats of reported configurations: each by another seed and another draw of the folds, with a uid of its own."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.planning.grid import decisive, uid_of
from orchestrator.planning.plan import Plan, Trial
from tune_spaces.method import HParams


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedPlan(Plan):
    """The repeats of a run as the trials of one search; made when the run's configurations are known, never written.

    `numbers`: by uid which repeat a trial is, from 1 on. Repeat 0 is the run's own trial.
    """

    numbers: Mapping[str, int]


def plan_of_repeat(plan: Plan, number: int) -> Plan:
    """Return the plan by which a repeat is trained; for 0 the run's own, with its uids, folds and bits."""
    if number == 0:
        return plan
    protocol = dataclasses.replace(plan.protocol, fold_draw=number)
    return dataclasses.replace(plan, protocol=protocol, seed=plan.seed + number)


def plan_of_trial(plan: Plan, uid: str) -> Plan:
    """Return the plan by which one trial of a search is trained."""
    return plan_of_repeat(plan, repeat_of(plan, uid) or 0)


def repeat_of(plan: Plan, uid: str) -> int | None:
    """Return which repeat a trial is; None for a trial of the run itself."""
    return plan.numbers[uid] if isinstance(plan, RepeatedPlan) else None


def uid_of_repeat(plan: Plan, network: str, hparams: HParams, number: int) -> str:
    """Return the uid of a configuration's repeat: the hash of everything that decides it, as of every trial."""
    own = plan_of_repeat(plan, number)
    decides = decisive(own.protocol, own.seed, own.images, own.federation, own.features)
    shared = {"method": own.method, "corpus": own.corpus.sha256, **decides}
    return uid_of(network, dataclasses.asdict(hparams), shared)


def repeated_plan(plan: Plan, chosen: Sequence[tuple[str, HParams]]) -> RepeatedPlan | None:
    """Return the repeats, from 1 on, of the chosen configurations; None where there are none to train."""
    numbers: dict[str, int] = {}
    trials = []
    for number in range(1, plan.search.repeats):
        for network, hparams in chosen:
            uid = uid_of_repeat(plan, network, hparams, number)
            numbers[uid] = number
            trials.append(Trial(uid=uid, network=network, hparams=hparams))
    if not trials:
        return None
    # What is repeated was chosen before: nothing is searched, and nothing stopped early.
    options = dataclasses.replace(plan.search, search="grid", scheduler="fifo", max_trials=None, hours=None)
    fields = {one.name: getattr(plan, one.name) for one in dataclasses.fields(Plan)}
    return RepeatedPlan(**{**fields, "trials": tuple(trials), "search": options, "numbers": numbers})
