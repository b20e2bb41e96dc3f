"""`fuse`: late fusion of the held-out predictions of several runs by a ridge regression (the paper's future work).

The regression of a fold is fitted on the other folds' predictions and gold, so that nobody's labels reach their own.
Shapes: T frames of a recording, N frames of several, I inputs, 2 = valence and arousal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ccc import Moments, ccc
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.formats.table import rows_by_recording
from orchestrator.corpora.reading import AS_IT_IS, OURS
from orchestrator.corpora.tables.clock import clock_of, time_column
from orchestrator.corpora.tables.clocks import Seen, check_clock, check_clocks
from orchestrator.corpora.tables.column_files import read_columns
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.time_units import ASSUMED, Unit
from orchestrator.corpora.tables.tracks import is_synthetic
from orchestrator.corpora.video.frame_store import align
from orchestrator.errors import InputError
from orchestrator.estimators.participants import spread
from orchestrator.evaluation import prediction_table
from orchestrator.evaluation.baselines import ridge_weights
from orchestrator.files import JsonObject, read_json, write_json
from orchestrator.protocols import DIMENSIONS, LABEL_FIELDS, LABEL_OPTIONS, OF_OLDER_PLANS
from orchestrator.run_folder import PLAN_FILE, PREDICTIONS_TABLE, new_folder

FUSION_FILE = "fusion.json"
SAME_GOLD = 0.01  # ours: gold standards of two runs that differ by more are of other labels; those of labels are 0.01
MIN_FRAMES = 10  # ours: to fit a regression on

Floats = NDArray[np.float64]
Who = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """One recording's predictions by one input, and what else the input knows of it."""

    time: Floats  # (T,) seconds
    prediction: Floats  # (T, 2); NaN where there is none
    gold: Floats  # (T, 2); NaN where there is none
    fold: int | None  # None: the input knows no folds
    unit: Unit = ASSUMED  # that the file's times were taken for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """One recording on the first input's clock."""

    who: Who
    fold: int
    time: Floats  # (T,)
    inputs: Floats  # (T, I, 2); NaN where an input has no frame
    gold: Floats  # (T, 2)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Frames (T,) with all inputs."""
        return np.asarray(np.isfinite(self.inputs).all(axis=(1, 2)))


def fuse(runs: Sequence[Path], output: Path) -> str:
    """Fuse runs' folders or tables of predictions into `output`; return the lines to print.

    InputError: fewer than two inputs, one twice, a first one without folds, other people, other labels, no gold.
    """
    if len(runs) < 2:
        raise InputError.of("fuse", found=f"{len(runs)} input", expected="at least two")
    twice = [str(one) for place, one in enumerate(runs) if one.resolve() in {other.resolve() for other in runs[:place]}]
    if twice:
        raise InputError.of("fuse", found=f"one input twice: {', '.join(twice)}", expected="different runs or tables")
    inputs, synthetic = zip(*(_read(path) for path in runs), strict=True)
    _check(runs, inputs)
    recordings = _joined(runs, inputs)
    fused = [np.full((len(one.time), 2), np.nan) for one in recordings]
    weights = []
    for fold in sorted({one.fold for one in recordings}):
        train = [one for one in recordings if one.fold != fold]
        models = [_fit(train, d, fold) for d in range(len(DIMENSIONS))]
        weights.append({name: _record(model, runs) for name, model in zip(DIMENSIONS, models, strict=True)})
        for index, one in enumerate(recordings):
            if one.fold == fold:
                rows = one.inputs[one.usable].reshape(-1, 2 * len(runs))
                fused[index][one.usable] = np.stack([rows @ coefficients + bias for coefficients, bias in models], 1)
    names = [str(path) for path in runs]
    every = [[one.inputs[:, number] for one in recordings] for number in range(len(runs))]
    record = {
        "inputs": [{"path": name, **_scores(recordings, own)} for name, own in zip(names, every, strict=True)],
        "fusion": _scores(recordings, fused),
        "folds": weights,
        "frames": sum(int(one.usable.sum()) for one in recordings),
        "synthetic": any(synthetic),
    }
    blocks = [
        prediction_table.block(*one.who, one.time, one.fold, {"gold": one.gold, "pred": prediction})
        for one, prediction in zip(recordings, fused, strict=True)
    ]
    try:
        with new_folder(output):
            _write(output, blocks, record, synthetic=any(synthetic))
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a folder that can be written") from error
    return _as_text(record, output)


