"""What will be run, decided before anything runs: the grid's points, each with a uid (its file: plan_file.py)."""

import dataclasses
import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fed.options import Federation
from models.seeds import seed_for
from models.sizes import model_size_mib, num_parameters
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.reading import UNBOUNDED, Limits, Reading
from orchestrator.errors import InputError, Problem
from orchestrator.files import JsonObject
from orchestrator.protocols import Protocol
from tune_spaces.method import LATER_KEY, HParams, HyperParameter, Method, Preset, hyper_parameters, make_hparams

PLAN_FORMAT = 1
SEARCHES = ("grid", "random", "optuna")
SCHEDULERS = ("fifo", "asha")
UID_LENGTH = 12
STEP_COST = 50_000  # parameters that cost as much as the overhead of a layer's time step; ours, measured on a CPU
# Ours. A federation's server waits and adds up; with these shares two clients train at once on two CPUs.
SERVER_CPUS = 0.1
DEFAULT_CPUS_PER_CLIENT = 0.9
DECIDES_KEY = "decides"  # metadata of a field: False if it decides no result of a trial and is in no uid
DEFAULT_WAIT_FOR_RESOURCES = 600.0  # seconds, once the cluster has become too small for a trial; ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One configuration, trained on all folds; `uid` is the hash of everything that decides its result."""

    uid: str
    network: str
    hparams: HParams


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusReference:
    """Which data a plan is for; `sha256` tells whether the files are still the same."""

    kind: str
    path: str
    sha256: str
    synthetic: bool
    participants: int
    features: int
    longest: int  # frames of the longest recording
    embedded: JsonObject | None = None  # what the embedded corpus is made with
    frame_rate: float | None = None  # that the user gave for files with frame numbers and no times
    options: ReadOptions = BEFORE  # what else the user said of the files, and the rules by which they were read
    feature_names: tuple[str, ...] = ()  # that were chosen; of an older plan none is written: all
    time_unit: Mapping[str, str] | None = None  # that the user gave, of features and annotations
    limits: Mapping[str, int] | None = None  # of one file, where the user gave others than the defaults
    read: JsonObject | None = None  # what was read (`corpora.outline`); None: of before clocks were compared

    @property
    def reading(self) -> Reading:
        """How the corpus is read again."""
        return Reading(
            frame_rate=self.frame_rate,
            time_unit=self.time_unit or {},
            limits=UNBOUNDED if self.read is None else Limits(**self.limits or {}),
            believed=self.read is None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How a method on frames gets its images; part of what decides a result."""

    image_size: int  # pixels a side
    frame_stride: int  # every so many time steps one is kept
    face_crop: str  # none | haar
    backbone: str  # trained | frozen
    weights: str  # imagenet | none | a file


# Parts of a plan that decide a result.
DECISIVE_PARTS: Mapping[str, type[Any]] = {"protocol": Protocol, "images": ImageOptions, "federation": Federation}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How the search walks the points and what it may use."""

    search: str = "grid"
    scheduler: str = "fifo"
    max_trials: int | None = None
    hours: float | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    num_cpus: int | None = None  # of a local Ray; None: all
    address: str | None = None
    storage: str | None = None
    checkpoint_seconds: float = 30.0
    client_actors: int | str = "auto"  # processes that hold the clients of a federation
    cpus_per_client: float = DEFAULT_CPUS_PER_CLIENT
    gpus_per_client: float = 0.0
    log_model: bool = True  # the best model as a model in MLflow
    wait_for_resources: float = DEFAULT_WAIT_FOR_RESOURCES

    def __post_init__(self) -> None:
        """Refuse unknown names and impossible numbers (ValueError), as of a plan that was edited."""
        for name, known in (("search", SEARCHES), ("scheduler", SCHEDULERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        for name in ("cpus_per_trial", "hours", "max_trials", "num_cpus", "client_actors"):
            value = getattr(self, name)
            if value not in (None, "auto") and not (not isinstance(value, str) and 0 < value < math.inf):
                raise ValueError(f"{name} must be above 0, found {value!r}")
        for name in (
            "gpus_per_trial",
            "checkpoint_seconds",
            "cpus_per_client",
            "gpus_per_client",
            "wait_for_resources",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, found {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole run as written to `plan.json`; resuming needs nothing else."""

    name: str
    title: str
    command: str
    method: str
    preset: str | None
    protocol: Protocol
    seed: int
    corpus: CorpusReference
    search: SearchOptions
    tracking: Mapping[str, str]
    trials: tuple[Trial, ...]
    refused: tuple[Mapping[str, str], ...]
    versions: Mapping[str, str]
    git_commit: str | None
    started: str
    format: int = PLAN_FORMAT
    arguments: tuple[str, ...] = field(default=())
    images: ImageOptions | None = None
    federation: Federation | None = None
    features: tuple[str, ...] = ()  # patterns of the columns to learn from; all without one
    decisive: JsonObject = field(default_factory=dict)  # what the uids were made of, for comparison; {}: older

    @property
    def num_planned(self) -> int:
        """Trials that the search will run: all points, or as many as `--trials` allows."""
        return min(len(self.trials), self.search.max_trials or len(self.trials))


def parse_grid_overrides(texts: Sequence[str], method: Method, preset: Preset) -> dict[str, tuple[float | int, ...]]:
    """Apply `--set hidden_size=8,16` to the preset's grid; InputError lists every bad one at once."""
    known = {one.name: one for one in hyper_parameters()}
    # A grid that is older than a hyper-parameter has its default.
    newer = {name: (one.default,) for name, one in known.items() if name not in preset.grid and one.default is not None}
    grid = {**preset.grid, **newer}
    assert set(grid) == set(known), method.name
    given: set[str] = set()
    problems = []
    for text in texts:
        key, _, values = text.partition("=")
        if key in given:
            problems.append(Problem(where=f"--set {key}", found="twice", expected="all values in one: KEY=V1,V2"))
            continue
        given.add(key)
        if key not in grid:
            problems.append(Problem(where="--set", found=repr(text), expected=f"one of {', '.join(grid)} = values"))
            continue
        try:
            grid[key] = tuple(known[key].value(value) for value in values.split(","))
        except ValueError:
            expected = f"{known[key].kind}, separated by commas"
            problems.append(Problem(where=f"--set {key}", found=repr(values), expected=expected))
    if problems:
        raise InputError(problems)
    return grid


def grid_points(networks: Sequence[str], grid: Mapping[str, Sequence[float | int]]) -> tuple[tuple[str, HParams], ...]:
    """List every combination once, network by network, in the order in which the grid is written."""
    keys = list(grid)
    rows = (dict(zip(keys, values, strict=True)) for values in itertools.product(*grid.values()))
    unique = dict.fromkeys(make_hparams(row) for row in rows)
    return tuple((network, hparams) for network in dict.fromkeys(networks) for hparams in unique)


def make_trials(
    points: Sequence[tuple[str, HParams]],
    *,
    method: str,
    corpus: CorpusReference,
    decisive: JsonObject,
    refuse: Callable[[int], str | None],
) -> tuple[tuple[Trial, ...], tuple[dict[str, str], ...]]:
    """Give each point its uid; points that cannot work are returned apart, with the reason.

    `decisive` is all else that decides a result, for the hash: seed, protocol, images, federation. `refuse` tells why
    a sequence length cannot be used on the corpus, or None.
    """
    trials, refused = [], []
    reasons = {length: refuse(length) for length in {hparams.sequence_length for _, hparams in points}}
    for network, hparams in points:
        reason = reasons[hparams.sequence_length]
        if reason:
            refused.append({"network": network, "point": describe(hparams), "why": reason})
            continue
        decides = {"method": method, "corpus": corpus.sha256, **decisive}
        uid = uid_of(network, dataclasses.asdict(hparams), decides)
        trials.append(Trial(uid=uid, network=network, hparams=hparams))
    return tuple(trials), tuple(refused)


def uid_of(network: str, hparams: JsonObject, decides: JsonObject) -> str:
    """Return the hash of everything that decides a result: the point, and what all points of a plan share."""
    specification = {"network": network, "hparams": _hashed(HParams, hparams), **decides}
    text = json.dumps(specification, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:UID_LENGTH]


def decisive(
    protocol: Protocol,
    seed: int,
    images: ImageOptions | None,
    federation: Federation | None,
    features: Sequence[str] = (),
) -> JsonObject:
    """Return what decides a result beside the method, the point and the corpus, as `make_trials` hashes it."""
    parts = {"protocol": protocol, "images": images, "federation": federation}
    fields = {name: None if part is None else dataclasses.asdict(part) for name, part in parts.items()}
    return _decisive({**fields, "seed": seed, "features": list(features)})


def decisive_of(plan: JsonObject) -> JsonObject:
    """Return what the points of a plan share and its uids are made of; the plan as its file has it."""
    return {"method": plan["method"], "corpus": plan["corpus"]["sha256"], **_decisive(plan)}


def _decisive(plan: JsonObject) -> JsonObject:
    parts = {name: _hashed(kind, plan[name]) for name, kind in DECISIVE_PARTS.items() if plan.get(name) is not None}
    chosen = {"features": list(plan["features"])} if plan.get("features") else {}
    return {"seed": plan["seed"], **parts, **chosen}


def _hashed(kind: type[Any], values: JsonObject) -> JsonObject:
    """Leave out fields that are newer than the first uids and have their default: an old configuration keeps its uid.

    Such a field is declared with `field(default=..., metadata={LATER_KEY: True})`, by the key's text in other packages.
    """
    fields = {one.name: one for one in dataclasses.fields(kind)}
    later = {name: one.default for name, one in fields.items() if one.metadata.get(LATER_KEY)}
    outside = {name for name, one in fields.items() if not one.metadata.get(DECIDES_KEY, True)}
    return {
        name: value
        for name, value in values.items()
        if name not in outside and (name not in later or value != later[name])
    }


def choose_random(trials: Sequence[Trial], count: int | None, seed: int) -> tuple[Trial, ...]:
    """Draw `count` trials without replacement; all of them, shuffled, where count is None or larger."""
    count = min(len(trials), count or len(trials))
    return tuple(random.Random(seed_for(seed, "random-search")).sample(list(trials), count))


def relative_cost(plan: Plan, trial: Trial) -> float:
    """Return a rough cost of an epoch, for order and for time left only: parameters, and steps that cost anyway."""
    return size_of(trial, plan.corpus.features, trunk=plan.images is not None)[0] + STEP_COST * trial.hparams.num_layers


def size_of(trial: Trial, num_features: int, *, trunk: bool) -> tuple[int, float]:
    """Return the parameters and the MiB of one of the trial's models; a trunk is ResNet18 before it."""
    hidden_size, num_layers = trial.hparams.hidden_size, trial.hparams.num_layers
    return (
        num_parameters(
            trial.network, num_features=num_features, hidden_size=hidden_size, num_layers=num_layers, trunk=trunk
        ),
        model_size_mib(
            trial.network, num_features=num_features, hidden_size=hidden_size, num_layers=num_layers, trunk=trunk
        ),
    )


def describe(hparams: HParams) -> str:
    """One line a person reads: `lr=0.001 h=64 L=200 x2`."""
    return " ".join(one.written(getattr(hparams, one.name)) for one in shown(hparams))


def shown(hparams: HParams) -> list[HyperParameter]:
    """Return the hyper-parameters that a configuration's name tells: all but later ones at their default."""
    return [one for one in hyper_parameters() if one.default is None or getattr(hparams, one.name) != one.default]
