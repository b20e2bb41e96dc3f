"""From a request to a plan that can be executed, and its data."""

import dataclasses
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from models.references import resolve
from orchestrator.corpora.outline import outline
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.synthetic.facial_model import IDENTITY_DEFAULT
from orchestrator.corpora.synthetic.tree import cached_synthetic
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.corpora.video.frame_store import check_seen_as_before
from orchestrator.data.backbone_features import Show
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.data.defences import check_low_pass
from orchestrator.data.label_delay import with_label_shift
from orchestrator.errors import Gather, InputError, doing
from orchestrator.files import JsonObject, remove_partials
from orchestrator.planning import windows
from orchestrator.planning.fold_clients import check_fold_clients, refusal
from orchestrator.planning.grid import decisive, decisive_of, make_trials
from orchestrator.planning.other_contents import other_contents
from orchestrator.planning.packs import check_backend, form_packs
from orchestrator.planning.plan import CorpusReference, Packs, Plan, Trial
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.planning.provenance import git_commit, versions
from orchestrator.planning.removal import refuse_forgotten
from orchestrator.planning.request import DataOptions, Decided, Request, decide
from orchestrator.planning.secure_sums import check_secure_sums
from orchestrator.planning.strategies import SEARCHES
from orchestrator.run_folder import OF_TRACK, RUNS_FOLDER, TRIALS_FOLDER, Claim, claim_new, claim_next, claim_run
from orchestrator.tracking.address import hide_arguments
from orchestrator.tracking.location import resolve_tracking_uri
from orchestrator.tracking.secrets import keep, move_out

# The embedded corpus of the demo: everybody, for a minute each; ours.
BEGIN_ANEW = "a new search on recordings without them: going on would read theirs again"
DEMO_PARTICIPANTS = 23
DEMO_SECONDS = 60.0
DEMO_HZ = 25.0
DEMO_CORPUS_SEED = 0  # of its own: another --seed trains otherwise on the same people

Trials = tuple[tuple[Trial, ...], tuple[dict[str, str], ...]]

ROUNDING = ("torch", "numpy")  # of these another version may sum in another order


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A plan that can be executed, with its data, and the claim to its folder; a dry run has none."""

    plan: Plan
    dataset: Dataset
    output: Path
    claim: Claim | None
    begun: float = field(default_factory=time.monotonic)  # when the command began with it, of `time.monotonic`


def prepare(request: Request, *, claim: bool, show: Show | None = None) -> Launch:
    """Check everything and make the plan; InputError carries all problems at once.

    `show` takes a line when something begins, and lines of progress while videos are decoded. With `claim` the output
    directory is claimed before anything is read, and the plan written into it; a dry run does neither. What fails here
    leaves nothing behind.
    """
    begun, gather = time.monotonic(), Gather()
    decided = decide(request, gather)
    uri = gather.run(lambda: resolve_tracking_uri(request.tracking_uri))
    claimed = gather.run(lambda: _claim(request)) if claim else None
    try:
        loaded = gather.run(lambda: _load(decided, show))
        chosen = gather.run(lambda: _trials(*loaded)) if loaded else None
        if loaded:
            gather.run(lambda: check_fold_clients(loaded[0], loaded[2]))
            gather.run(lambda: check_secure_sums(loaded[0], loaded[2]))
        gather.settle()
        assert loaded is not None
        assert chosen is not None
        assert uri is not None
        output = claimed.folder if claimed else _output(request)
        plan = _plan(output.name, uri, loaded, chosen)
        if claimed:
            _save(plan, output, uri)
        return Launch(plan=plan, dataset=loaded[2], output=output, claim=claimed, begun=begun)
    except BaseException:
        if claimed:
            claimed.give_back()
        raise


def resume(output: Path, show: Show | None = None, *, where: str = "--resume") -> Launch:
    """Resume the run in a folder, which the option `where` named.

    InputError if it has no plan, if its data changed, if another process is there, and if a person was removed from it.
    """
    begun, claimed = time.monotonic(), claim_run(output.absolute(), where)
    try:
        for folder in (claimed.folder, (claimed.folder / TRIALS_FOLDER).resolve()):
            remove_partials(folder, but=OF_TRACK)
        move_out(claimed.folder)
        refuse_forgotten(output, where, instead=BEGIN_ANEW)
        plan = load_plan(output)
        if show:
            for line in _other_versions(plan):
                show(line)
        return Launch(plan=plan, dataset=reopen(plan, show), output=claimed.folder, claim=claimed, begun=begun)
    except BaseException:
        claimed.give_back()
        raise


def _other_versions(plan: Plan) -> list[str]:
    """Return a line for each library by which numbers may differ in their last digits from the earlier trials'."""
    now = versions()
    return [
        f"resume    began with {name} {earlier}, goes on with {now[name]}: new trials may differ in their last digits"
        for name, earlier in plan.versions.items()
        if name in ROUNDING and now.get(name, earlier) != earlier
    ]


