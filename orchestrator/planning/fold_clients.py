"""What a federation demands of the clients of its folds, before it begins."""

from fed.choices import AGGREGATORS
from fed.fewest import check_clients
from fed.local_plan import first_frames
from fed.options import Federation, FederationError, option_of
from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError, cut, number_of
from orchestrator.planning.request import Decided
from orchestrator.protocols import Protocol


def check_fold_clients(decided: Decided, dataset: Dataset) -> None:
    """Refuse an aggregator that cannot work with as few clients as a fold has."""
    if decided.federation is None:
        return
    for fold, split in enumerate(dataset.splits):
        clients = {dataset.series[index].participant for index in split.train}
        try:
            check_clients(decided.federation, len(clients))
        except FederationError as error:
            found = f"{error.found}, in fold {fold}"
            raise InputError.of(option_of(error.name), found=found, expected=error.expected) from error


def refusal(dataset: Dataset, protocol: Protocol, federation: Federation | None, length: int) -> str | None:
    """Return why windows of `length` time steps cannot be used on these recordings, or by their clients; or None."""
    why = dataset.refusal(length, partial_window=protocol.partial_window)
    if why is not None or federation is None:
        return why
    return _without_window(dataset, federation, length, whole=protocol.partial_window == "drop")


def _without_window(dataset: Dataset, federation: Federation, length: int, *, whole: bool) -> str | None:
    """Return why windows leave too few clients with anything to train on, or None.

    A client of a personal aggregator trains a network of its own on the first part of each recording. One without a
    labelled window sends no update: every round would lose it.
    """
    personal = AGGREGATORS[federation.aggregator].personal
    most: dict[str, int] = {}
    usable = set()
    for one in dataset.series:
        frames = first_frames(len(one.mask_T2)) if personal else len(one.mask_T2)
        most[one.participant] = max(most.get(one.participant, 0), frames)
        if one.mask_T2[: frames // length * length if personal or whole else frames].any():
            usable.add(one.participant)
    for fold, split in enumerate(dataset.splits):
        clients = dict.fromkeys(dataset.series[index].participant for index in split.train)
        lacking = [name for name in clients if name not in usable]
        if lacking and len(clients) - len(lacking) < federation.needed(len(clients)):
            also = f" and {number_of(len(lacking) - 1, 'other')}" if lacking[1:] else ""
            first = "first " if personal else ""
            return (
                f"sequence_length {length}: client {cut(lacking[0])}{also} of fold {fold} has no labelled window in its"
                f" {first}{most[lacking[0]]} frames ({option_of('on_client_failure')} {federation.on_client_failure})"
            )
    return None
