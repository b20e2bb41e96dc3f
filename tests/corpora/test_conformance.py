"""Every reader against the same contents: what a recording is does not depend on its file's format."""

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.corpora.catalogue import CORPORA
from orchestrator.corpora.convert import convert
from orchestrator.corpora.manifest import manifest, manifest_text
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.recording import Corpus
from tests.corpora.writers import WRITERS, Content, three_people, with_holes


def contents() -> list[Content]:
    return [with_holes(one) for one in three_people()]


def opened(tmp_path: Path, writer: str) -> Corpus:
    return open_corpus(WRITERS[writer](tmp_path, contents()))


def test_every_reader_has_a_writer() -> None:
    assert {name.split("-")[0] for name in WRITERS} == set(CORPORA)


@pytest.mark.parametrize("writer", WRITERS)
def test_same_contents_same_recordings(tmp_path: Path, writer: str) -> None:
    corpus = opened(tmp_path, writer)
    assert corpus.kind == writer.split("-", maxsplit=1)[0]
    assert corpus.feature_names == ("AU01", "AU12", "Yaw")
    assert corpus.hz == 25.0
    assert not corpus.synthetic
    assert len(corpus.recordings) == 3
    for recording, one in zip(corpus.recordings, contents(), strict=True):
        np.testing.assert_array_equal(recording.time, one.time)
        np.testing.assert_array_equal(recording.ratings, one.ratings.astype(np.float32))
        assert recording.raters == one.raters
        bridged = one.features.astype(np.float32)
        bridged[3:6, 0] = np.interp(one.time[3:6], one.time[[2, 6]], bridged[[2, 6], 0].astype(np.float64))
        np.testing.assert_array_equal(recording.features, bridged)
        np.testing.assert_array_equal(recording.valid, ~np.isnan(one.features).any(axis=1))
        assert corpus.joined[recording.name] == 1.0


@pytest.mark.parametrize("writer", WRITERS)
def test_types_are_those_promised(tmp_path: Path, writer: str) -> None:
    for recording in opened(tmp_path, writer).recordings:
        assert recording.time.dtype == np.float64
        assert recording.features.dtype == recording.ratings.dtype == np.float32
        assert recording.valid.dtype == np.bool_


@pytest.mark.parametrize("writer", WRITERS)
def test_convert_keeps_recordings_and_fingerprint(tmp_path: Path, writer: str) -> None:
    before = opened(tmp_path, writer)
    convert(before, tmp_path / "out" / "long.parquet")
    after = open_corpus(tmp_path / "out" / "long.parquet")
    assert after.kind == "table"
    assert after.sha256 == before.sha256
    assert after.dropped == ()
    assert (after.feature_names, after.hz, after.synthetic) == (before.feature_names, before.hz, before.synthetic)
    for one, other in zip(before.recordings, after.recordings, strict=True):
        assert (one.participant, one.session, one.raters) == (other.participant, other.session, other.raters)
        for field in ("time", "features", "valid", "ratings"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@pytest.mark.parametrize("writer", WRITERS)
def test_manifest_is_json_without_nan(tmp_path: Path, writer: str) -> None:
    corpus = opened(tmp_path, writer)
    facts = json.loads(json.dumps(manifest(corpus), allow_nan=False))
    assert (facts["participants"], facts["sessions"], facts["rows"]) == (3, 3, 150)
    # One rater of six has 30 labels of 50; one feature of three lacks 20 of 50 (3 were bridged).
    assert facts["missing_percent"] == pytest.approx({"labels": 20 / 300 * 100, "features": 20 / 150 * 100}, abs=1e-3)
    assert facts["invalid_percent"] == 46.0
    assert corpus.sha256 in manifest_text(corpus)


def test_the_fingerprint_sees_every_part(tmp_path: Path) -> None:
    seen = set()
    for index, change in enumerate(("nothing", "participant", "features", "ratings", "time", "raters", "order")):
        changed = contents()
        one = changed[1]
        if change == "participant":
            changed[1] = Content(**{**vars(one), "participant": "P18"})
        if change == "features":
            one.features[0, 0] += 0.001
        if change == "ratings":
            one.ratings[0, 0, 0] = 0.99
        if change == "time":
            one.time[-1] += 0.001
        if change == "raters":
            changed = [Content(**{**vars(each), "raters": tuple("abcdef")}) for each in changed]
        if change == "order":
            changed.reverse()
        seen.add(open_corpus(WRITERS["table-csv"](tmp_path / str(index), changed)).sha256)
    assert len(seen) == 7


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("marker", ["SYNTHETIC.txt", "synthetic.json"])
def test_a_marker_makes_it_synthetic_and_convert_keeps_that(tmp_path: Path, writer: str, marker: str) -> None:
    path = WRITERS[writer](tmp_path, contents())
    (path if path.is_dir() else tmp_path).joinpath(marker).write_text("{}")
    corpus = open_corpus(path)
    assert corpus.synthetic
    convert(corpus, tmp_path / "elsewhere" / "long.parquet")
    assert open_corpus(tmp_path / "elsewhere" / "long.parquet").synthetic


@pytest.mark.parametrize("writer", ["recola", "avec", "folder-csv"])
def test_folders_doubled_by_unzipping(tmp_path: Path, writer: str) -> None:
    path = WRITERS[writer](tmp_path, contents())
    plain = open_corpus(path).sha256
    for folder in [one for one in path.rglob("*") if one.is_dir()][::-1]:
        inner = folder / folder.name
        moved = folder.rename(folder.with_name("moving"))
        folder.mkdir()
        moved.rename(inner)
    (tmp_path / "outer").mkdir()
    path.rename(tmp_path / "outer" / path.name)
    assert open_corpus(tmp_path / "outer").sha256 == plain


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_format_can_be_named(tmp_path: Path, corpus: str) -> None:
    writer = next(name for name in WRITERS if name.startswith(corpus))
    path = WRITERS[writer](tmp_path, contents())
    assert open_corpus(path, corpus=corpus).sha256 == open_corpus(path).sha256
