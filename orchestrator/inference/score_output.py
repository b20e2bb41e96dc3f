"""What `score` prints and writes: a table of 80 columns, scores.json, people.csv and predictions.csv."""

from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.corpora.recording import Corpus
from orchestrator.csv_text import as_text, protected
from orchestrator.errors import cut, printable
from orchestrator.estimators.intervals import ccc_in_words, with_ends
from orchestrator.estimators.new_people import PoolScore
from orchestrator.files import JsonObject, write_json, write_text
from orchestrator.inference.output import number, seconds
from orchestrator.inference.saved_model import SavedModel
from orchestrator.inference.score import Scored
from orchestrator.protocols import DIMENSIONS

SCORES_FILE = "scores.json"
PEOPLE_FILE = "people.csv"
PREDICTIONS_FILE = "predictions.csv"
LONGEST_NAME = 31  # ours: characters of a participant in the table
METHODS = {"pooled": "CCC of all frames", "of_people": "mean of the people's own CCC"}


def table(scored: Scored) -> str:
    """Return the scores as lines of at most 80 characters: the pooled CCC, the mean over people, everybody's own."""
    lines = [f"{'CCC':32s}" + "".join(f"{d:>24s}" for d in DIMENSIONS)]
    for name, words in METHODS.items():
        intervals = getattr(scored, name)
        lines.append(f"{words:32s}" + "".join(f"{_shown(intervals[d]):>24s}" for d in DIMENSIONS))
    for one in scored.people:
        mark = " (seen)" if one.seen else ""
        name = cut(printable(one.participant), LONGEST_NAME - len(mark)) + mark
        lines.append(f"{name:32s}" + "".join(f"{ccc_in_words(one.ccc[d]):>24s}" for d in DIMENSIONS))
    lines.append(f"In brackets: 95 % intervals over people, {_counted(scored)}; the models are taken as given.")
    return "\n".join(lines)


def record(model: SavedModel, corpus: Corpus, scored: Scored) -> JsonObject:
    """Return the content of scores.json; null for a score or an end of an interval that is not defined."""
    return {
        "model": {"folder": str(model.folder.absolute()), "uid": model.card["uid"], "run_id": model.run_id},
        "data": {"path": str(corpus.path.absolute()), "kind": corpus.kind, "sha256": corpus.sha256},
        "synthetic": scored.predicted.synthetic,
        "participants": len(scored.people),
        "seen_in_training": {
            "left_out": list(scored.left_out),
            "scored": [p.participant for p in scored.people if p.seen],
        },
        "scores": {
            d: {
                "frames": sum(one.frames[d] for one in scored.people),
                "ccc": _interval(scored.pooled[d]),
                "participant_ccc": _interval(scored.of_people[d]),
            }
            for d in DIMENSIONS
        },
        "notes": list(scored.lines),
    }


def write(folder: Path, content: JsonObject, scored: Scored) -> None:
    """Write the three files into a folder; OSError if it cannot be written."""
    write_json(folder / SCORES_FILE, content)
    rows: list[list[Any]] = [["participant", "seen", *(f"{k}_{d}" for k in ("frames", "ccc") for d in DIMENSIONS)]]
    for one in scored.people:
        values = [*(one.frames[d] for d in DIMENSIONS), *(_cell(one.ccc[d]) for d in DIMENSIONS)]
        rows.append([protected(one.participant), str(one.seen).lower(), *values])
    write_text(folder / PEOPLE_FILE, as_text(rows))
    rows = [["participant", "session", "time", *DIMENSIONS, *(f"{d}_gold" for d in DIMENSIONS)]]
    for trace, gold in zip(scored.predicted.traces, scored.gold, strict=True):
        who = (protected(trace.participant), protected(trace.session))
        for time, values, labels in zip(trace.time, trace.prediction, gold, strict=True):
            rows.append([*who, seconds(time), *map(number, values), *map(number, np.asarray(labels, np.float32))])
    write_text(folder / PREDICTIONS_FILE, as_text(rows))


def _shown(one: PoolScore | None) -> str:
    if one is not None and one.interval is not None:
        return with_ends(one.interval)
    return ccc_in_words(None if one is None else one.value)


def _counted(scored: Scored) -> str:
    """Return of how many people the pooled scores are, by dimension if that differs."""
    numbers = {d: 0 if (one := scored.pooled[d]) is None else one.people for d in DIMENSIONS}
    if len(set(numbers.values())) > 1:
        return "of " + ", ".join(f"{number} ({d})" for d, number in numbers.items())
    return f"of {number}" if (number := min(numbers.values())) > 1 else "of too few"


def _interval(one: PoolScore | None) -> JsonObject:
    found: JsonObject = {"value": None, "low": None, "high": None, "participants": None, "method": None}
    if one is not None:
        found |= {"value": one.value, "participants": one.people}
    if one is not None and one.interval is not None:
        found |= {"low": one.interval.low, "high": one.interval.high, "method": one.interval.method}
    return found


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
