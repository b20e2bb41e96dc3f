"""Small made-up records for tests of what happens after training."""

from typing import Any

from models.ccc import Moments
from orchestrator import measures
from orchestrator.planning.grid import decisive, grid_points, make_trials
from orchestrator.planning.plan import CorpusReference, Plan, SearchOptions
from orchestrator.protocols import DESCRIBED, DIMENSIONS, Protocol
from orchestrator.run_records import FINISHED, FoldScore, TrialResult
from tune_spaces.method import HParams

CORPUS = CorpusReference(
    kind="recola", path="/data", sha256="ab" * 32, synthetic=True, participants=4, features=40, longest=300
)
SMALL_GRID = {
    "learning_rate": (1e-3,),
    "hidden_size": (8, 16),
    "sequence_length": (50,),
    "num_layers": (1, 2),
}
FACTS = {"constant": False, "num_frames": 10}


def make_plan(*, protocol: Protocol = DESCRIBED, search: SearchOptions | None = None, **changes: Any) -> Plan:
    trials, refused = make_trials(
        grid_points(("rnn", "bigru"), changes.pop("grid", SMALL_GRID)),
        method="au",
        corpus=CORPUS,
        decisive=decisive(protocol, 0, None, None),
        refuse=lambda _: None,
    )
    fields: dict[str, Any] = {
        "name": "a-run",
        "title": "Action units",
        "command": "tune",
        "method": "au",
        "preset": "demo",
        "protocol": protocol,
        "seed": 0,
        "corpus": CORPUS,
        "search": search or SearchOptions(),
        "tracking": {"tracking_uri": "sqlite:////nowhere.db", "experiment": "affect-au"},
        "trials": trials,
        "refused": refused,
        "versions": {"python": "3.11"},
        "git_commit": None,
        "started": "2026-01-01T00:00:00+00:00",
    }
    return Plan(**{**fields, **changes})


def make_fold(k: int, *, loss: float, score: float) -> FoldScore:
    """A fold with the given losses and, as every measure, the given score; ten scored frames."""
    facts = {f"{name}_{dimension}": value for name, value in FACTS.items() for dimension in DIMENSIONS}
    return FoldScore(
        fold=k,
        participants=(f"P{k}",),
        chosen_epoch=1,
        selection_loss=loss,
        train_loss=loss,
        scores={**dict.fromkeys(measures.fold_keys(), score), **facts},
        moments={f"P{k}": {dimension: tuple(Moments.zero().to_list()) for dimension in DIMENSIONS}},
    )


def make_result(uid: str, losses: list[float], scores: list[float], *, status: str = FINISHED) -> TrialResult:
    """A result whose fold k has the given selection loss and, as every CCC, the given score."""
    mean = sum(scores) / len(scores)
    return TrialResult(
        uid=uid,
        network="rnn",
        hparams=HParams(learning_rate=1e-3, hidden_size=8, sequence_length=50, num_layers=1),
        status=status,
        selection_loss=sum(losses) / len(losses),
        scores=dict.fromkeys(measures.headline_keys(), mean),
        federation=None,
        curve={"validation_loss": (1.0, sum(losses) / len(losses))},
        training_seconds=1.0,
        model_size_mib=1.0,
        num_parameters=10,
        folds=tuple(
            make_fold(k, loss=loss, score=score) for k, (loss, score) in enumerate(zip(losses, scores, strict=True))
        ),
    )
