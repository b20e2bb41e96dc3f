"""What a trial of Tune is: a pack of configurations, by their uids, named by the first of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.planning.plan import Packs
from orchestrator.run_folder import PACKS_FOLDER

PACK_KEY = "pack"  # of a Tune trial's configuration
NAME_LENGTH = 12  # of a pack's folder; ours


@dataclass(frozen=True, slots=True, kw_only=True)
class PackConfig:
    """The uids of a pack, and those of the packs that they were in before these were divided, the last first."""

    uids: tuple[str, ...]
    earlier: Packs = ()

    @property
    def uid(self) -> str:
        """The first uid, by which Tune and the watch know the pack."""
        return self.uids[0]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "PackConfig":
        """Read the configuration of a trial of Tune."""
        pack = config.get(PACK_KEY, config)
        earlier = tuple(tuple(uids) for uids in pack.get("earlier", ()))
        return cls(uids=tuple(pack.get("uids") or (pack["uid"],)), earlier=earlier)

    def to_tune(self) -> dict[str, Any]:
        """Return the configuration of a trial of Tune."""
        return {PACK_KEY: {"uids": list(self.uids), "earlier": [list(uids) for uids in self.earlier]}}

    def divided(self, left: Sequence[str]) -> tuple["PackConfig", ...]:
        """Return two halves of what is `left` of a pack that failed as a whole, each to be trained by itself."""
        middle = len(left) // 2
        halves = (tuple(left[:middle]), tuple(left[middle:]))
        return tuple(PackConfig(uids=half, earlier=(self.uids, *self.earlier)) for half in halves if half)


def pack_folder(trials_folder: Path, uids: Sequence[str]) -> Path:
    """Return where a pack's checkpoint lies while it is trained: beside the trials, on their disk."""
    name = hashlib.sha256(" ".join(uids).encode()).hexdigest()[:NAME_LENGTH]
    return trials_folder.parent / PACKS_FOLDER / name
