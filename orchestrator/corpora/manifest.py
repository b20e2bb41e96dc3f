"""What is in a corpus, for people (`data check`) and for programs (`data check --json`).

Shapes: T feature frames, F features, R raters, 2 = valence and arousal.
"""

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.catalogue import is_of_the_paper
from orchestrator.corpora.gold_standard import nan_mean, pairwise_agreement
from orchestrator.corpora.names import listed
from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.column_kinds import is_unit
from orchestrator.corpora.tables.feature_choice import FEATURES_OPTION
from orchestrator.errors import number_of
from orchestrator.files import JsonObject
from orchestrator.protocols import DIMENSIONS


def manifest(corpus: Corpus) -> JsonObject:
    """Describe a corpus as values that JSON knows; null where nothing is known, never NaN.

    Agreement is the mean pairwise CCC over all frames of the corpus that both raters labelled.
    """
    rows = [len(recording.time) for recording in corpus.recordings]
    people = [recording.participant for recording in corpus.recordings]
    ratings = np.concatenate([recording.ratings for recording in corpus.recordings])
    missing_features = np.concatenate([np.isnan(recording.features) for recording in corpus.recordings])
    valid = np.concatenate([recording.valid for recording in corpus.recordings])
    raters = corpus.recordings[0].raters
    agreement = pairwise_agreement(ratings)
    dimensions = {
        dimension: _dimension(ratings[:, :, index], agreement[:, :, index], raters)
        for index, dimension in enumerate(DIMENSIONS)
    }
    return {
        "format": corpus.kind,
        "path": str(corpus.path),
        "synthetic": corpus.synthetic,
        "sha256": corpus.sha256,
        "participants": len(set(people)),
        "sessions": len(corpus.recordings),
        "rows": sum(rows),
        "rows_per_session": {"min": min(rows), "median": float(np.median(rows)), "max": max(rows)},
        "single_row_sessions": sum(count == 1 for count in rows),
        "seconds": round(sum(float(one.time[-1] - one.time[0]) for one in corpus.recordings), 6),
        "hz": corpus.hz,
        "feature_names": list(corpus.feature_names),
        "action_units": [name for name in corpus.feature_names if is_unit(name)],
        "raters": list(raters),
        "missing_percent": {"features": _percent(missing_features), "labels": _percent(np.isnan(ratings))},
        "invalid_percent": _percent(~valid),
        "joined_percent": {name: round(100.0 * share, 4) for name, share in corpus.joined.items()},
        "labels_used_percent": {name: round(100.0 * share, 4) for name, share in corpus.labels_used.items()},
        "labels": dimensions,
        "dropped": [{"what": one.what, "why": one.why} for one in corpus.dropped],
        "notes": list(corpus.notes),
        "questions": list(corpus.questions),
        "attributes": {person: dict(own) for person, own in corpus.attributes.items()},
        "recordings": [
            {"participant": one.participant, "session": one.session, "rows": len(one.time)} for one in corpus.recordings
        ],
    }


def manifest_text(corpus: Corpus) -> str:
    """Render the manifest as lines of plain text for a terminal."""
    facts = manifest(corpus)
    span, missing = facts["rows_per_session"], facts["missing_percent"]
    lines = [
        f"{facts['path']}",
        f"  format         {facts['format']}{' (synthetic)' if facts['synthetic'] else ''}",
        f"  participants   {facts['participants']} with {number_of(facts['sessions'], 'session')}",
        f"  rows           {facts['rows']}, {_span(span['min'], span['max'])} per session, {facts['hz']:g} Hz",
        *_features_text(corpus),
        f"  raters         {len(facts['raters'])}: {', '.join(facts['raters'])}",
        f"  missing        {missing['features']:.2f} % of feature values, "
        f"{missing['labels']:.2f} % of labels; {facts['invalid_percent']:.2f} % of rows invalid",
        f"  joined         {shares(corpus)}",
        *(_dimension_text(name, facts["labels"][name]) for name in DIMENSIONS),
        f"  sha256         {facts['sha256']}",
        *_attributes_text(corpus),
        *(_listing("asked", facts["questions"]) if facts["questions"] else ()),
        *_listing("dropped", [f"{one['what']}: {one['why']}" for one in facts["dropped"]]),
        *_listing("notes", facts["notes"]),
    ]
    return "\n".join(lines)


