"""A saved model: a folder with weights (safetensors) and a JSON card. Loading it runs no code from the folder."""

import atexit
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from models.networks import AffectNetwork, build_for
from models.recipe import Recipe
from models.sizes import DEFAULT_HEAD
from models.splits import FoldSplit
from orchestrator.corpora.names import composed
from orchestrator.corpora.participants import as_known
from orchestrator.corpora.read_options import ReadOptions, options_of_card
from orchestrator.corpora.recording import Recording
from orchestrator.corpora.tables.feature_tools import tool_by_features
from orchestrator.data.backbone import BACKBONE, Backbone, load_backbone
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.evaluation.model_card import CARD_FORMAT
from orchestrator.files import JsonObject, read_json, sha256_of
from orchestrator.inference.card_checks import CARD_BYTES, check_card, check_weights, num_features_of
from orchestrator.planning.plan import Trial
from orchestrator.planning.recipe import make_recipe
from orchestrator.protocols import Protocol
from orchestrator.run_folder import CARD_FILE, MODEL_FILE, MODEL_FOLDER
from orchestrator.tracking.location import is_run_id
from orchestrator.tracking.secrets import recall
from orchestrator.tracking.writer import read_state
from tune_spaces.method import HParams

RUNS_PREFIX = "runs:/"
UNDAMAGED = "the card as `tune` or `evaluate` wrote it"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedModel:
    """The models of all folds of one configuration, with what their card says."""

    folder: Path
    card: JsonObject
    weights: Mapping[str, Tensor]
    recipe: Recipe
    protocol: Protocol
    images: ImageOptions | None
    run_id: str | None  # the parent run in MLflow, where it is known
    tracking_uri: str | None

    @property
    def num_folds(self) -> int:
        """K."""
        return len(self.card["folds"])

    @property
    def num_features(self) -> int:
        """What the recurrent network takes in."""
        return num_features_of(self.card, self.protocol, self.images)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        note = " (trained on a SYNTHETIC corpus)" if self.card["synthetic"] else ""
        return f"{self.recipe.network} on {self.card['method']}, {self.num_folds} fold models{note}"

    @property
    def read_options(self) -> ReadOptions:
        """How the recordings that it was trained on were read."""
        return options_of_card(self.card)

    @property
    def features_tool(self) -> str:
        """The tool that made the features it was trained on, by their names in old cards; "" if not known."""
        said = self.card["corpus"].get("features_tool")
        return tool_by_features(self.card["features"]) if said is None else str(said)

    @property
    def frozen(self) -> bool:
        """Return whether a backbone that no fold has trained computes the features."""
        return self.images is not None and self.images.backbone == "frozen"

    @property
    def whole_windows(self) -> bool:
        """Return whether its head takes whole windows and gives one output for each."""
        return self.recipe.head != DEFAULT_HEAD

    def refuse_whole_windows(self, where: str) -> None:
        """Refuse a model whose head takes whole windows where frames come one by one (InputError)."""
        if self.whole_windows:
            found = f"a model with the head {self.recipe.head}, one output per {self.recipe.sequence_length} frames"
            raise InputError.of(where, found=found, expected="a model with a head per frame (without --head)")

    def network(self, fold: int) -> AffectNetwork:
        """Build a fold's network on the CPU, in evaluation mode; InputError if the weights do not fit the card."""
        network = build_for(self.recipe, num_features=self.num_features, seed=0)
        own = _under(self.weights, fold)
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in own.items()}
        if found != expected:
            different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            raise InputError.of(
                str(self.folder / MODEL_FILE),
                found=f"fold {fold}: {different[0]} of shape {found.get(different[0])}",
                expected=f"{expected.get(different[0])}, as the card says",
            )
        network.load_state_dict(own)
        return network.eval()

    def split(self, fold: int) -> FoldSplit:
        """Return the fold's scaling as training knows it."""
        scaling = self.card["scaling"]["folds"][fold] or {}
        mean, sd = (np.asarray(scaling[key], dtype=np.float32) if key in scaling else None for key in ("mean", "sd"))
        return FoldSplit(train=(), validation=(), held_out=(), mean_F=mean, sd_F=sd)

    def folds_for(self, participant: str, fold: int | None = None) -> tuple[int, ...]:
        """Choose who predicts a person: the fold that never saw them, or for a stranger all folds together."""
        if fold is not None:
            return (fold,)
        return self.unseen_by(participant) or tuple(range(self.num_folds))

    def unseen_by(self, participant: str) -> tuple[int, ...]:
        """Return the folds that held a person out; none for a stranger. Two Unicode forms of a name are one person."""
        name = composed(participant)
        return tuple(k for k, one in enumerate(self.card["folds"]) if name in map(composed, one["held_out"]))

    @property
    def known_people(self) -> frozenset[str]:
        """Everybody whom it was trained on; without those who were removed since."""
        return frozenset(composed(person) for one in self.card["folds"] for person in one["held_out"])

    def with_known_people(self, recordings: Iterable[Recording]) -> tuple[Recording, ...]:
        """Return recordings with the model's own people under the names that these have in training.

        A file's name alone does not say where the participant ends; a person trained on is never taken for a stranger.
        """
        known = self.known_people
        found = []
        for one in recordings:
            participant, session = as_known(one.participant, one.session, known)
            found.append(dataclasses.replace(one, participant=participant, session=session))
        return tuple(found)

    def check_fold(self, fold: int | None) -> None:
        """Refuse a fold that is not there (InputError)."""
        if fold is not None and not 0 <= fold < self.num_folds:
            raise InputError.of("--fold", found=fold, expected=f"0 to {self.num_folds - 1}")

    def frozen_backbone(self) -> Backbone | None:
        """Load the backbone that computes features; InputError if it is no longer what training started from."""
        if not self.frozen or self.images is None:
            return None
        backbone = load_backbone(self.images)
        expected = (self.card.get("trunk") or {}).get("label", backbone.label)
        if backbone.label != expected:
            found = f"{self.images.weights} with digest {backbone.label}"
            raise InputError.of("the backbone's weights", found=found, expected=f"{expected}, as in training")
        return backbone


