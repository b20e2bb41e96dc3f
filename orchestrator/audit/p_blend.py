# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""Who is this, by an attacker as published: windows of 2 s, a linear SVM, a majority vote over 10 s.

As in p-Blend (10.1109/TVCG.2025.3616736), so that its figures can stand beside ours; what is enrolled and what is the
probe is the audit's. Shapes: T time steps, C channels, W windows, F statistics of all channels.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.seeds import seed_for
from orchestrator.audit.attackers import standardised
from orchestrator.audit.identity import RANK1, notes_of
from orchestrator.audit.records import IDENTITY, P_BLEND, Attack
from orchestrator.audit.statistics import advantage_of, share
from orchestrator.audit.verdict import verdict
from orchestrator.audit.windows import Part, Stream, begins, parts_of, statistics_of
from orchestrator.errors import InputError, number_of
from orchestrator.estimators.sums import Array

VOTES_RANK1 = "rank-1 of votes"

# As published.
WINDOW_SECONDS = 2.0
APART_SECONDS = 1.0
VOTE_SECONDS = 10.0
WINDOWS_PER_VOTE = round((VOTE_SECONDS - WINDOW_SECONDS) / APART_SECONDS) + 1

# Ours: scikit-learn's hinge has a margin of 1. The published one has 1.2, which is the same with another C, weights
# that decay by a rate that tells no C, and values that are not scaled.
C = 1.0
MARGIN = 1.0
ITERATIONS = 2000