def _write(output: Path, blocks: list[Any], record: JsonObject, *, synthetic: bool) -> None:
    """Write both files or none: neither is of use without the other."""
    try:
        prediction_table.write(output / PREDICTIONS_TABLE, blocks, synthetic=synthetic)
        write_json(output / FUSION_FILE, record)
    except OSError:
        (output / PREDICTIONS_TABLE).unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[dict[Who, Predictions], bool]:
    """Read a run's folder or a table; True if it is of generated data."""
    file = path / PREDICTIONS_TABLE if path.is_dir() else path
    if not file.is_file():
        expected = f"a run's folder with {PREDICTIONS_TABLE}, or a table of predictions (.csv, .parquet)"
        raise InputError.of(str(path), found="no predictions", expected=expected)
    findings = Findings()
    columns = read_columns(file, findings, text=frozenset(["participant", "session"]))
    if columns is None:
        raise InputError(findings.problems)
    suffix = "_pred" if columns.find("valence_pred") else ""
    wanted = tuple(f"{dimension}{suffix}" for dimension in DIMENSIONS)
    lacking = ["time"] * (time_column((*columns.names, *columns.text)) is None)
    lacking += [name for name in wanted if columns.find(name) is None]
    lacking += ["participant"] * (columns.find_text("participant") is None)
    if lacking:
        expected = "columns participant, session, time, valence, arousal"
        raise InputError.of(columns.header, found=f"no column {', '.join(lacking)}", expected=expected)
    ours = path.is_dir()  # a run's own predictions are in seconds
    found = {
        who: _of_recording(columns, rows, suffix, " ".join(filter(None, who)), ours=ours)
        for who, rows in rows_by_recording(columns).items()
    }
    return found, is_synthetic(columns)


def _of_recording(columns: Columns, rows: NDArray[np.intp], suffix: str, name: str, *, ours: bool) -> Predictions:
    def values(name: str) -> Floats:
        column = columns.find(name)
        return np.full(len(rows), np.nan) if column is None else columns.numbers_of(column)[rows]

    findings, folds = Findings(), values("fold")
    clock = clock_of(columns, rows, name, findings, reading=OURS if ours else AS_IT_IS)
    if clock is None:
        raise InputError(findings.problems)
    time = clock.time
    faults = np.flatnonzero(~np.isfinite(time) | (np.diff(time, prepend=-np.inf) <= 0))
    if len(faults):
        raise InputError.of(
            columns.where(int(rows[faults[0]])), found=f"time {time[faults[0]]:g}", expected="increasing times"
        )
    if not check_clock(name, str(columns.path), time, clock.unit, findings):
        raise InputError(findings.problems)
    fold = int(folds[0]) if np.isfinite(folds).all() else None
    return Predictions(
        time=time,
        unit=clock.unit,
        prediction=np.stack([values(f"{dimension}{suffix}") for dimension in DIMENSIONS], axis=1),
        gold=np.stack([values(f"{dimension}_gold") for dimension in DIMENSIONS], axis=1),
        fold=fold,
    )


def _check(runs: Sequence[Path], inputs: Sequence[Mapping[Who, Predictions]]) -> None:
    first = inputs[0]
    if any(one.fold is None for one in first.values()):
        expected = f"a run's folder, whose {PREDICTIONS_TABLE} says which fold held each person out"
        raise InputError.of(str(runs[0]), found="predictions without folds", expected=expected)
    if len({one.fold for one in first.values()}) < 2:
        raise InputError.of(str(runs[0]), found="a single fold", expected="at least two, to fit on the others")
    for path, other in zip(runs[1:], inputs[1:], strict=True):
        here = {" ".join(filter(None, who)) for who in first.keys() - other.keys()}
        there = {" ".join(filter(None, who)) for who in other.keys() - first.keys()}
        if here or there:
            found = "; ".join(
                f"{text} {shortened(sorted(people))}"
                for text, people in (("no predictions of", here), ("others of", there))
                if people
            )
            raise InputError.of(str(path), found=found, expected=f"the recordings of {runs[0]}")


