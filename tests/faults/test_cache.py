"""The cache: damaged, full, in the way."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fed.client import Client
from models.windows import Series
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.errors import InputError
from orchestrator.protocols import DESCRIBED
from tests.conftest import Run
from tests.faults.harness import FEDERATION, SEARCH, assert_equal, refusal, small_disk, snapshot
from tests.faults.table import injects

VARIABLE = "AFFECT_ORCHESTRATOR_CACHE"
BITS = 60
TWO_FOLDS = replace(DESCRIBED, num_folds=2)
Undisturbed = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, also for what runs in this process."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def opened(corpus: Path) -> Dataset:
    return make_dataset(open_corpus(corpus), TWO_FOLDS, seed=0, federated=True)


def read(client: Client) -> tuple[Series, ...]:
    """What the client's process would train on."""
    found = client.load()
    series = tuple(one for one in found if isinstance(one, Series))
    assert len(series) == len(found)
    return series


def values_of(dataset: Dataset) -> list[tuple[Series, ...]]:
    return [read(client) for client in dataset.clients]


def same(found: tuple[Series, ...], expected: tuple[Series, ...]) -> bool:
    return len(found) == len(expected) and all(
        (one.participant, one.session) == (other.participant, other.session)
        and np.array_equal(one.features_TF, other.features_TF, equal_nan=True)
        and np.array_equal(one.gold_T2, other.gold_T2, equal_nan=True)
        and np.array_equal(one.valid_T, other.valid_T)
        for one, other in zip(found, expected, strict=True)
    )


@injects("cache-table-bits", quick=True)
def test_a_wrong_bit_in_a_table_is_never_read_as_a_value(few_people: Path, cache: Path) -> None:
    """Half of the bits go wrong before a run looks at the cache, half after it."""
    chance = random.Random(4)
    expected = values_of(opened(few_people))
    for attempt in range(BITS):
        dataset = opened(few_people)
        table = chance.choice(sorted(cache.glob("participants-*/*.parquet")))
        content = table.read_bytes()
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        table.write_bytes(bytes(damaged))
        if attempt % 2 == 0:
            found = values_of(opened(few_people))
            assert all(same(one, other) for one, other in zip(found, expected, strict=True)), f"bit {attempt}"
            continue
        for client, wanted in zip(dataset.clients, expected, strict=True):
            try:
                series = read(client)
            except InputError:
                continue
            assert same(series, wanted), f"bit {attempt}: other values for {client.name}"
        table.write_bytes(content)


@injects("cache-table-truncated")
def test_a_cut_table_is_made_anew(
    federated: Path, few_people: Path, run_inside: Run, cache: Path, tmp_path: Path
) -> None:
    opened(few_people)
    for table in cache.glob("participants-*/*.parquet"):
        os.truncate(table, table.stat().st_size // 2)
    own = {VARIABLE: str(cache)}
    done = run_inside(*FEDERATION, "--epochs", 3, "--data", few_people, "--output", tmp_path / "run", env=own)
    assert done.returncode == 0, done.stderr
    assert_equal(tmp_path / "run", federated)


@injects("cache-full-synthesising", quick=True)
def test_the_cache_is_full_while_the_embedded_corpus_is_made(run_inside: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "cache", "size=400k") as cache:
        line = refusal(run_inside("tune", "--method", "au", "--dry-run", env={VARIABLE: str(cache)}))
        assert VARIABLE in line
        assert str(cache) in line
        assert "--out" not in line
        assert not [file for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"]


@injects("cache-full-tables", quick=True)
def test_the_cache_is_full_while_tables_are_made(few_people: Path, run_inside: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "cache", "size=16k") as cache:
        words = (*FEDERATION, "--data", few_people, "--dry-run")
        line = refusal(run_inside(*words, env={VARIABLE: str(cache)}))
        assert VARIABLE in line
        assert str(cache) in line
        assert "--out" not in line


@injects("cache-is-a-file", quick=True)
@pytest.mark.parametrize("below", [False, True], ids=["a-file", "below-a-file"])
@pytest.mark.parametrize("federated", [False, True], ids=["au", "fl-au"])
def test_the_cache_is_a_file(federated: bool, below: bool, few_people: Path, run_inside: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a cache")
    before = snapshot(tmp_path)
    place = file / "cache" if below else file
    words = (*FEDERATION, "--data", few_people) if federated else SEARCH
    line = refusal(run_inside(*words, "--dry-run", env={VARIABLE: str(place)}))
    assert VARIABLE in line
    assert str(place) in line
    assert snapshot(tmp_path) == before