NOTE = (
    "as in p-Blend (10.1109/TVCG.2025.3616736), for comparison with published figures: windows of 2 s, 1 s apart,"
    " and the majority of those in 10 s"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    """One part of a recording as windows: whose it is, their statistics, and the place of each in the order of time."""

    person: str
    rows_WF: Array
    place_W: NDArray[np.int64]


def p_blend_attack(  # noqa: PLR0913 - what is attacked, and what it is called
    streams: Sequence[Stream],
    *,
    source: str,
    variant: str,
    threat: str,
    seed: int,
    notes: Sequence[str] = (),
) -> Attack:
    """Enrol people, let the votes of later windows name them, and return the record; its main statistic is theirs.

    `streams` are the recordings as the attacker has them, `source`, `variant` and `threat` what the record says of
    them, and `notes` further lines of it. `seed` decides the order in which the SVM sees windows, and the bootstrap.
    InputError if fewer than two people have a window of 2 s to enrol and one to recognise them in.
    """
    everybody = tuple(dict.fromkeys(one.participant for one in streams))
    parts, parted = parts_of(streams, everybody)
    cuts = {name: [one for one in map(_cut, own) if len(one.place_W)] for name, own in parts.items()}
    there = {name: {one.person for one in own} for name, own in cuts.items()}
    people = tuple(person for person in everybody if all(person in own for own in there.values()))
    if len(people) < 2:
        found = (
            f"{number_of(len(people), 'person', 'people')} with a valid window of {WINDOW_SECONDS:g} s to enrol and one"
            " to recognise them in"
        )
        raise InputError.of(f"the audit of {source} by {P_BLEND}", found=found, expected="at least 2")
    known, probe = ([one for one in cuts[name] if one.person in people] for name in ("enrolled", "probe"))
    said = _answers(known, probe, people, seed=seed_for(seed, "attacker", P_BLEND))
    windows: dict[str, list[bool]] = {person: [] for person in people}
    votes: dict[str, list[bool]] = {person: [] for person in people}
    for one, names in zip(probe, said, strict=True):
        windows[one.person] += [name == one.person for name in names]
        votes[one.person] += [name == one.person for name in voted(names, one.place_W)]
    chance = 1.0 / len(people)
    main, of_windows = (
        share(name, np.array([np.mean(own[person]) for person in people]), chance, seed=seed)
        for name, own in ((VOTES_RANK1, votes), (RANK1, windows))
    )
    word = verdict(main)
    return Attack(
        attack=IDENTITY,
        source=source,
        variant=variant,
        threat=threat,
        main=main,
        others=(of_windows, advantage_of(main)),
        people=len(people),
        verdict=word,
        notes=(*notes, NOTE, *notes_of(parted, word, len(people), left_out=len(everybody) - len(people))),
        settings={
            "attacker": f"linear SVM, hinge loss of Crammer and Singer, margin {MARGIN:g}, C {C:g}",
            "window_seconds": WINDOW_SECONDS,
            "vote_seconds": VOTE_SECONDS,
            "enrolment_windows": sum(len(one.place_W) for one in known),
            "probe_windows": sum(map(len, windows.values())),
            "votes": sum(map(len, votes.values())),
            "parted": parted,
        },
        per_person={
            person: {VOTES_RANK1: float(np.mean(votes[person])), RANK1: float(np.mean(windows[person]))}
            for person in people
        },
    )


def nine(x_TC: Array) -> list[Array]:
    """Return nine statistics (C,) of a window: of its values, of their differences, and of the differences of these.

    Mean, least, largest, median and deviation; mean without and with sign of the first, and of the second differences.
    """
    velocity = np.diff(x_TC, axis=0)
    acceleration = np.diff(velocity, axis=0)
    moves = [mean for change in (velocity, acceleration) for mean in (np.abs(change).mean(axis=0), change.mean(axis=0))]
    of_values = [x_TC.mean(axis=0), x_TC.min(axis=0), x_TC.max(axis=0), np.median(x_TC, axis=0), x_TC.std(axis=0)]
    return [*of_values, *moves]


def voted(names: Sequence[str], place_W: NDArray[np.int64]) -> list[str]:
    """Return the name that most of the windows in each 10 s give; spans begin 1 s apart, as windows do.

    Of names with as many votes the one that came first in time, as published. A part of a recording that is shorter
    has one vote; a span of which no window is there has none.
    """
    last = int(place_W.max()) - WINDOWS_PER_VOTE + 1
    found = []
    for first in range(max(0, last) + 1):
        inside = (place_W >= first) & (place_W < first + WINDOWS_PER_VOTE)
        own = [name for name, there in zip(names, inside, strict=True) if there]
        if own:
            found.append(Counter(own).most_common(1)[0][0])  # those of one count are in the order of their first
    return found


def _cut(part: Part) -> _Cut:
    one, start, end = part
    rows = [
        (place, row)
        for place, at in enumerate(begins(start, end, WINDOW_SECONDS, APART_SECONDS))
        if (row := statistics_of(one, float(at), WINDOW_SECONDS, nine)) is not None
    ]
    return _Cut(
        person=one.participant,
        rows_WF=np.stack([row for _, row in rows]) if rows else np.zeros((0, 1)),
        place_W=np.array([place for place, _ in rows], dtype=np.int64),
    )


def _answers(known: Sequence[_Cut], probe: Sequence[_Cut], people: Sequence[str], *, seed: int) -> list[list[str]]:
    """Train on the windows of `known`, and return for each window of each part of `probe` the person it names."""
    from sklearn.svm import LinearSVC

    place = {person: index for index, person in enumerate(people)}
    truth_W = np.concatenate([np.full(len(one.place_W), place[one.person]) for one in known])
    asked_WF = np.concatenate([one.rows_WF for one in probe])
    rows_WF, asked_WF = standardised(np.concatenate([one.rows_WF for one in known]), asked_WF)
    model = LinearSVC(multi_class="crammer_singer", C=C, max_iter=ITERATIONS, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one that was stopped
        model.fit(rows_WF, truth_W)
    names = [people[int(answer)] for answer in model.predict(asked_WF)]
    ends = np.cumsum([len(one.place_W) for one in probe])
    return [names[end - len(one.place_W) : end] for one, end in zip(probe, ends, strict=True)]
