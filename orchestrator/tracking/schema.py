"""Checks that a database is an MLflow store with the schema of the installed MLflow, before MLflow opens it.

MLflow creates its tables in any database without them and migrates some older ones, in both cases without a message;
for the others its server ends with a traceback. No MLflow import: its migrations are read as files.
"""

import ast
import importlib.metadata
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestrator.errors import InputError
from orchestrator.tracking.address import hide_password, public_address, whole_address
from orchestrator.tracking.location import SERVER_SCHEMES, database_path

MIGRATIONS = "mlflow/store/db_migrations/versions"
VERSION_TABLE = "alembic_version"
MLFLOW_TABLE = "experiments"
LOCKED_SECONDS = 10.0  # ours: a writer holds the lock for milliseconds
WHERE = "--tracking-uri"
MESSAGE_CHARACTERS = 300


def check_store(tracking_uri: str, *, writing: bool = False) -> None:
    """Raise InputError unless a database is an MLflow store that this MLflow opens as it is; servers are not asked.

    If it is for writing, a database that is absent or has no table will do: MLflow's are made in it.
    """
    shown, database = public_address(tracking_uri), database_path(tracking_uri)
    if tracking_uri.split(":", 1)[0] in SERVER_SCHEMES:
        return
    if database is not None:
        if not database.is_file():
            _check_absent(database, writing)
            return
        shown = str(database)
    try:
        tables, version = _read_file(database) if database is not None else _read_server(tracking_uri)
    except sqlite3.OperationalError as error:
        if writing and "locked" in str(error):
            return  # MLflow waits longer than we do
        found = f"{shown}: {error}"
        raise InputError.of(WHERE, found=found, expected="an MLflow store that can be read") from error
    except sqlite3.DatabaseError as error:
        raise InputError.of(WHERE, found=f"{shown}: {error}", expected="an MLflow store") from error
    except ImportError as error:
        raise InputError.of(WHERE, found=f"{shown}: {error}", expected="the database's driver, installed") from error
    except InputError:
        raise
    except Exception as error:  # whatever a driver raises
        said = " ".join(hide_password(str(error)).split())[:MESSAGE_CHARACTERS]
        raise InputError.of(WHERE, found=f"{shown}: {said}", expected="an MLflow store that answers") from error
    _check_tables(shown, tables, version, writing)


def schema_head() -> str | None:
    """Return the schema that the installed MLflow works with; None if its migrations are not where they used to be."""
    try:
        folder = Path(str(importlib.metadata.distribution("mlflow").locate_file(MIGRATIONS)))
    except importlib.metadata.PackageNotFoundError:
        return None
    revisions = [_assigned(file) for file in folder.glob("*.py")]
    older = {one.get("down_revision") for one in revisions}
    heads = {one["revision"] for one in revisions if one.get("revision")} - older
    return heads.pop() if len(heads) == 1 else None


def _check_absent(database: Path, writing: bool) -> None:
    if database.exists():
        raise InputError.of(WHERE, found=f"{database}, which is no file", expected="the file of an MLflow store")
    if not writing:
        expected = "a store that a search has written (run `python -m orchestrator tune`, or `track DIR`)"
        raise InputError.of(WHERE, found=f"no database at {database}", expected=expected)


def _check_tables(shown: str, tables: set[str], version: str | None, writing: bool) -> None:
    if not tables - {VERSION_TABLE}:
        if not writing:
            raise InputError.of(WHERE, found=f"{shown}, which is empty", expected="a store that a search has written")
        return
    if MLFLOW_TABLE not in tables or version is None:
        raise InputError.of(WHERE, found=f"{shown}: a database of something else", expected="an MLflow store")
    head = schema_head()
    if head is not None and version != head:
        found = f"{shown}: schema {version} of another MLflow version"
        expected = f"schema {head} of the installed one (nothing was changed; copy it, then run `mlflow db upgrade`)"
        raise InputError.of(WHERE, found=found, expected=expected)


def _read_file(database: Path) -> tuple[set[str], str | None]:
    # Not read-only: SQLite must be able to roll back what a killed writer left.
    address = f"file:{quote(str(database))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=LOCKED_SECONDS)) as connection:
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = None
        if VERSION_TABLE in tables:
            version = next(
                (str(one) for (one,) in connection.execute(f"SELECT version_num FROM {VERSION_TABLE}")), None
            )
    return tables, version


def _read_server(tracking_uri: str) -> tuple[set[str], str | None]:
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(whole_address(tracking_uri), poolclass=NullPool)
    with engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        version = None
        if VERSION_TABLE in tables:
            version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return tables, None if version is None else str(version)


def _assigned(file: Path) -> dict[str, Any]:
    """Return the literals that a migration's module assigns: `revision` and `down_revision`."""
    return dict(_literals(ast.parse(file.read_text(encoding="utf-8"))))


def _literals(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))
