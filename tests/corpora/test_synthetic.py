"""The embedded corpus: RECOLA's layout to the letter, one seed one tree, and never mistaken for RECOLA."""

import hashlib
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from orchestrator.corpora.cache import CACHE_VARIABLE
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.synthetic import facial_model, raters
from orchestrator.corpora.synthetic.tree import (
    GENERATOR_VERSION,
    RECOLA_IDS,
    cached_synthetic,
    synthesize,
)
from orchestrator.errors import InputError

SMALL: dict[str, Any] = {"participants": 3, "seconds": 4.0}
UNITS = (1, 2, 4, 5, 6, 7, 9, 11, 12, 15, 17, 20, 23, 24, 25)
OTHERS = ("Yaw", "Pitch", "Roll", "Opt_mean", "Opt_std")


def contents(tree):
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def arff_rows(path):
    text = path.read_text()
    lines = text[text.index("@data\n") + len("@data\n") :].splitlines()
    return [line.split(",") for line in lines]


def simulate(num_people, seconds, *, seed=0, identity):
    names = [f"P{index}" for index in range(num_people)]
    frames = round(seconds * 25.0)
    return facial_model.simulate(names, num_frames=frames, hz=25.0, seed=seed, identity=identity)


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """One participant of 300 s: the files' full size."""
    return synthesize(tmp_path_factory.mktemp("full") / "tree", participants=1)


@pytest.mark.parametrize("dimension", ["valence", "arousal"])
def test_labels_have_recolas_header_rows_and_steps(full_size, dimension):
    lines = (full_size / f"RECOLA-Annotation/emotional_behaviour/{dimension}/P16.csv").read_text().split("\n")
    assert lines[0] == "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3"
    assert lines[-1] == ""
    rows = [line.split(";") for line in lines[1:-1]]
    assert [row[0] for row in rows] == [f"{frame * 0.04:.2f}" for frame in range(7501)]
    ratings = np.array([row[1:] for row in rows], dtype=float)
    assert ratings.shape == (7501, 6)
    assert np.abs(ratings).max() <= 1.0
    assert {len(cell.rpartition(".")[2]) for row in rows for cell in row[1:]} == {2}  # a step of 0.01
    assert len(np.unique(ratings)) > 50
    assert (ratings.std(axis=0) > 0.1).all()


def test_features_have_recolas_names_rows_and_gaps(full_size):
    path = full_size / "RECOLA-Video-features/P16.arff"
    attributes = [line.split() for line in path.read_text().splitlines() if line.startswith("@attribute")]
    base = [f"VIDEO_40_LLD_AU{unit}" for unit in UNITS] + [f"VIDEO_40_LLD_{other}" for other in OTHERS]
    assert [name for _, name, _ in attributes] == ["frameTime", *base, *(f"{name}_delta" for name in base)]
    assert {kind for _, _, kind in attributes} == {"numeric"}
    rows = arff_rows(path)
    assert [row[0] for row in rows] == [f"{frame * 0.04:.2f}" for frame in range(1, 7501)]
    assert {len(row) for row in rows} == {41}
    table = np.array([[np.nan if cell == "?" else float(cell) for cell in row] for row in rows])[:, 1:]
    missing = np.isnan(table)
    lost = missing[:, :20].all(axis=1)
    assert (missing[:, :20].any(axis=1) == lost).all()  # tracking is lost of the whole face
    assert 0.001 < lost.mean() < 0.2
    units, pose = table[:, :15], table[:, 15:18]
    assert np.nanmin(units) == 0.0
    assert 4.0 < np.nanmax(units) <= 5.0
    assert 5.0 < np.nanmax(np.abs(pose)) <= 45.0
    differences = np.diff(table[:, :20], axis=0)
    assert (np.isnan(differences) == missing[1:, 20:]).all()
    np.testing.assert_allclose(table[1:, 20:], differences, atol=0.0011)  # both are rounded to 0.001


