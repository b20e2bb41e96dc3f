"""ELAN's own files (.eaf): tiers of intervals, of which those named after a dimension hold one rater's numbers.

EAF 2.7 to 3.0 (the schema EAFv3.0.xsd at mpi.nl/tools/elan): TIME_SLOTs in milliseconds; TIERs whose
ALIGNABLE_ANNOTATIONs lie between two slots and whose REF_ANNOTATIONs have the time of another annotation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.corpora.annotation_formats.trace import Interval, Trace, named, number, trace_of_intervals
from orchestrator.corpora.annotation_formats.xml_file import Element, read_xml
from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Reading
from orchestrator.errors import cut

MOST_SECONDS = 1e5  # ours: more than a day
_MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What all tiers of a file share."""

    path: Path
    slots: Mapping[str, float | None]  # seconds; None: a slot without a time
    annotations: Mapping[str, Element]  # by id


def read_elan(
    path: Path, findings: Findings, reading: Reading, *, person: str = "", people: frozenset[str] = frozenset()
) -> list[Trace] | None:
    """Read the traces of a file; None with problems. Tiers that are no rater's are named among what is left out.

    A tier whose PARTICIPANT is another of the corpus's `people` than `person` is left out; ANNOTATOR, else PARTICIPANT,
    names the rater of a tier whose name does not.
    """
    top = read_xml(path, "ANNOTATION_DOCUMENT", findings, reading.limits)
    if top is None:
        return None
    slots = _slots(path, top, findings)
    if slots is None:
        return None
    elements = [element for tier in top.every("TIER") for element in _annotations(tier)]
    by_id = {one.attributes.get("ANNOTATION_ID", ""): one for one in elements}
    file = _File(path=path, slots=slots, annotations=by_id)
    traces: list[Trace] = []
    seen: dict[str, int] = {}
    problems = len(findings.problems)
    for tier in top.every("TIER"):
        name = tier.attributes.get("TIER_ID", "")
        if name in seen:
            found = f"tier {cut(name)} twice, also on line {seen[name]}"
            findings.problem(f"{path}:{tier.line}", found=found, expected="each tier once")
            continue
        seen[name] = tier.line
        who = _whose(tier, person, people)
        if isinstance(who, str):
            findings.drop(f"tier {cut(name)}", who, recording=path.name)
            continue
        trace = _trace(tier, *who, file, findings)
        traces += [trace] if trace else []
    return None if len(findings.problems) > problems else traces


def _whose(tier: Element, person: str, people: frozenset[str]) -> tuple[str, str] | str:
    """Return dimension and rater of a tier, or why it is left out."""
    both = named(tier.attributes.get("TIER_ID", ""))
    if both is None:
        return "its name has no dimension, valence or arousal"
    participant = tier.attributes.get("PARTICIPANT", "").strip()
    if participant in people and participant != person:
        return f"of participant {cut(participant)}, who has a recording of their own"
    rater = both[1] if both[1] != person else ""
    rater = rater or tier.attributes.get("ANNOTATOR", "").strip() or (participant if participant != person else "")
    return both[0], rater


def _trace(tier: Element, dimension: str, rater: str, file: _File, findings: Findings) -> Trace | None:
    name = tier.attributes.get("TIER_ID", "")
    where = f"{file.path}:{tier.line}"
    intervals, timeless, good = [], 0, True
    for element in _annotations(tier):
        span = _span(element, file)
        text = "".join(one.text for one in element.every("ANNOTATION_VALUE")).strip()
        if not text:
            continue
        if span is None:
            timeless += 1
            continue
        value, place = number(text), f"{file.path}:{element.line}"
        if value is None:
            found = f"{cut(text)!r} in tier {cut(name)}"
            findings.problem(place, found=found, expected="a number in every annotation of the tier")
            good = False
        elif span[1] < span[0]:
            found = f"{span[0]:g} to {span[1]:g} s in tier {cut(name)}"
            findings.problem(place, found=found, expected="an end after the begin")
            good = False
        elif span[1] > span[0]:
            intervals.append(Interval(where=place, start=span[0], end=span[1], value=value))
    if timeless:
        findings.drop(f"{timeless} annotations of tier {cut(name)}", "without a time", recording=file.path.name)
    if good and not intervals:
        findings.drop(f"tier {cut(name)}", "without a value", recording=file.path.name)
    if not good or not intervals:
        return None
    what = f"tier {cut(name)}"
    return trace_of_intervals(intervals, where=where, what=what, dimension=dimension, rater=rater, findings=findings)


def _slots(path: Path, top: Element, findings: Findings) -> dict[str, float | None] | None:
    """Return the seconds of each time slot on the media's clock; None with a problem."""
    header = top.first("HEADER")
    units = header.attributes.get("TIME_UNITS", "milliseconds") if header else "milliseconds"
    if units != "milliseconds":
        line = header.line if header else top.line
        findings.problem(f"{path}:{line}", found=f"TIME_UNITS {cut(units)}", expected="TIME_UNITS milliseconds")
        return None
    origin = 0.0
    media = header.first("MEDIA_DESCRIPTOR") if header else None
    if media is not None and media.attributes.get("TIME_ORIGIN"):
        # ELAN's time 0 is that far into the medium.
        origin = number(media.attributes["TIME_ORIGIN"]) or 0.0
    if origin:
        findings.note(f"times moved by {origin / _MILLISECONDS:g} s, the medium's TIME_ORIGIN", recording=path.name)
    order = top.first("TIME_ORDER")
    slots: dict[str, float | None] = {}
    for slot in order.every("TIME_SLOT") if order else ():
        text = slot.attributes.get("TIME_VALUE", "")
        value = number(text) if text else None
        if text and (value is None or not 0 <= value <= MOST_SECONDS * _MILLISECONDS):
            found = f"TIME_VALUE {cut(text)}"
            findings.problem(f"{path}:{slot.line}", found=found, expected="milliseconds, less than a day")
            return None
        slots[slot.attributes.get("TIME_SLOT_ID", "")] = None if value is None else (value + origin) / _MILLISECONDS
    return slots


def _annotations(tier: Element) -> Iterator[Element]:
    for annotation in tier.every("ANNOTATION"):
        yield from annotation.children


def _span(element: Element, file: _File) -> tuple[float, float] | None:
    """Return begin and end of an annotation in seconds, of a dependent one those of the one it refers to."""
    for _ in range(len(file.annotations) + 1):
        if element.name != "REF_ANNOTATION":
            begin, end = (file.slots.get(element.attributes.get(f"TIME_SLOT_REF{one}", "")) for one in (1, 2))
            return None if begin is None or end is None else (begin, end)
        other = file.annotations.get(element.attributes.get("ANNOTATION_REF", ""))
        if other is None or other is element:
            return None
        element = other
    return None
