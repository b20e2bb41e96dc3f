"""Clients that stay from one configuration to the next give the bits of fresh ones, and read their data once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fed.client import Client
from fed.executor import Executor
from fed.executors.in_process import in_process
from fed.executors.reuse import ReusedClients
from fed.local_plan import LocalPlan
from models.frames import FrameSeries
from models.windows import Series
from tests.fed.toys import RECIPE, SERIES, assert_same, in_memory, trained

CONFIGURATIONS = (RECIPE, replace(RECIPE, network="bilstm", hidden_size=5, sequence_length=7, num_layers=2), RECIPE)


@pytest.fixture
def read() -> list[str]:
    """Names of the clients in the order in which they read their data."""
    return []


@pytest.fixture
def clients(read: list[str]) -> list[Client]:
    def told(client: Client) -> Client:
        def load() -> Sequence[Series | FrameSeries]:
            read.append(client.name)
            return client.load()

        return replace(client, load=load)

    return [told(client) for client in in_memory(SERIES)]


def test_configurations_follow_one_another_as_if_each_were_the_first(clients: list[Client], read: list[str]) -> None:
    keeper = ReusedClients(in_process)
    for aggregator in ("mean", "personalised"):
        for chosen in CONFIGURATIONS:
            settings = {"chosen": chosen, "aggregator": aggregator, "optimiser": "kept"}
            assert_same(trained(start=keeper, clients=clients, **settings), trained(**settings))
    assert sorted(read) == sorted(client.name for client in clients)


def test_other_clients_take_the_place_of_those_before(clients: list[Client], read: list[str]) -> None:
    closed: list[int] = []

    def start(people: Sequence[Client], plan: LocalPlan) -> Executor:
        return replace(in_process(people, plan), close=lambda: closed.append(len(people)))

    keeper = ReusedClients(start)
    trained(start=keeper, clients=clients)
    assert closed == []
    others = in_memory(SERIES)
    assert_same(trained(start=keeper, clients=others), trained())
    assert closed == [len(clients)]
    keeper.close()
    assert closed == [len(clients), len(others)]
    trained(start=keeper, clients=clients)
    assert len(read) == 2 * len(clients)