def test_everything_says_synthetic(full_size):
    assert (full_size / "SYNTHETIC.txt").read_text().startswith("SYNTHETIC DATA - this is not RECOLA")
    manifest = json.loads((full_size / "synthetic.json").read_text())
    assert manifest["synthetic"] is True
    assert manifest["parameters"]["participants"] == 1
    assert manifest["generator_version"] == GENERATOR_VERSION
    files = contents(full_size)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert manifest["files"] == {name: hash_ for name, hash_ in hashes.items() if name != "synthetic.json"}
    head = files["RECOLA-Video-features/P16.arff"].decode().splitlines()[:2]
    assert head[0].startswith("% SYNTHETIC data, not RECOLA")
    assert head[1] == "@relation synthetic_video_features_P16"


def test_the_recola_reader_reads_it_back(tmp_path):
    tree = synthesize(tmp_path / "tree", participants=23, seconds=8.0)
    corpus = open_corpus(tree)
    assert (corpus.kind, corpus.synthetic) == ("recola", True)
    assert corpus.hz == pytest.approx(25.0)
    assert corpus.participants == RECOLA_IDS
    assert len(corpus.feature_names) == 40
    assert "AU12" in corpus.feature_names
    recording = corpus.recordings[3]
    assert (recording.participant, recording.features.shape) == ("P21", (200, 40))
    assert recording.raters == ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
    (face,) = facial_model.simulate(["P21"], num_frames=201, hz=25.0, seed=0, identity=0.5)
    (ratings,) = raters.rate([face], seed=0)
    np.testing.assert_allclose(recording.ratings, ratings[1:], atol=1e-6)
    (measured,) = facial_model.measure([face], seed=0)
    seen = recording.valid
    assert seen.sum() > 100
    np.testing.assert_allclose(recording.features[seen, :20], measured[1:][seen], atol=0.00051)
    assert not all(recording.valid.all() for recording in corpus.recordings)


def test_one_seed_one_tree(tmp_path):
    first = contents(synthesize(tmp_path / "first", **SMALL))
    assert contents(synthesize(tmp_path / "again", **SMALL)) == first
    other = contents(synthesize(tmp_path / "other", **SMALL, seed=1))
    assert other.keys() == first.keys()
    assert [name for name in first if other[name] == first[name]] == ["SYNTHETIC.txt"]


def test_a_participant_does_not_depend_on_the_others(tmp_path):
    small = contents(synthesize(tmp_path / "small", **SMALL))
    large = contents(synthesize(tmp_path / "large", **(SMALL | {"participants": 25})))
    assert len([name for name in small if name.endswith((".csv", ".arff"))]) == 9
    for name in small.keys() - {"synthetic.json"}:
        assert large[name] == small[name], name
    assert "RECOLA-Video-features/P66.arff" in large
    assert "RECOLA-Video-features/P67.arff" in large


