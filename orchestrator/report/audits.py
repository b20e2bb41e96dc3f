"""The audits that a store has of a report's corpus; whoever lacks one is reported as not measured."""

from collections.abc import Mapping
from pathlib import Path

from orchestrator.audit.folder import AUDIT_FILE
from orchestrator.audit.records import Audit
from orchestrator.errors import InputError
from orchestrator.files import read_json
from orchestrator.tracking.reader import StoreReader

CORPUS_PARAMETER = "sha256"


def audits_of(reader: StoreReader, experiments: Mapping[str, str], corpus_sha256: str) -> list[Audit]:
    """Return the audits of a corpus, the latest first; one whose file cannot be read is left out."""
    found = []
    for run in reader.audits(experiments):
        if run.params.get(CORPUS_PARAMETER) == corpus_sha256:
            path = reader.artifact(run, AUDIT_FILE)
            audit = None if path is None else _read(path)
            if audit is not None:
                found.append(audit)
    return found


def _read(path: Path) -> Audit | None:
    try:
        return Audit.from_json(read_json(path), path.name)
    except InputError:
        return None
