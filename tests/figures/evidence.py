"""Made-up searches whose figures are known: a grid of configurations, and predictions of a few people."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from orchestrator.report.search_record import Search
from orchestrator.run_records import Best, PersonScore, Summary, TrialResult
from tune_spaces.method import HParams

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


def make_trials(grid: Mapping[str, Sequence[Any]] = GRID, score: Score = additive) -> list[TrialResult]:
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [make_trial(f"{i:012x}", point, *score(point)) for i, point in enumerate(points)]


def make_trial(uid: str, point: Mapping[str, Any], valence: float, arousal: float) -> TrialResult:
    means = {"train_loss": 0.3, "validation_loss": 0.4, "ccc_valence": valence, "ccc_arousal": arousal}
    curve = {name: (value / 2, value * 0.8, value) for name, value in means.items()}
    return TrialResult(
        uid=uid,
        network=point["network"],
        hparams=HParams(**{key: value for key, value in point.items() if key != "network"}),
        status="finished",
        selection_loss=1.0 - (valence + arousal) / 10,
        training_seconds=60.0 + point["hidden_size"],
        model_size_mib=point["hidden_size"] / 10,
        num_parameters=10,
        scores={
            "ccc_valence": valence,
            "ccc_arousal": arousal,
            "ccc_valence_sd": 0.05,
            "ccc_arousal_sd": 0.04,
            "pearson_valence": valence + 0.1,
            "pearson_arousal": arousal + 0.1,
        },
        folds=(),
        federation=None,
        curve={**curve, **{f"{name}_sd": (0.01,) * 3 for name in means}},
    )


def with_scores(trial: TrialResult, **scores: float) -> TrialResult:
    """The trial with other scores."""
    return replace(trial, scores={**trial.scores, **scores})


def make_summary(people: Mapping[str, tuple[float, float]], best: TrialResult | None = None) -> Summary:
    """A summary with so many people's own CCC, and the scores of the best configuration."""
    return Summary(
        status="finished",
        best=Best(network=best.network, hparams=best.hparams, uid=best.uid, loss=best.selection_loss) if best else None,
        scores=best.scores if best else {},
        training_seconds=best.training_seconds if best else None,
        model_size_mib=best.model_size_mib if best else None,
        participants=tuple(
            PersonScore(participant=name, fold=0, scores={"ccc_valence": valence, "ccc_arousal": arousal})
            for name, (valence, arousal) in people.items()
        ),
    )


def make_search(trials: Sequence[TrialResult], **changes: Any) -> Search:
    plan = {
        "method": "au",
        "title": "Action units",
        "protocol": {"name": "described", "optimistic": False},
        "corpus": {"synthetic": True, "sha256": "aa" * 32, "participants": 23},
        "images": None,
        "federation": None,
    }
    fields = {name: changes.pop(name) for name in ("summary", "failures", "predictions") if name in changes}
    return Search(plan=plan | changes, trials=trials, **{"summary": None, **fields})


def write_predictions(path: Path, noise: Mapping[str, float], *, gold: bool = True, raters: bool = True) -> Path:
    """Write 60 frames per person at 25 per second; a person's predictions are the gold standard and so much noise."""
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
