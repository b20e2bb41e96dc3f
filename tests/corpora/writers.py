"""Small corpora written in every format, for the tests of whoever reads or uses corpora.

Shapes: T frames of a recording, F features, R raters, 2 = valence and arousal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

DIMENSIONS = ("valence", "arousal")
RECOLA_RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")


@dataclass(frozen=True, kw_only=True)
class Content:
    """What one recording holds, before it is a file."""

    participant: str
    session: str = ""
    time: NDArray[np.float64]  # (T,)
    names: tuple[str, ...]
    features: NDArray[np.float64]  # (T, F)
    raters: tuple[str, ...]
    ratings: NDArray[np.float64]  # (T, R, 2)

    @property
    def name(self) -> str:
        return f"{self.participant}_{self.session}" if self.session else self.participant


def content(
    participant: str = "P16",
    *,
    session: str = "",
    num_rows: int = 50,
    raters: Sequence[str] = RECOLA_RATERS,
    names: Sequence[str] = ("AU01", "AU12", "Yaw"),
    hz: float = 25.0,
    seed: int = 0,
) -> Content:
    """Random but decimal contents, other ones for every participant, session and seed."""
    generator = np.random.default_rng([seed, *f"{participant}/{session}".encode()])
    drift = np.cumsum(generator.normal(0, 0.02, (num_rows, 1, 2)), axis=0)
    noise = generator.normal(0, 0.02, (num_rows, len(raters), 2))
    return Content(
        participant=participant,
        session=session,
        time=np.round(np.arange(1, num_rows + 1) / hz, 6),
        names=tuple(names),
        features=np.round(generator.uniform(0, 1, (num_rows, len(names))), 4),
        raters=tuple(raters),
        ratings=np.clip(drift + noise, -1, 1).round(2),
    )


def three_people(num_rows: int = 50, **options: Any) -> list[Content]:
    return [content(name, num_rows=num_rows, **options) for name in ("P16", "P17", "P19")]


def with_holes(one: Content) -> Content:
    """A short and a long gap in the features, and a rater who stops."""
    features, ratings = one.features.copy(), one.ratings.copy()
    features[3:6, 0] = np.nan  # 4 steps of 0.04 s between the values around it: bridged
    features[20:40, 1] = np.nan  # 0.84 s: not bridged
    ratings[30:, 1] = np.nan
    return replace(one, features=features, ratings=ratings)


def field(value: float, missing: str = "") -> str:
    return missing if np.isnan(value) else f"{value:.10g}"


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]], *, separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [separator.join(field(cell) if isinstance(cell, float) else str(cell) for cell in row) for row in rows]
    path.write_text("\n".join([separator.join(names), *lines]) + "\n")
    return path


def write_arff(path: Path, names: Sequence[str], values: NDArray[np.float64], *, instance: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ["@relation 'video features'", ""]
    head += ["@attribute Instance_name string"] if instance else []
    head += [f"@attribute {name} numeric" for name in names] + ["", "@data", ""]
    begin = f"'{instance}'," if instance else ""
    rows = [begin + ",".join(field(value, "?") for value in row) for row in values]
    path.write_text("\n".join([*head, *rows]) + "\n")
    return path


def write_ratings(path: Path, one: Content, dimension: str, *, separator: str = ";", lead: bool = False) -> Path:
    """Labels as RECOLA writes them, with blanks in the header; `lead` adds the row at 0 s."""
    index = DIMENSIONS.index(dimension)
    header = ["time", *(f"{rater} " for rater in one.raters[:-1]), one.raters[-1]]
    rows = [[float(t), *map(float, row)] for t, row in zip(one.time, one.ratings[:, :, index], strict=True)]
    first = [[0.0] + [0.5] * len(one.raters)] if lead else []
    return write_csv(path, header, first + rows, separator=separator)


def write_recola(root: Path, contents: Sequence[Content]) -> Path:
    """The original tree: labels have one row more than features, at 0 s."""
    for one in contents:
        names = ("frameTime", *(f"VIDEO_40_LLD_{_unpadded(name)}" for name in one.names))
        values = np.column_stack([one.time, one.features])
        write_arff(root / "RECOLA-Video-features" / f"{one.name}.arff", names, values)
        for dimension in DIMENSIONS:
            folder = root / "RECOLA-Annotation" / "emotional_behaviour" / dimension
            write_ratings(folder / f"{one.name}.csv", one, dimension, lead=True)
    return root


def write_avec(root: Path, contents: Sequence[Content]) -> Path:
    """The repackaged tree with individual ratings; the first half is `dev`, the other `train`."""
    for one, name in zip(contents, avec_names(len(contents)), strict=True):
        write_arff(
            root / "features" / "video" / "AU" / f"{name}.arff",
            ("frameTime", *(f"{unit}_r" if unit.startswith("AU") else unit for unit in one.names)),
            np.column_stack([one.time, one.features]),
            instance=name,
        )
        for dimension in DIMENSIONS:
            write_ratings(root / "ratings_individual" / dimension / f"{name}.csv", one, dimension, lead=True)
    return root


def avec_names(count: int) -> list[str]:
    num_dev = count // 2
    return [f"dev_{n + 1}" for n in range(num_dev)] + [f"train_{n + 1}" for n in range(count - num_dev)]


def write_folder(root: Path, contents: Sequence[Content], *, suffix: str = ".csv") -> Path:
    """One's own files, tab-separated labels."""
    for one in contents:
        path = root / "features" / f"{one.name}{suffix}"
        values = np.column_stack([one.time, one.features])
        if suffix == ".arff":
            write_arff(path, ("time", *one.names), values)
        elif suffix == ".parquet":
            path.parent.mkdir(parents=True, exist_ok=True)
            columns = dict(zip(("time", *one.names), values.T, strict=True))
            parquet.write_table(pa.table(columns), path)
        else:
            write_csv(path, ("time", *one.names), [list(map(float, row)) for row in values])
        for dimension in DIMENSIONS:
            write_ratings(root / "annotations" / dimension / f"{one.name}.csv", one, dimension, separator="\t")
    return root


