"""What the papers of a run are filled with: its records, and where its copies lie. Whatever is missing is said so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.audit.folder import read_audit
from orchestrator.audit.level import CONFIGURATIONS
from orchestrator.audit.records import Audit
from orchestrator.corpora.cache_entries import OF_NOBODY, Entry, entries
from orchestrator.errors import InputError
from orchestrator.evaluation.use_statement import NO_ADVICE, RESEARCH_ONLY
from orchestrator.files import JsonObject, read_json
from orchestrator.json_records import number
from orchestrator.planning.plan import Plan
from orchestrator.planning.plan_file import load_plan
from orchestrator.run_folder import AUDIT_FOLDER, CARD_FILE, MODEL_FOLDER, PLAN_FILE, SUMMARY_FILE
from orchestrator.run_records import Summary
from orchestrator.tracking.address import hide_password

NOT_RECORDED = "not recorded"
BYTES_PER_MIB = 2**20


def blank(what: str) -> str:
    """Return a blank that only a person can fill in."""
    return f"[to be filled in: {what}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where copies of people's data lie: what, the path, and bytes; None if it is not there to be measured."""

    what: str
    path: str
    num_bytes: int | None

    @property
    def size(self) -> str:
        """Return the size in MiB."""
        return NOT_RECORDED if self.num_bytes is None else f"{self.num_bytes / BYTES_PER_MIB:,.1f} MiB"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """The records of one run; `summary`, `card` and `audit` are None where the run has none."""

    run: Path
    date: str  # ISO, of today
    plan: Plan
    summary: Summary | None
    card: JsonObject | None
    audit: Audit | None
    places: Sequence[Place]

    @property
    def recordings(self) -> Mapping[str, Any]:
        """Return what the plan remembers of each recording; empty for older plans."""
        found = (self.plan.corpus.read or {}).get("recordings")
        return found if isinstance(found, dict) else {}

    @property
    def people(self) -> str:
        """Return participants, recordings and minutes, in words."""
        seconds = [number(one["times"][1]) for one in self.recordings.values()]
        firsts = [number(one["times"][0]) for one in self.recordings.values()]
        minutes = sum((b or 0.0) - (a or 0.0) for a, b in zip(firsts, seconds, strict=True)) / 60
        of = f"{len(self.recordings)} recordings of {minutes:,.1f} minutes in all" if self.recordings else None
        removed = self.summary.forgotten if self.summary else None
        after = f"; {removed} removed since by `data forget`" if removed else ""
        return f"{self.plan.corpus.participants} participants; {of or f'recordings and minutes {NOT_RECORDED}'}{after}"

    @property
    def leaves(self) -> str:
        """Return what leaves a participant's machine, by the method and its federation."""
        secure = self.plan.federation is not None and self.plan.federation.secure_sum
        found = [one for one in CONFIGURATIONS if (one.method, one.secure) == (self.plan.method, secure)]
        return found[0].leaves if found else NOT_RECORDED

    def head(self, title: str) -> list[str]:
        """Return the first lines of a paper: what it is, of when and what, and what it is not."""
        version = self.plan.versions.get("affect-orchestrator", NOT_RECORDED)
        lines = [
            f"# {title}",
            "",
            f"Draft of {self.date}, made from the records of the run `{self.plan.name}` (begun {self.plan.started},"
            f" affect-orchestrator {version}). {RESEARCH_ONLY} {NO_ADVICE}",
            "",
        ]
        if self.plan.corpus.synthetic:
            lines += ["**SYNTHETIC recordings: the figures say nothing about people.**", ""]
        return lines


def material_of(run: Path, *, date: str, cache: Path | None = None) -> Material:
    """Read a run's records; InputError for what is no run's folder and for a damaged record.

    `cache` is the folder whose copies are measured (None: the user's).
    """
    if not (run / PLAN_FILE).is_file():
        raise InputError.of("RUN", found=f"{run}, without {PLAN_FILE}", expected="the folder of a run")
    plan = load_plan(run)
    summary, card = run / SUMMARY_FILE, run / MODEL_FOLDER / CARD_FILE
    return Material(
        run=run,
        date=date,
        plan=plan,
        summary=Summary.from_json(read_json(summary), summary) if summary.is_file() else None,
        card=read_json(card) if card.is_file() else None,
        audit=read_audit(run / AUDIT_FOLDER),
        places=_places(run, plan, cache),
    )


def _places(run: Path, plan: Plan, cache: Path | None) -> list[Place]:
    data = Path(plan.corpus.path)
    places = [
        Place(what="original recordings and labels", path=str(data), num_bytes=_size(data)),
        Place(what="this run: predictions, sums by person, weights", path=str(run.resolve()), num_bytes=_size(run)),
    ]
    copies: dict[str, list[Entry]] = {}
    for one in entries(cache):
        if one.kind not in OF_NOBODY:
            copies.setdefault(one.kind, []).append(one)
    for kind, own in copies.items():
        size = sum(one.num_bytes for one in own)
        pattern = str(own[0].paths[0].parent / f"{kind}-*")
        places.append(Place(what=f"cache: {kind}, of all corpora", path=pattern, num_bytes=size))
    store = hide_password(str(plan.tracking.get("tracking_uri", NOT_RECORDED)))
    places.append(Place(what="MLflow: parameters, scores, artifacts of this run", path=store, num_bytes=None))
    if plan.search.storage:
        places.append(Place(what="shared folder of the trials", path=plan.search.storage, num_bytes=None))
    return places


def _size(path: Path) -> int | None:
    """Return the bytes of a file or of a folder's files; None if it is not there, or cannot be read."""
    try:
        if path.is_file():
            return path.stat().st_size
        if not path.is_dir():
            return None
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    except OSError:
        return None


def cell(text: object) -> str:
    """Return a text that stays in its cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows), ""]
