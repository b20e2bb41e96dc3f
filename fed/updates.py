"""A client's update, and the checks that it must pass before it is aggregated (paper, section III.B).

Shapes: N floating-point numbers of a network (weights and statistics), M integers (counters of batches).
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fed.messages import Floats, Integers, Job, Update

# Ours: an update lies at most so many times the norm of the global weights (at least 1) away from them. Adam at
# the largest learning rate of the grids stays far below; a client that ran away or means harm does not.
MAX_DISTANCE = 1000.0
# Ours: windows that a client may say it trained on; at 25 frames per second eleven hours have as many, one per frame.
# 256 such clients together stay under what an exact sum can weigh (2^28): none can make the sum of the others fail.
MAX_SAMPLES = (1 << 20) - 1
# Norms are taken piece by piece: pieces stay in the processor's cache.
PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each entry of a network's state lies in two flat buffers, in the order of the state."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]  # "float32", or the integer type that an entry has in the network

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "Layout":
        """Read a state's layout; ValueError for floating-point types other than float32."""
        dtypes = tuple(str(tensor.dtype).removeprefix("torch.") for tensor in state.values())
        for name, tensor, dtype in zip(state, state.values(), dtypes, strict=True):
            if dtype != "float32" and (tensor.is_floating_point() or tensor.is_complex()):
                raise ValueError(f"{name} is {dtype}: a federation averages float32 only")
        return cls(names=tuple(state), shapes=tuple(tuple(t.shape) for t in state.values()), dtypes=dtypes)

    @property
    def digest(self) -> str:
        """Equal for equal names, shapes and types."""
        text = repr((self.names, self.shapes, self.dtypes))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def num_floats(self) -> int:
        """N."""
        return self._count(floats=True)

    @property
    def num_integers(self) -> int:
        """M."""
        return self._count(floats=False)

    @property
    def num_bytes(self) -> int:
        """Bytes of the two flat buffers: what one client receives, and what it sends."""
        return 4 * self.num_floats + 8 * self.num_integers

    def _count(self, *, floats: bool) -> int:
        pairs = zip(self.shapes, self.dtypes, strict=True)
        return sum(math.prod(shape) for shape, dtype in pairs if (dtype == "float32") == floats)


def flatten(state: Mapping[str, Tensor], layout: Layout) -> tuple[Floats, Integers]:
    """Copy a state into two flat buffers, (N,) and (M,); a 0-d counter takes one place like any other."""
    assert tuple(state) == layout.names, "a state of another network"
    tensors = [(tensor.detach().reshape(-1), tensor.is_floating_point()) for tensor in state.values()]
    floats = [tensor for tensor, floating in tensors if floating]
    integers = [tensor.to(torch.int64) for tensor, floating in tensors if not floating]
    return _joined(floats, np.float32), _joined(integers, np.int64)


def _joined(tensors: Sequence[Tensor], dtype: type[np.generic]) -> NDArray[Any]:
    if not tensors:
        return np.empty(0, dtype=dtype)
    if tensors[0].device.type != "cpu":
        tensors = [torch.cat(list(tensors)).cpu()]  # one copy from the device, not one for every entry
    # By numpy: torch's own copy touches 4 kB at a time, and takes four times as long.
    return np.concatenate([tensor.numpy() for tensor in tensors])


def unflatten(weights: Floats, integers: Integers, layout: Layout) -> dict[str, Tensor]:
    """Undo `flatten`, with tensors of their own (the buffers may be read-only views)."""
    return {
        name: piece.reshape(shape).to(getattr(torch, dtype))
        for name, shape, dtype, piece in zip(
            layout.names, layout.shapes, layout.dtypes, _pieces(weights, integers, layout), strict=True
        )
    }


def copy_into(model: nn.Module, weights: Floats, integers: Integers, layout: Layout) -> None:
    """Overwrite a resident network's state in place; the buffers may be read-only views."""
    state = model.state_dict()
    device = next(iter(state.values())).device
    with torch.no_grad():
        if device.type == "cpu":
            # Straight from the view, which torch itself does not like to look at.
            for target, piece in zip(state.values(), _views(weights, integers, layout), strict=True):
                np.copyto(target.numpy(), piece.reshape(tuple(target.shape)), casting="same_kind")
            return
        for target, copied in zip(state.values(), _pieces(weights, integers, layout, device), strict=True):
            target.copy_(copied.reshape(target.shape))


