"""Made-up searches whose figures are known: a grid of configurations, and predictions of a few people."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from orchestrator.report.evidence import Search

GRID: Mapping[str, Sequence[Any]] = {
    "network": ("bigru", "rnn"),
    "learning_rate": (1e-3, 1e-5),
    "hidden_size": (8, 16, 64),
    "sequence_length": (50,),
    "num_layers": (1, 2),
}
Score = Callable[[Mapping[str, Any]], tuple[float, float]]


def additive(point: Mapping[str, Any]) -> tuple[float, float]:
    """Valence and arousal that are sums of what the network, the hidden size and the layers add."""
    network, size = point["network"] == "bigru", point["hidden_size"]
    return 0.3 * network + 0.01 * size, 0.02 * size + 0.1 * point["num_layers"]


def make_trials(grid: Mapping[str, Sequence[Any]] = GRID, score: Score = additive) -> list[dict[str, Any]]:
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [make_trial(f"{i:012x}", point, *score(point)) for i, point in enumerate(points)]


def make_trial(uid: str, point: Mapping[str, Any], valence: float, arousal: float) -> dict[str, Any]:
    means = {"train_loss": 0.3, "validation_loss": 0.4, "ccc_valence": valence, "ccc_arousal": arousal}
    curve = {name: [value / 2, value * 0.8, value] for name, value in means.items()}
    return {
        "uid": uid,
        "network": point["network"],
        "hparams": {key: value for key, value in point.items() if key != "network"},
        "status": "finished",
        "selection_loss": 1.0 - (valence + arousal) / 10,
        "training_seconds": 60.0 + point["hidden_size"],
        "model_size_mib": point["hidden_size"] / 10,
        "ccc_valence": valence,
        "ccc_arousal": arousal,
        "ccc_valence_sd": 0.05,
        "ccc_arousal_sd": 0.04,
        "pearson_valence": valence + 0.1,
        "pearson_arousal": arousal + 0.1,
        "curve": curve | {f"{name}_sd": [0.01] * 3 for name in means},
    }


def make_search(trials: Sequence[Mapping[str, Any]], **changes: Any) -> Search:
    plan = {
        "method": "au",
        "title": "Action units",
        "protocol": {"name": "described", "optimistic": False},
        "corpus": {"synthetic": True},
        "images": None,
        "federation": None,
    }
    fields = {name: changes.pop(name) for name in ("summary", "failures", "predictions") if name in changes}
    return Search(plan=plan | changes, trials=trials, **{"summary": None, **fields})


def write_predictions(path: Path, noise: Mapping[str, float], *, gold: bool = True, raters: bool = True) -> Path:
    """Write 60 frames a person at 25 a second; a person's predictions are the gold standard and so much noise."""
    generator = np.random.default_rng(3)
    frames = np.arange(60) / 25.0
    tables = []
    for person, strength in noise.items():
        columns: dict[str, Any] = {
            "participant": pa.array([person] * len(frames), pa.string()),
            "session": pa.array([""] * len(frames), pa.string()),
            "time": frames,
        }
        for dimension, phase in (("valence", 0.0), ("arousal", 1.0)):
            truth = 0.5 * np.sin(2 * frames + phase)
            known = {
                "gold": truth if gold else np.full(len(frames), np.nan),
                "pred": truth + strength * generator.normal(size=len(frames)),
            }
            if raters:
                known |= {"raters_low": truth - 0.1, "raters_high": truth + 0.2}
            columns |= {
                f"{dimension}_{kind}": pa.array(values, pa.float32(), mask=np.isnan(values))
                for kind, values in known.items()
            }
        tables.append(pa.table(columns))
    pyarrow.parquet.write_table(pa.concat_tables(tables), path)
    return path
