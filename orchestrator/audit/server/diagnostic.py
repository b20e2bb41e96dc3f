# ruff: noqa: N806 - shape suffixes, by the legend below
"""What can be rebuilt from one gradient: the task of gradient inversion, and its record. It counts for no word.

It asks in a setting that no round has, chosen in the attacker's favour. Shapes: P people.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from models.sizes import BACKBONE_FEATURES, num_parameters
from orchestrator.audit.material import FEWEST_PEOPLE, Material, Show, material_of
from orchestrator.audit.records import GRADIENT_INVERSION, UPDATE, Attack
from orchestrator.audit.server.inversion import (
    FRAMES_BASELINE,
    LONGEST,
    MATCHED,
    MEANS_BASELINE,
    OF_FRAMES,
    OF_MEANS,
    RESTARTS,
    STEPS,
    STEPS_A_ROUND,
    Rebuilt,
    frames_of_window,
    most_people,
    rebuilt_windows,
)
from orchestrator.audit.statistics import share
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Task
from orchestrator.audit.verdict import DIAGNOSTIC

RULES = 1  # of the arithmetic of this attack: an audit of other rules is made again
NAME = f"{GRADIENT_INVERSION} {UPDATE}"
RANK_1 = "rank-1"
FRAMES_CORRELATION, MEANS_CORRELATION = "correlation, frame by frame", "correlation, means of the window"
THREAT = (
    "Diagnostic, in a setting that no round has: the server, which follows the protocol, has the gradient of one step"
    " on one window of a client, with the weights that were sent, the window's length and labels, and each feature's"
    " mean and deviation."
)


def refusal(subject: Subject) -> str | None:
    """Return why windows cannot be rebuilt, of a federation without secure sums and of enough people; None if not."""
    if subject.images is not None and subject.images.backbone != "frozen":
        return "pictures would have to be rebuilt through the backbone, which takes hours on a CPU"
    most = _most_people(subject)
    if most < FEWEST_PEOPLE:
        return f"the network and its windows are too large: {most} people fit into the time, {FEWEST_PEOPLE} are needed"
    return None


def _most_people(subject: Subject) -> int:
    hparams, head = subject.hparams, subject.protocol.head
    weights = num_parameters(
        subject.network,
        num_features=len(subject.corpus.feature_names) if subject.images is None else BACKBONE_FEATURES,
        hidden_size=hparams.hidden_size,
        num_layers=hparams.num_layers,
        head=head,
        sequence_length=hparams.sequence_length,
    )
    return most_people(weights, frames_of_window(hparams.sequence_length, head))


def inversion_task(subject: Subject) -> Task:
    """Return the task; its inputs are its own, so that what other attacks found is kept."""
    inputs = {**subject.identity, "rules": RULES, "attack": GRADIENT_INVERSION}
    return Task(names=(NAME,), inputs=inputs, run=partial(_run, subject))


def _run(subject: Subject, show: Show, folder: Path) -> Sequence[Attack]:
    material = material_of(subject, show)
    return [inversion_attack(material, rebuilt_windows(material, folder, show))]


def inversion_attack(material: Material, rebuilt: Rebuilt) -> Attack:
    """Return the record, from what each person's rebuilt window says of the true one."""
    matched_P, seed = rebuilt[MATCHED], material.seed
    num_people, recipe = len(matched_P), material.recipe
    frames = frames_of_window(recipe.sequence_length, recipe.head)
    fewest, most = int(rebuilt[STEPS_A_ROUND].min()), int(rebuilt[STEPS_A_ROUND].max())
    steps = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    notes = [
        f"diagnostic: one step on one window of {frames} frames, at the weights of the first round; a client's round"
        f" has {steps} steps of up to {recipe.windows_a_step} windows of {recipe.sequence_length}",
        "the gradient itself is known, as a step of plain gradient descent shows it; a first step of Adam, by which"
        " clients train, shows its signs",
        f"inputs whose gradient is like it, {STEPS} steps from {RESTARTS} starts; matched with one window of each of"
        f" {num_people} people; chance of a correlation is what the others' mean window reaches",
    ]
    if frames < recipe.sequence_length:
        notes.append(f"of a window of {recipe.sequence_length} frames the first {LONGEST} are rebuilt")
    if num_people < len(material.people):
        notes.append(f"the first {num_people} of {len(material.people)} people, for the time it takes")
    return Attack(
        attack=GRADIENT_INVERSION,
        source=UPDATE,
        threat=THREAT,
        main=share(RANK_1, matched_P, 1 / num_people, seed=seed),
        others=(
            share(FRAMES_CORRELATION, rebuilt[OF_FRAMES], float(rebuilt[FRAMES_BASELINE].mean()), seed=seed, lowest=-1),
            share(MEANS_CORRELATION, rebuilt[OF_MEANS], float(rebuilt[MEANS_BASELINE].mean()), seed=seed, lowest=-1),
        ),
        people=num_people,
        verdict=DIAGNOSTIC,
        notes=(*notes, *material.notes),
        settings={"frames": frames, "steps": STEPS, "restarts": RESTARTS},
        per_person={
            person: {
                RANK_1: float(matched_P[place]),
                FRAMES_CORRELATION: float(rebuilt[OF_FRAMES][place]),
                MEANS_CORRELATION: float(rebuilt[OF_MEANS][place]),
            }
            for place, person in enumerate(material.people[:num_people])
        },
    )
