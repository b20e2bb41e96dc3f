"""Flower's side of `federation_flower.py`: runs in Flower's own environment, with this repository on PYTHONPATH."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0")

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks import flower_task as task

MANY_ROUNDS = 1_000_000  # it ends when nobody asks for another

client_app = ClientApp()
resident = cache(task.new_network)


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Answer one message: take the weights, train, send them back."""
    torch.set_num_threads(1)
    clients = task.CLIENTS[int(message.content["config"]["clients"])]
    makers: dict[str, Callable[[], Any]] = {
        "quickstart": task.PlainNetwork,
        "rebuilt": task.new_network,
        "thrifty": resident,
    }
    network = makers[clients]()
    network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    client = int(context.node_config["partition-id"])
    if clients == "quickstart":
        loss, steps = task.train_plainly(network, client)
    else:
        loss, steps = task.train(network, client, fused=clients == "thrifty")
    metrics = MetricRecord({"num-examples": task.NUM_FRAMES, "train_loss": loss, "steps": steps})
    content = RecordDict({"arrays": ArrayRecord(network.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


class Gated(FedAvg):
    """Plain averaging that begins a round when it is asked to, and tells what was done in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=task.NUM_CLIENTS,
            min_available_nodes=task.NUM_CLIENTS,
        )
        self._folder = folder
        self._asked: Iterator[int] | None = None
        self._bytes_down = 0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        if self._asked is None:
            self._asked = task.rounds_asked_for()
        if next(self._asked, None) != server_round:
            os._exit(0)  # nobody asks any more; Ray's processes end with this one
        messages = list(super().configure_train(server_round, arrays, config, grid))
        self._bytes_down = len(messages) * _bytes_of(arrays)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        replies = list(replies)
        failed = [reply.error for reply in replies if reply.has_error()]
        assert not failed, failed
        arrays, metrics = super().aggregate_train(server_round, replies)
        assert arrays is not None, "Flower averaged nothing"
        work = {
            "clients": len(replies),
            "steps": sum(int(reply.content["metrics"]["steps"]) for reply in replies),
            "bytes_down": self._bytes_down,
            "bytes_up": sum(_bytes_of(reply.content["arrays"]) for reply in replies),
        }
        task.tell(server_round, work, lambda: _flat(arrays), self._folder, "flower")
        return arrays, metrics


def _bytes_of(arrays: ArrayRecord) -> int:
    """Bytes of the numbers alone, whatever they are wrapped in."""
    return sum(array.numpy().nbytes for array in arrays.values())


def _flat(arrays: ArrayRecord) -> np.ndarray:
    own = task.new_network().state_dict()
    averaged = arrays.to_torch_state_dict()
    return task.flat({name: averaged[name].to(value.dtype) for name, value in own.items()})


def main() -> None:
    parser = task.side_arguments()
    parser.add_argument("--clients", choices=task.CLIENTS, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    server_app = ServerApp()

    @server_app.main()
    def serve(grid: Grid, _context: Context) -> None:
        Gated(arguments.folder).start(
            grid=grid,
            initial_arrays=ArrayRecord(task.new_network().state_dict()),
            num_rounds=MANY_ROUNDS,
            train_config=ConfigRecord({"clients": task.CLIENTS.index(arguments.clients)}),
        )

    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=task.NUM_CLIENTS,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {
                "address": "local",
                "num_cpus": task.NUM_WORKERS,
                "log_to_driver": False,
                "logging_level": "ERROR",
            },
        },
    )


if __name__ == "__main__":
    # By its name: what is pickled out of `__main__` would be rebuilt, network and all, with every message.
    from benchmarks import flower_side  # noqa: PLW0406

    flower_side.main()
