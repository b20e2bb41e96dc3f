"""Saved models of every kind, trained for an epoch or not at all, shared by the tests of their use."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from models.networks import build
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.data.dataset import make_dataset
from orchestrator.data.image_options import ImageOptions
from orchestrator.evaluation import model_card
from orchestrator.files import sha256_of, write_json
from orchestrator.planning.launch import refer
from orchestrator.protocols import DESCRIBED, Protocol
from orchestrator.run_folder import CARD_FILE, MODEL_FILE
from tests.records import make_plan, make_result
from tune_spaces.method import HParams

LENGTH = 20
FOLDS = 2


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of 6 s with videos, as a RECOLA tree."""
    return synthesize(tmp_path_factory.mktemp("faces") / "corpus", participants=3, seconds=6.0, seed=4, faces=True)


Make = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Write a model's folder for a corpus, as a search does, with weights drawn by a seed."""
    cache = tmp_path_factory.getbasetemp() / "inference-cache"
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(cache))

    def make(
        data: Path,
        *,
        network: str = "bigru",
        scaling: str = "participant",
        images: ImageOptions | None = None,
        protocol: Protocol = DESCRIBED,
        name: str = "model",
    ) -> Path:
        protocol = dataclasses.replace(protocol, num_folds=FOLDS, scaling=scaling)
        corpus = open_corpus(data)
        dataset = make_dataset(corpus, protocol, seed=0, images=images)
        plan = make_plan(protocol=protocol, images=images, corpus=refer(corpus, dataset, None))
        result = make_result("a" * 12, [0.1] * FOLDS, [0.5] * FOLDS)
        length = LENGTH if images is None else 4
        hparams = HParams(learning_rate=1e-3, hidden_size=6, sequence_length=length, num_layers=2)
        best = dataclasses.replace(result, network=network, hparams=hparams)
        backbone = "resnet18" if images and images.backbone == "trained" else None
        weights: dict[str, torch.Tensor] = {}
        for fold in range(FOLDS):
            model = build(
                network,
                num_features=dataset.num_features,
                hidden_size=6,
                num_layers=2,
                seed=fold,
                backbone=backbone,
                head=protocol.head,
                sequence_length=length,
            )
            weights |= {f"fold_{fold}.{key}": value.contiguous() for key, value in model.state_dict().items()}
        folder = tmp_path / name
        folder.mkdir()
        safetensors.torch.save_file(weights, folder / MODEL_FILE)
        card = model_card.build(plan, dataset, best, weights_sha256=sha256_of(folder / MODEL_FILE))
        write_json(folder / CARD_FILE, card)
        return folder

    return make