def _output(request: Request) -> Path:
    return (request.output or Path(RUNS_FOLDER) / _run_name(request)).absolute()


def _claim(request: Request) -> Claim:
    return claim_new(_output(request)) if request.output else claim_next(_output(request))


def _save(plan: Plan, output: Path, uri: str) -> None:
    try:
        keep(output, uri)
        save_plan(plan, output)
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a directory with room for a run") from error


def _load(decided: Decided, show: Show | None) -> tuple[Decided, CorpusReference, Dataset]:
    """Read the recordings; what they decide of the protocol is in what is returned."""
    with doing("reading the recordings", show):
        corpus, embedded = load_corpus(decided.request.data, faces=decided.images is not None)
    check_low_pass(corpus, decided.protocol.defence)
    stride = decided.images.frame_stride if decided.images else 1
    protocol = with_label_shift(decided.protocol, [one.time[::stride] for one in corpus.recordings])
    decided = dataclasses.replace(decided, protocol=protocol)
    with doing("preparing the recordings", show):
        dataset = make_dataset(
            corpus,
            decided.protocol,
            seed=decided.request.seed,
            images=decided.images,
            federated=decided.method.federated,
            show=show,
        )
    return decided, refer(corpus, dataset, embedded, decided.request.data.reading), dataset


def _trials(decided: Decided, reference: CorpusReference, dataset: Dataset) -> Trials:
    request = decided.request
    of_preset = windows.lengths_of_preset(decided)
    fit = of_preset is not None and min(of_preset) > dataset.longest and decided.preset_name in windows.ADAPTED
    trials, refused = make_trials(
        windows.adapted(decided.points, of_preset, dataset.longest) if of_preset and fit else decided.points,
        method=request.method,
        corpus=reference,
        decisive=decisive(
            decided.protocol,
            request.seed,
            decided.images,
            decided.federation,
            request.data.features,
            groups=dataset.groups,
        ),
        refuse=lambda length: refusal(dataset, decided.protocol, decided.federation, length),
    )
    if not trials and refused:
        where = "--set sequence_length" if request.point is None else "--sequence-length or --published"
        expected = "at least one point that can be trained"
        if of_preset:
            where, expected = f"--preset {decided.preset_name}", f"{expected}: --set sequence_length=..."
        raise InputError.of(where, found=refused[0]["why"], expected=expected)
    order = SEARCHES[decided.search.search].order
    if order is not None:
        trials = resolve(order)(trials, decided.search.max_trials, request.seed)
    return trials, refused


def _plan(name: str, uri: str, loaded: tuple[Decided, CorpusReference, Dataset], chosen: Trials) -> Plan:
    decided, reference, dataset = loaded
    request, method = decided.request, decided.method
    plan = Plan(
        name=name,
        title=method.title,
        command=request.command,
        method=method.name,
        preset=decided.preset_name if request.point is None else None,
        protocol=decided.protocol,
        seed=request.seed,
        corpus=reference,
        search=decided.search,
        tracking={"tracking_uri": uri, "experiment": f"affect-{method.name}"},
        trials=chosen[0],
        refused=chosen[1],
        versions=versions(),
        git_commit=git_commit(),
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        arguments=tuple(hide_arguments(sys.argv[1:])),
        images=decided.images,
        federation=decided.federation,
        features=request.data.features,
        groups=dataset.groups,
    )
    plan = dataclasses.replace(plan, packs=_packs(plan))
    return dataclasses.replace(plan, decisive=decisive_of(dataclasses.asdict(plan)))


