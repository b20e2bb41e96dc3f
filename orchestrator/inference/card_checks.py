"""A model's card and weights, judged by arithmetic before anything is built from them: they may come from anybody.

What a card says is compared with limits and types, then with the names and shapes in the head of the weights' file,
which are read without the weights. Time and memory are bounded by the files' own sizes.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from models.recipe import Recipe
from models.shapes import count, state_shapes
from models.sizes import BACKBONE_FEATURES, HEADS, NETWORKS
from models.windows import JOININGS
from orchestrator.corpora.read_options import options_of_card
from orchestrator.corpora.video.frame_store import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, FaceCrop
from orchestrator.data.defence_names import parts
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.evaluation.use_statement import STATEMENT_KEY
from orchestrator.files import JsonObject
from orchestrator.planning.removal import FORGOTTEN_KEY
from orchestrator.protocols import BEST_BY, LABEL_ROUNDINGS, LABEL_SHIFTS, SCALINGS, Protocol, num_inputs
from tune_spaces.method import HyperParameter, hyper_parameters

CARD_BYTES = 32 << 20  # ours: a card of 20,000 features and 23 folds has 20 MB
# Ours: of the head of a weights' file; safetensors writes about 100 bytes for a tensor.
HEAD_BYTES, BYTES_PER_TENSOR, MOST_HEAD_BYTES = 1 << 20, 512, 32 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = {"F32": 4, "I64": 8}


def check_card(card: JsonObject, protocol: Protocol, images: ImageOptions | None) -> None:
    """Check everything that is used later; raises ValueError, KeyError or TypeError with the reason."""
    _check_choices(card, protocol, images)
    width = num_features_of(card, protocol, images)
    folds, scaling = card["folds"], card["scaling"]
    _check(isinstance(folds, list) and len(folds) > 0, f"folds {_shown(folds)}")
    _check(len(scaling["folds"]) == len(folds), f"{len(folds)} folds, {len(scaling['folds'])} with a scaling")
    for fold in folds:
        _check(_are(fold["held_out"], str), "held-out people without names")
    for one in scaling["folds"]:
        if one is not None:
            _check_scaling(one, width)
    trained_backbone = images is not None and images.backbone == "trained"
    needed = protocol.scaling in ("train", "both") and not trained_backbone
    _check(not needed or None not in scaling["folds"], "scaling by the training people without their statistics")
    _check_labels(card.get("labels"), len(folds))
    _check_reading(card)
    tool = card["corpus"].get("features_tool")
    _check(tool is None or isinstance(tool, str), f"features_tool {_shown(tool)}, expected a word")
    for key in ("method", "ccc_valence", "ccc_arousal", "synthetic", "corpus"):
        card[key]


def _check_choices(card: JsonObject, protocol: Protocol, images: ImageOptions | None) -> None:
    _check(
        card["network"] in list(NETWORKS), f"network {_shown(card['network'])}, expected one of {', '.join(NETWORKS)}"
    )
    for one in hyper_parameters():
        _check_hparam(one, card["hparams"])
    for name in ("epochs", "num_folds", "windows_a_step"):
        _whole(name, getattr(protocol, name), 1, 2**31)
    for name in ("name", "gold", "loss", "target", "partial_window", "order", "epoch_choice"):
        value = getattr(protocol, name)
        _check(isinstance(value, str), f"protocol's {name} {_shown(value)}, expected a word")
    joining = protocol.joining
    _check(joining in JOININGS, f"protocol's joining {_shown(joining)}, expected one of {', '.join(JOININGS)}")
    words = {"label_rounding": LABEL_ROUNDINGS, "label_shift": LABEL_SHIFTS, "best_by": BEST_BY, "head": HEADS}
    for name, known in words.items():
        value = getattr(protocol, name)
        _check(value in list(known), f"protocol's {name} {_shown(value)}, expected one of {', '.join(known)}")
    parts(protocol.defence)
    groups = protocol.group_by
    _check(groups is None or isinstance(groups, str), f"protocol's group_by {_shown(groups)}, expected a word")
    scaling = protocol.scaling
    _check(scaling in SCALINGS, f"protocol's scaling {_shown(scaling)}, expected one of {', '.join(SCALINGS)}")
    _check(images is None or scaling != "both", "a model of images that is scaled by both")
    delay = protocol.label_delay_seconds
    _check(_is_number(delay), f"label_delay_seconds {_shown(delay)}, expected a number")
    hz = card.get("hz")
    _check(hz is None or (_is_number(hz) and hz >= 0), f"hz {_shown(hz)}, expected a number from 0")
    _check(isinstance(card["synthetic"], bool), f"synthetic {_shown(card['synthetic'])}, expected true or false")
    stated = card.get("weights_sha256")
    fine = stated is None or (isinstance(stated, str) and _SHA256.fullmatch(stated))
    _check(bool(fine), f"weights_sha256 {_shown(stated)}, expected 64 hexadecimal digits")
    statement = card.get(STATEMENT_KEY)
    _check(statement is None or isinstance(statement, str), f"{STATEMENT_KEY} {_shown(statement)}, expected a text")
    removed = card.get(FORGOTTEN_KEY)
    if removed is not None:
        _whole(FORGOTTEN_KEY, removed, 1, 2**31)
    if images is not None:
        _check_images(card, images)


def _check_hparam(one: HyperParameter, hparams: JsonObject) -> None:
    if one.default is not None and one.name not in hparams:
        return  # of a model that is older than it
    value = hparams[one.name]
    if one.integer:
        _whole(one.name, value, 0 if one.about.zero else 1, int(one.about.most))
        return
    fine = _is_number(value) and (value > 0 or (one.about.zero and value == 0)) and value <= one.about.most
    _check(fine, f"{one.name} {_shown(value)}, expected {one.kind}")


def _check_images(card: JsonObject, images: ImageOptions) -> None:
    _whole("image_size", images.image_size, MIN_IMAGE_SIZE, MAX_IMAGE_SIZE)
    _whole("frame_stride", images.frame_stride, 1, 2**31)
    for name, known in (("face_crop", get_args(FaceCrop)), ("backbone", ("trained", "frozen"))):
        value = getattr(images, name)
        _check(value in list(known), f"{name} {_shown(value)}, expected {' or '.join(known)}")
    _check(isinstance(images.weights, str), f"weights {_shown(images.weights)}, expected a word or a file's name")
    backbone = card.get("trunk")
    if backbone is not None or images.backbone == "trained":
        _check(
            _are([backbone["label"], backbone["normalisation"]], str),  # type: ignore[index]
            "a backbone whose label or normalisation is no word",
        )


def _check_reading(card: JsonObject) -> None:
    try:
        options_of_card(card)
    except InputError as error:
        raise ValueError(str(error)) from error


def num_features_of(card: JsonObject, protocol: Protocol, images: ImageOptions | None) -> int:
    """Count what the recurrent network takes in; ValueError if the card's features are no names."""
    features = card["features"]
    _check(_are(features, str), f"features {_shown(features)}, expected names")
    _check(images is not None or len(features) > 0, "no features")
    return BACKBONE_FEATURES if images else num_inputs(protocol.scaling, len(features))


