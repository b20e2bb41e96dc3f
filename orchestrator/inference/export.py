"""A saved model as one file for other programs, ONNX or torch's exported program, after its numbers were compared.

The models of all folds, or of one, are one graph, averaged inside it; windows and frames are of any number.
Shapes: B windows, L frames, F features, S pixels of an image's side.
"""

import importlib.util
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.backbones import features_of, new_backbone
from models.exportable import ExportableNetwork
from models.splits import FoldSplit
from orchestrator.data.backbone import BACKBONE
from orchestrator.data.backbone_features import FROZEN_SEED
from orchestrator.errors import InputError
from orchestrator.evaluation.use_statement import STATEMENT, STATEMENT_KEY
from orchestrator.files import JsonObject, write_bytes
from orchestrator.inference.saved_model import SavedModel
from orchestrator.process.extras import install_command

TOLERANCE = 1e-5
TRACED = (2, 5)  # windows and frames that the graph is traced with
FRESH = ((3, 11), (1, 1), (5, 32))  # others that the exported model is compared on
CARD_KEY = "card"
CARD_JSON = "card.json"

Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written, for people and for a signature; a size of None is any."""

    difference: float
    dtype: str
    shape: tuple[int | None, ...]
    input_text: str
    models_text: str
    metadata: JsonObject


def check_available(kind: str) -> None:
    """Raise InputError with what to install if ONNX cannot be written or checked."""
    lacking = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if kind == "onnx" and lacking:
        raise InputError.of(
            "--format",
            found=f"onnx, without {', '.join(lacking)}",
            expected=f"the extra `export`: {install_command('export')}",
        )


def export(model: SavedModel, kind: str, output: Path, *, fold: int | None = None) -> Exported:
    """Write the file if the exported model agrees with the original to TOLERANCE on fresh input, else InputError."""
    if output.suffix.lower() != f".{kind}" or output.is_dir():
        raise InputError.of("--output", found=str(output), expected=f"a file name that ends in .{kind}")
    model.refuse_whole_windows("export")
    folds = tuple(range(model.num_folds)) if fold is None else (fold,)
    network = _exportable(model, folds)
    spec = _spec(model, folds)
    with torch.no_grad():
        dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
        program = torch.export.export(network, (_input(model, network, *TRACED),), dynamic_shapes={"x": dynamic})
    content, run = _onnx(program, spec.metadata) if kind == "onnx" else _pt2(program, spec.metadata)
    difference = max(_difference(model, network, folds, run, *size) for size in FRESH)
    if not difference <= TOLERANCE:
        found = f"an exported model that differs by {difference:.1e}"
        raise InputError.of("export", found=found, expected=f"at most {TOLERANCE:g} from the original")
    try:
        write_bytes(output, content)
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a file that can be written") from error
    return replace(spec, difference=difference)


def _exportable(model: SavedModel, folds: tuple[int, ...]) -> ExportableNetwork:
    networks = [model.network(fold) for fold in folds]
    splits = [model.split(fold) for fold in folds]
    scaling = None if splits[0].mean_F is None else (_stacked(splits, "mean_F"), _stacked(splits, "sd_F"))
    if not _from_images(model) or not model.frozen:
        return ExportableNetwork(networks, scaling=scaling)
    backbone = model.frozen_backbone()
    assert backbone is not None
    module = new_backbone(BACKBONE, seed=FROZEN_SEED, weights=backbone.weights).eval()
    return ExportableNetwork(networks, scaling=scaling, frozen_backbone=module, normalisation=backbone.normalisation)


def _stacked(splits: list[FoldSplit], field: str) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(getattr(split, field), np.float32) for split in splits]))


def _from_images(model: SavedModel) -> bool:
    """Whether images go in: not where a person's own statistics lie between a frozen backbone and the network."""
    return model.images is not None and not (model.frozen and model.protocol.scaling == "participant")