def open_model(place: str, *, tracking_uri: str | None = None) -> SavedModel:
    """Open a model's folder, a run's folder with `model/` in it, or an MLflow run (its id, or `runs:/ID`).

    InputError: nothing of the kind there, a damaged card, weights that changed since or do not fit the card.
    """
    run_id = place.removeprefix(RUNS_PREFIX).rstrip("/")
    if is_run_id(run_id) and not Path(place).exists():
        from orchestrator.tracking.models import download_model

        place_for_it = tempfile.mkdtemp(prefix="affect-model-")
        atexit.register(shutil.rmtree, place_for_it, ignore_errors=True)
        downloaded, uri = download_model(run_id, Path(place_for_it), tracking_uri)
        return dataclasses.replace(_read(downloaded), run_id=run_id, tracking_uri=uri)
    folder = Path(place)
    for candidate in (folder, folder / MODEL_FOLDER):
        if os.path.isfile(candidate / CARD_FILE):  # noqa: PTH113 - False, too, for a name that no file can have
            state = read_state(candidate.parent) or {}
            recall(candidate.parent)
            return dataclasses.replace(
                _read(candidate), run_id=state.get("run_id"), tracking_uri=state.get("tracking_uri")
            )
    expected = (
        f"a folder with {CARD_FILE} and {MODEL_FILE}, a run's folder with {MODEL_FOLDER}/, latest, or an MLflow run id"
    )
    raise InputError.of("--model", found=place, expected=expected)


def _read(folder: Path) -> SavedModel:
    card_path, weights_path = folder / CARD_FILE, folder / MODEL_FILE
    card = read_json(card_path, at_most=CARD_BYTES)
    found = card.get("format")
    if found != CARD_FORMAT:
        raise InputError.of(str(card_path), found=f"format {found}", expected=f"format {CARD_FORMAT}")
    try:
        protocol = Protocol(**card["protocol"])
        images = ImageOptions(**card["images"]) if card["images"] else None
        check_card(card, protocol, images)
        recipe = _recipe(card, protocol, images)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        found = f"a damaged card ({type(error).__name__}: {error})"
        raise InputError.of(str(card_path), found=found, expected=UNDAMAGED) from error
    model = SavedModel(
        folder=folder,
        card=card,
        weights=_weights(weights_path, card, recipe, num_features_of(card, protocol, images)),
        recipe=recipe,
        protocol=protocol,
        images=images,
        run_id=None,
        tracking_uri=None,
    )
    for fold in range(model.num_folds):
        model.network(fold)
    return model


def _weights(path: Path, card: JsonObject, recipe: Recipe, num_features: int) -> dict[str, Tensor]:
    """Read the weights once their head fits the card; old cards have no checksum of them."""
    stated = card.get("weights_sha256")
    try:
        check_weights(path, recipe, num_features, len(card["folds"]))
        if stated is not None and sha256_of(path) != stated:
            raise InputError.of(
                str(path), found="bytes that are not the card's", expected=f"a file with sha256 {stated[:16]}..."
            )
        weights: dict[str, Tensor] = load(path.read_bytes())
    except OSError as error:
        raise InputError.of(str(path), found=error.strerror or error, expected="the models' weights") from error
    except SafetensorError as error:
        raise InputError.of(str(path), found=f"a damaged file ({error})", expected="safetensors") from error
    wild = next((name for name, tensor in weights.items() if not bool(tensor.isfinite().all())), None)
    if wild is not None:
        raise InputError.of(str(path), found=f"{wild} with NaN or infinity", expected="finite weights")
    return weights


def _recipe(card: JsonObject, protocol: Protocol, images: ImageOptions | None) -> Recipe:
    trial = Trial(uid=str(card["uid"]), network=card["network"], hparams=HParams(**card["hparams"]))
    recipe = make_recipe(trial, protocol)
    if images is None or images.backbone == "frozen":
        return recipe
    backbone = card["trunk"]
    return dataclasses.replace(
        recipe,
        backbone=BACKBONE,
        image_size=images.image_size,
        normalisation=backbone["normalisation"],
        backbone_weights=backbone["label"],
    )


def _under(weights: Mapping[str, Tensor], fold: int) -> dict[str, Tensor]:
    prefix = f"fold_{fold}."
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
