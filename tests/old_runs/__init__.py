"""What earlier versions left behind, unpacked where a test wants it (README.md here)."""

import sqlite3
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
MADE_IN = "/data/old-runs"
VERSIONS = ("bf63178",)
# Columns of MLflow's database that hold addresses of files.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("tags", "value"),
    ("params", "value"),
)


def unpacked(folder: Path, version: str = "bf63178") -> Path:
    """Unpack a version's runs into `folder`, as if they had been made there."""
    with tarfile.open(HERE / f"{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    texts = [file for ending in ("json", "md") for file in folder.rglob(f"*.{ending}") if "report" not in file.parts]
    for file in texts:
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(MADE_IN, str(folder)), encoding="utf-8")
    database = sqlite3.connect(folder / "store" / "mlflow.db")
    with database:
        for table, column in ADDRESSES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (MADE_IN, str(folder)))
    database.close()
    return folder


def store_of(folder: Path) -> str:
    """The address of the unpacked MLflow store."""
    return f"sqlite:///{folder / 'store' / 'mlflow.db'}"
