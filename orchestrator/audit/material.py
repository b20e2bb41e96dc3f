# ruff: noqa: N803, N806 - shape suffixes, by the legend below
"""What is audited, as a training sees it: people's series, the recipe, the folds. For attacks that train models.

Shapes: R models, P people, W windows of all people, L window length, 2 = valence and arousal.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fed.options import Federation
from models.epochs import predict
from models.losses import target_of
from models.networks import AffectNetwork
from models.recipe import Recipe
from models.splits import FoldSplit, scaled
from models.windows import Windows, cut
from orchestrator.audit.membership.scores import Array, People
from orchestrator.audit.subject import Subject
from orchestrator.data.dataset import make_dataset, split_of
from orchestrator.data.folds import Fold
from orchestrator.data.series import AnySeries
from orchestrator.errors import InputError, number_of
from orchestrator.planning.plan import Trial
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.recipe import make_recipe

Show = Callable[[str], object]

FEWEST_PEOPLE = 4  # ours: halves of fewer are single people, and sums of fewer are no sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """People's series in the corpus's order, and everything else that a training depends on."""

    series: tuple[AnySeries, ...]
    recipe: Recipe
    folds: tuple[Fold, ...]
    scaling: str
    seed: int
    federation: Federation | None = None
    backbone_weights: Mapping[str, Tensor] | None = None
    device: str = "cpu"
    left_out: tuple[str, ...] = ()  # people without a labelled window, of whom nothing can be said

    @property
    def notes(self) -> tuple[str, ...]:
        """What a record says of who is not in it; without names, which may have to be hidden."""
        left_out = number_of(len(self.left_out), "person", "people")
        return (f"left out, without a labelled window: {left_out}",) if self.left_out else ()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody, in the order of their first series."""
        return tuple(dict.fromkeys(one.participant for one in self.series))

    def split(self, train: Sequence[str]) -> FoldSplit:
        """Return the split that trains on these people.

        It is validated on one series, of somebody else if there is anybody: that costs little, and chooses nothing.
        """
        fold = Fold(number=0, train=tuple(train), inner=(), held_out=())
        labelled = [index for index, one in enumerate(self.series) if one.mask_T2.any()]
        others = [index for index in labelled if self.series[index].participant not in train]
        made = split_of(fold, self.series, self.scaling)
        first = (others or labelled)[0]
        return dataclasses.replace(made, validation=(first,), held_out=(first,))


def material_of(subject: Subject, show: Show) -> Material:
    """Read a subject as its method trains on it; InputError as `make_dataset`, and if too few people have labels."""
    dataset = make_dataset(
        subject.corpus,
        subject.protocol,
        # The run's seed drew its folds, whatever the audit's is.
        seed=subject.seed if subject.run is None else load_plan(subject.run).seed,
        images=subject.images,
        groups=subject.groups,
        show=show,
    )
    trial = Trial(uid="", network=subject.network, hparams=subject.hparams)
    recipe = make_recipe(trial, subject.protocol, dataset.backbone)
    weights = dataset.backbone.weights if dataset.backbone and not dataset.backbone.frozen else None
    series = dataset.local_series()
    there = with_windows(series, recipe)
    people = tuple(dict.fromkeys(one.participant for one in there))
    if len(people) < FEWEST_PEOPLE:
        found = (
            f"{number_of(len(people), 'person', 'people')} with a labelled window of {recipe.sequence_length} frames"
        )
        raise InputError.of(str(subject.corpus.path), found=found, expected=f"at least {FEWEST_PEOPLE}")
    return Material(
        series=tuple(there),
        recipe=recipe,
        folds=dataset.folds,
        scaling=subject.protocol.scaling,
        seed=subject.seed,
        federation=subject.federation,
        backbone_weights=weights,
        device="cuda:0" if recipe.backbone is not None and torch.cuda.is_available() else "cpu",
        left_out=tuple(dict.fromkeys(one.participant for one in series if one.participant not in people)),
    )


def with_windows(series: Sequence[AnySeries], recipe: Recipe) -> list[AnySeries]:
    """Return the series of everybody who has a labelled window."""
    length = recipe.sequence_length
    people = set()
    for one in series:
        end = len(one.mask_T2) // length * length if recipe.partial_window == "drop" else len(one.mask_T2)
        if one.mask_T2[:end].any():
            people.add(one.participant)
    return [one for one in series if one.participant in people]


def labelled_windows(material: Material) -> tuple[Windows, Tensor, People]:
    """Cut all series; return the windows, which of them have a label, and whose those are: everybody has one."""
    recipe = material.recipe
    windows = cut(material.series, recipe.sequence_length, partial=recipe.partial_window).to(material.device)
    index_W = windows.labelled(windows.of_series(range(len(material.series))))
    place = {person: number for number, person in enumerate(material.people)}
    of_series = np.array([place[one.participant] for one in material.series])
    person_W = of_series[windows.series_W[index_W].numpy()]
    assert len(set(person_W.tolist())) == len(place), "people without a labelled window were left out"
    zero_WL2 = windows.gold_WL2.new_zeros(len(index_W), windows.length, 2)
    _, count_W = _squares(zero_WL2, windows, index_W, recipe)
    return windows, index_W, People(person_W=person_W, count_W=count_W, num_people=len(place))


def window_errors(
    model: AffectNetwork, material: Material, windows: Windows, index_W: Tensor, split: FoldSplit
) -> Array:
    """Return the mean squared error of each window (W,) over what the loss compares; `split` scales the features."""
    prediction_WL2 = predict(model.to(material.device), scaled(windows, 0, split), index_W)
    square_W, count_W = _squares(prediction_WL2, windows, index_W, material.recipe)
    return np.asarray(square_W / count_W)


def _squares(
    prediction_WL2: Tensor, windows: Windows, index_W: Tensor, recipe: Recipe
) -> tuple[Array, NDArray[np.float64]]:
    """Return the sum of the squared errors of each window, and over how many elements."""
    at_W = index_W.to(windows.gold_WL2.device)
    compared = target_of(recipe.target)(prediction_WL2, windows.gold_WL2[at_W], windows.mask_WL2[at_W])
    prediction, gold, mask = (one.flatten(1) for one in compared)
    square = (prediction - gold).double().masked_fill(~mask, 0.0).square().sum(1)
    return square.cpu().numpy(), mask.sum(1).double().cpu().numpy()
