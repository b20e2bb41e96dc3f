"""What reading finds besides the data: faults, things left out, things to know."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from orchestrator.corpora.read_options import RANGE_OPTION, RATERS_OPTION, ReadOptions
from orchestrator.corpora.reading import UNIT_OPTION
from orchestrator.corpora.recording import Dropped
from orchestrator.errors import Problem, cut, number_of

if TYPE_CHECKING:
    from orchestrator.corpora.tables.feature_choice import FeatureChoice

LABELS = (-1.0, 1.0)  # the scale of labels and predictions
NAMES_SHOWN = 5  # of the recordings that share one remark
NOT_ASKED_FOR = f"not asked for by {RATERS_OPTION}"
LONGEST = 1_000  # ours: characters of a part of a message; names in files may be as long as the file
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OPTION = re.compile(r"\((--max-\w+)\)$")  # that bounds what a file may hold, at the end of what was expected
_PLACE = re.compile(r"(:\d+|: row \d+|: participant .+)$", re.DOTALL)  # in a file


@dataclass(slots=True)
class Findings:
    """Gathered over all files of a corpus, so that a user sees everything at once: one line per file and kind.

    With how the files are to be read, so that every reader has it at hand.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    choice: "FeatureChoice | None" = None  # of features; None: all of them
    _faults: dict[Hashable, list[Problem]] = field(default_factory=dict)
    _dropped: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _notes: dict[str, list[str]] = field(default_factory=dict)
    _questions: dict[str, None] = field(default_factory=dict)
    _labels: tuple[float, float] | None = None  # the least and the greatest so far
    _off_scale: list[tuple[str, str]] = field(default_factory=list)  # where and what, of files whose labels are
    _codes: dict[float, list[tuple[str, str, int]]] = field(default_factory=dict)  # of labels: where, what, how many
    _unit_taken: bool = False  # that of the user, by some clock
    _unit_left: dict[str, list[str]] = field(default_factory=dict)  # why not, and by which recordings' clocks
    _raters: dict[str, None] = field(default_factory=dict)  # all that were seen, where some are asked for
    _matched: set[str] = field(default_factory=set)  # patterns of raters

    def problem(self, where: object, *, found: object, expected: str, kind: Hashable = None) -> None:
        """Add a fault at `file:line`, a file or a participant.

        Faults of one place in a file are of one kind where the same was expected; a `kind` says it for all files, and
        so does a bound that an option sets and `expected` names at its end: it is too low for all of them.
        Of each kind the first is shown, and how many more there are.
        """
        problem = Problem(where=_line(where), found=_line(found), expected=_line(expected))
        file = _PLACE.sub("", problem.where)
        bound = _OPTION.search(expected)
        if kind is None and bound is not None:
            kind = bound[1]
        alike = kind if kind is not None else (file, expected) if file != problem.where else problem
        known = self._faults.setdefault(alike, [])
        if problem not in known[:NAMES_SHOWN]:
            known.append(problem)

    @property
    def problems(self) -> list[Problem]:
        """Every kind of fault once, in the order in which they were found."""
        return [_counted(alike) for alike in self._faults.values()]

    def drop(self, what: str, why: str, *, recording: str = "") -> None:
        """Record that something was left out; the same remark about many recordings is shown once."""
        self._dropped.setdefault((what, why), []).extend([recording] if recording else [])

    def note(self, text: str, *, recording: str = "") -> None:
        """Record something that a user should know although nothing was left out."""
        self._notes.setdefault(text, []).extend([recording] if recording else [])

    def saw_labels(self, low: float, high: float, fault: tuple[str, str] | None) -> None:
        """Record a file's labels. `fault`, where and what, is of a file whose labels leave their scale.

        All such files make one problem: it is the scale that is wrong, not each of them.
        """
        self._labels = (min(low, (self._labels or (low, high))[0]), max(high, (self._labels or (low, high))[1]))
        self._off_scale += [fault] if fault else []
        problem = self._problem_of_labels()
        if problem is not None:
            self._faults["labels"] = [problem]

    def saw_code(self, code: float, where: str, found: str, count: int) -> None:
        """Record that a file has `count` labels that look like a code for a missing one; one problem for all files."""
        seen = self._codes.setdefault(code, [])
        seen.append((where, found, count))
        where, found, _ = seen[0]
        files = len({_PLACE.sub("", one[0]) for one in seen})
        what = number_of(sum(one[2] for one in seen), "label") + (f" in {files} files" if files > 1 else "")
        found = f"{found}, {what}: it looks like a code for a missing one"
        expected = f"an empty cell, or NA, if there is no label, and no {code:g} in {RANGE_OPTION}"
        self._faults["labels", code] = [Problem(where=_line(where), found=_line(found), expected=expected)]

    def _problem_of_labels(self) -> Problem | None:
        if not self._off_scale or self._labels is None:
            return None
        where, found = self._off_scale[0]
        low, high = self._labels
        count = len({_PLACE.sub("", place) for place, _ in self._off_scale})
        files = f", in {count} files" if count > 1 else ""
        if self.options.label_range is not None:
            ends = "[{:g}, {:g}]".format(*self.options.label_range)
            expected = f"labels in {ends}, as {RANGE_OPTION} says"
        else:
            expected = (
                f"labels in [-1, 1], or {RANGE_OPTION} LOW,HIGH with the ends of the raters' scale, as 1,9 or 0,100"
            )
        return Problem(where=where, found=f"{found}; labels from {low:g} to {high:g}{files}", expected=expected)

    def takes_unit(self) -> None:
        """Record that some clock is in the unit that the user stated."""
        self._unit_taken = True

    def leaves_unit(self, why: str, *, recording: str) -> None:
        """Record that a recording's clock is not in the unit that the user stated, and why; also a note."""
        self._unit_left.setdefault(why, []).append(recording)
        self.note(f"{UNIT_OPTION} is not used: {why}", recording=recording)

    def check_unit(self) -> None:
        """Make a problem of a unit of time that no clock took, when all have been seen; of a run of before not."""
        if self._unit_left and not self._unit_taken and self.options.own_steps:
            found = "; ".join(why + _listing(names) for why, names in self._unit_left.items())
            expected = f"no {UNIT_OPTION}, which is of numbers whose unit nothing else says"
            self.problem(UNIT_OPTION, found=f"no clock that takes it: {found}", expected=expected)

    def asks_for(self, *names: str) -> bool:
        """Whether the user's patterns of raters have one under one of its `names`, the last of which is shown."""
        matched = {pattern for pattern in self.options.raters if any(fnmatchcase(name, pattern) for name in names)}
        self._raters[names[-1]] = None
        self._matched |= matched
        return bool(matched)

    def check_raters(self) -> None:
        """Make a problem of every pattern of raters that no rater had, when all have been seen."""
        for pattern in self.options.raters:
            if pattern not in self._matched:
                expected = f"patterns of the raters there are: {shortened(map(cut, self._raters))}"
                self.problem(RATERS_OPTION, found=f"{cut(pattern)}, which matches none", expected=expected)

    def ask(self, text: str) -> None:
        """Record a question that only the user can answer and a wrong guess would spoil; shown before all else."""
        self._questions[text] = None

    @property
    def questions(self) -> tuple[str, ...]:
        """What the user is asked."""
        return tuple(self._questions)

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What was left out, in the order in which it was found."""
        return tuple(Dropped(what=what + _listing(names), why=why) for (what, why), names in self._dropped.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing, in the order in which it was found."""
        return tuple(text + _listing(names) for text, names in self._notes.items())


def shortened(names: Iterable[str]) -> str:
    """Name the first few and count the others."""
    every = tuple(names)
    more = len(every) - NAMES_SHOWN
    return ", ".join(every[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _line(text: object) -> str:
    """Return a text that may repeat a file's as one line of bounded length."""
    return cut(_BREAKS.sub(lambda found: f"\\x{ord(found.group()):02x}", str(text)), LONGEST)


def _counted(alike: list[Problem]) -> Problem:
    first, *others = alike
    if not others:
        return first
    places = dict.fromkeys(_place(one, first) for one in others if one.where != first.where)
    where = f": {shortened(places)}" if places else ""
    return replace(first, found=f"{first.found} (and {len(others)} more like it{where})")


def _place(one: Problem, first: Problem) -> str:
    """Return where a fault is beside another: a place in the same file without the file's name."""
    file = _PLACE.sub("", first.where)
    inside = one.where.removeprefix(file).removeprefix(":").strip() if one.where.startswith(file) else one.where
    return f"line {inside}" if inside.isdigit() else inside or one.where


def _listing(names: list[str]) -> str:
    return f" [{shortened(dict.fromkeys(names))}]" if names else ""
