"""Small made-up records for tests of what happens after training."""

from typing import Any

from models.ccc import Moments
from orchestrator.plan import CorpusReference, Plan, SearchOptions, Trial, decisive, grid_points, make_trials
from orchestrator.protocols import DESCRIBED, Protocol
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


def make_result(uid: str, losses: list[float], scores: list[float], *, status: str = "finished") -> dict[str, Any]:
    """A result whose fold k has the given selection loss and, as every CCC, the given score."""
    folds = [
        {
            "fold": k,
            "participants": [f"P{k}"],
            "chosen_epoch": 1,
            "selection_loss": loss,
            "train_loss": loss,
            **{
                f"{measure}_{dimension}": score
                for measure in ("ccc", "ccc_window", "ccc_participant", "pearson", "mse", "mae")
                for dimension in ("valence", "arousal")
            },
            **{f"constant_{d}": False for d in ("valence", "arousal")},
            **{f"num_frames_{d}": 10 for d in ("valence", "arousal")},
            "moments": {f"P{k}": {d: Moments.zero().to_list() for d in ("valence", "arousal")}},
        }
        for k, (loss, score) in enumerate(zip(losses, scores, strict=True))
    ]
    trial = Trial(
        uid=uid,
        network="rnn",
        hparams=HParams(learning_rate=1e-3, hidden_size=8, sequence_length=50, num_layers=1),
    )
    return {
        "uid": uid,
        "network": trial.network,
        "hparams": {"learning_rate": 1e-3, "hidden_size": 8, "sequence_length": 50, "num_layers": 1},
        "status": status,
        "selection_loss": sum(losses) / len(losses),
        "federation": None,
        "curve": {"validation_loss": [1.0, sum(losses) / len(losses)]},
        "ccc_valence": sum(scores) / len(scores),
        "ccc_arousal": sum(scores) / len(scores),
        "training_seconds": 1.0,
        "model_size_mib": 1.0,
        "num_parameters": 10,
        "folds": folds,
    }