def _check_scaling(one: JsonObject, width: int) -> None:
    mean, sd = one["mean"], one["sd"]
    fits = isinstance(mean, list) and isinstance(sd, list) and len(mean) == len(sd) == width
    _check(fits, f"a scaling of {len(mean)} features, expected {width}")
    _check(all(map(_is_number, mean)), "a mean that is no finite number")
    _check(all(_is_number(value) and value > 0 for value in sd), "a scaling by a number that is not above 0")


def _check_labels(labels: object, num_folds: int) -> None:
    if labels is None:
        return
    _check(isinstance(labels, list) and len(labels) == num_folds, "labels' statistics that are not a fold's each")
    assert isinstance(labels, list)
    for one in labels:
        _check(len(one["mean"]) == 2 and all(map(_is_number, one["mean"])), "labels' means that are not two numbers")


def check_weights(path: Path, recipe: Recipe, num_features: int, num_folds: int) -> None:
    """Compare names, shapes and types in the weights' file with the card's; InputError before a weight is read."""
    head, size = _head(path, count(recipe) * num_folds)
    for fold in range(num_folds):
        for name, shape, kind in state_shapes(recipe, num_features):
            found = head.pop(f"fold_{fold}.{name}", None)
            if found != (shape, kind):
                text = "None" if found is None else f"{found[0]}, {found[1]}"
                expected = f"{shape}, {kind}, as the card says"
                raise InputError.of(str(path), found=f"fold {fold}: {name} of shape {text}", expected=expected)
    assert not head, "as many names, and each was found"
    _check_memory(path, size)


def _head(path: Path, expected: int) -> tuple[dict[str, tuple[tuple[int, ...], str]], int]:
    """Read the names of the tensors with shape and type, and the file's size; InputError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise InputError.of(str(path), found="a damaged file (no head of safetensors)", expected="safetensors")
        if length > min(HEAD_BYTES + expected * BYTES_PER_TENSOR, MOST_HEAD_BYTES):
            found = f"a head of {length:,} bytes"
            raise InputError.of(str(path), found=found, expected=f"that of {expected:,} tensors, as the card says")
        content = file.read(length)
    try:
        entries = json.loads(content)
        entries.pop("__metadata__", None)
        if len(entries) != expected:
            found = f"{len(entries):,} tensors"
            raise InputError.of(str(path), found=found, expected=f"{expected:,}, as the card says")
        head = {name: (tuple(one["shape"]), str(one["dtype"])) for name, one in entries.items()}
        held = sum(math.prod(shape) * _KINDS.get(kind, 1) for shape, kind in head.values())
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found = f"a damaged file ({type(error).__name__} in its head)"
        raise InputError.of(str(path), found=found, expected="safetensors") from error
    if held > size:
        found = f"{size:,} bytes for tensors of {held:,}"
        raise InputError.of(str(path), found=found, expected="a whole file")
    return head, size


def _check_memory(path: Path, size: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 2 * size > memory:  # the weights, and a network built of them
        found = f"weights of {size / 2**30:,.1f} GiB"
        raise InputError.of(
            str(path), found=found, expected=f"at most half of this machine's {memory / 2**30:,.1f} GiB"
        )


def _whole(name: str, value: object, least: int, most: int) -> None:
    fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    _check(fine, f"{name} {_shown(value)}, expected a whole number from {least} to {most:,}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _are(values: object, kind: type) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(one, kind) for one in values)


def _check(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
