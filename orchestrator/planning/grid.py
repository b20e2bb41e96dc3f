"""The points of a grid, and the uid of each: the hash of everything that decides its result."""

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fed.options import BEFORE_KEY, Federation
from models.seeds import seed_for
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError, Problem
from orchestrator.files import JsonObject
from orchestrator.planning.plan import DECIDES_KEY, CorpusReference, Trial
from orchestrator.protocols import Protocol
from tune_spaces.method import (
    LATER_KEY,
    HParams,
    Method,
    Preset,
    describe,
    hyper_parameters,
    make_hparams,
)

UID_LENGTH = 12


# Parts of a plan that decide a result.
DECISIVE_PARTS: Mapping[str, type[Any]] = {"protocol": Protocol, "images": ImageOptions, "federation": Federation}


def parse_grid_overrides(texts: Sequence[str], method: Method, preset: Preset) -> dict[str, tuple[float | int, ...]]:
    """Apply `--set hidden_size=8,16` to the preset's grid; InputError lists every bad one at once."""
    known = {one.name: one for one in hyper_parameters()}
    # A grid that is older than a hyper-parameter has its default.
    newer = {name: (one.default,) for name, one in known.items() if name not in preset.grid and one.default is not None}
    grid = {**preset.grid, **newer}
    assert set(grid) == set(known), method.name
    given: set[str] = set()
    problems = []
    for text in texts:
        key, _, values = text.partition("=")
        if key in given:
            problems.append(Problem(where=f"--set {key}", found="twice", expected="all values in one: KEY=V1,V2"))
            continue
        given.add(key)
        if key not in grid:
            problems.append(Problem(where="--set", found=repr(text), expected=f"one of {', '.join(grid)} = values"))
            continue
        try:
            grid[key] = tuple(known[key].value(value) for value in values.split(","))
        except ValueError:
            expected = f"{known[key].kind}, separated by commas"
            problems.append(Problem(where=f"--set {key}", found=repr(values), expected=expected))
    if problems:
        raise InputError(problems)
    return grid


def grid_points(networks: Sequence[str], grid: Mapping[str, Sequence[float | int]]) -> tuple[tuple[str, HParams], ...]:
    """List every combination once, network by network, in the order in which the grid is written."""
    keys = list(grid)
    rows = (dict(zip(keys, values, strict=True)) for values in itertools.product(*grid.values()))
    unique = dict.fromkeys(make_hparams(row) for row in rows)
    return tuple((network, hparams) for network in dict.fromkeys(networks) for hparams in unique)


def make_trials(
    points: Sequence[tuple[str, HParams]],
    *,
    method: str,
    corpus: CorpusReference,
    decisive: JsonObject,
    refuse: Callable[[int], str | None],
) -> tuple[tuple[Trial, ...], tuple[dict[str, str], ...]]:
    """Compute each point's uid; points that cannot work are returned apart, with the reason.

    `decisive` is all else that decides a result, for the hash: seed, protocol, images, federation. `refuse` tells why
    a sequence length cannot be used on the corpus, or None.
    """
    trials, refused = [], []
    reasons = {length: refuse(length) for length in {hparams.sequence_length for _, hparams in points}}
    for network, hparams in points:
        reason = reasons[hparams.sequence_length]
        if reason:
            refused.append({"network": network, "point": describe(hparams), "why": reason})
            continue
        decides = {"method": method, "corpus": corpus.sha256, **decisive}
        uid = uid_of(network, dataclasses.asdict(hparams), decides)
        trials.append(Trial(uid=uid, network=network, hparams=hparams))
    return tuple(trials), tuple(refused)


def uid_of(network: str, hparams: JsonObject, decides: JsonObject) -> str:
    """Return the hash of everything that decides a result: the point, and what all points of a plan share."""
    specification = {"network": network, "hparams": _hashed(HParams, hparams), **decides}
    text = json.dumps(specification, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:UID_LENGTH]


def decisive(  # noqa: PLR0913 - all that decides a result
    protocol: Protocol,
    seed: int,
    images: ImageOptions | None,
    federation: Federation | None,
    features: Sequence[str] = (),
    *,
    groups: Sequence[Sequence[str]] = (),
) -> JsonObject:
    """Return what decides a result besides method, point and corpus, as `make_trials` hashes it."""
    parts = {"protocol": protocol, "images": images, "federation": federation}
    fields = {name: None if part is None else dataclasses.asdict(part) for name, part in parts.items()}
    return _decisive({**fields, "seed": seed, "features": list(features), "groups": groups})


def decisive_of(plan: JsonObject) -> JsonObject:
    """Return what the points of a plan share and its uids are made of; the plan as its file has it."""
    return {"method": plan["method"], "corpus": plan["corpus"]["sha256"], **_decisive(plan)}


def decisive_part(plan: JsonObject, name: str) -> Any:
    """Return what decides a result of one part of a plan, whatever version wrote it; other values as they are."""
    found = plan.get(name)
    return found if found is None or name not in DECISIVE_PARTS else _hashed(DECISIVE_PARTS[name], found)


def _decisive(plan: JsonObject) -> JsonObject:
    parts = {name: decisive_part(plan, name) for name in DECISIVE_PARTS if plan.get(name) is not None}
    chosen: JsonObject = {"features": list(plan["features"])} if plan.get("features") else {}
    if plan.get("groups"):
        chosen["groups"] = [list(group) for group in plan["groups"]]
    return {"seed": plan["seed"], **parts, **chosen}


def _hashed(kind: type[Any], values: JsonObject) -> JsonObject:
    """Leave out fields that are newer than the first uids and have their default: an old configuration keeps its uid.

    Such a field is declared with `field(default=..., metadata={LATER_KEY: True})`, by the key's text in other packages.
    A value that its metadata has under BEFORE_KEY is left out too: what held before the field could be chosen.
    """
    fields = {one.name: one for one in dataclasses.fields(kind)}
    later = {
        name: (one.default, one.metadata.get(BEFORE_KEY, one.default))
        for name, one in fields.items()
        if one.metadata.get(LATER_KEY)
    }
    outside = {name for name, one in fields.items() if not one.metadata.get(DECIDES_KEY, True)}
    return {
        name: value
        for name, value in values.items()
        if name not in outside and (name not in later or value not in later[name])
    }


def choose_random(trials: Sequence[Trial], count: int | None, seed: int) -> tuple[Trial, ...]:
    """Draw `count` trials without replacement; all of them, shuffled, where count is None or larger."""
    count = min(len(trials), count or len(trials))
    return tuple(random.Random(seed_for(seed, "random-search")).sample(list(trials), count))


def choose_spread(trials: Sequence[Trial], count: int | None, seed: int) -> tuple[Trial, ...]:
    """Draw `count` trials without replacement, in turn from each network; all, shuffled, if count is None or larger.

    The networks' numbers differ by one at most, as long as each has points left.
    """
    generator = random.Random(seed_for(seed, "spread-search"))
    by_network: dict[str, list[Trial]] = {}
    for trial in trials:
        by_network.setdefault(trial.network, []).append(trial)
    shuffled = [generator.sample(alike, len(alike)) for alike in by_network.values()]
    rounds = itertools.zip_longest(*shuffled)
    dealt = [trial for one_each in rounds for trial in one_each if trial is not None]
    return tuple(dealt[: count or len(dealt)])