def test_other_rates_and_lengths(tmp_path):
    tree = synthesize(tmp_path / "tree", participants=1, seconds=2.0, hz=30.0)
    rows = arff_rows(tree / "RECOLA-Video-features/P16.arff")
    assert [rows[0][0], rows[1][0], rows[-1][0]] == ["0.033333", "0.066667", "2.000000"]
    assert len(rows) == 60
    tree = synthesize(tmp_path / "one", participants=1, seconds=0.04)
    assert len(arff_rows(tree / "RECOLA-Video-features/P16.arff")) == 1


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path):
    (tmp_path / "empty").mkdir()
    assert synthesize(tmp_path / "empty", **SMALL) == tmp_path / "empty"
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"--output: .*holds something") as caught:
        synthesize(tmp_path / "empty", **SMALL, seed=1)
    assert caught.value.problems[0].where == "--output"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="--output"):
        synthesize(tmp_path / "file", **SMALL)
    with pytest.raises(InputError, match="--output"):
        synthesize(tmp_path / "file" / "below", **SMALL)
    assert contents(tmp_path) == before | {"file": b"mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_bad_parameters_are_refused_all_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        synthesize(tmp_path / "out", participants=0, seconds=-1.0, hz=0.0, identity=1.5)
    wheres = [problem.where for problem in caught.value.problems]
    assert wheres == ["--participants", "--seconds", "--hz", "--identity"]
    with pytest.raises(InputError, match=r"--seconds: found 0\.001; expected at least one frame"):
        synthesize(tmp_path / "out", seconds=0.001)
    with pytest.raises(InputError, match="--identity"):
        cached_synthetic(identity=float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "size",
    [{"seconds": 1e9}, {"seconds": 1e300, "hz": 1e300}, {"participants": 10**12}, {"hz": 1e12}, {"seconds": 1e18}],
)
def test_what_no_machine_can_hold_is_refused_by_arithmetic(tmp_path, size):
    with pytest.raises(InputError, match=r"--seconds.*(GiB|finite)"):
        synthesize(tmp_path / "out", **(SMALL | size))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_writes_once_for_each_set_of_parameters(cache):
    tree = cached_synthetic(**SMALL)
    assert tree.parent == cache
    assert tree.name.startswith("synthetic-")
    stamp = tree.stat().st_ino
    assert cached_synthetic(**SMALL) == tree
    assert tree.stat().st_ino == stamp
    for other in ({"seed": 1}, {"identity": 0.25}, {"hz": 50.0}, {"seconds": 5.0}, {"participants": 2}):
        assert cached_synthetic(**(SMALL | other)) != tree


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("damage", ["cut", "lost", "altered", "manifest", "marker", "foreign", "added"])
def test_a_damaged_tree_in_the_cache_is_written_again(damage):
    tree = cached_synthetic(**SMALL)
    whole = contents(tree)
    killed = tree.with_name(f".{tree.name}.synthetic-killed")
    killed.mkdir()
    features = tree / "RECOLA-Video-features/P17.arff"
    if damage == "cut":
        features.write_bytes(features.read_bytes()[:-100])
    elif damage == "lost":
        features.unlink()
    elif damage == "altered":
        features.write_bytes(features.read_bytes().replace(b"1.", b"2.", 1))
    elif damage == "manifest":
        (tree / "synthetic.json").write_text("{")
    elif damage == "marker":
        (tree / "SYNTHETIC.txt").unlink()
    elif damage == "added":
        (tree / "RECOLA-Video-features/P99.arff").write_bytes(features.read_bytes())
    else:
        (tree / "synthetic.json").write_text('{"files": []}')
    assert contents(tree) != whole
    assert cached_synthetic(**SMALL) == tree
    assert contents(tree) == whole
    assert not killed.exists()


def test_callers_at_the_same_time_get_one_whole_tree(cache):
    program = (
        "from orchestrator.corpora.synthetic.tree import cached_synthetic as made;"
        "print(made(participants=3, seconds=4.0), flush=True)"
    )
    environment = os.environ | {CACHE_VARIABLE: str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    callers = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(3)
    ]
    answers = {caller.communicate(timeout=60)[0].strip() for caller in callers}
    assert [caller.returncode for caller in callers] == [0, 0, 0]
    assert answers == {str(cached_synthetic(**SMALL))}
    assert sorted(path.suffix for path in cache.iterdir()) == ["", ".lock"]


def test_true_faces_are_smooth_in_range_and_without_the_tools_noise():
    face = simulate(2, 40.0, identity=0.5)[1]
    (measured,) = facial_model.measure([face], seed=0)
    assert face.participant == "P1"
    assert face.hz == pytest.approx(25.0)
    assert face.affect.shape == (1000, 2)
    assert face.actions.shape == measured.shape == (1000, len(facial_model.ACTIONS))
    assert np.abs(face.affect).max() < 1.0
    assert np.abs(np.diff(face.affect, axis=0)).max() < 0.15
    assert np.isfinite(face.actions).all()
    smile = face.actions[:, facial_model.ACTIONS.index("AU6")]
    tool = measured[:, facial_model.ACTIONS.index("AU6")]
    assert np.nanstd(np.diff(tool)) > 5 * np.std(np.diff(smile))
    assert face.blink.max() == 1.0
    assert set(face.speaking) == {0.0, 1.0}


def test_smiles_come_from_positive_valence_only_and_fade_slower_than_they_build_up():
    faces = simulate(8, 40.0, identity=0.0)
    smile = np.concatenate([face.actions[:, facial_model.ACTIONS.index("AU6")] for face in faces])
    valence, arousal = np.concatenate([face.affect for face in faces]).T
    assert smile[valence < -0.3].mean() < 0.1
    assert smile[(valence > 0.5) & (arousal > 0.3)].mean() > 0.8
    steps = np.diff(smile)
    assert np.quantile(steps, 0.999) > 1.5 * -np.quantile(steps, 0.001)
    frown = np.concatenate([face.actions[:, facial_model.ACTIONS.index("AU9")] for face in faces])
    upset = valence < -0.4  # anger is negative valence times arousal: an interaction
    assert frown[upset & (arousal > 0.4)].mean() > 2 * frown[upset & (arousal < -0.4)].mean()


def test_raters_agree_and_differ():
    faces = simulate(6, 60.0, identity=0.5)
    ratings = np.concatenate(list(raters.rate(faces, seed=0)))
    affect = np.concatenate([face.affect for face in faces])
    for dimension in (0, 1):
        among = np.corrcoef(ratings[..., dimension].T)[np.triu_indices(6, 1)]
        assert 0.6 < among.min() < among.max() < 0.99
        gold = ratings[..., dimension].mean(axis=1)
        with_delay = [np.corrcoef(np.roll(affect[:, dimension], lag), gold)[0, 1] for lag in range(75)]
        assert 15 <= int(np.argmax(with_delay)) <= 50  # reaction and smoothing: 0.6 to 2 s


def test_the_identity_dial_shows_more_of_the_person():
    accuracies = []
    for identity in (0.0, 0.25, 0.5, 1.0):  # people are told by the first half, named in the second
        faces = simulate(12, 40.0, seed=3, identity=identity)
        measured = [table[:, :18] for table in facial_model.measure(faces, seed=3)]
        half = len(measured[0]) // 2
        second_means = [
            np.mean(part[: len(part) // 25 * 25].reshape(-1, 25, 18), axis=1)
            for table in measured
            for part in (table[:half], table[half + 125 :])
        ]
        rows = [table[np.isfinite(table).all(axis=1)] for table in second_means]
        people = [np.full(len(table), index // 2) for index, table in enumerate(rows)]
        model = LinearDiscriminantAnalysis().fit(np.concatenate(rows[::2]), np.concatenate(people[::2]))
        accuracies.append(model.score(np.concatenate(rows[1::2]), np.concatenate(people[1::2])))
    assert accuracies[0] < 0.25  # chance is 1 in 12; affect drifts slowly and is a person's own for a while
    assert all(later > earlier + 0.05 for earlier, later in pairwise(accuracies))
    assert accuracies[-1] > 0.7


def test_at_identity_zero_everybody_has_the_average_face():
    people = [face.person for face in simulate(3, 1.0, identity=0.0)]
    assert len(people) == 3
    for person in people:
        assert not person.rest.any()
        assert (person.expressivity == 1.0).all()
        assert (person.tempo, person.sway, person.blink) == (1.0, 1.0, 1.0)


def test_every_constant_of_the_model_is_documented_with_its_value():
    document = (Path(__file__).parents[2] / "docs" / "synthetic.md").read_text()
    constants = {name: value for name, value in vars(facial_model).items() if name.isupper()}
    assert len(constants) > 50
    weights_of_units = constants.pop("UNIT_WEIGHTS")
    for name, value in constants.items():
        (line,) = [line for line in document.splitlines() if f"`{name}`" in line and line.startswith("|")]
        numbers = [value] if isinstance(value, float) else []
        numbers += [number for number in value if isinstance(number, float)] if isinstance(value, tuple) else []
        numbers += list(value.values()) if name in {"SPEECH_WEIGHTS", "BLINK_ON_LIDS"} else []
        shown = [float(text) for text in re.findall(r"-?\d+(?:\.\d+)?", line.replace(f"`{name}`", ""))]
        assert set(numbers) <= set(shown), f"{name} = {value}, documented as: {line}"
    for unit, weights in weights_of_units.items():
        row = ", ".join(f"{expression} {weight}" for expression, weight in weights.items())
        assert f"| {unit} | {row} |" in document
