"""The record of `moments.json`: by fold the sums of people, in what a report compares over participants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from orchestrator import json_records
from orchestrator.estimators.sums import PersonMoments
from orchestrator.files import JsonObject
from orchestrator.json_records import OPTIONAL
from orchestrator.run_records import Newer, Sums, people_of_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSums:
    """One fold in `moments.json`: by person and dimension the sums of frames and of windows' means.

    Of a federation there is `own` instead: the people's own CCC, without those whose gold standard is constant.
    """

    moments: Sums | None = field(default=None, metadata={OPTIONAL: "moments"})
    window_moments: Sums | None = field(default=None, metadata={OPTIONAL: "window_moments"})
    own: Mapping[str, Mapping[str, float]] | None = field(default=None, metadata={OPTIONAL: "own"})

    def frames(self) -> dict[str, PersonMoments] | None:
        """Return the moments of each person's frames; None where they stay in the run's folder."""
        return None if self.moments is None else people_of_sums(self.moments)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPeople:
    """`moments.json`: by fold the people of each network's best configuration, of what is reported, of baselines.

    `reported` is None where it is the best network's.
    """

    networks: Mapping[str, tuple[FoldSums, ...]]
    reported: tuple[FoldSums, ...] | None = None
    baselines: Mapping[str, tuple[FoldSums, ...]] = field(default_factory=dict)
    newer: Newer = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: object, source: Path | str) -> Self:
        """Return the record in a JSON object; InputError names `source` and the damaged field."""
        return json_records.from_json(cls, raw, source)

    def to_json(self) -> JsonObject:
        """Return the content of `moments.json`."""
        return json_records.to_json(self)
