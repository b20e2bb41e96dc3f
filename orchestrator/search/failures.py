"""Report of a federation's first failed client to the driver while the trial goes on.

The output of a trial's process is not shown, and a round may take hours. The federation logs its first failure; this
module writes it into a file of the trial's folder, which the driver's observer reads.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.files import write_text
from orchestrator.run_folder import CLIENT_FAILURE_FILE

FEDERATION_LOG = "fed"  # the package's loggers


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeFile:
    """A stream whose every text replaces the file: a reader never sees half of one."""

    path: Path

    def write(self, text: str) -> None:
        write_text(self.path, text)


@contextlib.contextmanager
def first_failure_told(folder: Path) -> Iterator[None]:
    """While it lasts, what a federation logs lies in the trial's folder: client, round, fold, reason, traceback."""
    handler = logging.StreamHandler(_WholeFile(path=folder / CLIENT_FAILURE_FILE))
    log = logging.getLogger(FEDERATION_LOG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
