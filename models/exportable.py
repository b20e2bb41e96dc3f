"""Networks in a form that `torch.export` accepts: any number of frames and windows, several models in one graph.

`torch.export` unrolls torch.nn's recurrent modules and our own, for the one length of its example; a `scan` over time
stays a loop. The models of all folds share one loop per layer, and their predictions are averaged.

Shapes: M models, D directions, C = M D cells, B windows, L frames, F features, H hidden, G gates (4 H in an LSTM),
N = B L, S pixels of an image's side.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from models.networks import AffectNetwork
from models.recipe import NORMALISATIONS
from models.recurrences import WEIGHTS_PER_DIRECTION, Recurrence
from models.sizes import NUM_DIMENSIONS

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor], tuple[State, Tensor]]
# From what input (C, B, G) and state before (C, B, G) give, and that state, in plain operations: differentiable twice.
Cell = Callable[[Tensor, Tensor, State], State]


class ExportableNetwork(nn.Module):
    """The mean of some networks' predictions, in evaluation mode: numbers as `AffectNetwork.forward` gives them.

    Features come as float32 (B, L, F), images as uint8 (B, L, 3, S, S). All frames are taken for valid. Predictions
    are (B, L, 2).
    """

    mean: Tensor | None
    sd: Tensor | None
    image_mean: Tensor
    image_sd: Tensor
    into_head: Tensor
    into_head_bias: Tensor
    out_of_head: Tensor
    out_of_head_bias: Tensor

    def __init__(
        self,
        networks: Sequence[AffectNetwork],
        *,
        scaling: tuple[Tensor, Tensor] | None = None,
        frozen_backbone: nn.Module | None = None,
        normalisation: str | None = None,
    ) -> None:
        """Stack the weights of networks of one recipe.

        `scaling` is mean and standard deviation (M, F), applied to the features. A `frozen_backbone`, which all models
        share, turns images into features first; `normalisation` is then the backbone's.
        """
        super().__init__()
        first = networks[0]
        self.cell = type(first.recurrence)
        self.directions = 2 if first.recurrence.bidirectional else 1
        self.num_models, self.hidden_size = len(networks), first.recurrence.hidden_size
        backbones = [network.backbone for network in networks if network.backbone is not None]
        self.backbones = nn.ModuleList(backbones if frozen_backbone is None else [frozen_backbone])
        self.layers = nn.ModuleList(
            _Layer([network.recurrence for network in networks], layer) for layer in range(first.recurrence.num_layers)
        )
        linears = [(network.head[0], network.head[2]) for network in networks]
        for name, layers in zip(("into_head", "out_of_head"), zip(*linears, strict=True), strict=True):
            self.register_buffer(name, torch.stack([layer.weight.detach().T for layer in layers]))
            self.register_buffer(f"{name}_bias", torch.stack([layer.bias.detach()[None] for layer in layers]))
        mean_C, sd_C = (
            torch.tensor(values)[:, None, None] for values in NORMALISATIONS[normalisation or first.normalisation]
        )
        self.register_buffer("image_mean", mean_C)
        self.register_buffer("image_sd", sd_C)
        self.register_buffer("mean", None if scaling is None else scaling[0][:, None, None])
        self.register_buffer("sd", None if scaling is None else scaling[1][:, None, None])
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Predict (B, L, 2)."""
        x_MLBF = self._features(x)
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            x_MLBF = self._layer(layer, x_MLBF)
        x_MNH = x_MLBF.flatten(1, 2)
        hidden_MNH = torch.baddbmm(self.into_head_bias, x_MNH, self.into_head).relu()
        prediction_MN2 = torch.baddbmm(self.out_of_head_bias, hidden_MNH, self.out_of_head)
        return prediction_MN2.mean(0).reshape(x.shape[1], x.shape[0], NUM_DIMENSIONS).transpose(0, 1)

    def _features(self, x: Tensor) -> Tensor:
        """Return the features of every frame to each model, (M, L, B, F), or (1, L, B, F) where they are the same."""
        if len(self.backbones):
            x_NI = (x.flatten(0, 1).to(torch.float32) / 255 - self.image_mean) / self.image_sd
            features = [
                backbone(x_NI).reshape(x.shape[0], x.shape[1], -1).transpose(0, 1) for backbone in self.backbones
            ]
            x_MLBF = torch.stack(features)
        else:
            x_MLBF = x.transpose(0, 1)[None]
        return x_MLBF if self.mean is None or self.sd is None else (x_MLBF - self.mean) / self.sd

    def _layer(self, layer: "_Layer", x_MLBF: Tensor) -> Tensor:
        models, directions = self.num_models, self.directions
        x_MLBF = x_MLBF.expand(models, -1, -1, -1)
        x_MDLBF = torch.stack((x_MLBF, x_MLBF.flip(1)), 1) if directions == 2 else x_MLBF[:, None]
        into_CNG = torch.baddbmm(layer.into_bias, x_MDLBF.flatten(0, 1).flatten(1, 2), layer.into)
        into_LCBG = into_CNG.reshape(models * directions, x_MLBF.shape[1], x_MLBF.shape[2], -1).transpose(0, 1)
        zeros = into_LCBG.new_zeros(models * directions, x_MLBF.shape[2], self.hidden_size)
        state = (zeros, zeros.clone()) if self.cell is nn.LSTM else (zeros,)
        _, hidden_LCBH = scan(_step(CELLS[self.cell], layer.back, layer.back_bias), state, into_LCBG)
        hidden_LMDBH = hidden_LCBH.reshape(x_MLBF.shape[1], models, directions, x_MLBF.shape[2], self.hidden_size)
        hidden_DMLBH = hidden_LMDBH.permute(2, 1, 0, 3, 4)
        if directions == 1:
            forward_MLBH: Tensor = hidden_DMLBH[0]
            return forward_MLBH
        return torch.cat((hidden_DMLBH[0], hidden_DMLBH[1].flip(1)), 3)


