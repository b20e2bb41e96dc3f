"""Features and raters of a corpus, judged by their values in all recordings: what only counts, or never moves, is none.

Codes for missing values, such as -999, are no values.

Shapes: N label samples, R raters, 2 = valence and arousal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.catalogue import is_of_the_paper
from orchestrator.corpora.findings import Findings, shortened
from orchestrator.corpora.names import listed
from orchestrator.corpora.read_options import RATERS_OPTION
from orchestrator.corpora.source import Source
from orchestrator.corpora.tables.column_kinds import CODES, CONSTANT, Values, is_unit, missing_codes, why_no_action
from orchestrator.corpora.tables.feature_choice import FEATURES_OPTION
from orchestrator.corpora.tables.tracks import ORIGIN_KEY, Track, is_as_written
from orchestrator.errors import cut, number_of
from orchestrator.protocols import DIMENSIONS

Extents = Mapping[str, tuple[float, float]]  # the least and the greatest value of features


def origin_of(tracks: Iterable[Track]) -> str:
    """Return the format that a table of ours says its contents came from; "" where none says so."""
    return next((track.columns.metadata.get(ORIGIN_KEY, "") for track in tracks), "")


def judged_features(
    names: tuple[str, ...], sources: Sequence[Source], origin: str, findings: Findings
) -> tuple[str, ...]:
    """Leave out, with the reason, features that are no action by their values; units that never move are noted.

    What the user asked for stays, as does everything where nothing else would be left.
    """
    tracks = [source.track for source in sources]
    if (
        not findings.options.current
        or is_of_the_paper(origin)  # its features are the paper's, whatever their values
        or any(is_as_written(track.columns) for track in tracks)
    ):
        return names
    spelled = [dict(zip(track.names, track.originals, strict=True)) for track in tracks]
    places = [dict(zip(one.originals, one.columns.indices(one.originals), strict=True)) for one in tracks]

    def values_of(name: str) -> list[Values]:
        # As the file has them: float32 would round the steps of large counts.
        every = zip(tracks, spelled, places, strict=True)
        return [track.columns.numbers[track.rows, at[own[name]]] for track, own, at in every if name in own]

    reasons = {name: why for name in names if (why := why_no_action(values_of(name))) is not None}
    still = [name for name, why in reasons.items() if is_unit(name) and why == CONSTANT]
    if still:
        findings.note(f"never moves: {listed(still)}")
    unlikely = {name: why for name, why in reasons.items() if not is_unit(name)}
    choice = findings.choice
    if choice is not None and (choice.names or choice.patterns):
        asked = {name for name in unlikely if choice.asks_for(name, {one[name] for one in spelled if name in one})}
        for name in asked:
            findings.note(f"feature {name} was asked for: it {unlikely[name]}")
        unlikely = {name: why for name, why in unlikely.items() if name not in asked}
    if len(unlikely) == len(names):
        for name, why in unlikely.items():
            findings.note(f"feature {name} {why}; kept, as there is no other")
        return names
    for why in dict.fromkeys(unlikely.values()):
        findings.drop(f"feature {listed(name for name, own in unlikely.items() if own == why)}", why)
    return tuple(name for name in names if name not in unlikely)


def check_codes(
    names: Sequence[str], tracks: Sequence[Track], findings: Findings, *, before: Extents | None = None
) -> None:
    """Make it a problem if codes for missing values are among the values of these features; one for each code.

    All recordings are looked at together; rows without a face count for nothing. `before` says what was read of a
    table that is still being written: of that one cell is enough. A file by `data convert` is looked at, too.
    """
    if not findings.options.current:
        return
    cells: dict[float, list[_Cells]] = {}
    for name in names:
        own = [(track, track.features[:, track.names.index(name)]) for track in tracks if name in track.names]
        reach = max((float(np.fmax.reduce(np.abs(values), initial=0.0)) for _, values in own), default=0.0)
        if reach < min(map(abs, CODES)):
            continue
        every = [values for _, values in own] + ([np.array(before[name])] if before and name in before else [])
        for code, span in missing_codes(every, **({} if before is None else {"repeated": 1})).items():
            found = [(track, np.flatnonzero(values == code)) for track, values in own]
            cells.setdefault(code, []).append(_Cells(name=name, span=span, rows=[one for one in found if len(one[1])]))
    expected = "an empty cell, or NA, for a missing value"
    if findings.choice is None or not findings.choice.names:
        expected = f"{expected}; {FEATURES_OPTION} can leave a column out"
    for code, columns in cells.items():
        track, rows = columns[0].rows[0]
        where = track.columns.where(int(track.rows[rows[0]]))
        found_text = f"{columns[0].told(code)}: it looks like a code for a missing value{_also(columns[1:])}"
        findings.problem(where, found=found_text, expected=expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """The cells of a code in one feature."""

    name: str
    span: tuple[float, float] | None  # of all other values
    rows: Sequence[tuple[Track, NDArray[np.intp]]]  # frames of the recordings that have any

    @property
    def column(self) -> str:
        """The feature as the first of the files spells it."""
        track = self.rows[0][0]
        return cut(track.originals[track.names.index(self.name)])

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(rows) for _, rows in self.rows)

    def told(self, code: float) -> str:
        """Say what was found where."""
        files = shortened(dict.fromkeys(cut(track.columns.path.name) for track, _ in self.rows))
        others = (
            "without any other value" if self.span is None else "far from all others, {:g} to {:g}".format(*self.span)
        )
        return f"{code:g} in column {self.column}, in {number_of(self.count, 'cell')} of {files}, {others}"


def _also(columns: Sequence[_Cells]) -> str:
    if not columns:
        return ""
    return f" (also {number_of(sum(one.count for one in columns), 'cell')} of {listed(one.column for one in columns)})"


def judged_raters(sources: Sequence[Source], findings: Findings) -> tuple[str, ...]:
    """Return all raters; those without a label, or with the same one everywhere, are left out if others move."""
    raters = tuple(dict.fromkeys(rater for source in sources for rater in source.annotations[DIMENSIONS[0]].raters))
    if not findings.options.current or findings.options.raters:
        return raters
    spans = {rater: _span(rater, sources) for rater in raters}
    moving = [rater for rater, span in spans.items() if span is not None and span[0] < span[1]]
    if not moving:
        return raters
    for rater, span in spans.items():
        if span is None:
            findings.drop(f"rater {rater}", "without a single label")
        elif rater not in moving:
            findings.drop(f"rater {rater}", f"the label is {span[0]:g} everywhere; {RATERS_OPTION} takes the column")
    return tuple(moving)


def _span(rater: str, sources: Sequence[Source]) -> tuple[float, float] | None:
    """The least and the greatest label of a rater in both dimensions of all recordings."""
    lows, highs = [], []
    for source in sources:
        for annotation in source.annotations.values():
            if rater in annotation.raters:
                labels = annotation.labels[:, annotation.raters.index(rater)]
                labels = labels[np.isfinite(labels)]
                if len(labels):
                    lows.append(float(labels.min()))
                    highs.append(float(labels.max()))
    return (min(lows), max(highs)) if lows else None
