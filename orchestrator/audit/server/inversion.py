# ruff: noqa: N803, N806, N815 - shape suffixes, by the legend below
"""Gradient inversion: inputs whose gradient is like an observed one (Zhu et al. 2019, arXiv:1906.08935).

The distance is one minus the cosine (Geiping et al. 2020, arXiv:2003.14053) plus the squared difference over the
observed square. Inputs are standardised by each feature's mean and deviation over everybody. Shapes: P windows, one per
person, W windows of all, L frames, F features, N weights, S = L F.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fed.updates import Layout, copy_into
from models import checkpoints
from models.ccc import Moments, pearson
from models.losses import loss_of, target_of
from models.networks import AffectNetwork
from models.recipe import Recipe
from models.seeds import seed_for
from models.sizes import DEFAULT_HEAD
from models.splits import scaled
from models.stacks.epochs import one_thread
from models.windows import Batch, Windows, cut
from orchestrator.audit.material import Material, Show
from orchestrator.audit.server.gradients import window_gradients
from orchestrator.audit.server.links import Array, first_choices, similarities
from orchestrator.audit.server.rounds import network_of, rounds

# All of these are ours.
STEPS = 100  # of Adam on the inputs
RATE = 0.1  # its learning rate, in deviations of a feature; it falls to 0 along half a cosine
START = 0.1  # deviation of the inputs that it begins with: a window like the mean, and what breaks the tie
RESTARTS = 2  # of which the smallest distance is kept
PRIOR = 0.02  # weight of the inputs' mean square beside the distance: standardised features have one of 1
LONGEST = 50  # frames of a window; of longer ones the client has the first, which is easier to rebuild
WORK = 200_000_000  # weights times frames times people: on one core about a minute

MATCHED, OF_FRAMES, OF_MEANS = "matched", "of-frames", "of-means"
FRAMES_BASELINE, MEANS_BASELINE = "of-frames-baseline", "of-means-baseline"
STEPS_A_ROUND = "steps-a-round"

Rebuilt = Mapping[str, Array]  # by what was asked, each person's value (P,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Puzzle:
    """What a server knows of P windows, but for their gradients: everything of them but the features.

    `batch` has the labels and lengths; its features are the answer. `valid_PL1` says which frames were measured, the
    others are 0. `mean_F` and `sd_F` are of every feature over everybody.
    """

    network: AffectNetwork
    recipe: Recipe
    batch: Batch
    valid_PL1: Tensor
    mean_F: Tensor
    sd_F: Tensor

    def inputs(self, z_PLF: Tensor) -> Tensor:
        """Return what the network gets of standardised features."""
        return (self.mean_F + self.sd_F * z_PLF).masked_fill(~self.valid_PL1, 0.0)

    def answer(self) -> Tensor:
        """Return the true features, standardised (P, L, F); 0 where there are none."""
        return ((self.batch.x_BLF - self.mean_F) / self.sd_F).masked_fill(~self.valid_PL1, 0.0)


def frames_of_window(sequence_length: int, head: str) -> int:
    """Return how many frames a window of the diagnostic has; a head on whole windows takes no shorter one."""
    return min(sequence_length, LONGEST) if head == DEFAULT_HEAD else sequence_length


def most_people(num_weights: int, num_frames: int) -> int:
    """Return of how many people windows are rebuilt at most."""
    return WORK // (num_weights * num_frames)


def rebuilt_windows(material: Material, folder: Path, show: Show) -> Rebuilt:
    """Rebuild one window per person from its gradient at the first round's weights, and compare it with the true one.

    `folder` keeps the restarts that are done. The same bits on every CPU run: it calculates on one thread.
    """
    with one_thread():
        network = first_network(material)
        people = material.people[: most_people(sum(one.numel() for one in network.parameters()), _frames(material))]
        puzzle, steps_P = puzzle_of(material, network, people)
        z_PLF = solved(puzzle, observed(puzzle), seed=material.seed, folder=folder, show=show)
        return {**compared(z_PLF, puzzle.answer(), puzzle.valid_PL1), STEPS_A_ROUND: steps_P}


def _frames(material: Material) -> int:
    return frames_of_window(material.recipe.sequence_length, material.recipe.head)


def first_network(material: Material) -> AffectNetwork:
    """Return the network with the weights that every client is sent in the first round."""
    (seen,) = rounds(material, material.split(material.people), 1)
    network = network_of(material)
    copy_into(network, seen.weights, seen.integers, Layout.of(network.state_dict()))
    return network


def puzzle_of(material: Material, network: AffectNetwork, people: tuple[str, ...]) -> tuple[Puzzle, Array]:
    """Return the puzzle of each person's first window with the most labels, and how many steps their rounds have (P,).

    Means and deviations are of everybody's measured frames.
    """
    recipe, split = material.recipe, material.split(material.people)
    windows = scaled(cut(material.series, _frames(material), partial=recipe.partial_window), 0, split)
    whole = cut(material.series, recipe.sequence_length, partial=recipe.partial_window)
    chosen, steps = [], []
    for person in people:
        own = [place for place, one in enumerate(material.series) if one.participant == person]
        index_W = windows.labelled(windows.of_series(own))
        chosen.append(int(index_W[windows.mask_WL2[index_W].flatten(1).sum(1).argmax()]))
        epochs = material.federation.local_epochs if material.federation is not None else 1
        steps.append(-(-len(whole.labelled(whole.of_series(own))) // recipe.windows_a_step) * epochs)
    index_P = torch.tensor(chosen)
    mean_F, sd_F = _of_everybody(windows)
    puzzle = Puzzle(
        network=network,
        recipe=recipe,
        batch=windows.batch(index_P),
        valid_PL1=windows.valid_WL[index_P][:, :, None],
        mean_F=mean_F,
        sd_F=sd_F,
    )
    return puzzle, np.array(steps, dtype=np.float64)


def _of_everybody(windows: Windows) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (F,) of every feature over all measured frames; 1 for a feature that does not vary."""
    x_WLF = windows.batch(torch.arange(len(windows.length_W))).x_BLF
    frame_TF = x_WLF[windows.valid_WL]
    sd_F = frame_TF.std(0, correction=0)
    return frame_TF.mean(0), torch.where(sd_F > 1e-6 * frame_TF.abs().amax(0), sd_F, 1.0)


