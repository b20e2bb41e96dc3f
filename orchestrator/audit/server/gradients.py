# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""Each window's own gradient of a network of features, as a function that can itself be differentiated.

The networks' fast recurrences have no second derivative; here the equations are those of models.exportable.
A linear layer y = W x + b has the gradients d x^T and d, summed over frames, if d is the loss's gradient in y: all
windows share the products with W, and each has a gradient of its own.

Shapes: P windows, L frames, F features, D directions side by side, G gates' rows, H hidden units, N weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.exportable import CELLS, State
from models.losses import loss_of, target_of
from models.networks import AffectNetwork
from models.recipe import Recipe
from models.recurrences import WEIGHTS_PER_DIRECTION, Recurrence
from models.windows import Batch


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """A linear layer's inputs x (..., P, L, I) and outputs y: of all frames (..., P, L, O), or of each (..., P, O)."""

    x: Tensor
    y: tuple[Tensor, ...]
    frame_by_frame: bool = False

    def gradients(self, of_outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the gradients of the weights (..., P, O, I) and of the bias (..., P, O) from those of the outputs."""
        d = torch.stack(tuple(of_outputs), dim=-2) if self.frame_by_frame else of_outputs[0]
        return d.transpose(-1, -2) @ self.x, d.sum(-2)


def window_gradients(network: AffectNetwork, batch: Batch, recipe: Recipe) -> Tensor:
    """Return the gradient (P, N) of each window's own loss, in the order of the network's parameters.

    It can be differentiated in `batch.x_BLF`, which must require that. The network has no backbone.
    """
    assert network.backbone is None, "images are not rebuilt"
    hidden_PLH, products = _recurrences(network.recurrence, batch.x_BLF, batch.length_B)
    prediction_PL2, of_head = _head(network, hidden_PLH)
    products = [*products, *of_head]
    loss_of_window, target = loss_of(recipe.loss), target_of(recipe.target)
    parts = zip(*(torch.split(one, 1) for one in (prediction_PL2, batch.gold_BL2, batch.mask_BL2)), strict=True)
    loss = torch.stack([loss_of_window(*target(*part)) for part in parts]).sum()
    outputs = [y for product in products for y in product.y]
    of_outputs = iter(torch.autograd.grad(loss, outputs, create_graph=True))
    own = [product.gradients([next(of_outputs) for _ in product.y]) for product in products]
    num_layers = network.recurrence.num_layers
    found: list[Tensor] = []
    for into, back in zip(own[: 2 * num_layers : 2], own[1 : 2 * num_layers : 2], strict=True):
        # By direction, as torch orders them: input weights, recurrent weights, and both biases.
        for direction in range(len(into[0])):
            found += [into[0][direction], back[0][direction], into[1][direction], back[1][direction]]
    found += [part for pair in own[2 * num_layers :] for part in pair]
    return torch.cat([part.flatten(1) for part in found], dim=1)


def _recurrences(recurrence: Recurrence, x_PLF: Tensor, length_P: Tensor) -> tuple[Tensor, list[_Product]]:
    """Return the hidden states (P, L, D H) and two products per layer: of the input, and of the state before."""
    num_windows, length = x_PLF.shape[:2]
    # The backward direction goes over windows turned round within their own length, so that padding comes last.
    step_L = torch.arange(length)
    turned_PL = torch.where(step_L < length_P[:, None], length_P[:, None] - 1 - step_L, step_L)
    window_P1 = torch.arange(num_windows)[:, None]
    directions = 2 if recurrence.bidirectional else 1
    weights = [one.detach() for one in recurrence.parameters()]
    size, products = WEIGHTS_PER_DIRECTION * directions, []
    for layer in range(recurrence.num_layers):
        own = weights[layer * size : (layer + 1) * size]
        into_DGF, back_DGH, into_bias_DG, back_bias_DG = (
            torch.stack(own[kind::WEIGHTS_PER_DIRECTION]) for kind in range(WEIGHTS_PER_DIRECTION)
        )
        sides = (x_PLF, x_PLF[window_P1, turned_PL])[:directions]
        x_DPLF = torch.stack(sides)
        input_DPLG = x_DPLF @ into_DGF.transpose(1, 2)[:, None] + into_bias_DG[:, None, None]
        products.append(_Product(x_DPLF, (input_DPLG,)))
        hidden_DPLH, back = _over_time(recurrence, input_DPLG, back_DGH, back_bias_DG)
        products.append(back)
        sides = (hidden_DPLH[0], *(one[window_P1, turned_PL] for one in hidden_DPLH[1:]))
        x_PLF = torch.cat(sides, dim=2)
    return x_PLF, products


def _over_time(
    recurrence: Recurrence, input_DPLG: Tensor, back_DGH: Tensor, back_bias_DG: Tensor
) -> tuple[Tensor, _Product]:
    cell = CELLS[type(recurrence)]
    # It requires a gradient, so that the first frame's recurrent product has one as all others do.
    zero_DPH = input_DPLG.new_zeros(*input_DPLG.shape[:2], recurrence.hidden_size, requires_grad=True)
    back_DHG, bias_D1G = back_DGH.transpose(1, 2), back_bias_DG[:, None]
    state: State = (zero_DPH, zero_DPH) if isinstance(recurrence, nn.LSTM) else (zero_DPH,)
    hidden, outputs = [zero_DPH], []
    for input_DPG in input_DPLG.unbind(2):
        outputs.append(torch.baddbmm(bias_D1G, hidden[-1], back_DHG))
        state = cell(input_DPG, outputs[-1], state)
        hidden.append(state[0])
    before_DPLH = torch.stack(hidden[:-1], dim=2)
    return torch.stack(hidden[1:], dim=2), _Product(before_DPLH, tuple(outputs), frame_by_frame=True)


def _head(network: AffectNetwork, hidden_PLH: Tensor) -> tuple[Tensor, list[_Product]]:
    """Return what the head says of every frame (P, L, 2), and its products."""
    x, products = hidden_PLH, []
    for layer in network.head:
        if isinstance(layer, nn.Linear):
            x_PLI = x if x.ndim == 3 else x[:, None]
            y = x_PLI @ layer.weight.detach().T + layer.bias.detach()
            products.append(_Product(x_PLI, (y,)))
            x = y if x.ndim == 3 else y[:, 0]
        else:
            x = layer(x)
    length = hidden_PLH.shape[1]
    return (x if x.ndim == 3 else x[:, None].expand(-1, length, -1)), products