def _spec(model: SavedModel, folds: tuple[int, ...]) -> Exported:
    models_text = f"the mean of {len(folds)} fold models" if len(folds) > 1 else f"fold {folds[0]}"
    if _from_images(model) and model.images:
        size = model.images.image_size
        shape: tuple[int | None, ...] = (None, None, 3, size, size)
        text, dtype = f"uint8 (windows, frames, 3, {size}, {size}), RGB; normalised inside", "uint8"
    else:
        width = model.num_features
        kinds = {
            "participant": "standardised by each person's own mean and deviation",
            "both": "standardised by each person's own mean and deviation, then all those means, then the deviations",
            "train": "as measured; scaled inside by the training people",
            "none": "as measured",
        }
        text = f"float32 (windows, frames, {width}), features {kinds[model.protocol.scaling]}{_defended(model)}"
        shape, dtype = (None, None, width), "float32"
    metadata = {"card": dict(model.card), "folds": list(folds), "input": text, "output": "valence, arousal in [-1, 1]"}
    metadata[STATEMENT_KEY] = model.card.get(STATEMENT_KEY) or STATEMENT  # of older cards this version's
    return Exported(
        difference=0.0, dtype=dtype, shape=shape, input_text=text, models_text=models_text, metadata=metadata
    )


def _defended(model: SavedModel) -> str:
    return f", after the defence {model.protocol.defence}" if model.protocol.defence else ""


def _input(model: SavedModel, network: ExportableNetwork, windows: int, frames: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if len(network.backbones):
        assert model.images is not None
        size = model.images.image_size
        return torch.randint(0, 256, (windows, frames, 3, size, size), generator=generator, dtype=torch.uint8)
    x = torch.randn(windows, frames, model.num_features, generator=generator)
    return x if network.mean is None or network.sd is None else x * network.sd[0, 0, 0] + network.mean[0, 0, 0]


def _difference(  # noqa: PLR0913, PLR0917 - two models and an input
    model: SavedModel, network: ExportableNetwork, folds: tuple[int, ...], run: Runner, windows: int, frames: int
) -> float:
    """Compare with the saved networks themselves, not with their exportable form."""
    x = _input(model, network, windows, frames, seed=windows + frames)
    return float((run(x) - original(model, folds, x)).abs().max())


def original(model: SavedModel, folds: tuple[int, ...], x: Tensor) -> Tensor:
    """Predict (B, L, 2) as training does, by the mean of some folds; images are uint8 (B, L, 3, S, S)."""
    backbone = model.frozen_backbone() if model.frozen and x.dtype == torch.uint8 else None
    total = torch.zeros(*x.shape[:2], 2)
    with torch.inference_mode():
        x_BLI = x.permute(0, 1, 3, 4, 2).contiguous() if x.dtype == torch.uint8 else x
        if backbone is not None:
            module = new_backbone(BACKBONE, seed=FROZEN_SEED, weights=backbone.weights).eval()
            x_BLI = features_of(module, x_BLI.flatten(0, 1), backbone.normalisation).reshape(*x.shape[:2], -1)
        for fold in folds:
            split = model.split(fold)
            own = x_BLI
            if split.mean_F is not None and split.sd_F is not None:
                own = (x_BLI - torch.from_numpy(np.asarray(split.mean_F))) / torch.from_numpy(np.asarray(split.sd_F))
            total += model.network(fold)(own) / len(folds)
    return total


def _pt2(program: torch.export.ExportedProgram, metadata: JsonObject) -> tuple[bytes, Runner]:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={CARD_JSON: json.dumps(metadata)})
    file.seek(0)
    loaded = torch.export.load(file).module()

    def run(x: Tensor) -> Tensor:
        with torch.no_grad():
            prediction: Tensor = loaded(x)
        return prediction

    return file.getvalue(), run


def _onnx(program: torch.export.ExportedProgram, metadata: JsonObject) -> tuple[bytes, Runner]:
    import onnxruntime

    made = torch.onnx.export(program, input_names=["x"], output_names=["valence_arousal"], dynamo=True, verbose=False)
    assert made is not None
    model = made.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = CARD_KEY, json.dumps(metadata)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"x": x.numpy()})[0])

    return content, run
