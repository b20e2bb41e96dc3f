"""The clients of a federation: one a participant, each with a recipe that reads that participant's data alone.

The driver writes a table a participant into the cache once; a client's process reads its own, and opens its own
video's frames. Nothing of it travels through the driver.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from fed.client import Client
from orchestrator.corpora.cache import cache_folder, locked
from orchestrator.corpora.convert import convert
from orchestrator.corpora.opening import open_corpus
from orchestrator.corpora.recording import Corpus, VideoSource
from orchestrator.plan import ImageOptions
from orchestrator.protocols import Protocol
from orchestrator.training_data import AnySeries, make_series
from orchestrator.trunk import load_trunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a client's process comes by its series; picklable, and it holds no data."""

    table: Path
    videos: tuple[VideoSource | None, ...]  # one a recording, in order
    protocol: Protocol
    images: ImageOptions | None

    def __call__(self) -> tuple[AnySeries, ...]:
        """Read the participant's series."""
        corpus = open_corpus(self.table, corpus="table")
        recordings = [
            dataclasses.replace(recording, video=video)
            for recording, video in zip(corpus.recordings, self.videos, strict=True)
        ]
        trunk = load_trunk(self.images) if self.images and self.images.backbone == "frozen" else None
        return make_series(recordings, self.protocol, self.images, trunk=trunk)


def make_clients(corpus: Corpus, protocol: Protocol, images: ImageOptions | None) -> tuple[Client, ...]:
    """Return a client for each participant, its table written into the cache where it is not there yet."""
    folder = cache_folder() / f"participants-{corpus.sha256[:24]}"
    clients = []
    with locked(folder.with_suffix(".lock")):
        for number, participant in enumerate(corpus.participants):
            own = tuple(one for one in corpus.recordings if one.participant == participant)
            table = folder / f"{number}.parquet"
            if not table.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                convert(dataclasses.replace(corpus, recordings=own), table)
            videos = tuple(one.video for one in own)
            recipe = Recipe(table=table, videos=videos, protocol=protocol, images=images)
            clients.append(Client(name=participant, load=recipe))
    return tuple(clients)
