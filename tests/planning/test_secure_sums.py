"""Secure sums from options to a plan: what is refused before anything trains, what each client's process gets."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fed.options import Federation
from fed.secure_sums.identities import PUBLIC, file_of, write_identities
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.errors import Gather, InputError
from orchestrator.planning.grid import decisive
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import DataOptions, Decided, Request, decide
from orchestrator.planning.secure_sums import check_secure_sums
from orchestrator.protocols import DESCRIBED
from tests.data.test_dataset import make_corpus


def decided(method: str = "fl-au", search: SearchOptions | None = None, **federation: Any) -> tuple[Decided, list[str]]:
    request = Request(
        command="tune",
        method=method,
        preset="demo",
        networks=(),
        overrides=(),
        point=None,
        protocol="described",
        protocol_changes={},
        data=DataOptions(path=None, corpus=None),
        seed=0,
        search=search or SearchOptions(log_model=False),
        output=None,
        tracking_uri=None,
        federation_changes=federation,
    )
    gather = Gather()
    return decide(request, gather), [str(problem) for problem in gather.problems]


def dataset(num_folds: int) -> Dataset:
    return make_dataset(make_corpus(), dataclasses.replace(DESCRIBED, num_folds=num_folds), seed=0, federated=True)


@pytest.mark.parametrize(
    ("method", "search", "federation", "message"),
    [
        ("fl-au", {}, {"aggregator": "median"}, "--secure-sum: found beside --aggregator median, which needs single"),
        ("fl-au", {}, {"optimiser": "kept"}, "--secure-sum: found beside --client-optimiser kept"),
        ("fl", {}, {"batch_norm": "local"}, "--secure-sum: found beside --batch-norm local"),
        ("fl-au", {"client_actors": 4}, {}, "--client-actors: found 4 beside --secure-sum; expected auto: each client"),
        ("au", {}, {}, "--secure-sum: found beside --method au, which is no federation"),
        ("fl-au", {"identities": "keys"}, {"secure_sum": None}, "--identities: found without --secure-sum"),
        ("au", {"identities": "keys"}, {"secure_sum": None}, "--identities: found beside --method au"),
    ],
)
def test_what_does_not_go_with_secure_sums_is_refused(
    method: str, search: dict[str, Any], federation: dict[str, Any], message: str
) -> None:
    _, problems = decided(method, SearchOptions(**search), **{"secure_sum": True, **federation})
    assert len(problems) == 1
    assert message in problems[0]


def test_secure_sums_are_part_of_the_uid_and_their_absence_is_not() -> None:
    plain, sums = Federation(), Federation(secure_sum=True)
    of = [decisive(DESCRIBED, 0, None, one)["federation"] for one in (plain, sums)]
    assert "secure_sum" not in of[0]
    assert "secure_bound" not in of[0]
    assert (of[1]["secure_sum"], of[1]["secure_bound"]) == (True, 8.0)


def test_folds_of_too_few_clients_are_refused_before_anything_trains() -> None:
    found, problems = decided(secure_sum=True)
    assert not problems
    enough = dataset(2)
    assert {len(split.train) for split in enough.splits} == {3}
    first = dataclasses.replace(enough.splits[0], train=enough.splits[0].train[:2])
    few = dataclasses.replace(enough, splits=(first, *enough.splits[1:]))
    with pytest.raises(InputError, match=r"--secure-sum: found fold \d trains on 2 clients; expected at least 3"):
        check_secure_sums(found, few)
    check_secure_sums(found, enough)
    check_secure_sums(decided()[0], few)


def test_a_missing_key_is_named_before_anything_trains(tmp_path: Path) -> None:
    found, _ = decided(search=SearchOptions(identities=str(tmp_path)), secure_sum=True)
    people = [client.name for client in dataset(4).clients]
    assert people
    with pytest.raises(InputError, match=f"--identities .*{people[0]}.public: found No such file"):
        check_secure_sums(found, dataset(4))
    write_identities(tmp_path, people)
    check_secure_sums(found, dataset(4))
    file_of(tmp_path, people[-1], PUBLIC).write_text("no key")
    with pytest.raises(InputError, match=f"{people[-1]}.public: found 6 characters; expected the Ed25519 key"):
        check_secure_sums(found, dataset(4))
