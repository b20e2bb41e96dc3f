"""The corpora of a store, by the SHA-256 of their contents, and the one that a report is about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from orchestrator.errors import InputError, printable
from orchestrator.json_records import number
from orchestrator.report.tables import cells
from orchestrator.tracking.reader import RecordedRun

SHOWN = 8  # digits of a SHA-256 in words
TAG = "corpus_sha256"
OPTION = "--corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCorpus:
    """One corpus as the runs of its searches describe it; `searches` and `configurations` count finished ones."""

    sha256: str
    names: tuple[str, ...]  # last parts of its paths: the same contents can lie in several places
    kind: str
    synthetic: bool
    searches: int
    configurations: int
    latest_ms: int  # start of its latest finished search, in milliseconds since 1970

    @property
    def title(self) -> str:
        """Return kind, name and the beginning of the SHA-256."""
        name = " or ".join(self.names) or "without a name"
        synthetic = ", synthetic" if self.synthetic else ""
        return f"{name} ({self.kind}{synthetic}, sha256 {self.sha256[:SHOWN] or 'not recorded'})"


def sha256_of_run(run: RecordedRun) -> str:
    """Return the SHA-256 of a run's corpus; empty where none is recorded."""
    return run.tags.get(TAG, "")


def name_of_run(run: RecordedRun) -> str:
    """Return the last part of the path of a run's corpus."""
    return PurePath(run.params.get("corpus_path", "")).name


def corpora_of(parents: Sequence[RecordedRun], is_finished: Callable[[RecordedRun], bool]) -> list[RecordedCorpus]:
    """Return the corpora of the searches: of most finished searches first, then of most configurations, the latest."""
    groups: dict[str, list[RecordedRun]] = {}
    for run in parents:
        groups.setdefault(sha256_of_run(run), []).append(run)
    found = [_corpus(sha256, runs, is_finished) for sha256, runs in groups.items()]
    return sorted(found, key=lambda one: (one.searches, one.configurations, one.latest_ms), reverse=True)


def _corpus(sha256: str, runs: Sequence[RecordedRun], is_finished: Callable[[RecordedRun], bool]) -> RecordedCorpus:
    finished = [run for run in runs if is_finished(run)]
    return RecordedCorpus(
        sha256=sha256,
        names=tuple(sorted({name for run in runs if (name := name_of_run(run))})),
        kind=runs[0].tags.get("corpus", cells.DASH),
        synthetic=any(run.tags.get("synthetic") == "true" for run in runs),
        searches=len(finished),
        configurations=sum(int(number(run.metrics.get("trials_finished")) or 0) for run in finished),
        latest_ms=max((run.start_ms for run in finished), default=0),
    )


def named_corpus(corpora: Sequence[RecordedCorpus], given: str) -> RecordedCorpus:
    """Return the one corpus whose SHA-256 begins so, or whose path ends in this name; InputError for none, for two."""
    text = given.strip()
    digits = text.lower()
    found = [one for one in corpora if digits and (one.sha256.startswith(digits) or text in one.names)]
    if len(found) == 1:
        return found[0]
    what = f"{given!r}, which is {len(found)} corpora" if found else repr(given)
    there = "; ".join(one.title for one in found or corpora)
    raise InputError.of(
        OPTION, found=printable(what), expected=printable(f"a name, or the beginning of a sha256, of one of: {there}")
    )