class _Layer(nn.Module):
    """One layer's weights of all models and directions."""

    into: Tensor
    back: Tensor
    into_bias: Tensor
    back_bias: Tensor

    def __init__(self, recurrences: Sequence[Recurrence], layer: int) -> None:
        super().__init__()
        cells = []
        for recurrence in recurrences:
            weights = [weight.detach() for weight in recurrence.parameters()]
            directions = 2 if recurrence.bidirectional else 1
            cells += [
                weights[cell * WEIGHTS_PER_DIRECTION : (cell + 1) * WEIGHTS_PER_DIRECTION]
                for cell in range(layer * directions, (layer + 1) * directions)
            ]
        into, back, into_bias, back_bias = (torch.stack(tensors) for tensors in zip(*cells, strict=True))
        self.register_buffer("into", into.transpose(1, 2).contiguous())
        self.register_buffer("back", back.transpose(1, 2).contiguous())
        self.register_buffer("into_bias", into_bias[:, None])
        self.register_buffer("back_bias", back_bias[:, None])


def _step(cell: Cell, back_CHG: Tensor, bias_C1G: Tensor) -> Step:
    def step(state: State, into_CBG: Tensor) -> tuple[State, Tensor]:
        state = cell(into_CBG, torch.baddbmm(bias_C1G, state[0], back_CHG), state)
        return state, state[0].clone()

    return step


def tanh_cell(into_CBH: Tensor, back_CBH: Tensor, _: State) -> State:
    """Return the next hidden states from what the input and the state before give a tanh cell."""
    return (torch.tanh(into_CBH + back_CBH),)


def gru_cell(into_CBG: Tensor, back_CBG: Tensor, state: State) -> State:
    """Return the next hidden states as torch.nn.GRU: gates r, z, n; h' = n + z (h - n)."""
    into_r, into_z, into_n = into_CBG.chunk(3, 2)
    back_r, back_z, back_n = back_CBG.chunk(3, 2)
    keep = torch.sigmoid(into_z + back_z)
    new = torch.tanh(into_n + torch.sigmoid(into_r + back_r) * back_n)
    return (new + keep * (state[0] - new),)


def lstm_cell(into_CBG: Tensor, back_CBG: Tensor, state: State) -> State:
    """Return the next hidden states and memory as torch.nn.LSTM: gates i, f, g, o; c' = f c + i g; h = o tanh(c')."""
    into, forget, new, out = (into_CBG + back_CBG).chunk(4, 2)
    memory = torch.sigmoid(forget) * state[1] + torch.sigmoid(into) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(memory), memory


CELLS: dict[type[nn.Module], Cell] = {nn.RNN: tanh_cell, nn.GRU: gru_cell, nn.LSTM: lstm_cell}
