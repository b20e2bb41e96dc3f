"""From the command line's options to a plan and its data: everything is refused here or not at all."""

import dataclasses
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.corpora.opening import open_corpus
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.synthetic import cached_synthetic
from orchestrator.dataset import Dataset, make_dataset
from orchestrator.errors import InputError
from orchestrator.files import claim_output
from orchestrator.gather import Gather
from orchestrator.plan import (
    CorpusReference,
    Plan,
    SearchOptions,
    Trial,
    choose_random,
    grid_points,
    make_trials,
    parse_grid_overrides,
)
from orchestrator.protocols import PROTOCOLS, Protocol
from orchestrator.tracking import resolve_tracking_uri
from tune_spaces.catalogue import find_method
from tune_spaces.method import HParams, Method

# The embedded corpus of the demo: everybody, for a minute each; ours.
DEMO_PARTICIPANTS = 23
DEMO_SECONDS = 60.0
DEMO_HZ = 25.0

RUNS_FOLDER = "runs"
VERSIONED = ("affect-orchestrator", "torch", "ray", "mlflow", "numpy", "pandas")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Where the recordings come from; no path means the embedded synthetic corpus."""

    path: Path | None
    corpus: str | None
    identity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command was asked for, as parsed and not yet checked."""

    command: str
    method: str
    preset: str | None
    networks: tuple[str, ...]
    overrides: tuple[str, ...]  # --set texts
    point: HParams | None  # evaluate: the one configuration
    protocol: str
    protocol_changes: Mapping[str, Any]  # fields that options override; None means the protocol's own
    data: DataOptions
    seed: int
    search: SearchOptions
    output: Path | None
    tracking_uri: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A plan that can be executed, with its data."""

    plan: Plan
    dataset: Dataset
    output: Path


def prepare(request: Request, *, claim: bool) -> Launch:
    """Check everything and make the plan; InputError carries all problems at once.

    With `claim` the output directory is made and the plan written into it; a dry run does neither.
    """
    gather = Gather()
    method = find_method(request.method)
    preset_name = request.preset or ("paper" if request.data.path else "demo")
    protocol = _protocol(request, method, preset_name)
    points = gather.run(lambda: _points(request, method, preset_name))
    uri = gather.run(lambda: resolve_tracking_uri(request.tracking_uri))
    output = request.output or Path(RUNS_FOLDER) / _run_name(request)
    if claim:
        gather.run(lambda: claim_output(output))
    corpus = gather.run(lambda: load_corpus(request.data, request.seed))
    dataset = gather.run(lambda: make_dataset(corpus, protocol, seed=request.seed)) if corpus else None
    reference = refer(corpus) if corpus else None
    chosen = gather.run(lambda: _trials(points, reference, protocol, request)) if points and reference else None
    gather.settle()
    assert dataset is not None
    assert reference is not None
    assert chosen is not None
    assert uri is not None
    trials, refused = chosen
    if request.search.search == "random":
        trials = choose_random(trials, request.search.max_trials, request.seed)
    plan = Plan(
        name=output.name,
        title=method.title,
        command=request.command,
        method=method.name,
        preset=preset_name if request.point is None else None,
        protocol=protocol,
        seed=request.seed,
        corpus=reference,
        search=request.search,
        tracking={"tracking_uri": uri, "experiment": f"affect-{method.name}"},
        trials=trials,
        refused=refused,
        versions=versions(),
        git_commit=git_commit(),
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        arguments=tuple(sys.argv[1:]),
    )
    if claim:
        plan.save(output)
    return Launch(plan=plan, dataset=dataset, output=output.absolute())


def reopen(plan: Plan) -> Dataset:
    """Read the plan's corpus again for a resumed run; InputError where its contents have changed."""
    corpus = open_corpus(Path(plan.corpus.path), corpus=plan.corpus.kind)
    if corpus.sha256 != plan.corpus.sha256:
        raise InputError.of(
            plan.corpus.path,
            found=f"contents with sha256 {corpus.sha256[:12]}",
            expected=f"{plan.corpus.sha256[:12]}, as when the run began; results of two corpora do not mix",
        )
    return make_dataset(corpus, plan.protocol, seed=plan.seed)


def load_corpus(data: DataOptions, seed: int) -> Corpus:
    """Open the user's recordings, or write the embedded corpus into the cache and read it like anyone's."""
    if data.path is not None:
        return open_corpus(data.path, corpus=data.corpus)
    identity = {} if data.identity is None else {"identity": data.identity}
    path = cached_synthetic(participants=DEMO_PARTICIPANTS, seconds=DEMO_SECONDS, hz=DEMO_HZ, seed=seed, **identity)
    return open_corpus(path, corpus=data.corpus)


def _protocol(request: Request, method: Method, preset_name: str) -> Protocol:
    protocol = PROTOCOLS[request.protocol]
    preset_epochs = method.presets[preset_name].epochs if request.point is None else None
    changes = {
        "epochs": preset_epochs,
        **{k: v for k, v in request.protocol_changes.items() if v is not None},
    }
    return dataclasses.replace(protocol, **{k: v for k, v in changes.items() if v is not None})


def _points(request: Request, method: Method, preset_name: str) -> tuple[tuple[str, HParams], ...]:
    preset = method.presets[preset_name]
    for network in request.networks:
        if network not in method.networks:
            raise InputError.of("--network", found=repr(network), expected=f"one of {', '.join(method.networks)}")
    networks = request.networks or preset.networks
    if request.point is not None:
        return tuple((network, request.point) for network in networks)
    return grid_points(networks, parse_grid_overrides(request.overrides, method, preset))


def _trials(
    points: Sequence[tuple[str, HParams]], corpus: CorpusReference, protocol: Protocol, request: Request
) -> tuple[tuple[Trial, ...], tuple[dict[str, str], ...]]:
    trials, refused = make_trials(points, method=request.method, protocol=protocol, corpus=corpus, seed=request.seed)
    if not trials:
        raise InputError.of("--set", found=refused[0]["why"], expected="at least one point that can be trained")
    return trials, refused


def refer(corpus: Corpus) -> CorpusReference:
    """Return what a plan remembers of its corpus."""
    return CorpusReference(
        kind=corpus.kind,
        path=str(corpus.path.absolute()),
        sha256=corpus.sha256,
        synthetic=corpus.synthetic,
        participants=len(corpus.participants),
        features=len(corpus.feature_names),
        longest=max(len(recording.time) for recording in corpus.recordings),
    )


def _run_name(request: Request) -> str:
    return f"{request.command}-{request.method}-{datetime.now():%Y%m%d-%H%M%S}"


def versions() -> dict[str, str]:
    """Return the versions a run depends on."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the checkout's commit, with `-dirty` where tracked files were changed; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
