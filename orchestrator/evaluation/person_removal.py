"""What a run's folder is to hold without one person: new contents of its files, and what goes. Nothing is written here.

Records lose the person's entries by their known keys; texts (log, failures) have a mark in the place of the name. What
only resuming reads (predictions of all people without names, checkpoints) goes as a whole: such a run is not resumed.
Weights and aggregate scores stay.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.csv_text import as_text, protected
from orchestrator.errors import InputError
from orchestrator.evaluation.person_traces import PICTURES_OF_PEOPLE
from orchestrator.evaluation.trial_files import read_artefact
from orchestrator.files import JsonObject, json_text, parse_json, read_json
from orchestrator.planning.pseudonyms import fingerprint_of, pseudonyms
from orchestrator.planning.removal import FORGOTTEN_KEY, RunRemoval
from orchestrator.run_folder import (
    AUDIT_FOLDER,
    CARD_FILE,
    CHECKPOINT_FOLDER,
    CHECKSUMS_FILE,
    CLIENT_FAILURE_FILE,
    FAILURE_FILE,
    FIGURES_FOLDER,
    LOG_FILE,
    MODEL_FOLDER,
    MOMENTS_FILE,
    PACKS_FOLDER,
    PLAN_FILE,
    PREDICTIONS_FILE,
    PREDICTIONS_TABLE,
    PROGRESS_FILE,
    RESULT_FILE,
    SCRATCH_FOLDER,
    SET_ASIDE,
    SUMMARY_FILE,
    TRIALS_FOLDER,
)

MARK = "[forgotten]"  # in the place of a name in a text
_AUDIT, _PEOPLE = f"{AUDIT_FOLDER}/audit.json", f"{AUDIT_FOLDER}/people.csv"
_AUDIT_CHECKPOINTS = f"{AUDIT_FOLDER}/checkpoints"
_SUMS = ("moments", "window_moments", "own")  # of a fold, by person
# Of a trial's folder: only resuming reads them, and they hold people without names, or in an unknown form.
_OF_RESUMING = (
    CHECKPOINT_FOLDER,
    PREDICTIONS_FILE,
    PREDICTIONS_FILE + SET_ASIDE,
    RESULT_FILE + SET_ASIDE,
    PROGRESS_FILE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Whom a removal is about: the id, the names of their recordings, and the pattern of either in a text."""

    participant: str
    recordings: frozenset[str]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, participant: str, recordings: Iterable[str]) -> "_Person":
        names = frozenset(recordings)
        longest_first = sorted({participant, *names}, key=len, reverse=True)
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
        return cls(participant=participant, recordings=names, pattern=pattern)


def removal_of(run: Path, participant: str, key: bytes | None) -> RunRemoval:
    """Return what changes in a run's folder if a person is removed from it; empty if nothing of theirs can go.

    `key` is that of the pseudonyms of the run's audit; None, or another one: an audit under pseudonyms stays as it is,
    and `check_audit_key` refuses it. InputError for a file that cannot be read: nothing can be said of it then.
    """
    person = _Person.of(participant, _recordings(run, participant))
    replaced: dict[str, bytes] = {}
    for name, purge in {PLAN_FILE: _plan, MOMENTS_FILE: _moments}.items():
        _keep_changed(replaced, run, name, purge, person)
    if (run / PREDICTIONS_TABLE).is_file():
        rows = _predictions(run / PREDICTIONS_TABLE, participant)
        replaced |= {} if rows is None else {PREDICTIONS_TABLE: rows}
    removed = []
    for folder in _trial_folders(run):
        own, gone = _trial(folder, person)
        replaced |= {f"{TRIALS_FOLDER}/{folder.name}/{name}": content for name, content in own.items()}
        removed += [f"{TRIALS_FOLDER}/{folder.name}/{name}" for name in gone]
    replaced |= _audit(run, participant, key)
    for name in (SUMMARY_FILE, f"{MODEL_FOLDER}/{CARD_FILE}"):
        _keep_changed(replaced, run, name, _summary if name == SUMMARY_FILE else _card, person)
    if all(name.endswith(f"/{CHECKSUMS_FILE}") for name in replaced):
        return RunRemoval(run=run, replaced={}, removed=())
    if (run / LOG_FILE).is_file():
        replaced |= _text(run / LOG_FILE, LOG_FILE, person)
    removed += [name for name in (PACKS_FOLDER, SCRATCH_FOLDER, _AUDIT_CHECKPOINTS) if (run / name).exists()]
    figures = sorted((run / FIGURES_FOLDER).glob("*"))
    removed += [f"{FIGURES_FOLDER}/{one.name}" for one in figures if one.stem.endswith(PICTURES_OF_PEOPLE)]
    return RunRemoval(run=run, replaced=replaced, removed=tuple(removed))


