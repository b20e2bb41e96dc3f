"""Whose recording a file is: by participants.csv, by the user's pattern, by BIDS names, or by the last underscore.

One person under two ids is trained on and reported at once, so what may be one person is asked about.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import composed, listed
from orchestrator.corpora.read_options import PARTICIPANT_OPTION, ReadOptions
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.columns import Columns
from orchestrator.corpora.tables.delimited import SEPARATORS
from orchestrator.corpora.tables.delimited_rows import MISSING
from orchestrator.corpora.tables.packed import name_of
from orchestrator.corpora.tables.text_bytes import read_text_bytes
from orchestrator.errors import cut

Ids = Callable[[str], tuple[str, str]]  # a file's name without suffix -> participant, session

PARTICIPANTS_FILES = ("participants.csv", "participants.tsv")
_PARTICIPANT_COLUMNS = ("participant", "participant_id", "subject", "subject_id")
_SPECIAL = frozenset({*_PARTICIPANT_COLUMNS, "session", "session_id", "file", "filename"})
_BIDS = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(.*))?")
_CODE = re.compile(r"-9{2,5}(\.0*)?")  # for no value, beside the words of MISSING
_PARTS = re.compile(r"(.*?)([0-9].*)?", re.DOTALL)
_WORDS = re.compile(r"[^_.\s]+")
_DECIMALS = re.compile(r"(?<![.\d])(\d+)\.0+$")  # 1.0 and P1.0, as a column of numbers with a gap is written; not 1.2.0
_TAIL = re.compile(r"(.*[^\W_])(?:[\W_]+([^\W_]+)|(?<=\d)([A-Za-z]+\d*))")
LONGEST_DATE = 6  # digits: a session's name of so many is a day
WAYS_OUT = f"{PARTICIPANT_OPTION} REGEX or a participants.csv says whose each file is"
BY_UNDERSCORE = "what follows a name's last underscore is the session"


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What participants.csv says, nothing without one."""

    by_file: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name without suffix -> participant, session
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by participant: sex, age, group ...


def whole_name(name: str) -> tuple[str, str]:
    """Return the whole name as the participant, as in RECOLA's and AVEC's trees."""
    return name, ""


def by_underscore(name: str) -> tuple[str, str]:
    """Split a file's name without suffix into participant and session, which follows the last underscore."""
    participant, _, session = name.rpartition("_")
    return (participant, session) if participant else (name, "")


def ids_for(findings: Findings, people: People | None = None, default: Ids = by_underscore) -> Ids:
    """Return the rule for names: what the user or participants.csv says, else BIDS, else `default`."""
    options, known = findings.options, people or People()
    if options.participant_pattern is not None:
        return lambda name: _by_pattern(name, options, findings)
    if not options.current:
        return default
    return lambda name: _by_people(name, known) or (_by_bids(name) if default is by_underscore else default(name))


def person_of(participant: str, session: str, findings: Findings) -> tuple[str, str]:
    """Split a participant's id in a table by the user's pattern, if there is one."""
    if findings.options.participant_pattern is None:
        return participant, session
    person, more = _by_pattern(participant, findings.options, findings)
    return person, "_".join(filter(None, (more, session)))


def as_known(participant: str, session: str, known: Collection[str]) -> tuple[str, str]:
    """Return the known person whose whole name participant and session are, or begin with; else both as they are.

    A table may call people `P_03`, as `--participant-pattern` did before `data convert`: the file `P_03.csv` is theirs.
    """
    if composed(participant) in known or not session:
        return participant, session
    name = composed(f"{participant}_{session}")
    begins = [one for one in known if name == one or name.startswith(f"{one}_")]
    return (person := max(begins, key=len), name[len(person) + 1 :]) if begins else (participant, session)


def _by_pattern(name: str, options: ReadOptions, findings: Findings) -> tuple[str, str]:
    pattern = re.compile(str(options.participant_pattern))
    match = pattern.search(name)
    group: str | int = "participant" if "participant" in pattern.groupindex else min(pattern.groups, 1)
    person = match.group(group) if match else None
    if not match or not person:
        found = f"{pattern.pattern!r}, which finds no participant in {cut(name)}"
        expected = "a pattern that finds one in every name"
        findings.problem(PARTICIPANT_OPTION, found=found, expected=expected, kind=PARTICIPANT_OPTION)
        return name, ""
    if "session" in pattern.groupindex:
        return person, match.group("session") or ""
    rest = f"{name[: match.start(group)]} {name[match.end(group) :]}"
    return person, "_".join(re.findall(r"[^\s_]+", rest))


def _by_people(name: str, people: People) -> tuple[str, str] | None:
    if name in people.by_file:
        return people.by_file[name]
    begins = [one for one in people.attributes if name == one or (name.startswith(one) and not _goes_on(name, one))]
    if not begins:
        return None
    person = max(begins, key=len)
    return person, name[len(person) :].strip("_-. ")


def _goes_on(name: str, begin: str) -> bool:
    return name[len(begin)].isalnum()


