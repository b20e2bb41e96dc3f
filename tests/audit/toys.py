"""Small people for the tests of attacks that train: some can be learned by heart, some hold nothing to learn."""

from dataclasses import replace
from typing import Any

import numpy as np

from fed.options import Federation
from models.windows import Series
from orchestrator.audit.material import Material
from orchestrator.data.folds import Fold
from tests.models.toys import recipe

NUM_FEATURES = 8


def people(
    num_people: int = 8, *, frames: int = 48, sessions: int = 1, own: float = 3.0, seed: int = 0
) -> list[Series]:
    """Each person has features of their own (by `own` apart) and a level of labels that no feature foretells."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(num_people):
        look, level = own * rng.normal(size=NUM_FEATURES), 0.5 * rng.normal(size=2)
        for session in range(sessions):
            features = look + 0.3 * rng.normal(size=(frames, NUM_FEATURES))
            made.append(
                Series(
                    participant=f"P{number}",
                    session=str(session) if sessions > 1 else "",
                    features_TF=features.astype(np.float32),
                    valid_T=np.ones(frames, dtype=np.bool_),
                    gold_T2=np.broadcast_to(level, (frames, 2)).astype(np.float32).copy(),
                )
            )
    return made


def material(
    series: list[Series], *, federation: Federation | None = None, num_folds: int = 2, **changes: Any
) -> Material:
    names = list(dict.fromkeys(one.participant for one in series))
    folds = []
    for k in range(num_folds):
        out = tuple(name for place, name in enumerate(names) if place % num_folds == k)
        train = tuple(name for name in names if name not in out)
        folds.append(Fold(number=k, train=train, inner=(), held_out=out))
    made = Material(
        series=tuple(series),
        recipe=recipe(**{"hidden_size": 16, "windows_a_step": 2, **changes}),
        folds=tuple(folds),
        scaling="none",
        seed=0,
        federation=federation,
    )
    return replace(made)