def observed(puzzle: Puzzle) -> Tensor:
    """Return each window's gradient (P, N) as a client's own training makes it."""
    network, recipe, batch = puzzle.network, puzzle.recipe, puzzle.batch
    found = []
    for place in range(len(batch.length_B)):
        at = slice(place, place + 1)
        prediction_BL2 = network(batch.x_BLF[at], batch.length_B[at])
        compared_here = target_of(recipe.target)(prediction_BL2, batch.gold_BL2[at], batch.mask_BL2[at])
        own = torch.autograd.grad(loss_of(recipe.loss)(*compared_here), list(network.parameters()))
        found.append(torch.cat([one.flatten() for one in own]))
    return torch.stack(found)


def solved(puzzle: Puzzle, observed_PN: Tensor, *, seed: int, folder: Path, show: Show) -> Tensor:
    """Return the standardised inputs (P, L, F) whose gradients are like the observed ones; all windows side by side.

    Of the restarts each window keeps the one of the smallest distance. `folder` keeps restarts that are done.
    """
    best_PLF = best_P = None
    for restart in range(RESTARTS):
        place = folder / f"restart-{restart}"
        try:
            kept = checkpoints.read(place)[0]
            z_PLF, distance_P = kept["z_PLF"], kept["distance_P"]
        except (checkpoints.CheckpointError, KeyError):
            z_PLF, distance_P = _descent(puzzle, observed_PN, seed_for(seed, "audit", "inversion", restart), show)
            checkpoints.write(place, {"z_PLF": z_PLF, "distance_P": distance_P}, {})
        show(f"server: windows from one gradient each, start {restart + 1} of {RESTARTS} ended")
        if best_PLF is None or best_P is None:
            best_PLF, best_P = z_PLF, distance_P
        else:
            better_P = distance_P < best_P
            best_PLF = torch.where(better_P[:, None, None], z_PLF, best_PLF)
            best_P = torch.where(better_P, distance_P, best_P)
    assert best_PLF is not None, "there is a start"
    return best_PLF


