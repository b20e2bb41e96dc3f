"""Saving and loading a federation's state: one checkpoint, replaced atomically, with checksums and without pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fed.aggregators import ServerState
from fed.cohort import Cohort, Descriptions
from fed.local_plan import LocalPlan
from fed.messages import ClientState
from fed.round_records import Round, round_from
from fed.updates import Layout
from models import checkpoints
from models.backbone_weights import digest_of
from models.backends import REFERENCE
from models.recipe import ON_DISK
from models.splits import split_identity
from models.training import Epoch, epoch_from

# What a federation may change its mind about when it is taken up again: they do not touch the weights of a round.
FREE_OPTIONS = ("on_client_failure", "quorum", "round_deadline_seconds")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """What a checkpoint holds."""

    states: tuple[ServerState, ...]
    best: tuple[ServerState, ...]
    client_states: Mapping[tuple[int, str], ClientState]
    history: tuple[Epoch, ...]
    rounds: tuple[Round, ...]


def identity(plan: LocalPlan, cohort: Cohort, descriptions: Descriptions, layout: Layout) -> dict[str, object]:
    """What must agree for a checkpoint to be continued, as JSON gives it back; sizes of the data, no values."""
    options = {name: value for name, value in plan.federation.to_dict().items() if name not in FREE_OPTIONS}
    found: dict[str, object] = {
        "recipe": plan.recipe.to_dict(),
        "federation": options,
        "seed": plan.seed,
        "splits": [split_identity(split) for split in plan.splits],
        "participants": list(cohort.participants),
        "clients": list(cohort.names),
        "series": {
            name: [[session, *shape] for session, shape in zip(one.sessions, one.shapes, strict=True)]
            for name, one in descriptions.items()
        },
        "layout": layout.digest,
    }
    if plan.backbone_weights is not None:
        found[ON_DISK["backbone_weights"]] = digest_of(plan.backbone_weights)
    if plan.backend != REFERENCE:  # older checkpoints do not have the key
        found["backend"] = plan.backend
    return found


def save(  # noqa: PLR0913 - all state, named
    folder: Path,
    *,
    identity: Mapping[str, object],
    clients: Sequence[str],
    states: Sequence[ServerState],
    best: Sequence[ServerState],
    client_states: Mapping[tuple[int, str], ClientState],
    history: Sequence[Epoch],
    rounds: Sequence[Round],
) -> None:
    """Replace the folder's checkpoint.

    `identity` is what `load` compares with; `clients` the names in the order of the cohort; `states` the global models
    by fold, `best` those of the kept rounds (empty where the last is kept); `client_states` what clients keep, by fold
    and name; `history` and `rounds` the records so far.
    """
    tensors: dict[str, Tensor] = {}
    for kind, of_kind in (("last", states), ("best", best)):
        for k, state in enumerate(of_kind):
            tensors[f"fold{k}.{kind}.weights"] = _tensor(state.weights)
            tensors[f"fold{k}.{kind}.integers"] = _tensor(state.integers)
            if kind == "last":
                tensors |= {f"fold{k}.personal{clients.index(c)}": _tensor(w) for c, w in state.personal.items()}
                tensors |= {f"fold{k}.slot.{name}": _tensor(values) for name, values in state.slots.items()}
    # By number: a name with a dot in it must not be mistaken for another.
    for (k, name), kept in client_states.items():
        tensors |= {f"fold{k}.client{clients.index(name)}.{key}": _tensor(value) for key, value in kept.items()}
    content = {
        "training": dict(identity),
        "num_folds": len(states),
        "num_best": len(best),
        "curve": [asdict(epoch) for epoch in history],
        "rounds": [asdict(one) for one in rounds],
    }
    checkpoints.write(folder, tensors, content)


def load(folder: Path, *, identity: Mapping[str, object], clients: Sequence[str]) -> Saved:
    """Read a checkpoint of the federation that `identity` describes; CheckpointError."""
    tensors, content = checkpoints.read(folder)
    with checkpoints.taken_up(folder):
        return _taken_up(folder, tensors, content, identity, clients)


def _taken_up(
    folder: Path,
    tensors: Mapping[str, Tensor],
    content: Mapping[str, Any],
    identity: Mapping[str, object],
    clients: Sequence[str],
) -> Saved:
    for name in dict.fromkeys([*identity, *content["training"]]):
        found, expected = content["training"].get(name), identity.get(name)
        if found != expected:
            raise checkpoints.CheckpointError(
                f"{folder}: checkpoint of another training: {name} is {found!r}, expected {expected!r}"
            )
    last = [_state(tensors, k, "last", clients) for k in range(content["num_folds"])]
    kept: dict[tuple[int, str], dict[str, Any]] = {}
    for key, value in tensors.items():
        fold, who, *rest = key.split(".")
        if who.startswith("client"):
            place = int(fold.removeprefix("fold")), clients[int(who.removeprefix("client"))]
            kept.setdefault(place, {})[".".join(rest)] = value.numpy()
    return Saved(
        states=tuple(last),
        best=tuple(_state(tensors, k, "best", clients) for k in range(content["num_best"])),
        client_states=kept,
        history=tuple(epoch_from(fields) for fields in content["curve"]),
        rounds=tuple(round_from(fields) for fields in content["rounds"]),
    )


def _state(tensors: Mapping[str, Tensor], fold: int, kind: str, clients: Sequence[str]) -> ServerState:
    prefix, slot = f"fold{fold}.personal", f"fold{fold}.slot."
    more = tensors if kind == "last" else {}
    personal = {
        clients[int(key.removeprefix(prefix))]: value.numpy() for key, value in more.items() if key.startswith(prefix)
    }
    return ServerState(
        weights=tensors[f"fold{fold}.{kind}.weights"].numpy(),
        integers=tensors[f"fold{fold}.{kind}.integers"].numpy(),
        personal=dict(sorted(personal.items())),
        slots={key.removeprefix(slot): value.numpy() for key, value in more.items() if key.startswith(slot)},
    )


def _tensor(value: np.ndarray[Any, Any]) -> Tensor:
    # Copied: buffers from the object store are read-only, which torch does not like.
    return torch.from_numpy(np.array(value))
