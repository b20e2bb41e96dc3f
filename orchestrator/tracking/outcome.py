"""The result of writing a search's directory into MLflow, and its text for the terminal."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError, number_of, printable
from orchestrator.run_folder import PLAN_FILE, TRACKING_STATE
from orchestrator.tracking.address import hide_password, public_address

MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingReport:
    """What a store has of a search's directory after an attempt to write it.

    `written` counts configurations written now, `present` those that were there before, `repeats` the repeats of any
    that are there; `missing` names the uids that the store lacks. `finished`: the summary and the artifacts are there,
    too. `problem` is the first failure, if something is missing because of it.
    """

    output: Path
    tracking_uri: str
    experiment_id: str | None
    run_id: str | None
    written: int
    present: int
    missing: tuple[str, ...]
    finished: bool
    problem: str | None
    model_problem: str | None = None  # why the best model is no model in MLflow, where it should be one
    state_problem: str | None = None  # why tracking.json was not written: the run is found again without it
    repeats: int = 0
    removed: int = 0  # runs that were there twice and were deleted, as MLflow deletes
    trackable: bool = True  # `track` can write what is missing

    @property
    def complete(self) -> bool:
        """Return whether the store has everything that the directory has."""
        return not self.missing and self.problem is None

    def __str__(self) -> str:
        """Return a sentence for the terminal, with the command that writes what is missing."""
        where = public_address(self.tracking_uri)
        done = f"MLflow {where}: {number_of(self.written, 'configuration')} written, {self.present} there before"
        if self.repeats:
            done += f", and {number_of(self.repeats, 'repeat')}"
        if self.model_problem:
            done += f"; the model was not logged ({self.model_problem})"
        if self.removed:
            done += f"; {number_of(self.removed, 'run')} that were there twice deleted (MLflow can restore them)"
        if self.state_problem:
            done += f"; {TRACKING_STATE} was not written ({self.state_problem})"
        if self.complete:
            return done
        why = f" ({self.problem})" if self.problem else ""
        if not self.trackable:
            gone = self.output / PLAN_FILE if self.output.is_dir() else self.output
            return f"{done}, {len(self.missing)} missing{why}; {gone} is gone: `track` cannot write them later"
        again = f"`python -m orchestrator track {self.output}` writes them later"
        return f"{done}, {len(self.missing)} missing{why}; nothing is lost: {again}"


def one_line(error: BaseException | str) -> str:
    """Return what happened in a line without log-ins and control characters."""
    plain = isinstance(error, str | InputError)  # of which the kind tells nobody anything
    text = hide_password(str(error) if plain else f"{type(error).__name__}: {error}")
    return printable(next(iter(text.splitlines()), ""))[:MESSAGE_CHARACTERS]
