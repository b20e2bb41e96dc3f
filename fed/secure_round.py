"""A federated round of which the server learns only sums, on one page: stages of all folds, beside `federated_round`.

Keys, shares of secrets, masked updates (clients train here), receipts if there are identities, shares of the survivors'
masks. A client that fails in a stage is asked no more in this round. The protocol: docs/federation.md.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fed.aggregators import ServerState
from fed.cohort import Descriptions
from fed.federated_round import Broadcast, Setting, Trained, server_step
from fed.messages import UNRECOVERED, Answer, Call, Failure, Job
from fed.round_records import SecureFold
from fed.secure_sums.exchange import STAGES, ProtocolError, Question, Stage, Terms
from fed.secure_sums.graph import LEAST_SURVIVORS
from fed.secure_sums.server import SumServer
from fed.secure_vector import Form, Places, Summed, decoded, model_digest

LEAST_SECONDS = 1e-3  # of a stage whose round has no time left: all are late


@dataclass(slots=True, kw_only=True, eq=False)
class FoldInRound:
    """A fold's sum while it is made: jobs by client, the server's part, who failed where, bytes by stage."""

    jobs: Mapping[str, Job]
    server: SumServer
    form: Form
    needed: int
    failures: list[Failure] = field(default_factory=list)
    dropped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bytes_down: dict[str, int] = field(default_factory=dict)
    bytes_up: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> tuple[str, ...]:
        """Those who are in the sum; before there is one, those who have not failed."""
        if self.server.survivors:
            return self.server.survivors
        lost = {name for names in self.dropped.values() for name in names}
        return tuple(name for name in self.server.terms.roster if name not in lost)

    def questions(self, stage: Stage) -> Mapping[str, Question]:
        """Return what is asked in a stage, by client; nothing once too few are left: nobody takes the masks off."""
        if len(self.left) < self.needed and stage != "keys":
            return {}
        return {
            "keys": self.server.ask_for_keys,
            "shares": self.server.ask_for_shares,
            "masked": self.server.ask_for_masked,
            "receipts": self.server.ask_for_receipts,
            "unmask": self.server.ask_for_opened,
        }[stage]()

    def take(self, stage: Stage, answer: Answer) -> None:
        """Take the answers of a stage; a masked vector is added and forgotten."""
        for name, value in answer.values.items():
            self.bytes_up[stage] = self.bytes_up.get(stage, 0) + value.num_bytes
            if stage == "keys":
                self.server.keys[name] = value
            elif stage == "shares":
                self.server.shares[name] = value
            elif stage == "masked":
                self.server.add(name, value)
            elif stage == "receipts":
                self.server.receipts[name] = value
            else:
                self.server.opened[name] = value
        if answer.failures:
            self.dropped[stage] = tuple(sorted(one.client for one in answer.failures))
            self.failures += answer.failures


def train(setting: Setting, number: int, states: Sequence[ServerState], sent: Broadcast) -> Iterator[Trained]:
    """Train every fold's clients and yield each fold's next state; the old one if its sum cannot be had.

    Nothing of one client reaches this function but masked numbers.
    """
    deadline = setting.federation.round_deadline_seconds
    end = time.monotonic() + deadline
    folds = {k: _begun(setting, number, k, sent) for k in setting.folds}
    for stage in STAGES if setting.receipts else (one for one in STAGES if one != "receipts"):
        questions = {(k, name): asked for k, one in folds.items() for name, asked in one.questions(stage).items()}
        if not questions:
            break
        for (k, _), asked in questions.items():
            size = asked.num_bytes + (setting.layout.num_bytes if stage == "masked" else 0)
            folds[k].bytes_down[stage] = folds[k].bytes_down.get(stage, 0) + size
        call = Call(
            kind=stage,
            number=number,
            jobs=tuple(folds[k].jobs[name] for k, name in questions),
            deadline_seconds=max(end - time.monotonic(), LEAST_SECONDS),
            weights=sent.weights if stage == "masked" else None,
            integers=sent.integers if stage == "masked" else None,
            questions=questions,
        )
        for answer in setting.executor.run(call):
            folds[answer.fold].take(stage, answer)
    for k, one in folds.items():
        yield _fold_step(setting, k, states[k], one)


def check(setting: Setting) -> None:
    """Refuse folds whose sums would tell too much, or that no ring holds (ValueError), before anything is trained."""
    for k in setting.folds:
        jobs = setting.cohort.training(k)
        if len(jobs) < LEAST_SURVIVORS:
            raise ValueError(
                f"fold {k} trains on {len(jobs)} clients: a sum of fewer than {LEAST_SURVIVORS} tells too much"
            )
        _form(setting, jobs)


def most_windows(descriptions: Descriptions, jobs: Sequence[Job]) -> int:
    """Return a power of two that no client's number of windows exceeds: what it rounds is no client's own number."""
    counts = [sum(descriptions[job.client].num_windows[place] for place in job.series) for job in jobs]
    return 1 << max(max(counts) - 1, 1).bit_length()


def _form(setting: Setting, jobs: Sequence[Job]) -> tuple[Form, int]:
    most = most_windows(setting.descriptions, jobs)
    places = Places.of(setting.trained, setting.layout.num_floats)
    return Form.of(places, setting.federation, len(jobs), most), most


def _begun(setting: Setting, number: int, fold: int, sent: Broadcast) -> FoldInRound:
    jobs = setting.cohort.training(fold)
    form, most = _form(setting, jobs)
    roster = tuple(sorted(job.client for job in jobs))
    terms = Terms(run=setting.run, number=number, fold=fold, roster=roster, parts=form.parts)
    model = model_digest(sent.weights[fold], sent.integers[fold])
    return FoldInRound(
        jobs={job.client: job for job in jobs},
        server=SumServer(terms=terms, model=model, max_weight=most),
        form=form,
        needed=max(setting.federation.needed(len(jobs)), terms.least),
    )


def _fold_step(setting: Setting, fold: int, state: ServerState, one: FoldInRound) -> Trained:
    left, summed = one.left, None
    try:
        total = one.server.unmasked() if len(left) >= one.needed else None
    except ProtocolError as error:
        one.failures.append(Failure(fold=fold, client="all", kind=UNRECOVERED, reason=str(error)))
        total, left = None, ()
    if total is not None:
        summed = decoded(total, state.weights, one.form, len(left))
        # Counters of batches stay what they were: nothing reads them, and their largest would be one client's.
        state = server_step(state, replace(state, weights=summed.weights), setting.federation, setting.trained)
    return _trained(fold, state, one, left, summed)


def _trained(
    fold: int, state: ServerState, one: FoldInRound, survivors: tuple[str, ...], summed: Summed | None
) -> Trained:
    ledger = SecureFold(
        fold=fold,
        survivors=len(survivors) if summed is not None else 0,
        bits={part.name: part.bits for part in one.server.terms.parts if part.size},
        dropped=one.dropped,
        bytes_down=one.bytes_down,
        bytes_up=one.bytes_up,
    )
    # Who failed after its update was in the sum gave something: it is in the ledger only.
    failures = [failure for failure in one.failures if failure.client not in survivors]
    return Trained(
        fold=fold,
        state=state,
        reports=(),
        failures=tuple(sorted(failures, key=lambda failure: failure.client)),
        secure=ledger,
        survivors=survivors,
        summed=summed,
    )
