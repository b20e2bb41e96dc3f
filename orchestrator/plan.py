"""What will be run, decided before anything runs: the grid's points, each with a uid, and the file that holds them."""

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fed.options import Federation
from models.seeds import seed_for
from models.sizes import model_size_mib, num_parameters
from orchestrator.errors import InputError, Problem
from orchestrator.files import read_json, write_json
from orchestrator.protocols import Protocol
from tune_spaces.method import HParams, Method, Preset

PLAN_FILE = "plan.json"
PLAN_FORMAT = 1
UID_LENGTH = 12
STEP_COST = 50_000  # parameters that cost as much as the overhead of a layer's time step; ours, measured on a CPU
# Ours. A federation's server waits and adds up; with these shares two clients train at once on two CPUs.
SERVER_CPUS = 0.1
DEFAULT_CPUS_PER_CLIENT = 0.9
INTEGER_KEYS = ("hidden_size", "sequence_length", "num_layers")
GRID_KEYS = ("learning_rate", *INTEGER_KEYS)


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
    embedded: Mapping[str, Any] | None = None  # what the embedded corpus is made with
    frame_rate: float | None = None  # that the user gave for files with frame numbers and no times


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How a method on frames gets its images; part of what decides a result."""

    image_size: int  # pixels a side
    frame_stride: int  # every so many time steps one is kept
    face_crop: str  # none | haar
    backbone: str  # trained | frozen
    weights: str  # imagenet | none | a file


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

    @property
    def num_planned(self) -> int:
        """Trials that the search will run: all points, or as many as `--trials` allows."""
        return min(len(self.trials), self.search.max_trials or len(self.trials))

    def save(self, output: Path) -> None:
        """Write `plan.json` atomically."""
        write_json(output / PLAN_FILE, dataclasses.asdict(self))


def load_plan(output: Path) -> Plan:
    """Read the plan of an output directory; InputError where there is none or it is of another format."""
    if not (output / PLAN_FILE).is_file():
        raise InputError.of(str(output), found="no plan.json", expected="the output directory of an earlier run")
    raw = read_json(output / PLAN_FILE)
    found = raw.get("format")
    if found != PLAN_FORMAT:
        raise InputError.of(str(output / PLAN_FILE), found=f"format {found}", expected=f"format {PLAN_FORMAT}")
    try:
        return Plan(
            **{
                **raw,
                "protocol": Protocol(**raw["protocol"]),
                "corpus": CorpusReference(**raw["corpus"]),
                "search": SearchOptions(**raw["search"]),
                "trials": tuple(Trial(**{**point, "hparams": HParams(**point["hparams"])}) for point in raw["trials"]),
                "refused": tuple(raw["refused"]),
                "arguments": tuple(raw["arguments"]),
                "features": tuple(raw.get("features", ())),
                "images": ImageOptions(**raw["images"]) if raw["images"] else None,
                "federation": Federation(**raw["federation"]) if raw["federation"] else None,
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError.of(
            str(output / PLAN_FILE),
            found=f"a damaged plan ({error})",
            expected="the file as the run wrote it",
        ) from error


def parse_grid_overrides(texts: Sequence[str], method: Method, preset: Preset) -> dict[str, tuple[float | int, ...]]:
    """Apply `--set hidden_size=8,16` to the preset's grid; InputError lists every bad one at once."""
    grid = {**preset.grid}
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
            grid[key] = tuple(_grid_value(key, value) for value in values.split(","))
        except ValueError:
            kind = "whole numbers above 0" if key in INTEGER_KEYS else "numbers above 0"
            problems.append(Problem(where=f"--set {key}", found=repr(values), expected=f"{kind}, separated by commas"))
    if problems:
        raise InputError(problems)
    assert set(grid) == set(GRID_KEYS), method.name
    return grid


def _grid_value(key: str, text: str) -> float | int:
    value = int(text) if key in INTEGER_KEYS else float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def grid_points(networks: Sequence[str], grid: Mapping[str, Sequence[float | int]]) -> tuple[tuple[str, HParams], ...]:
    """List every combination once, network by network, in the order in which the grid is written."""
    keys = list(grid)
    rows = (dict(zip(keys, values, strict=True)) for values in itertools.product(*grid.values()))
    unique = dict.fromkeys(_hparams(row) for row in rows)
    return tuple((network, hparams) for network in dict.fromkeys(networks) for hparams in unique)


def _hparams(row: Mapping[str, float | int]) -> HParams:
    return HParams(
        learning_rate=float(row["learning_rate"]),
        hidden_size=int(row["hidden_size"]),
        sequence_length=int(row["sequence_length"]),
        num_layers=int(row["num_layers"]),
    )


def make_trials(
    points: Sequence[tuple[str, HParams]],
    *,
    method: str,
    corpus: CorpusReference,
    decisive: Mapping[str, Any],
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
        specification = {
            "method": method,
            "network": network,
            "hparams": dataclasses.asdict(hparams),
            "corpus": corpus.sha256,
            **decisive,
        }
        text = json.dumps(specification, sort_keys=True)
        uid = hashlib.sha256(text.encode()).hexdigest()[:UID_LENGTH]
        trials.append(Trial(uid=uid, network=network, hparams=hparams))
    return tuple(trials), tuple(refused)


def decisive(
    protocol: Protocol,
    seed: int,
    images: ImageOptions | None,
    federation: Federation | None,
    features: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what decides a result beside the point and the corpus, as `make_trials` hashes it."""
    parts = {"protocol": protocol, "images": images, "federation": federation}
    chosen = {"features": list(features)} if features else {}
    return {
        "seed": seed,
        **{name: dataclasses.asdict(part) for name, part in parts.items() if part is not None},
        **chosen,
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
    return f"lr={hparams.learning_rate:g} h={hparams.hidden_size} L={hparams.sequence_length} x{hparams.num_layers}"


def to_record(trial: Trial) -> dict[str, Any]:
    """Return the trial as the JSON files hold it."""
    return dataclasses.asdict(trial)