def _descent(puzzle: Puzzle, observed_PN: Tensor, seed: int, show: Show) -> tuple[Tensor, Tensor]:
    """Return the inputs (P, L, F) at the end of one descent, and the distance of their gradients (P,)."""
    generator = torch.Generator().manual_seed(seed)
    z_PLF = START * torch.randn(puzzle.batch.x_BLF.shape, generator=generator)
    z_PLF.requires_grad_(True)
    optimiser = torch.optim.Adam([z_PLF], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        if step % (STEPS // 4) == 0:
            show(f"server: windows from one gradient each, step {step} of {STEPS}")
        distance_P = distance(_gradients(puzzle, z_PLF), observed_PN)
        (slope_PLF,) = torch.autograd.grad((distance_P + PRIOR * z_PLF.square().mean((1, 2))).sum(), z_PLF)
        z_PLF.grad = slope_PLF
        optimiser.step()
        schedule.step()
    found = distance(_gradients(puzzle, z_PLF), observed_PN).detach()
    return z_PLF.detach().masked_fill(~puzzle.valid_PL1, 0.0), found


def _gradients(puzzle: Puzzle, z_PLF: Tensor) -> Tensor:
    batch = dataclasses.replace(puzzle.batch, x_BLF=puzzle.inputs(z_PLF))
    return window_gradients(puzzle.network, batch, puzzle.recipe)


def distance(gradient_PN: Tensor, observed_PN: Tensor) -> Tensor:
    """Return how far gradients are from the observed ones, (P,): 0 if equal, 2 of a gradient of 0.

    An observed gradient of 0 has no direction: then 1 plus the square of the gradient.
    """
    cosine_P = torch.nn.functional.cosine_similarity(gradient_PN, observed_PN, dim=1)
    square_P = observed_PN.square().sum(1)
    return 1.0 - cosine_P + (gradient_PN - observed_PN).square().sum(1) / torch.where(square_P > 0.0, square_P, 1.0)


def compared(z_PLF: Tensor, true_PLF: Tensor, valid_PL1: Tensor) -> Rebuilt:
    """Return what each person's rebuilt window says of the true one, and what the others' mean window says of it.

    Whether the nearest of all true windows, by the cosine around the mean, is the person's own; and Pearson's
    correlation, of all measured values and of the features' means over the window.
    """
    others_PLF = (true_PLF.sum(0, keepdim=True) - true_PLF) / max(1, len(true_PLF) - 1)
    flat = [one.flatten(1).double().numpy() for one in (z_PLF, true_PLF)]
    return {
        MATCHED: first_choices(similarities(*flat)),
        OF_FRAMES: _correlations(z_PLF, true_PLF, valid_PL1),
        OF_MEANS: _correlations(*_means(z_PLF, true_PLF, valid_PL1)),
        FRAMES_BASELINE: _correlations(others_PLF, true_PLF, valid_PL1),
        MEANS_BASELINE: _correlations(*_means(others_PLF, true_PLF, valid_PL1)),
    }


def _means(one_PLF: Tensor, other_PLF: Tensor, valid_PL1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the means over measured frames as windows of one frame, (P, 1, F); values elsewhere are not counted."""
    count_P11 = valid_PL1.sum(1, keepdim=True).clamp(min=1)
    first, second = (one.masked_fill(~valid_PL1, 0.0).sum(1, keepdim=True) / count_P11 for one in (one_PLF, other_PLF))
    return first, second, torch.ones_like(count_P11, dtype=torch.bool)


def _correlations(one_PLF: Tensor, other_PLF: Tensor, valid_PL1: Tensor) -> Array:
    """Return Pearson's correlation over the measured values of each window, (P,); 0 if one does not vary."""
    found = []
    for one_LF, other_LF, valid_L1 in zip(one_PLF.double(), other_PLF.double(), valid_PL1, strict=True):
        at = valid_L1[:, 0]
        found.append(pearson(Moments.of(one_LF[at].flatten().numpy(), other_LF[at].flatten().numpy())))
    return np.array(found)
