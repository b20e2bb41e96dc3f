"""What will be run, decided before anything runs: the grid's points, each with a uid (its file: plan_file.py)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fed.options import Federation
from models.backends import BACKENDS, DEFAULT_PRECISION, PRECISIONS, REFERENCE
from orchestrator.corpora.read_options import BEFORE, ReadOptions
from orchestrator.corpora.reading import UNBOUNDED, Limits, Reading
from orchestrator.data.image_options import ImageOptions
from orchestrator.files import JsonObject
from orchestrator.planning.strategies import SCHEDULERS, SEARCHES
from orchestrator.protocols import Protocol
from tune_spaces.method import HParams

PLAN_FORMAT = 1
Packs = tuple[tuple[str, ...], ...]
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
    features_tool: str | None = None  # that made the features, "" if not known; None: of before it was asked
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
class SearchOptions:
    """How the search walks the points and what it may use."""

    search: str = "grid"
    scheduler: str = "fifo"
    max_trials: int | None = None
    hours: float | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    num_cpus: int | None = None  # of a local Ray; None: all that this process may use
    address: str | None = None
    storage: str | None = None
    checkpoint_seconds: float = 30.0
    client_actors: int | str = "auto"  # processes that hold the clients of a federation
    cpus_per_client: float = DEFAULT_CPUS_PER_CLIENT
    gpus_per_client: float = 0.0
    log_model: bool = True  # the best model as a model in MLflow
    wait_for_resources: float = DEFAULT_WAIT_FOR_RESOURCES
    # What trains, and how many configurations together at most; of an older plan: one at a time, by the reference.
    backend: str = REFERENCE
    pack: int | str = 1
    precision: str = DEFAULT_PRECISION  # of products on a GPU (models.precision)
    identities: str | None = None  # folder of the keys that clients of secure sums sign with
    repeats: int = 1  # times that a reported configuration is trained in all, from the second on by other seeds

    def __post_init__(self) -> None:
        """Refuse unknown names and impossible numbers (ValueError), as of a plan that was edited."""
        for name, known in (("search", SEARCHES), ("scheduler", SCHEDULERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if self.backend not in BACKENDS:
            raise ValueError(f"unknown backend {self.backend!r}: expected one of {', '.join(BACKENDS)}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"unknown precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}")
        for name in ("cpus_per_trial", "hours", "max_trials", "num_cpus", "client_actors", "pack", "repeats"):
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
    groups: tuple[tuple[str, ...], ...] = ()  # people who are in one fold together, as participants.csv had them
    packs: Packs = ()  # trials that are trained together, by uid; what is in none is trained alone
    extensions: tuple[str, ...] = ()  # of `--extend`, each when and by what
    decisive: JsonObject = field(default_factory=dict)  # what the uids were made of, for comparison; {}: older

    @property
    def num_planned(self) -> int:
        """Trials that the search will run: all points, or as many as `--trials` allows."""
        return min(len(self.trials), self.search.max_trials or len(self.trials))
