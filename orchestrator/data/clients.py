"""The clients of a federation: one per participant, each with a recipe that reads that participant's data alone.

The driver writes a table per participant into the cache once; a client's process reads its own, and opens its own
video's frames. Nothing of it travels through the driver.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from fed.client import Client
from orchestrator.corpora.cache import cache_folder, digest_of, read_checked, remove, write_checked, written_to
from orchestrator.corpora.convert import as_bytes
from orchestrator.corpora.read_options import BEFORE
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import OURS
from orchestrator.corpora.recording import Corpus, VideoSource
from orchestrator.data.backbone import load_backbone
from orchestrator.data.image_options import ImageOptions
from orchestrator.data.series import AnySeries, make_series
from orchestrator.errors import InputError
from orchestrator.files import locked
from orchestrator.protocols import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a client's process comes by its series; picklable, and it holds no data."""

    participant: str
    table: Path
    sha256: str  # of the table's bytes, as the driver wrote or found them
    videos: tuple[VideoSource | None, ...]  # one per recording, in order
    protocol: Protocol
    images: ImageOptions | None

    def __call__(self) -> tuple[AnySeries, ...]:
        """Read the participant's series; InputError if the table is not what it was when the client was made."""
        self._check_table()
        # What the driver chose and wrote is taken as it stands, nothing judged again.
        corpus = open_corpus(self.table, corpus="table", reading=OURS, options=BEFORE)
        recordings = [
            dataclasses.replace(recording, video=video)
            for recording, video in zip(corpus.recordings, self.videos, strict=True)
        ]
        backbone = load_backbone(self.images) if self.images and self.images.backbone == "frozen" else None
        return make_series(recordings, self.protocol, self.images, backbone=backbone)

    def _check_table(self) -> None:
        expected = f"the table of {self.participant} as it was written; `tune --resume` writes it anew"
        try:
            found = digest_of(self.table.read_bytes())
        except OSError as error:
            raise InputError.of(str(self.table), found=error.strerror or error, expected=expected) from error
        if found != self.sha256:
            found = f"a damaged table (sha256 {found[:16]}..., it was {self.sha256[:16]}...)"
            raise InputError.of(str(self.table), found=found, expected=expected)


def make_clients(corpus: Corpus, protocol: Protocol, images: ImageOptions | None) -> tuple[Client, ...]:
    """Return a client for each participant, its table written into the cache if it is not there, whole and its own.

    InputError if the cache cannot take it.
    """
    folder = cache_folder() / f"participants-{corpus.sha256[:24]}"
    clients = []
    with written_to(cache_folder()), locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            remove(folder)  # a file of that name
            folder.mkdir()
        for leftover in folder.glob(".*.partial"):  # of a writer that was killed
            leftover.unlink()
        for number, participant in enumerate(corpus.participants):
            own = dataclasses.replace(
                corpus, recordings=tuple(one for one in corpus.recordings if one.participant == participant)
            )
            table = folder / f"{number}.parquet"
            recipe = Recipe(
                participant=participant,
                table=table,
                sha256=_written(table, own),
                videos=tuple(one.video for one in own.recordings),
                protocol=protocol,
                images=images,
            )
            clients.append(Client(name=participant, load=recipe))
    return tuple(clients)


def _written(table: Path, own: Corpus) -> str:
    """Write one participant's table unless it is there; return the digest of its bytes."""
    identity = f"{own.sha256} {own.recordings[0].participant}"
    content = read_checked(table, identity)
    if content is None:
        content = as_bytes(own)
        remove(table)
        write_checked(table, content, identity)
    return digest_of(content)
