"""From tasks to records: each task is one or several attacks of the same inputs, and is done once.

A task's `inputs` are everything that decides its result, as JSON; their digest is how an audit that goes on knows it.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.audit.folder import AuditFolder
from orchestrator.audit.records import Attack, Audit
from orchestrator.errors import doing
from orchestrator.files import JsonObject

Show = Callable[[str], object]  # takes a line of progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Attacks that are made together: what they are called, what decides them, and the function that makes them.

    `run` takes a line of progress and a folder of its own, which outlives a kill, for what it has on its way; it
    returns the records of `names`, in that order, without `inputs` and `seconds`.
    """

    names: tuple[str, ...]  # Attack.name of each
    inputs: JsonObject
    run: Callable[[Show, Path], Sequence[Attack]]

    @property
    def digest(self) -> str:
        """The sha256 of the inputs."""
        text = json.dumps([list(self.names), self.inputs], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


# And by name why an attack cannot be made.
Tasks = tuple[list[Task], dict[str, str]]


def run_tasks(
    folder: AuditFolder, tasks: Sequence[Task], show: Show, *, skipped: Mapping[str, str], known: Tasks = ([], {})
) -> Audit:
    """Run what the folder does not have, one task after another; a kill loses at most the task at work.

    `skipped` says why attacks cannot be run here, by name. Of what is `known`, asked for or not, all that an earlier
    audit has found is kept if its inputs are the same, and why it left some out if that still holds.
    """
    for number, task in enumerate(tasks, start=1):
        what = f"{number}/{len(tasks)} {task.names[0]}{f' and {len(task.names) - 1} more' if task.names[1:] else ''}"
        kept = folder.found(task.digest)
        if kept:
            show(f"audit     {what}: kept")
            continue
        begun = time.monotonic()
        with doing(f"attacking: {task.names[0]}"):
            made = tuple(task.run(show, folder.checkpoints(task.digest)))
        assert tuple(one.name for one in made) == task.names, [one.name for one in made]
        seconds = time.monotonic() - begun
        folder.keep([dataclasses.replace(one, inputs=task.digest, seconds=seconds / len(made)) for one in made])
        folder.drop_checkpoints(task.digest)
        show(f"audit     {what}: {seconds:.0f} s")
    others, why_not = known
    left_out = {name: why for name, why in folder.audit.skipped.items() if why_not.get(name) == why}
    inputs = {task.digest for task in others}
    return folder.finish([name for task in tasks for name in task.names], {**left_out, **skipped}, inputs)
