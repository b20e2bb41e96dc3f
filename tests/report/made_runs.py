"""Run folders without any training, and a store that holds three corpora: people of RECOLA, one's own, synthetic."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.files import write_json
from orchestrator.protocols import PROTOCOLS
from orchestrator.tracking import tracker
from tests.tracking.test_tracker import HPARAMS, make_plan, make_result, write_trial

RECOLA = {"kind": "recola", "path": "/data/RECOLA", "sha256": "aa" * 32, "synthetic": False}
OWN = {"kind": "table", "path": "/data/own.csv", "sha256": "bb" * 32, "synthetic": False}
SYNTHETIC = {"kind": "recola", "path": "/cache/synthetic", "sha256": "cc" * 32, "synthetic": True}
WINDOW_GAIN = 0.054  # of the CCC of window means over that of frames

Losses = Mapping[str, tuple[float, ...]]  # by network: validation losses of its configurations


def valence(loss: float) -> float:
    """The CCC that a configuration with this loss has here."""
    return 0.5 - loss / 2


def make_run(
    folder: Path,
    losses: Losses,
    *,
    corpus: Mapping[str, Any] = RECOLA,
    method: str = "au",
    protocol: str = "described",
    day: int = 1,
    status: str = "finished",
    changes: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Path:
    """Write the folder of a search of January 2026 with these configurations."""
    trials: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for network, values in losses.items():
        for loss in values:
            # Digits of the place, so that each configuration has a learning rate, too, which is its own.
            number = len(trials)
            uid = f"{number + 1:03x}{number:03x}"
            hparams = HPARAMS | {"learning_rate": 1e-3 / (number + 1)}
            trials.append({"uid": uid, "network": network, "hparams": hparams})
            scores = {f"ccc_{one}": valence(loss) for one in ("valence", "arousal")}
            scores |= {f"ccc_window_{one}": valence(loss) + WINDOW_GAIN for one in ("valence", "arousal")}
            result = make_result(folder, uid) | {"network": network, "hparams": hparams, "selection_loss": loss}
            folds = [fold | {"selection_loss": loss} | scores for fold in result["folds"]]
            folds = [{key: value for key, value in fold.items() if "window" not in key} for fold in folds]
            results.append(result | scores | {"folds": folds})
            write_trial(folder, uid, "result.json", results[-1])
    given = asdict(PROTOCOLS[protocol]) | dict(changes or {})
    started = f"2026-01-{day:02d}T00:00:00+00:00"
    make_plan(
        folder,
        **{"name": folder.name, "title": "Search", "method": method, "protocol": given, "started": started},
        **{"corpus": {**corpus, "participants": 23}, "trials": trials, **fields},
    )
    best = min(results, key=lambda one: float(one["selection_loss"]))
    scores = {key: value for key, value in best.items() if key.startswith("ccc_")}
    scores |= {f"ccc_corrected_{one}": best[f"ccc_{one}"] - 0.01 for one in ("valence", "arousal")}
    choice = {key: best[key] for key in ("network", "hparams", "uid")} | {"loss": best["selection_loss"]}
    counts = {"planned": len(results), "finished": len(results), "failed": 0, "stopped": 0}
    write_json(folder / "summary.json", {"status": status, "best": choice, "folds": [], "trials": counts, **scores})
    return folder


def track(uri: str, *folders: Path) -> None:
    """Write run folders into a store."""
    for folder in folders:
        assert tracker.write_missing(folder, uri).complete, folder


def make_three_corpora(folder: Path, uri: str) -> None:
    """Write searches of three corpora into a store; the latest are a trial run, and the synthetic one."""
    track(
        uri,
        make_run(folder / "both", {"rnn": (0.30, 0.35), "bigru": (0.20, 0.40)}, day=1),
        make_run(folder / "rnn-better", {"rnn": (0.25,)}, day=2),
        make_run(folder / "bigru-worse", {"bigru": (0.45,)}, day=3),
        make_run(folder / "interrupted", {"bigru": (0.10,)}, day=4, status="interrupted"),
        make_run(folder / "trial-run", {"rnn": (0.02,)}, day=20, changes={"epochs": 2, "num_folds": 2}),
        make_run(folder / "published", {"bigru": (0.522,)}, protocol="published", day=5, command="evaluate"),
        make_run(folder / "strict", {"bigru": (0.28, 0.32)}, protocol="strict", day=6),
        make_run(folder / "scaled", {"bigru": (0.24, 0.26)}, day=7, changes={"scaling": "train"}),
        make_run(folder / "own", {"rnn": (0.5,)}, corpus=OWN, day=8),
        make_run(folder / "own-federated", {"rnn": (0.6,)}, corpus=OWN, method="fl-au", day=9),
        make_run(folder / "synthetic", {"rnn": (0.05,), "bigru": (0.05,)}, corpus=SYNTHETIC, day=21),
    )
