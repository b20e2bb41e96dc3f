"""The questions that an audit asks; each names the function that makes its tasks. A new one is one entry."""

import dataclasses
from collections.abc import Mapping, Sequence

from models.references import resolve
from orchestrator.audit.records import P_BLEND
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Task, Tasks

# Name -> function of a subject that returns tasks, and by name why other attacks cannot be made of it.
QUESTIONS: Mapping[str, str] = {
    "identity": "orchestrator.audit.identity_tasks:identity_tasks",
    "membership": "orchestrator.audit.membership.question:membership_tasks",
    "server": "orchestrator.audit.server.question:server_tasks",
    "attributes": "orchestrator.audit.attribute_tasks:attribute_tasks",
    "defence": "orchestrator.audit.defence_tasks:defence_tasks",
}


def ask(subject: Subject, names: Sequence[str] = ()) -> Tasks:
    """Return the tasks of some questions, or of all, and why further attacks cannot be made of this subject."""
    tasks: list[Task] = []
    skipped: dict[str, str] = {}
    for name in dict.fromkeys(names or QUESTIONS):
        made, left_out = resolve(QUESTIONS[name])(subject)
        tasks += made
        skipped |= left_out
    return tasks, skipped


def ask_all(subject: Subject) -> Tasks:
    """Return as `ask` the tasks of all questions and published attackers: what an earlier audit may have made."""
    return ask(dataclasses.replace(subject, attacker=P_BLEND))
