"""What secure sums ask of a corpus, before anything is trained: enough clients in every fold, and their keys."""

from pathlib import Path

from fed.secure_sums.graph import LEAST_SURVIVORS
from fed.secure_sums.identities import IdentityError, read_public
from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError, number_of
from orchestrator.planning.request import Decided


def check_secure_sums(decided: Decided, dataset: Dataset) -> None:
    """Refuse folds with too few clients, and folders that lack a client's public key (InputError)."""
    if decided.federation is None or not decided.federation.secure_sum:
        return
    for fold, split in enumerate(dataset.splits):
        clients = {dataset.series[index].participant for index in split.train}
        if len(clients) < LEAST_SURVIVORS:
            raise InputError.of(
                "--secure-sum",
                found=f"fold {fold} trains on {number_of(len(clients), 'client')}",
                expected=f"at least {LEAST_SURVIVORS} in every fold: a sum of fewer tells too much; fewer --folds",
            )
    if decided.search.identities is not None:
        try:
            read_public(Path(decided.search.identities), [client.name for client in dataset.clients])
        except IdentityError as error:
            raise InputError.of(f"--identities {error.where}", found=error.found, expected=error.expected) from error
