"""What can be done about it: each defence of action units, with what it costs in CCC and saves in identity.

Identity is attacked in the stream that is shared, after the defence. The CCC is of ridge regression on windows of 1, 4
and 10 s, on the method's folds: quick, and able to average noise away as a network would.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from orchestrator.audit.identity import BITS
from orchestrator.audit.records import ACTION_UNITS, DEFENCE, Attack, Statistic
from orchestrator.audit.statistics import ADVANTAGE
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Show, Task, Tasks
from orchestrator.corpora.recording import Corpus
from orchestrator.data.defence_names import DROP, KINDS
from orchestrator.data.defences import columns_of
from orchestrator.files import JsonObject
from orchestrator.planning.plan_file import load_plan
from orchestrator.protocols import DIMENSIONS, Protocol

VERSION = 2  # of these records' arithmetic
BASELINE = "ridge-windows"
NONE, EVERY_COLUMN, NORMALISED = "none", "all columns", "normalised per person"
# Ours: strengths from hardly felt to what leaves little of the signal.
STRENGTHS = {
    "low-pass": ("1", "0.3", "0.1"),
    "noise": ("1", "2", "4"),
    "correlated-noise": ("0.5", "1", "2"),
    "quantise": ("1", "2"),
}
THREAT = "Somebody has the defended action units of known people and meets a later stretch without a name."
NOTE = f"CCC of ridge regression on windows of 1, 4 and 10 s ({BASELINE}), held-out people; no network was trained"


def defence_tasks(subject: Subject) -> Tasks:
    """Return a task for each defence and strength, and why others cannot be measured."""
    name = f"{DEFENCE} {ACTION_UNITS}"
    if subject.images is not None:
        return [], {name: "the method looks at pictures"}
    if not subject.corpus.feature_names:
        return [], {name: "the data have no features"}
    corpus = subject.corpus
    points: list[tuple[str, Corpus, str | None]] = [(NONE, corpus, None), (NORMALISED, corpus, None)]
    points += [(f"{one}={value}", corpus, f"{one}={value}") for one, values in STRENGTHS.items() for value in values]
    skipped = {}
    wide = subject.corpus if subject.every_column is None else subject.every_column
    there = [kind for kind in KINDS if 0 < len(columns_of(wide, (kind,))) < len(wide.feature_names)]
    if there:
        dropped = f"{DROP}={'+'.join(there)}"
        points += [(EVERY_COLUMN, wide, None)] if wide is not corpus else []
        points.append((dropped, wide, dropped))
    else:
        skipped[f"{name} {DROP}"] = f"the data have no columns of {', '.join(KINDS)}"
    return [_task(subject, *point) for point in points], skipped


def _task(subject: Subject, variant: str, corpus: Corpus, defence: str | None) -> Task:
    scaling = "participant" if variant == NORMALISED else subject.protocol.scaling
    protocol = dataclasses.replace(subject.protocol, defence=defence, scaling=scaling)
    known = subject.identity
    inputs: JsonObject = {
        "version": VERSION,
        "corpus": corpus.sha256,
        "columns": list(corpus.feature_names),
        "protocol": str(protocol),
        "fold_seed": _fold_seed(subject),
        **{name: known[name] for name in ("groups", "seed")},
    }
    run = partial(_run, subject, variant, corpus, protocol)
    return Task(names=(f"{DEFENCE} {ACTION_UNITS} {variant}",), inputs=inputs, run=run)


def _run(subject: Subject, variant: str, corpus: Corpus, protocol: Protocol, show: Show, _: Path) -> Sequence[Attack]:
    from orchestrator.audit.identity import identity_attack
    from orchestrator.audit.streams import feature_streams
    from orchestrator.data.defences import defended_corpus

    show(f"audit     {DEFENCE} {variant} ...")
    shared = defended_corpus(corpus, protocol.defence)
    found = identity_attack(
        feature_streams(shared.recordings, range(len(shared.feature_names))),
        source=ACTION_UNITS,
        variant=variant,
        threat=THREAT,
        seed=subject.seed,
        own_scale=variant == NORMALISED,
        notes=(NOTE,),
    )
    kept = tuple(one for one in found.others if one.name in (ADVANTAGE, BITS))
    return [dataclasses.replace(found, attack=DEFENCE, others=(*kept, *_scores(subject, corpus, protocol)))]


def _fold_seed(subject: Subject) -> int:
    """Return the seed that drew a run's folds, whatever the audit's is."""
    return subject.seed if subject.run is None else load_plan(subject.run).seed


def _scores(subject: Subject, corpus: Corpus, protocol: Protocol) -> tuple[Statistic, ...]:
    """Return the CCC of both dimensions with intervals over people, of models that saw defended features alone."""
    from threadpoolctl import threadpool_limits

    from models.windows import Series
    from orchestrator.data.dataset import make_dataset
    from orchestrator.estimators.intervals import pooled_interval
    from orchestrator.evaluation.baselines import BASELINES, run_baseline

    dataset = make_dataset(corpus, protocol, seed=_fold_seed(subject), groups=subject.groups)
    series = [one for one in dataset.series if isinstance(one, Series)]
    with threadpool_limits(limits=1):
        folds = run_baseline(
            BASELINES[BASELINE], series, dataset.times, dataset.splits, window_length=subject.hparams.sequence_length
        )
    made = []
    for dimension in DIMENSIONS:
        one = pooled_interval([{person: own[dimension] for person, own in fold.frames.items()} for fold in folds])
        value, lower, upper = (None,) * 3 if one is None else (one.estimate, one.low, one.high)
        made.append(Statistic(name=f"CCC {dimension}", unit="", value=value, lower=lower, upper=upper, chance=0.0))
    return tuple(made)
