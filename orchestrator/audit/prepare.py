"""From a run's folder, or from people's recordings and a method, to the subject of an audit."""

import dataclasses
from pathlib import Path

from orchestrator.audit.subject import Subject
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import Reading
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.feature_choice import FeatureChoice
from orchestrator.data.backbone_features import Show
from orchestrator.data.dataset import check_videos
from orchestrator.errors import InputError, doing
from orchestrator.inference.saved_model import open_model
from orchestrator.planning.launch import load_corpus, reread
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.removal import refuse_forgotten
from orchestrator.planning.request import Decided
from orchestrator.run_folder import CARD_FILE, MODEL_FOLDER, PLAN_FILE
from tune_spaces.method import HParams

EVERY_COLUMN = ("*",)
READS_AGAIN = "a run from which nobody was removed: the attacks would read all recordings again"
# Ours: of a method's demo preset the configuration that reference models are trained of, where there is no run.
PREFERRED_NETWORK = "bigru"


def subject_of_run(folder: Path, *, seed: int, show: Show | None = None) -> Subject:
    """Return what a finished run has: its recordings, read again, its protocol and its best configuration's models.

    InputError: no run's folder, a run without a model, recordings that have changed since, and a run from
    which a person was removed.
    """
    if not (folder / PLAN_FILE).is_file():
        raise InputError.of("RUN", found=f"{folder}, without {PLAN_FILE}", expected="the folder of a finished run")
    if not (folder / MODEL_FOLDER / CARD_FILE).is_file():
        found = f"{folder}, without {MODEL_FOLDER}/{CARD_FILE}"
        raise InputError.of("RUN", found=found, expected=f"a finished run; go on with tune --resume {folder}")
    refuse_forgotten(folder, "RUN", instead=READS_AGAIN)
    plan = load_plan(folder)
    model = open_model(str(folder))
    corpus = reread(plan, show)
    return Subject(
        corpus=corpus,
        method=plan.method,
        protocol=plan.protocol,
        network=model.card["network"],
        hparams=HParams(**model.card["hparams"]),
        seed=seed,
        images=plan.images,
        federation=plan.federation,
        groups=plan.groups,
        run=folder,
        model=model,
        every_column=_every_column(corpus, plan.corpus.reading, show),
    )


def subject_of_data(decided: Decided, *, show: Show | None = None) -> Subject:
    """Return people's recordings with what a method makes of them; there is no released model.

    InputError for recordings that cannot be read, or have no videos where the method looks at frames.
    """
    request = decided.request
    with doing("reading the recordings", show):
        corpus, _ = load_corpus(request.data, faces=decided.images is not None)
        if decided.images is not None:
            check_videos(corpus)  # before the attacks that need none: an audit half done would be left
    network, hparams = reference_point(decided)
    people = max(2, len(corpus.participants))
    protocol = dataclasses.replace(decided.protocol, num_folds=min(decided.protocol.num_folds, people))
    return Subject(
        corpus=corpus,
        method=decided.method.name,
        protocol=protocol,
        network=network,
        hparams=hparams,
        seed=request.seed,
        images=decided.images,
        federation=decided.federation,
        every_column=_every_column(corpus, request.data.reading, show),
    )


def reference_point(decided: Decided) -> tuple[str, HParams]:
    """Return the configuration that stands for a method: the largest of its preset's, of the network BiGRU."""
    networks = [network for network, _ in decided.points]
    chosen = PREFERRED_NETWORK if PREFERRED_NETWORK in networks else networks[0]
    points = [hparams for network, hparams in decided.points if network == chosen]
    return chosen, max(points, key=lambda one: (one.hidden_size, one.num_layers, -one.sequence_length))


def _every_column(corpus: Corpus, reading: Reading, show: Show | None) -> Corpus | None:
    """Read the same files with all columns, where a run has chosen some: an attacker is not as modest."""
    if set(corpus.all_features) <= set(corpus.feature_names):
        return None
    with doing("reading all columns", show):
        return open_corpus(
            corpus.path,
            corpus=corpus.kind,
            choice=FeatureChoice(patterns=EVERY_COLUMN),
            reading=reading,
            options=corpus.options,
        )
