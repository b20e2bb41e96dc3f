"""What is audited: people's recordings, a method's way of using them, and a run's model if there is one."""

from dataclasses import dataclass
from pathlib import Path

from fed.options import Federation
from orchestrator.corpora.recording import Corpus
from orchestrator.data.image_options import ImageOptions
from orchestrator.files import JsonObject
from orchestrator.inference.saved_model import SavedModel
from orchestrator.protocols import Protocol
from tune_spaces.method import HParams


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """The recordings, how the method reads and trains them, and the released model; without a run there is none.

    `images` and `federation` are None where the method has none. `network` and `hparams` are the run's best
    configuration, or the method's published one.
    """

    corpus: Corpus
    method: str
    protocol: Protocol
    network: str
    hparams: HParams
    seed: int
    images: ImageOptions | None = None
    federation: Federation | None = None
    groups: tuple[tuple[str, ...], ...] = ()  # people who are in one fold together
    run: Path | None = None
    model: SavedModel | None = None
    attacker: str | None = None  # a published one on identity, beside the audit's own: records.PUBLISHED
    every_column: Corpus | None = None  # the same recordings with all their columns, where more are there than learnt

    @property
    def shown(self) -> dict[str, str | None]:
        """What `audit.json` says of it."""
        return {
            "run": None if self.run is None else str(self.run.resolve()),
            "method": self.method,
            "data": str(self.corpus.path.absolute()),
            "sha256": self.corpus.sha256,
            "network": self.network,
            "model": None if self.model is None else str(self.model.card["uid"]),
            "secure_sum": "yes" if self.federation is not None and self.federation.secure_sum else None,
            "defence": self.protocol.defence,
        }

    @property
    def identity(self) -> JsonObject:
        """What every attack on it depends on, for the digest of a task's inputs."""
        card = {} if self.model is None else self.model.card
        return {
            "corpus": self.corpus.sha256,
            "features": list(self.corpus.feature_names),
            "method": self.method,
            "network": self.network,
            "hparams": str(self.hparams),
            "protocol": str(self.protocol),
            "images": str(self.images),
            "federation": str(self.federation),
            "groups": [list(group) for group in self.groups],
            "seed": self.seed,
            "model": card.get("uid"),
            "weights": card.get("weights_sha256"),
        }