def _by_bids(name: str) -> tuple[str, str]:
    match = _BIDS.fullmatch(name)
    return (match[1], match[2] or "") if match else by_underscore(name)


def read_people(root: Path, findings: Findings) -> People:
    """Read participants.csv (or .tsv) in a corpus's root; faults go to `findings`."""
    if not findings.options.current:
        return People()
    path = next((root / name for name in PARTICIPANTS_FILES if (root / name).is_file()), None)
    data = None if path is None else read_text_bytes(path, findings, Limits())
    if path is None or data is None:
        return People()
    text = composed(data.decode()).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    first = next(filter(str.strip, lines), None)
    if first is None:
        findings.problem(path, found="no line with a name", expected="the names of columns, and a row per participant")
        return People()
    separator = max(SEPARATORS, key=first.count)
    try:
        rows = [
            (number, [entry.strip() for entry in next(csv.reader([line], delimiter=separator))])
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
    except csv.Error as error:
        findings.problem(path, found=f"a damaged table ({error})", expected="a row per participant or file")
        return People()
    return _people_of(path, rows, findings)


def _people_of(path: Path, rows: list[tuple[int, list[str]]], findings: Findings) -> People:
    names = [name.lower() for name in rows[0][1]]
    column = next((one for one in _PARTICIPANT_COLUMNS if one in names), None)
    if column is None:
        found = f"columns {shortened(map(cut, rows[0][1]))}"
        expected = "a column participant; file, session and attributes such as sex, age and group may stand beside it"
        findings.problem(f"{path}:{rows[0][0]}", found=found, expected=expected)
        return People()
    by_file: dict[str, tuple[str, str]] = {}
    attributes: dict[str, dict[str, str]] = {}
    for number, entries in rows[1:]:
        # A participant may be called NA: the name stays as it is written.
        coded = {name: entry for name, entry in zip(names, entries, strict=False) if _CODE.fullmatch(entry)}
        for name, entry in coded.items():
            if name not in _SPECIAL:
                findings.note(f"{path.name}: {entry} in {cut(name)} is taken for a missing value")
        row = {
            name: entry if name == column or not (entry in MISSING or _CODE.fullmatch(entry)) else ""
            for name, entry in zip(names, entries, strict=False)
        }
        person, file = row.get(column, ""), row.get("file") or row.get("filename") or ""
        if len(entries) != len(names) or not person:
            found = f"{len(entries)} values" if len(entries) != len(names) else "no participant"
            findings.problem(f"{path}:{number}", found=found, expected=f"{len(names)} values, with a participant")
            continue
        key = composed(name_of(Path(file.replace("\\", "/"))))
        if file and key in by_file:
            findings.problem(f"{path}:{number}", found=f"file {cut(file)} twice", expected="each file once")
        if file:
            by_file[key] = (person, row.get("session") or row.get("session_id") or "")
        own = {name: value for name, value in row.items() if name not in _SPECIAL and value}
        for name, value in own.items():
            if attributes.get(person, {}).get(name, value) != value:
                first, now = cut(attributes[person][name]), cut(value)
                findings.note(f"{path.name}: {cut(name)} of {cut(person)} is {first} and {now}: the first")
        attributes[person] = {**own, **attributes.get(person, {})}
    return People(by_file=by_file, attributes=attributes)


def ask_about(recordings: Iterable[tuple[str, str]], findings: Findings) -> None:
    """Ask if participants of a corpus may be one person, or one participant several people.

    `recordings` gives participant and session of each. Nothing is asked of what the user's pattern made.
    """
    every = list(recordings)
    people = list(dict.fromkeys(person for person, _ in every))
    if not findings.options.current:
        if len(people) == 1 and len(every) > 1:
            findings.note(f"all files are sessions of one participant, {people[0]}")
        return
    for same in alike(people):
        findings.ask(f"participants {' and '.join(map(cut, same))}: one person in two spellings? {WAYS_OUT}")
    if findings.options.participant_pattern is not None:
        return
    if len(people) == 1 and len(every) > 1:
        findings.ask(
            f"all files are sessions of one participant, {cut(people[0])}"
            f" (sessions {shortened(cut(one) for _, one in every)}):"
            f" {BY_UNDERSCORE}; if they are people, {PARTICIPANT_OPTION} '(.+)' makes each file one, and {WAYS_OUT}"
        )
        return
    heads = _repeated_heads(people)
    if heads:
        shown = shortened(f"{cut(head)} of {shortened(map(cut, some))}" for head, some in heads.items())
        findings.ask(f"one person under several ids? {shown}; {WAYS_OUT}")
    _ask_about_sessions(every, people, findings)


def about_known(people: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the question if participants may be people that a model is known to have seen, in another spelling."""
    new = [person for person in dict.fromkeys(people) if person not in known]
    doubtful = []
    for same in alike([*sorted(known), *new]):
        seen = [cut(name) for name in same if name in known]
        doubtful += [f"{cut(name)} and {' and '.join(seen)}" for name in same if name not in known and seen]
    if not doubtful:
        return ()
    who = "participants" if len(doubtful) > 1 else "participant"
    return (
        f"{who} {shortened(doubtful)} of the training: one person in two spellings? Here the first counts as new,"
        f" though a model may have learned from them; {WAYS_OUT}",
    )


def alike(names: Sequence[str]) -> list[list[str]]:
    """Find names that may be spellings of one: 01 and 1, 1.0 and 1, P02 and 02, Anna and anna."""
    by_number: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        prefix, rest = _loose(name)
        by_number.setdefault(rest, []).append((prefix, name))
    found = []
    for some in by_number.values():
        by_prefix: dict[str, list[str]] = {}
        for prefix, name in some:
            by_prefix.setdefault(prefix, []).append(name)
        if "" in by_prefix and len(by_prefix) == 2:
            found.append([name for _, name in some])
        else:
            found += [same for same in by_prefix.values() if len(same) > 1]
    return found


def check_ids(columns: Columns, name: str, whose: tuple[str, str] | None, findings: Findings) -> bool:
    """Whether a recording's own file has no row of another participant or session; else it is a problem.

    `name` is the file's without suffix, `whose` the participant and session that it stands for; None: not compared.
    Other spellings of these (`1` in P01.csv) are theirs. A file that was copied under another name, or holds several
    people, would be trained on as one person and reported as another.
    """
    if whose is None or not findings.options.current:
        return True
    person, session = whose
    scratch = Findings(options=findings.options)
    known = {"participant": [person, name], "session": [session, *_WORDS.findall(session)]}
    good = True
    for column, ours in known.items():
        if not ours[0]:
            continue
        stated = _entries(columns, column)
        theirs = [
            one
            for one in stated
            if not _is_any(one, ours)
            and not (column == "participant" and _is_any(person_of(one, "", scratch)[0], ours))
        ]
        if theirs:
            several = f"{len(stated)} values, {shortened(map(cut, stated))}," if len(stated) > 1 else cut(stated[0])
            expected = f"{column} {cut(ours[0])} alone, as the file's name says; {WAYS_OUT}"
            findings.problem(columns.path, found=f"{several} in column {column}", expected=expected)
            good = False
    return good


def _is_any(stated: str, known: Iterable[str]) -> bool:
    return any(stated == one or bool(alike([stated, one])) for one in known)


def _entries(columns: Columns, name: str) -> list[str]:
    """Return the values of a column, each once, as text; none without the column."""
    text = columns.find_text(name)
    if text is not None:
        return [entry for entry in dict.fromkeys(columns.text[text]) if entry]
    number = columns.find(name)
    if number is None:
        return []
    values = columns.numbers_of(number)
    return [f"{value:.15g}" for value in dict.fromkeys(values[np.isfinite(values)].tolist())]


def _loose(name: str) -> tuple[str, str]:
    """Split a name before its first digit, without case, separators, leading zeros and the .0 of a whole number."""
    match = _PARTS.fullmatch(_DECIMALS.sub(r"\1", composed(name).casefold()))
    assert match is not None
    if match[2] is None:
        return re.sub(r"[\W_]", "", match[1]), ""
    rest = ".".join(part.lstrip("0") or "0" for part in re.findall(r"[0-9]+|[^\W_0-9]+", match[2]))
    return re.sub(r"[\W_]", "", match[1]), rest


def _repeated_heads(people: Sequence[str]) -> dict[str, list[str]]:
    """Find ids that differ only behind a beginning, where beginnings share their ends: P1-a P1-b P2-a P2-b."""
    by_head: dict[str, list[str]] = {}
    tails: dict[str, set[str]] = {}
    for person in people:
        match = _TAIL.fullmatch(person)
        if match:
            by_head.setdefault(match[1], []).append(person)
            tails.setdefault(match[2] or match[3], set()).add(match[1])
    repeated = {head: some for head, some in by_head.items() if len(some) > 1}
    shared = {head for heads in tails.values() if len(heads) > 1 for head in heads}
    heads = {head: some for head, some in repeated.items() if head in shared}
    return heads if len(heads) > 1 else {}


def _ask_about_sessions(every: Sequence[tuple[str, str]], people: Sequence[str], findings: Findings) -> None:
    """Ask where no session's name is there twice, and they look like people's: group1_P01, group2_P02."""
    by_person: dict[str, list[str]] = {}
    for person, session in every:
        by_person.setdefault(person, []).append(session)
    sessions = [session for _, session in every]
    several = all(len(some) > 1 for some in by_person.values())
    dates = all(session.isdigit() and len(session) >= LONGEST_DATE for session in sessions)
    if len(people) > 1 and several and len(set(sessions)) == len(sessions) and not dates and all(sessions):
        shown = shortened(f"{cut(person)} with {listed(map(cut, some))}" for person, some in by_person.items())
        findings.ask(f"are these sessions people? {shown}: {BY_UNDERSCORE}; {WAYS_OUT}")
