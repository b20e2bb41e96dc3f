"""One thread: bits repeat; and one small Ray of these tests' own, with a pretended GPU."""

from collections.abc import Iterator

import pytest
import ray
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pretended_gpu(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray of two CPUs that believes in one GPU; whatever Ray ran before is ended."""
    if ray.is_initialized():
        ray.shutdown()
    monkeypatch_module.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=1,
        object_store_memory=300 * 2**20,
        # Else what happens to be free decides how many clients find room: 20 x 600 MiB are wanted.
        _memory=64 * 2**30,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