def _joined(runs: Sequence[Path], inputs: Sequence[Mapping[Who, Predictions]]) -> list[Joined]:
    recordings = []
    for who, base in inputs[0].items():
        gold = np.full((len(base.time), 2), np.nan)
        parts = []
        name, findings = " ".join(filter(None, who)), Findings()
        for path, own in zip(runs, (one[who] for one in inputs), strict=True):
            first = Seen(where=str(runs[0]), time=base.time, unit=base.unit)
            if not check_clocks(name, first, Seen(where=str(path), time=own.time, unit=own.unit), findings):
                raise InputError(findings.problems)
            index, there = align(own.time, base.time)
            at = np.where(there, index, 0)
            parts.append(np.where(there[:, None], own.prediction[at], np.nan))
            labels = np.where(there[:, None], own.gold[at], np.nan)
            both = np.isfinite(gold) & np.isfinite(labels)
            if own.time.shape == base.time.shape and (np.abs(gold - labels)[both] > SAME_GOLD).any():
                found = f"gold of {name} that differs by up to {np.abs(gold - labels)[both].max():.2f}"
                found += _other_options(runs[0], path)
                raise InputError.of(str(path), found=found, expected="the same labels in all runs")
            gold = np.where(np.isfinite(gold), gold, labels)
        assert base.fold is not None
        recordings.append(Joined(who=who, fold=base.fold, time=base.time, inputs=np.stack(parts, 1), gold=gold))
    if not any(np.isfinite(one.gold).any() for one in recordings):
        expected = "one run whose labels are not kept by its clients (a federation's are)"
        raise InputError.of("fuse", found="no gold standard in any input", expected=expected)
    return recordings


def _other_options(first: Path, second: Path) -> str:
    """Return by which options two runs have other labels, as far as their plans say; "" where nothing is known."""
    plans = [read_json(run / PLAN_FILE) if (run / PLAN_FILE).is_file() else {} for run in (first, second)]
    made = [(plan.get("corpus") or {}).get("options") or {} for plan in plans]
    made = [
        {**OF_OLDER_PLANS, **own, **plan["protocol"]} if plan.get("protocol") else own
        for own, plan in zip(made, plans, strict=True)
    ]
    differ = [
        f"{option} {' and '.join(str(one.get(key)) for one in made)}"
        for key, option in {**LABEL_FIELDS, **LABEL_OPTIONS}.items()
        if all(made) and made[0].get(key) != made[1].get(key)
    ]
    return f" ({', '.join(differ)} in {first} and {second})" if differ else ""


def _fit(train: Sequence[Joined], d: int, fold: int) -> tuple[Floats, float]:
    """Fit one dimension on all inputs' predictions of both; coefficients (2 I,) and the intercept."""
    chosen = [one.usable & np.isfinite(one.gold[:, d]) for one in train]
    rows = np.concatenate(
        [one.inputs[at].reshape(-1, 2 * one.inputs.shape[1]) for one, at in zip(train, chosen, strict=True)]
    )
    gold = np.concatenate([one.gold[at, d] for one, at in zip(train, chosen, strict=True)])
    if len(rows) < MIN_FRAMES:
        found = f"{len(rows)} frames with {DIMENSIONS[d]} and all inputs outside fold {fold}"
        raise InputError.of("fuse", found=found, expected=f"at least {MIN_FRAMES}: inputs that meet in time")
    return ridge_weights(rows, gold)


def _record(model: tuple[Floats, float], runs: Sequence[Path]) -> JsonObject:
    coefficients = model[0].reshape(len(runs), 2).tolist()
    named = [dict(zip(DIMENSIONS, one, strict=True)) for one in coefficients]
    return {"inputs": named, "intercept": model[1]}


def _scores(recordings: Sequence[Joined], predictions: Sequence[Floats]) -> JsonObject:
    """Score predictions (T, 2) where all inputs have a frame: CCC by fold, its mean and spread."""
    scores: JsonObject = {}
    for d, dimension in enumerate(DIMENSIONS):
        by_fold: dict[int, Moments] = {}
        for one, prediction in zip(recordings, predictions, strict=True):
            at = one.usable & np.isfinite(one.gold[:, d])
            moments = Moments.of(prediction[at, d], one.gold[at, d])
            by_fold[one.fold] = by_fold.get(one.fold, Moments.zero()) + moments
        values = [ccc(by_fold[fold]) for fold in sorted(by_fold)]
        scores |= {
            f"ccc_{dimension}": float(np.mean(values)),
            f"ccc_{dimension}_sd": spread(values),
            f"ccc_{dimension}_folds": values,
        }
    return scores


def _as_text(record: JsonObject, output: Path) -> str:
    note = " (SYNTHETIC)" if record["synthetic"] else ""
    lines = [f"late fusion on {record['frames']} frames that all inputs have{note}; CCC, mean ± spread over folds"]
    lines.append(f"{'':40} {'valence':>15} {'arousal':>15}")
    for name, one in [*((one["path"], one) for one in record["inputs"]), ("fusion", record["fusion"])]:
        cells = [f"{one[f'ccc_{d}']:.3f} ± {one[f'ccc_{d}_sd']:.3f}" for d in DIMENSIONS]
        lines.append(f"{name[-40:]:40} {cells[0]:>15} {cells[1]:>15}")
    return "\n".join([*lines, f"written to {output}"])
