"""What was read of a corpus, kept in a run's plan: whether it is the same later, and else what differs.

The contents' hash alone cannot tell files that were changed from files that a newer version reads otherwise.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.corpora.checks import fingerprint
from orchestrator.corpora.findings import shortened
from orchestrator.corpora.reading import READ_ANEW_IN
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.corpora.tables.column_files import OF_ANNOTATORS, is_readable
from orchestrator.corpora.tables.frame_rate import RATE_FILE
from orchestrator.files import JsonObject


def outline(corpus: Corpus) -> JsonObject:
    """Describe what was read, as values that JSON knows.

    `version`: of the way of reading; `files`: a hash of the files' bytes; then features, raters and recordings.
    """
    return {
        "version": READ_ANEW_IN,
        "files": digest_of_files(corpus.path),
        "features": list(corpus.feature_names),
        "raters": list(corpus.recordings[0].raters),
        "recordings": {one.name: _recording(one) for one in corpus.recordings},
    }


def differences(then: JsonObject, corpus: Corpus) -> str:
    """Return in words what differs between an outline and a corpus; "values" where no count tells it."""
    now = {**outline(corpus), "files": ""}
    texts = [_lists(then[key], now[key], key) for key in ("features", "raters")]
    before, after = then["recordings"], now["recordings"]
    texts.append(_lists(list(before), list(after), "recordings"))
    common = [name for name in before if name in after]
    for key, what in (("frames", "numbers of frames"), ("times", "times")):
        others = [name for name in common if before[name][key] != after[name][key]]
        if others:
            one = others[0]
            texts.append(
                f"{what} of {shortened(others)} ({one}: {_shown(after[one][key])}, {_shown(before[one][key])} before)"
            )
            break
    else:
        others = [name for name in common if before[name]["sha256"] != after[name]["sha256"]]
        if others and not any(texts):
            texts.append(f"values of {shortened(others)}")
    return "; ".join(filter(None, texts)) or "values"


def counts_differ(corpus: Corpus, **then: int) -> str:
    """Return what differs from the counts that older plans have: participants, features, frames of the `longest`.

    "times or values" where none does.
    """
    now = {
        "participants": len(corpus.participants),
        "features": len(corpus.feature_names),
        "longest": max(len(one.time) for one in corpus.recordings),
    }
    names = {"longest": "frames in the longest recording"}
    texts = [f"{now[key]} {names.get(key, key)}, {old} before" for key, old in then.items() if now[key] != old]
    return "; ".join(texts) or "times or values"


def digest_of_files(path: Path) -> str:
    """Hash the names and bytes of a corpus's tables; videos have hashes of their own."""
    total = hashlib.sha256()
    for file in _files(path):
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:  # what was read could be opened; this is another table beside it
            digest = ""
        total.update(
            f"{file.relative_to(path) if file != path else ''}\x1f{digest}\x1f".encode(errors="surrogateescape")
        )
    return total.hexdigest()


def changed_since(path: Path, moment: str) -> Path | None:
    """Return a table of the corpus that was written after an ISO moment, None if there is none."""
    start = datetime.fromisoformat(moment).timestamp()
    return next((file for file in _files(path) if file.stat().st_mtime > start), None)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if (is_readable(file) or file.name == RATE_FILE or file.name.endswith(OF_ANNOTATORS)) and file.is_file():
            yield file


def _recording(one: Recording) -> JsonObject:
    return {
        "frames": len(one.time),
        "times": [
            float(one.time[0]),
            float(one.time[-1]),
            hashlib.sha256(one.time.tobytes()).hexdigest()[:16],
        ],
        "sha256": fingerprint((), [one]),
    }


def _lists(then: list[str], now: list[str], what: str) -> str:
    gone, new = [one for one in then if one not in set(now)], [one for one in now if one not in set(then)]
    if not gone and not new:
        return "" if list(then) == list(now) else f"the order of {what}"
    parts = [f"{text} {shortened(some)}" for text, some in (("without", gone), ("with", new)) if some]
    return f"{what} {' and '.join(parts)}"


def _shown(value: Any) -> str:
    return f"{value[0]:g} to {value[1]:g} s" if isinstance(value, list) else str(value)