def _span(least: object, most: object) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _features_text(corpus: Corpus) -> list[str]:
    """All features, unusual ones by name; and which of them --method au learns from."""
    names = corpus.feature_names
    units = [name for name in names if is_unit(name)]
    lines = [f"{len(names)}: {listed(names)}"]
    if corpus.feature_line:
        lines.append(corpus.feature_line)
    elif is_of_the_paper(corpus.origin) or not units:
        lines.append("--method au learns from all of them")
    elif len(units) < len(names):
        others = listed(name for name in names if name not in units)
        lines.append(f"--method au learns from the {len(units)} action units; {FEATURES_OPTION} takes others: {others}")
    return _listing("features", lines)


def _attributes_text(corpus: Corpus) -> list[str]:
    """The attributes of participants.csv with the number of people that have one."""
    people = [own for person, own in corpus.attributes.items() if person in corpus.participants]
    names = dict.fromkeys(name for own in people for name in own)
    if not names:
        return []
    known = (f"{name} of {sum(name in own for own in people)}" for name in names)
    return _listing("attributes", [f"{', '.join(known)} of {len(corpus.participants)} participants"])


def shares(corpus: Corpus) -> str:
    """Return how much of the features and of the labels met, in the session with the least and the most."""
    if not corpus.joined or not corpus.labels_used:
        return ""
    texts = [
        f"{_span(f'{100 * min(some.values()):.2f}', f'{100 * max(some.values()):.2f}')} % of a session's {what}"
        for some, what in ((corpus.joined, "rows have a label"), (corpus.labels_used, "labels are used"))
    ]
    return "; ".join(texts)


def _dimension(labels: NDArray[np.float32], agreement: NDArray[np.float64], raters: tuple[str, ...]) -> JsonObject:
    """Facts on one dimension's labels (T, R) with the raters' agreement (R, R)."""
    there = labels[np.isfinite(labels)]
    pairs = agreement[np.triu_indices(len(raters), k=1)]
    known = np.asarray(np.isfinite(agreement).any(axis=1))
    means = nan_mean(agreement, axis=1)
    return {
        "min": _rounded(there.min()) if len(there) else None,
        "max": _rounded(there.max()) if len(there) else None,
        "mean": _rounded(there.mean(dtype=np.float64)) if len(there) else None,
        "agreement": _rounded(pairs[np.isfinite(pairs)].mean()) if np.isfinite(pairs).any() else None,
        "agreement_of_rater": {
            rater: _rounded(means[index]) if known[index] else None for index, rater in enumerate(raters)
        },
    }


def _dimension_text(name: str, facts: JsonObject) -> str:
    if facts["min"] is None:
        return f"  {name:<14} no label"
    text = f"  {name:<14} {facts['min']:.2f} to {facts['max']:.2f}, mean {facts['mean']:.2f}"
    if facts["agreement"] is None:
        return text
    raters = ", ".join(
        f"{rater} {value:.2f}" for rater, value in facts["agreement_of_rater"].items() if value is not None
    )
    return f"{text}; rater agreement {facts['agreement']:.3f} mean pairwise CCC ({raters})"


def _listing(title: str, entries: list[str]) -> list[str]:
    return [f"  {title if index == 0 else '':<14} {entry}" for index, entry in enumerate(entries or ["nothing"])]


def _percent(flags: NDArray[np.bool_]) -> float:
    return round(100.0 * float(flags.mean()), 4) if flags.size else 0.0


def _rounded(value: float) -> float:
    return round(float(value), 6)
