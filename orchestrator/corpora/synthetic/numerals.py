"""Rows of numbers as text, by looking each number up in a table of numerals: fast enough for millions of cells."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def times_as_text(time: NDArray[np.float64]) -> NDArray[np.bytes_]:
    """Format seconds (T,): hundredths if they are exact, as in RECOLA (25 frames per second), else microseconds."""
    decimals = 2 if np.allclose(time * 100.0, np.rint(time * 100.0), rtol=0.0, atol=1e-6) else 6
    return np.array([f"{moment:.{decimals}f}".encode() for moment in time], dtype=np.bytes_)


def rows_as_text(  # noqa: PLR0913
    begins: NDArray[np.bytes_],
    values: NDArray[np.float64],
    *,
    decimals: int,
    limit: int,
    separator: str,
    missing: str,
) -> bytes:
    """Format rows: what each begins with (T,), then its values (T, C), in [-limit, limit], NaN as `missing`."""
    table, offset = _numerals(decimals, limit, separator, missing)
    absent = np.isnan(values)
    steps = np.rint(np.where(absent, 0.0, values) * 10**decimals).astype(np.int64) + offset
    assert steps.min() >= 0, "a value below the table of numerals"
    assert steps.max() <= 2 * offset, "a value above the table of numerals"
    cells = table[np.where(absent, len(table) - 1, steps)]
    num_rows = len(begins)
    # The NULs that pad the cells are taken out at the end.
    parts = [array.view(np.uint8).reshape(num_rows, -1) for array in (begins, cells)]
    newline = np.full((num_rows, 1), ord("\n"), dtype=np.uint8)
    return np.concatenate([*parts, newline], axis=1).tobytes().translate(None, b"\0")


@lru_cache(maxsize=4)
def _numerals(decimals: int, limit: int, separator: str, missing: str) -> tuple[NDArray[np.bytes_], int]:
    """Every number from -limit to limit as text after its separator, with `missing` at the end; and 0's index."""
    scale = 10**decimals
    texts = [f"{separator}{step / scale:.{decimals}f}" for step in range(-limit * scale, limit * scale + 1)]
    return np.array([*texts, f"{separator}{missing}"], dtype=np.bytes_), limit * scale
