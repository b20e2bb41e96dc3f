"""Which of the columns that files have are learned from: action units, what patterns name, or a list made earlier."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.names import listed
from orchestrator.corpora.tables.column_kinds import is_unit

FEATURES_OPTION = "--features"
_INTENSITY = re.compile(r"AU\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureChoice:
    """What is wanted: exact `names`, else `patterns`, else action units (`units_only`), else everything."""

    patterns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # canonical; of an earlier run or of a model
    units_only: bool = False
    tool: str = ""  # whose features a model was trained on; "" for any

    def hidden(self, hidden: Mapping[str, str], ordinary: Mapping[str, str]) -> set[str]:
        """Return the columns that are no features by themselves and are asked for.

        Both hold a file's columns, its own names with canonical ones. A pattern that matches one of the `ordinary`
        ones means these; one that matches none means the columns that are otherwise left out.
        """
        if self.names:
            wanted = set(self.names)
            return {own for own, canonical in hidden.items() if canonical in wanted}
        others = [
            pattern
            for pattern in self.patterns
            if not any(matches(pattern, canonical, [own]) for own, canonical in ordinary.items())
        ]
        return {own for own, one in hidden.items() if any(matches(pattern, one, [own]) for pattern in others)}

    def asks_for(self, canonical: str, originals: Iterable[str]) -> bool:
        """Whether a feature is named, exactly or by a pattern that is more than `*`."""
        if self.names:
            return canonical in self.names
        return any(matches(pattern, canonical, originals) for pattern in self.patterns if pattern.strip("*"))


def matches(pattern: str, canonical: str, originals: Iterable[str]) -> bool:
    """Whether a pattern names a feature: by its canonical name, one that it has in a file, or OpenFace's.

    OpenFace's is `AU12_r`: a table by `data convert` has canonical names alone, and the same command is for both.
    """
    names = (canonical, *originals, *([f"{canonical}_r"] if _INTENSITY.fullmatch(canonical) else []))
    return any(fnmatchcase(name, pattern) for name in names)


def chosen_features(
    names: Sequence[str], originals: Mapping[str, set[str]], choice: FeatureChoice, findings: Findings
) -> tuple[tuple[str, ...], str]:
    """Choose among a corpus's features; return them, and a line that says what is taken and what is left out.

    `originals` gives the names that each has in the files. A pattern or a name without any is a problem.
    """
    every = tuple(names)
    if not every:
        return (), ""
    if choice.names:
        lacking = [name for name in choice.names if name not in every]
        if lacking:
            found = f"no feature {listed(lacking)}"
            findings.problem("features", found=found, expected=f"the {len(choice.names)} features of the run")
        return tuple(name for name in every if name in choice.names), ""
    if choice.patterns:
        for pattern in choice.patterns:
            if not any(matches(pattern, name, originals[name]) for name in every):
                expected = f"patterns of the features there are: {listed(every)}"
                findings.problem(FEATURES_OPTION, found=f"{pattern}, which matches none", expected=expected)
        taken = tuple(
            name for name in every if any(matches(pattern, name, originals[name]) for pattern in choice.patterns)
        )
        return taken, _line(taken, every, "")
    units = tuple(name for name in every if is_unit(name))
    if not choice.units_only:
        return every, ""
    if not units:
        return every, f"{len(every)}, none of them an action unit: all are taken ({listed(every)})"
    return units, _line(units, every, "action units: ")


def _line(taken: Sequence[str], every: Sequence[str], kind: str) -> str:
    left = [name for name in every if name not in taken]
    out = f"; left out, {FEATURES_OPTION} takes them: {listed(left)}" if left else ""
    return f"{len(taken)} of {len(every)} taken, {kind}{listed(taken)}{out}"
