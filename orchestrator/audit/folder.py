"""The folder of one audit: `audit.json`, written again after every attack, and `people.csv` with what each person has.

An attack that ended is kept: the same inputs are not attacked again. People may be written by a keyed hash.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.audit.records import Attack, Audit, place_of
from orchestrator.csv_text import as_text, protected
from orchestrator.errors import InputError, number_of
from orchestrator.files import read_json, write_json, write_text
from orchestrator.planning.pseudonyms import Rename, same_name
from orchestrator.run_folder import AUDIT_FOLDER

AUDIT_FILE = "audit.json"
PEOPLE_FILE = "people.csv"
CHECKPOINTS_FOLDER = "checkpoints"  # of attacks that are not done; gone when they are
PEOPLE_COLUMNS = ("attack", "source", "variant", "participant", "statistic", "value")


@dataclass(slots=True, kw_only=True)
class AuditFolder:
    """An audit as it goes on; every change is on the disk when the call returns. OSError if it cannot be written."""

    path: Path
    audit: Audit
    rename: Rename = same_name

    @classmethod
    def begin(cls, path: Path, audit: Audit, rename: Rename = same_name) -> "AuditFolder":
        """Take a folder for an audit; what an earlier one of the same people and pseudonyms found there is kept.

        InputError for a damaged `audit.json`.
        """
        earlier = read_audit(path)
        if earlier is not None and earlier.subject.get("key") == audit.subject.get("key"):
            audit = dataclasses.replace(audit, attacks=earlier.attacks, skipped=earlier.skipped)
        return cls(path=path, audit=audit, rename=rename)

    def found(self, inputs: str) -> tuple[Attack, ...]:
        """Return the attacks that were made of these inputs; all of a task, or none."""
        return tuple(one for one in self.audit.attacks if one.inputs == inputs)

    def keep(self, attacks: Sequence[Attack]) -> tuple[Attack, ...]:
        """Add the attacks of a task, in the place of earlier ones of the same names; people are renamed."""
        renamed = tuple(
            dataclasses.replace(one, per_person={self.rename(who): own for who, own in one.per_person.items()})
            for one in attacks
        )
        names = {one.name for one in renamed}
        rest = tuple(one for one in self.audit.attacks if one.name not in names)
        self._write(dataclasses.replace(self.audit, attacks=(*rest, *renamed)))
        return renamed

    def finish(self, names: Sequence[str], skipped: Mapping[str, str], others: Collection[str] = frozenset()) -> Audit:
        """Write that all is done: the attacks of these names, and why others were not run.

        `others` are inputs of which earlier attacks are kept, too. All are in the order of the tests of anonymity.
        """
        by_name = {one.name: one for one in self.audit.attacks}
        kept = [name for name, one in by_name.items() if name not in names and one.inputs in others]
        attacks = tuple(sorted((by_name[name] for name in (*names, *kept)), key=lambda one: place_of(one.attack)))
        self._write(dataclasses.replace(self.audit, attacks=attacks, skipped=dict(skipped), finished=True))
        shutil.rmtree(self.path / CHECKPOINTS_FOLDER, ignore_errors=True)
        return self.audit

    def checkpoints(self, inputs: str) -> Path:
        """Make the folder for what a task leaves on its way; it is removed when the task has ended."""
        folder = self.path / CHECKPOINTS_FOLDER / inputs[:24]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop_checkpoints(self, inputs: str) -> None:
        """Remove a task's folder."""
        shutil.rmtree(self.path / CHECKPOINTS_FOLDER / inputs[:24], ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.path / CHECKPOINTS_FOLDER).rmdir()

    def _write(self, audit: Audit) -> None:
        self.audit = audit
        write_text(self.path / PEOPLE_FILE, people_csv(audit))
        write_json(self.path / AUDIT_FILE, audit.to_json())


def read_audit(path: Path) -> Audit | None:
    """Return the audit in a folder, finished or not; None if there is none. InputError for a damaged one."""
    file = path / AUDIT_FILE
    return Audit.from_json(read_json(file), file) if file.is_file() else None


def check_same(path: Path, audit: Audit) -> None:
    """Refuse to replace what an audit of another seed, run or key has found in a folder: InputError with the option.

    Of a folder inside the run it does not matter where the run lay then; what else has changed is made again.
    """
    earlier = read_audit(path)
    if earlier is None or not earlier.attacks:
        return
    there = f"{path}, which has {number_of(len(earlier.attacks), 'attack')}"
    expected = "the same, or --output with another folder"
    if earlier.seed != audit.seed:
        raise InputError.of("--seed", found=f"{audit.seed}; {there} of seed {earlier.seed}", expected=expected)
    if earlier.subject.get("key") != audit.subject.get("key"):
        of = "by name" if earlier.subject.get("key") is None else "under pseudonyms of another key"
        raise InputError.of("--pseudonymise", found=f"{there} {of}", expected=expected)
    before, now = (one.subject.get("run") or one.subject.get("data") for one in (earlier, audit))
    if before != now and path.resolve() != Path(str(audit.subject.get("run"))) / AUDIT_FOLDER:
        raise InputError.of("--output", found=f"{there} of {before}", expected="another folder")


def people_csv(audit: Audit) -> str:
    """Return a row per person and statistic of each attack; an empty value is not defined."""
    rows: list[Sequence[Any]] = [PEOPLE_COLUMNS]
    for one in audit.attacks:
        for person, own in one.per_person.items():
            for statistic, value in own.items():
                shown = "" if value is None else repr(float(value))
                rows.append((one.attack, one.source, one.variant, protected(person), statistic, shown))
    return as_text(rows)
