"""Level 2 through the whole command: what a server keeps and says holds nothing of a participant's recordings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray import cloudpickle

from orchestrator.search import tune
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.corpora.video.video_files import write_picture
from tests.corpora.writers import three_people, write_folder

pytestmark = LEFT_OPEN

SIDE = 40  # as many pixels as are asked for: nothing is resized
FRAMES = 25
FEATURE, LABEL = np.float32(0.7531902), np.float32(-0.2468013)
PIXELS = bytes(range(1, 3 * SIDE + 1))  # a row of RGB pixels
MARKS = {
    "pixels": PIXELS[:24],
    "feature as text": b"0.7531902",
    "label as text": b"0.2468013",
    **{
        f"{name} as {kind.__name__}": np.array([value, value], kind).tobytes()
        for name, value in (("feature", FEATURE), ("label", LABEL))
        for kind in (np.float32, np.float64)
    },
}


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """Three people with pictures; runs of features, labels and pixels that nothing else would bring about."""
    people = []
    for one in three_people(FRAMES, raters=("FM1",)):
        features, ratings = one.features.copy(), one.ratings.copy()
        features[5:12, 0] = FEATURE
        ratings[3:10] = LABEL
        people.append(replace(one, features=features, ratings=ratings))
    root = write_folder(tmp_path / "corpus", people)
    picture = np.frombuffer(PIXELS * SIDE, np.uint8).reshape(SIDE, SIDE, 3)
    for one in people:
        for number in range(FRAMES):
            # Named by their seconds.
            write_picture(root / "videos" / one.name / f"{(number + 1) / 25:.2f}.png", picture)
    return root


def marks_in(content: bytes) -> list[str]:
    return [name for name, mark in MARKS.items() if mark in content]


def marks_below(folder: Path) -> dict[str, list[str]]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files, f"nothing was written to {folder}"
    return {str(path): found for path in files if (found := marks_in(content_of(path)))}


def content_of(path: Path) -> bytes:
    """A file's bytes; a table's values as well, which lie compressed in it."""
    content = path.read_bytes()
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            content += column.to_numpy().tobytes() if pa.types.is_floating(column.type) else b""
    return content


@pytest.mark.parametrize(
    ("method", "protocol"), [("fl", "described"), ("fl-au", "described"), ("fl-au", "strict"), ("au", "described")]
)
def test_planted_marks_stay_with_the_participants(
    marked: Path,
    run_here: Run,
    run_inside: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    method: str,
    protocol: str,
) -> None:
    sent: list[bytes] = []
    search = tune.search

    def listened(plan: Any, dataset: Any, **others: Any) -> bool:
        sent.append(cloudpickle.dumps((plan, dataset)))  # what Tune carries to its trials
        return search(plan, dataset, **others)

    monkeypatch.setattr(tune, "search", listened)
    output, store, cache = tmp_path / "run", tmp_path / "store", tmp_path / "cache"
    store.mkdir()
    images = ("--image-size", SIDE, "--frame-stride", 1, "--backbone", "frozen", "--weights", "none")
    done = (run_here if method == "au" else run_inside)(
        *(
            "tune",
            "--method",
            method,
            "--preset",
            "demo",
            "--network",
            "rnn",
            "--folds",
            3 if protocol == "strict" else 2,
            "--epochs",
            2,
        ),
        *("--protocol", protocol, "--num-cpus", 2, "--set", "hidden_size=8", "--set", "sequence_length=4"),
        *(images if method == "fl" else ()),
        *("--data", marked, "--output", output, "--tracking-uri", f"sqlite:///{store}/mlflow.db"),
        env={"AFFECT_ORCHESTRATOR_CACHE": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    said = (done.stdout + done.stderr).encode()
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    places = {
        "console": marks_in(said),
        "trial": marks_in(sent[0]),
        **marks_below(output),
        **marks_below(store),
        **marks_below(logs),
    }
    if method == "au":  # trained centrally: the same search finds the marks where they may be
        assert "label as float32" in places["trial"]
        assert "label as float32" in places[str(output / "predictions.parquet")]
        return
    assert not {where: found for where, found in places.items() if found}
    # The participants' own tables and frames, in their cache, do hold them.
    own = {mark for found in marks_below(cache).values() for mark in found}
    assert {"feature as float32", "label as float32"} <= own
    assert ("pixels" in own) == (method == "fl")
    summary = read_summary(output)
    assert summary["protocol_fields"]["scaling"] == {"described": "participant", "strict": "none"}[protocol]
    assert summary["rater_agreement"] is None
    assert summary["baseline"]["ridge"] == {}
    assert summary["ccc_valence"] is not None
    table = pq.read_table(output / "predictions.parquet")
    for dimension in ("valence", "arousal"):
        for kind in ("gold", "raters_low", "raters_high"):
            assert table[f"{dimension}_{kind}"].null_count == len(table) == 3 * FRAMES
        assert table[f"{dimension}_pred"].null_count == 0
