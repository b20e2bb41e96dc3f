"""Where a saved model computes."""

import torch

from orchestrator.errors import InputError


def chosen_device(name: str | None) -> str:
    """Return the named device, or the GPU where there is one; InputError for one that is not there."""
    if name is None:
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = f"{name} ({str(error).splitlines()[0]})"
        raise InputError.of(
            "--device", found=found, expected="a device of this machine, such as cpu or cuda"
        ) from error
    return name
