# ruff: noqa: N806 - shape suffixes, by the legend below
"""Was this person in the training data? Asked of models of the audited recipe, per person first (docs/privacy.md).

Reference models are trained on random halves of the people, and each is the target of the others once. The run's own
models, one for each fold, are asked beside them. Shapes: R reference models, K released models, P people.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fed.fewest import check_clients
from fed.options import FederationError, option_of
from models.seeds import seed_for
from orchestrator.audit.material import FEWEST_PEOPLE, Material, Show, labelled_windows, material_of, window_errors
from orchestrator.audit.membership.models import reference_errors
from orchestrator.audit.membership.rates import (
    InTurn,
    exact_interval,
    in_turn,
    released_success,
)
from orchestrator.audit.membership.scores import GAMMA, OFFLINE_A, SCORES, Array, Known, Mask, halves
from orchestrator.audit.records import MEMBERSHIP, MODEL, Attack
from orchestrator.audit.statistics import share
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Task, Tasks
from orchestrator.audit.verdict import verdict
from orchestrator.corpora.names import composed
from orchestrator.errors import InputError
from orchestrator.inference.saved_model import SavedModel

# Ours: as many as two cores train within minutes; with 32 each person's rate has 32 answers.
REFERENCES, REFERENCES_OF_IMAGES = 32, 8
RULES = 1  # of this file's arithmetic: an audit of other rules is made again

SUCCESS, TRUE_POSITIVES, RELEASED = "success rate", "true positive rate", "released models in order"
THREAT = (
    "Somebody has a model of this recipe, a person's labelled recording, and recordings of people like those it was"
    " trained on, with whom they train reference models."
)


def num_references(subject: Subject) -> int:
    """Return how many reference models are trained: fewer of images, unless their features are computed once."""
    if subject.images is None or (subject.images.backbone == "frozen" and subject.federation is None):
        return REFERENCES
    return REFERENCES_OF_IMAGES


def membership_tasks(subject: Subject) -> Tasks:
    """Return the task of the four scores, which share the reference models; or why there is none, by attack."""
    references, people = num_references(subject), len(subject.corpus.participants)
    names = tuple(f"{MEMBERSHIP} {MODEL} {name}" for name in SCORES)
    if people < FEWEST_PEOPLE:
        return [], dict.fromkeys(names, f"{people} participants, at least {FEWEST_PEOPLE} are needed for halves")
    too_few = _too_few(subject, people)
    if too_few is not None:
        return [], dict.fromkeys(names, f"references are federations of half of the people, {too_few}")
    inputs = {**subject.identity, "attack": MEMBERSHIP, "references": references, "rules": RULES}
    return [Task(names=names, inputs=inputs, run=partial(_run, subject, references))], {}


def _too_few(subject: Subject, people: int) -> str | None:
    """Return what the aggregator lacks if it cannot work with half of so many people, or None."""
    if subject.federation is None:
        return None
    try:
        check_clients(subject.federation, people // 2)
    except FederationError as error:
        return f"{option_of(error.name)} found {error.found}, expected {error.expected}"
    return None


def _run(subject: Subject, references: int, show: Show, folder: Path) -> Sequence[Attack]:
    material = material_of(subject, show)
    too_few = _too_few(subject, len(material.people))  # of those who have a window
    if too_few is not None:
        found = f"{len(material.people)} people with a labelled window: for half of them {too_few}"
        raise InputError.of(f"--question {MEMBERSHIP}", found=found, expected="another question")
    member_RP = halves(len(material.people), references, seed=seed_for(subject.seed, "audit", "halves"))
    known = reference_errors(material, member_RP, folder, show)
    released = None if subject.model is None else released_errors(material, subject.model)
    return [attack(material, name, known, released) for name in SCORES]


def released_errors(material: Material, model: SavedModel) -> tuple[Array, Mask]:
    """Return the errors of a run's fold models on all windows (K, W), and whom each was trained on (K, P).

    People who chose the epoch inside a fold were not trained on.
    """
    windows, index_W, _ = labelled_windows(material)
    error_KW = np.stack(
        [window_errors(model.network(k), material, windows, index_W, model.split(k)) for k in range(model.num_folds)]
    )
    inner = {fold.number: {composed(one) for one in fold.inner} for fold in material.folds}
    member_KP = np.array(
        [
            [k not in model.unseen_by(one) and composed(one) not in inner.get(k, ()) for one in material.people]
            for k in range(model.num_folds)
        ]
    )
    return error_KW, member_KP


def attack(material: Material, name: str, known: Known, released: tuple[Array, Mask] | None = None) -> Attack:
    """Return the record of one score: everybody's success rate, and what the released models add."""
    found = in_turn(name, known)
    seed, people = material.seed, material.people
    main = share(SUCCESS, found.success_P, 0.5, seed=seed)
    rate = found.smallest_rate
    true_P = found.true_positives_at(rate)
    others = [share(f"{TRUE_POSITIVES} at {rate:.3g}", true_P, rate, seed=seed)]
    num_models = len(known.member_RP)
    of_person: dict[str, dict[str, float | None]] = {}
    for place, person in enumerate(people):
        low, high = exact_interval(round(found.success_P[place] * num_models), num_models)
        of_person[person] = {
            SUCCESS: float(found.success_P[place]),
            f"{SUCCESS}, lower": low,
            f"{SUCCESS}, upper": high,
            TRUE_POSITIVES: float(true_P[place]),
        }
    notes = [_exposed(of_person), *_of_references(material, num_models), *material.notes]
    if released is not None:
        error_KW, member_KP = released
        order_P = released_success(SCORES[name](error_KW, known), member_KP)
        there_P = np.isfinite(order_P)
        if there_P.any():
            others.append(share(RELEASED, order_P[there_P], 0.5, seed=seed))
            notes.append(
                f"{RELEASED}: how often one of the run's {len(member_KP)} fold models that was trained on a person"
                " scores higher than one that was not"
            )
        for person, value in zip(people, order_P, strict=True):
            of_person[person][RELEASED] = float(value) if np.isfinite(value) else None
    return Attack(
        attack=MEMBERSHIP,
        source=MODEL,
        variant=name,
        threat=THREAT,
        main=main,
        others=tuple(others),
        people=len(people),
        verdict=verdict(main),
        notes=tuple(notes),
        footnote=_footnote(found),
        settings={"references": num_models, **({"a": OFFLINE_A, "gamma": GAMMA} if name == "rmia" else {})},
        per_person=of_person,
    )


def _exposed(of_person: dict[str, dict[str, float | None]]) -> str:
    """Say how many people's own interval is above chance, and how many would be by accident at most."""
    above = sum((one[f"{SUCCESS}, lower"] or 0.0) > 0.5 for one in of_person.values())
    return (
        f"{above} of {len(of_person)} people have an exact 95 % interval of their own above 0.5;"
        f" by accident at most {0.025 * len(of_person):.1f} would"
    )


def _of_references(material: Material, num_models: int) -> list[str]:
    how = "as federations of half of the people" if material.federation is not None else "on half of the people each"
    return [
        f"{num_models} reference models, trained {how} to the last epoch; a target and its complement are left out of"
        " what the attacker knows, thresholds included",
        "fewer people are trained on than by the run, so that each leaves a larger trace",
    ]


def _footnote(found: InTurn) -> str:
    return (
        f"pooled over people and models, each person by their own calibration: area under the curve"
        f" {found.pooled_auc:.3f}; a false positive rate per person below {found.smallest_rate:.3g} cannot be shown by"
        f" {len(found.member_RP)} models"
    )