def _packs(plan: Plan) -> Packs:
    """Return which trials are trained together; none if the search decides on its points as it goes."""
    check_backend(plan)
    if SEARCHES[plan.search.search].propose is not None:
        return ()
    return form_packs(plan, plan.trials[: plan.num_planned])


def reopen(plan: Plan, show: Show | None = None) -> Dataset:
    """Read the plan's corpus again for a resumed run; InputError if its contents have changed."""
    corpus = reread(plan, show)
    with doing("preparing the recordings", show):
        return make_dataset(
            corpus,
            plan.protocol,
            seed=plan.seed,
            images=plan.images,
            federated=plan.federation is not None,
            groups=plan.groups,
            show=show,
        )


def reread(plan: Plan, show: Show | None = None) -> Corpus:
    """Read the recordings of a plan as its run did; InputError if their contents have changed."""
    embedded = plan.corpus.embedded  # is made anew where the cache was cleared
    path = _embedded(embedded) if embedded else Path(plan.corpus.path)
    with doing("reading the recordings", show):
        names = plan.corpus.feature_names
        corpus = open_corpus(
            path,
            corpus=plan.corpus.kind,
            features=plan.features,
            choice=FeatureChoice(names=names) if names else None,
            reading=plan.corpus.reading,
            options=plan.corpus.options,
        )
    if corpus.sha256 != plan.corpus.sha256:
        raise other_contents(plan, corpus)
    if plan.images is not None and not plan.corpus.options.current:
        check_seen_as_before(corpus.recordings)
    return corpus


def _embedded(parameters: JsonObject) -> Path:
    """Return the embedded corpus that a plan names; InputError for parameters it does not have."""
    try:
        return cached_synthetic(**parameters)
    except TypeError as error:
        found = f"parameters of the embedded corpus that it does not have ({error})"
        raise InputError.of("the plan's corpus.embedded", found=found, expected="those of the run") from error


def load_corpus(data: DataOptions, *, faces: bool = False) -> tuple[Corpus, JsonObject | None]:
    """Open the user's recordings, or write the embedded corpus into the cache and read it like anyone's.

    Of features action units are taken where nothing else was asked for: also with `faces`, where none is used, so that
    a report knows searches of all methods on the same files as such of one corpus.

    The second value is what the embedded corpus is made with; None for the user's own.
    """
    how: JsonObject = {
        "corpus": data.corpus,
        "choice": FeatureChoice(patterns=data.features, units_only=True),
        "reading": data.reading,
        "options": data.options,
    }
    if data.path is not None:
        return open_corpus(data.path, **how), None
    embedded: JsonObject = {
        "participants": DEMO_PARTICIPANTS,
        "seconds": DEMO_SECONDS,
        "hz": DEMO_HZ,
        "seed": DEMO_CORPUS_SEED,
        "identity": IDENTITY_DEFAULT if data.identity is None else data.identity,
        "faces": faces,
    }
    return open_corpus(cached_synthetic(**embedded), **how), embedded


def refer(
    corpus: Corpus, dataset: Dataset, embedded: JsonObject | None, reading: Reading = AS_IT_IS
) -> CorpusReference:
    """Return what a plan remembers of its corpus."""
    return CorpusReference(
        kind=corpus.kind,
        path=str(corpus.path.absolute()),
        sha256=corpus.sha256,
        synthetic=corpus.synthetic,
        embedded=embedded,
        frame_rate=reading.frame_rate,
        time_unit=dict(reading.time_unit) or None,
        limits=reading.limits.given() or None,
        read=outline(corpus),
        options=corpus.options,
        feature_names=corpus.feature_names,
        features_tool=corpus.features_tool,
        participants=len(corpus.participants),
        features=dataset.num_features,
        longest=max(len(series.valid_T) for series in dataset.series),
    )


def _run_name(request: Request) -> str:
    return f"{request.command}-{request.method}-{datetime.now():%Y%m%d-%H%M%S}"