def table_columns(contents: Sequence[Content]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {}
    for one in contents:
        labels = {
            f"{dimension}_{rater}": one.ratings[:, r, d]
            for d, dimension in enumerate(DIMENSIONS)
            for r, rater in enumerate(one.raters)
        }
        parts: dict[str, Sequence[object]] = {
            "participant": [one.participant] * len(one.time),
            "session": [one.session] * len(one.time),
            "time": one.time.tolist(),
            **{name: one.features[:, index].tolist() for index, name in enumerate(one.names)},
            **{name: values.tolist() for name, values in labels.items()},
        }
        for name, part in parts.items():
            columns.setdefault(name, []).extend(part)
    return columns


def write_table(path: Path, contents: Sequence[Content], *, synthetic: bool | None = None) -> Path:
    """One long table, CSV or Parquet by its suffix; Parquet may say that it is synthetic."""
    columns = table_columns(contents)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        return write_csv(path, list(columns), list(zip(*columns.values(), strict=True)))
    table = pa.table(columns)
    if synthetic is not None:
        table = table.replace_schema_metadata({"synthetic": str(synthetic).lower()})
    parquet.write_table(table, path)
    return path


def trial_level(seed: int = 0, num_people: int = 141) -> list[Content]:
    """Like real data of whole trials: 20 action units, 1 to 42 rows per person, three raters."""
    generator = np.random.default_rng(seed)
    units = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
    names = [f"AU{unit:02d}" for unit in units]
    counts = [1, 42, *generator.integers(1, 43, num_people - 2)]
    return [
        content(str(person), num_rows=int(count), raters=("r1", "r2", "r3"), names=names, hz=0.2, seed=seed)
        for person, count in enumerate(counts, 1)
    ]


Write = Callable[[Path, Sequence[Content]], Path]
WRITERS: dict[str, Write] = {
    "recola": lambda root, contents: write_recola(root / "recola", contents),
    "avec": lambda root, contents: write_avec(root / "avec", contents),
    "folder-csv": lambda root, contents: write_folder(root / "folder", contents),
    "folder-parquet": lambda root, contents: write_folder(root / "folder", contents, suffix=".parquet"),
    "folder-arff": lambda root, contents: write_folder(root / "folder", contents, suffix=".arff"),
    "table-csv": lambda root, contents: write_table(root / "table.csv", contents),
    "table-parquet": lambda root, contents: write_table(root / "table.parquet", contents),
}


def _unpadded(name: str) -> str:
    return f"AU{int(name[2:])}" if name[2:].isdigit() else name