def check_audit_key(run: Path, key: bytes | None) -> None:
    """Refuse the key of a removal with which nobody is found in the run's audit, which has pseudonyms of another."""
    if (run / _AUDIT).is_file():
        used = _key_of(read_json(run / _AUDIT))
        if used is not None and (key is None or fingerprint_of(key) != used):
            given = "no key" if key is None else "a key that is not the one"
            found = f"{given} of the pseudonyms in {run / _AUDIT}"
            expected = "the file of the key that this audit was made with; nothing was removed"
            raise InputError.of("--key", found=found, expected=expected)


def _trial_folders(run: Path) -> list[Path]:
    folder = run / TRIALS_FOLDER
    return sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _keep_changed(replaced: dict[str, bytes], run: Path, name: str, purge: Any, person: _Person) -> None:
    """Add a JSON file's new contents if it is there and the person was in it."""
    if (run / name).is_file():
        before = read_json(run / name)
        after = purge(parse_json((run / name).read_bytes(), run / name), person)
        if after != before:
            replaced[name] = json_text(after).encode()


def _recordings(run: Path, participant: str) -> set[str]:
    """Return the names of a person's recordings, by the table of predictions, else by the plan."""
    if (run / PREDICTIONS_TABLE).is_file():
        table = _table(run / PREDICTIONS_TABLE, ["participant", "session"])
        pairs = set(zip(*(table.column(one).to_pylist() for one in ("participant", "session")), strict=True))
        sessions = {session for who, session in pairs if who == participant}
        return {f"{participant}_{session}" if session else participant for session in sessions}
    read = (read_json(run / PLAN_FILE).get("corpus") or {}).get("read") or {}
    names = set(read.get("recordings") or {})
    others = set(_held_out(run)) - {participant}
    return {
        name
        for name in names
        if _begins(name, participant) and not any(len(one) > len(participant) and _begins(name, one) for one in others)
    }


def people_of(run: Path) -> set[str]:
    """Return the people whom a run names, by the table of predictions, else by results and names of recordings."""
    if (run / PREDICTIONS_TABLE).is_file():
        return set(_table(run / PREDICTIONS_TABLE, ["participant"]).column("participant").to_pylist())
    read = (read_json(run / PLAN_FILE).get("corpus") or {}).get("read") or {}
    return {*(read.get("recordings") or {}), *_held_out(run)}


def _begins(name: str, participant: str) -> bool:
    return name == participant or name.startswith(f"{participant}_")


def _held_out(run: Path) -> Iterator[str]:
    """Yield the people whom results name."""
    for folder in _trial_folders(run):
        if (folder / RESULT_FILE).is_file():
            try:
                folds = read_json(folder / RESULT_FILE).get("folds")
            except InputError:  # a damaged one is removed
                continue
            for fold in folds if isinstance(folds, list) else ():
                yield from fold.get("participants") or ()


def _trial(folder: Path, person: _Person) -> tuple[dict[str, bytes], list[str]]:
    """Return the new contents of a trial's files, and the names of those that go; its checksums are made anew."""
    gone = [name for name in _OF_RESUMING if (folder / name).exists()]
    replaced: dict[str, bytes] = {}
    if (folder / RESULT_FILE).is_file():
        try:
            result = parse_json(read_artefact(folder, RESULT_FILE), folder / RESULT_FILE)
        except InputError:  # damaged: it cannot be used again, and may hold the person
            gone += [RESULT_FILE, CHECKSUMS_FILE]
        else:
            before = json_text(result)
            text = json_text(_result(result, person))
            if text != before:
                replaced[RESULT_FILE] = text.encode()
            if (folder / CHECKSUMS_FILE).is_file() and (replaced or gone):
                sums = {name: one for name, one in read_json(folder / CHECKSUMS_FILE).items() if name not in gone}
                sums |= {RESULT_FILE: hashlib.sha256(text.encode()).hexdigest()} if replaced else {}
                replaced[CHECKSUMS_FILE] = json_text(sums).encode()
    if (folder / FAILURE_FILE).is_file():
        failure = read_json(folder / FAILURE_FILE)
        marked: JsonObject = {
            name: _marked(failure[name], person) for name in ("message", "traceback") if name in failure
        }
        marked = {**failure, **marked}
        replaced |= {} if marked == failure else {FAILURE_FILE: json_text(marked).encode()}
    if (folder / CLIENT_FAILURE_FILE).is_file():
        replaced |= _text(folder / CLIENT_FAILURE_FILE, CLIENT_FAILURE_FILE, person)
    return replaced, gone


def _result(result: JsonObject, person: _Person) -> JsonObject:
    result["folds"] = [_fold(one, person) for one in result.get("folds") or ()]
    if result.get("federation") is not None:
        result["federation"] = _marked(result["federation"], person)
    return result


