"""Files that are compressed (.csv.gz): their name, their suffix, and their bytes within a limit."""

import gzip
import io
import zlib
from pathlib import Path

PACKED = ".gz"
MOST_UNPACKED_BYTES = 1 << 30  # ours: a table of a day at 30 frames per second has some 0.5 GB as text


def suffix_of(path: Path) -> str:
    """Return a file's suffix in small letters, that of what is compressed for `.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == PACKED else suffix


def name_of(path: Path) -> str:
    """Return a file's name without its suffix, and without both for `.csv.gz`."""
    return Path(path.stem).stem if path.suffix.lower() == PACKED else path.stem


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Read a file, unpacked; OSError if that fails or there is more than `most` or MOST_UNPACKED_BYTES."""
    most = min(MOST_UNPACKED_BYTES, most or MOST_UNPACKED_BYTES)
    data = path.read_bytes()
    if path.suffix.lower() != PACKED:
        return data
    try:
        with gzip.open(io.BytesIO(data)) as file:
            unpacked = file.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(0, f"damaged gzip data ({error})") from error
    if len(unpacked) > most:
        raise OSError(0, f"more than {most:,} bytes once unpacked")
    return unpacked


def first_bytes(path: Path, count: int) -> bytes:
    """Read up to `count` bytes of a file, unpacked; OSError if that fails."""
    try:
        with gzip.open(path) if path.suffix.lower() == PACKED else path.open("rb") as file:
            return file.read(count)
    except (EOFError, zlib.error) as error:
        raise OSError(0, f"damaged gzip data ({error})") from error
