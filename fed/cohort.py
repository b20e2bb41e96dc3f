"""Which clients take part in which fold, with which of their series, and the sizes that they report at the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fed.client import Client, Description
from fed.executor import Executor
from fed.messages import Call, Job
from fed.round_records import ClientFailed
from models.splits import FoldSplit

Descriptions = Mapping[str, Description]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Clients by name, in the order given; `participants[i]` owns series i of the splits."""

    names: tuple[str, ...]
    participants: tuple[str, ...]
    splits: tuple[FoldSplit, ...]

    @classmethod
    def of(cls, clients: Sequence[Client], participants: Sequence[str], splits: Sequence[FoldSplit]) -> "Cohort":
        """Refuse two clients of one name, and participants without a client (ValueError)."""
        names = tuple(client.name for client in clients)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two clients are called {', '.join(twice)}")
        missing = sorted(set(participants) - set(names))
        if missing:
            raise ValueError(f"no client for participants {', '.join(missing)}")
        return cls(names=names, participants=tuple(participants), splits=tuple(splits))

    def training(self, fold: int) -> tuple[Job, ...]:
        """One job for every client of a fold."""
        return self.jobs(fold, self.splits[fold].train)

    def validation(self, fold: int) -> tuple[Job, ...]:
        """One job for every participant whom the fold's global network is validated on."""
        return self.jobs(fold, self.splits[fold].validation)

    def jobs(self, fold: int, indices: Sequence[int]) -> tuple[Job, ...]:
        """Group series by participant, in the order of the clients; row is the fold's."""
        wanted: dict[str, list[int]] = {}
        for index in indices:
            wanted.setdefault(self.participants[index], []).append(self._place_of(index))
        return tuple(
            Job(fold=fold, client=name, row=fold, series=tuple(wanted[name])) for name in self.names if name in wanted
        )

    def index_of(self, name: str, place: int) -> int:
        """Index among all series of a participant's series number `place`."""
        return [i for i, owner in enumerate(self.participants) if owner == name][place]

    def _place_of(self, index: int) -> int:
        return self.participants[:index].count(self.participants[index])

    def check_folds(self, descriptions: Descriptions, length: int) -> None:
        """Refuse data that does not fit together, and folds without a labelled window (ValueError)."""
        widths = {one.num_features: name for name, one in descriptions.items()}
        if len(widths) > 1:
            found = ", ".join(f"{width} (client {name})" for width, name in widths.items())
            raise ValueError(f"clients differ in their number of features: {found}")
        for name, one in descriptions.items():
            if len(one.sessions) != self.participants.count(name):
                raise ValueError(
                    f"client {name}: its recipe gives {len(one.sessions)} series, "
                    f"expected {self.participants.count(name)}"
                )
        for fold, split in enumerate(self.splits):
            for purpose, indices in (("train", split.train), ("validate", split.validation)):
                windows = [descriptions[self.participants[i]].num_windows[self._place_of(i)] for i in indices]
                if not sum(windows):
                    raise ValueError(
                        f"fold {fold}: no labelled window of {length} frames to {purpose} on "
                        f"in its {len(indices)} series"
                    )


def described(executor: Executor, cohort: Cohort, deadline_seconds: float) -> Descriptions:
    """Make every client read its data and return their sizes; ClientFailed for the first that cannot."""
    jobs = tuple(Job(fold=0, client=name, row=0, series=()) for name in cohort.names if name in cohort.participants)
    call = Call(kind="describe", number=0, jobs=jobs, deadline_seconds=deadline_seconds)
    (answer,) = executor.run(call)
    for failure in answer.failures:
        raise ClientFailed(0, failure)
    return {job.client: answer.values[job.client] for job in jobs}