def _fold(fold: JsonObject, person: _Person) -> JsonObject:
    """Take a person out of a fold's list of people and sums by person."""
    if isinstance(fold.get("participants"), list):
        fold["participants"] = [one for one in fold["participants"] if one != person.participant]
    for key in _SUMS:
        if isinstance(fold.get(key), dict):
            fold[key].pop(person.participant, None)
    return fold


def _summary(summary: JsonObject, person: _Person) -> JsonObject:
    before = json_text(summary)
    summary = _result(summary, person)
    people = summary.get("participants")
    if isinstance(people, list):
        summary["participants"] = [one for one in people if one.get("participant") != person.participant]
    return _counted(summary, before)


def _card(card: JsonObject, person: _Person) -> JsonObject:
    before = json_text(card)
    for fold in card.get("folds") or ():
        fold["held_out"] = [one for one in fold["held_out"] if one != person.participant]
    return _counted(card, before)


def _counted(record: JsonObject, before: str) -> JsonObject:
    """Count one more person who was removed, if the record has changed."""
    if json_text(record) == before:
        return record
    return {**record, FORGOTTEN_KEY: int(record.get(FORGOTTEN_KEY) or 0) + 1}


def _moments(moments: JsonObject, person: _Person) -> JsonObject:
    parts = [*(moments.get("networks") or {}).values(), *(moments.get("baselines") or {}).values()]
    for folds in (*parts, moments.get("reported") or ()):
        for fold in folds:
            _fold(fold, person)
    return moments


def _plan(plan: JsonObject, person: _Person) -> JsonObject:
    """Take a person out of the outline of what was read, and out of groups, which are no longer compared with uids."""
    recordings = ((plan.get("corpus") or {}).get("read") or {}).get("recordings")
    if isinstance(recordings, dict):
        for name in person.recordings & set(recordings):
            del recordings[name]
    for place in (plan, plan.get("decisive") or {}):
        if place.get("groups"):
            left = [[one for one in group if one != person.participant] for group in place["groups"]]
            place["groups"] = [group for group in left if group]
    return plan


def _audit(run: Path, participant: str, key: bytes | None) -> dict[str, bytes]:
    """Take a person out of what each person has in the run's audit, under the id or the key's pseudonym."""
    if not (run / _AUDIT).is_file():
        return {}
    audit = read_json(run / _AUDIT)
    used = _key_of(audit)
    name = participant
    if used is not None:
        if key is None or fingerprint_of(key) != used:
            return {}
        name = pseudonyms(key)(participant)
    changed = [one["per_person"].pop(name, None) for one in audit.get("attacks") or () if one.get("per_person")]
    if all(one is None for one in changed):
        return {}
    replaced = {_AUDIT: json_text(audit).encode()}
    if (run / _PEOPLE).is_file():
        with (run / _PEOPLE).open(newline="", encoding="utf-8") as lines:
            header, *rows = list(csv.reader(io.StringIO(lines.read()))) or [[]]
        place = header.index("participant") if "participant" in header else None
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                expected = f"{len(header)}; `audit` writes the file anew"
                raise InputError.of(f"{run / _PEOPLE}:{number}", found=f"{len(row)} fields", expected=expected)
        left = [row for row in rows if place is None or row[place] != protected(name)]
        replaced[_PEOPLE] = as_text([header, *left]).encode()
    return replaced


def _key_of(audit: JsonObject) -> str | None:
    """Return what tells the key of an audit's pseudonyms; None for an audit by name."""
    return (audit.get("subject") or {}).get("key")


def _predictions(path: Path, participant: str) -> bytes | None:
    """Return the table of predictions without a person's rows; None if there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = _table(path)
    left = table.filter(pc.not_equal(table.column("participant"), participant))
    if left.num_rows == table.num_rows:
        return None
    buffer = pa.BufferOutputStream()
    pq.write_table(left, buffer)
    return bytes(buffer.getvalue().to_pybytes())


def _table(path: Path, columns: list[str] | None = None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise InputError.of(str(path), found="a damaged table", expected=PREDICTIONS_TABLE) from error


def _text(path: Path, name: str, person: _Person) -> dict[str, bytes]:
    before = path.read_bytes().decode(errors="surrogateescape")
    after = person.pattern.sub(MARK, before)
    return {} if after == before else {name: after.encode(errors="surrogateescape")}


def _marked(value: Any, person: _Person) -> Any:
    """Return a value with the mark in the place of a person's names, in every text in it; keys stay."""
    if isinstance(value, dict):
        return {key: _marked(one, person) for key, one in value.items()}
    if isinstance(value, list):
        return [_marked(one, person) for one in value]
    return person.pattern.sub(MARK, value) if isinstance(value, str) else value
