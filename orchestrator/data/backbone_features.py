"""`--backbone frozen`: computes each frame's features once with the frozen backbone and caches them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch

from models.backbones import frame_features, new_backbone
from models.frames import FrameSeries
from models.windows import Series
from orchestrator.corpora.cache import cache_folder, digest_of, read_checked, remove, write_checked, written_to
from orchestrator.data.backbone import BACKBONE, Backbone

Show = Callable[[str], object]  # takes a line of progress
FROZEN_SEED = 0  # ours: of a backbone that starts from no weights at all


def frozen_series(series: Sequence[FrameSeries], backbone: Backbone, show: Show | None = None) -> tuple[Series, ...]:
    """Replace images by the backbone's 512 features a frame; a time step without a frame stays invalid."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    network = new_backbone(BACKBONE, seed=FROZEN_SEED, weights=backbone.weights)
    made = []
    for number, one in enumerate(series, start=1):
        made.append(
            Series(
                participant=one.participant,
                session=one.session,
                features_TF=_cached(one, backbone, network, device),
                valid_T=one.valid_T,
                gold_T2=one.gold_T2,
            )
        )
        if show:
            show(f"features  {number}/{len(series)} {one.participant} {one.session}".rstrip())
    return tuple(made)


def _cached(one: FrameSeries, backbone: Backbone, network: torch.nn.Module, device: str) -> np.ndarray:
    """Compute (T, 512) or read it; the key is the frame store's name, the steps' rows and the backbone."""
    assert isinstance(one.frames, np.memmap)
    store = Path(str(one.frames.filename)).parent.name
    identity = f"{store} {backbone.label} {backbone.normalisation} {FROZEN_SEED}".encode() + one.index_T.tobytes()
    key = digest_of(identity)
    path = cache_folder() / f"features-{key[:24]}.safetensors"
    content = read_checked(path, key)
    if content is not None:
        return np.asarray(safetensors.numpy.load(content)["features"])
    features = frame_features(network, one.frames, one.index_T, normalisation=backbone.normalisation, device=device)
    with written_to(cache_folder()):
        remove(path)
        write_checked(path, safetensors.numpy.save({"features": features}), key)
    return features