def _pieces(weights: Floats, integers: Integers, layout: Layout, device: torch.device | str = "cpu") -> list[Tensor]:
    """Cut copies of the buffers into their entries; one copy goes to the device, not one for every entry."""
    floats, whole = torch.from_numpy(np.array(weights)).to(device), torch.from_numpy(np.array(integers)).to(device)
    return [(floats if floating else whole)[place] for floating, place in _places(weights, integers, layout)]


def _views(weights: Floats, integers: Integers, layout: Layout) -> list[Floats | Integers]:
    return [(weights if floating else integers)[place] for floating, place in _places(weights, integers, layout)]


def _places(weights: Floats, integers: Integers, layout: Layout) -> list[tuple[bool, slice]]:
    """In which buffer each entry lies, and where."""
    assert weights.shape == (layout.num_floats,), f"weights {weights.shape}, expected ({layout.num_floats},)"
    assert integers.shape == (layout.num_integers,), f"integers {integers.shape}, expected ({layout.num_integers},)"
    places, at = [], {True: 0, False: 0}
    for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True):
        floating, size = dtype == "float32", math.prod(shape)
        places.append((floating, slice(at[floating], at[floating] + size)))
        at[floating] += size
    return places


def trained_places(model: nn.Module, layout: Layout) -> tuple[slice, ...]:
    """Return where the trained parameters lie among the floats (N,); the rest are statistics of normalisations."""
    trained = {name for name, _ in model.named_parameters()}
    places: list[slice] = []
    at = 0
    for name, shape, dtype in zip(layout.names, layout.shapes, layout.dtypes, strict=True):
        if dtype != "float32":
            continue
        end = at + math.prod(shape)
        if name in trained:
            joins = places and places[-1].stop == at
            places.append(slice(places.pop().start if joins else at, end))
        at = end
    return tuple(places)


def gathered(values: Floats, places: Sequence[slice]) -> Floats:
    """Join places of (N,), without a copy if there is only one."""
    parts = [values[place] for place in places]
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.float32)])


def admit(update: Update, job: Job, number: int, layout: Layout, weights: Floats) -> str | None:
    """Return why an update must not be added; None: it may.

    It must come from the client and fold of the job and from round `number`, fit the network by keys, shapes and types,
    count at least one sample, be finite, and lie within MAX_DISTANCE of `weights` (N,), which the client was sent.
    """
    sender: dict[str, str | int] = {"client": job.client, "round": number, "fold": job.fold}
    return _refuse_sender(update, sender) or _refuse_form(update, layout) or _refuse_content(update, weights)


def _refuse_sender(update: Update, expected: Mapping[str, str | int]) -> str | None:
    for name, wanted in expected.items():
        found = getattr(update, name)
        if found != wanted:
            return f"of {name} {found!r}, expected {wanted!r}"
    return None


def _refuse_form(update: Update, layout: Layout) -> str | None:
    if update.layout != layout.digest:
        return f"of a network with other keys, shapes or types ({update.layout}, expected {layout.digest})"
    for name, found, dtype, size in (
        ("weights", update.weights, np.float32, layout.num_floats),
        ("integers", update.integers, np.int64, layout.num_integers),
    ):
        if not isinstance(found, np.ndarray) or found.dtype != dtype or found.shape != (size,):
            form = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            return f"{name} are {form}, expected {np.dtype(dtype)} ({size},)"
    samples = update.num_samples
    if not isinstance(samples, int) or isinstance(samples, bool) or not 0 < samples <= MAX_SAMPLES:
        return f"counts {samples!r} samples, expected a whole number from 1 to {MAX_SAMPLES}"
    return None


def _refuse_content(update: Update, weights: Floats) -> str | None:
    if not math.isfinite(update.train_loss):
        return f"its training loss is {update.train_loss}"
    distance, norm = distance_and_norm(update.weights, weights)
    if not math.isfinite(distance):
        bad = int(np.count_nonzero(~np.isfinite(update.weights)))
        if bad:
            return f"{bad} of {len(weights)} weights are not finite"
    allowed = MAX_DISTANCE * max(norm, 1.0)
    if not distance <= allowed:
        return f"lies {distance:.3g} from the weights it was sent, at most {allowed:.3g} are allowed"
    return None


def distance_and_norm(weights: Floats, origin: Floats) -> tuple[float, float]:
    """Euclidean distance of two buffers (N,), and the norm of the second; a NaN or inf shows in the distance."""
    squares = norm_squares = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(weights), PIECE):
            piece = origin[start : start + PIECE]
            step = weights[start : start + PIECE] - piece
            squares += float(step @ step)
            norm_squares += float(piece @ piece)
    return math.sqrt(squares) if squares >= 0 else math.nan, math.sqrt(norm_squares)
