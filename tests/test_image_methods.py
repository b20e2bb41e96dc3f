"""The methods on frames and the federated ones, through the command line on small drawn faces."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.corpora.synthetic.tree import synthesize
from tests.conftest import LEFT_OPEN, Run, read_summary

pytestmark = [pytest.mark.usefixtures("no_figures"), *LEFT_OPEN]
SMALL = (
    *("--preset", "demo", "--network", "rnn", "--folds", 2, "--num-cpus", 2, "--set", "hidden_size=8"),
    "--no-log-model",  # tests/inference/test_logged.py does
)
SHORT_WINDOWS = ("--set", "sequence_length=4", "--frame-stride", 10, "--image-size", 48)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people of 8 s with videos."""
    return synthesize(tmp_path_factory.mktemp("faces") / "corpus", participants=4, seconds=8.0, seed=4, faces=True)


def test_images_are_learned_end_to_end_and_a_frozen_backbone_is_quicker(
    faces: Path, run_here: Run, tmp_path: Path
) -> None:
    for backbone in ("trained", "frozen"):
        output = tmp_path / backbone
        done = run_here(
            *("tune", "--method", "images", *SMALL, *SHORT_WINDOWS, "--epochs", 1, "--backbone", backbone),
            *("--data", faces, "--output", output),
        )
        assert done.returncode == 0, done.stderr
        assert "4/4" in done.stderr  # decoding shows its progress
        summary = read_summary(output)
        assert summary["federation"] is None
        # ResNet18 and a small RNN, whether it is trained or not (Table III: 42.7 MiB and little more).
        assert 42.6 < summary["model_size_mib"] < 42.8
        assert pq.read_table(output / "predictions.parquet").num_rows == 4 * 20
    # The baselines see the frozen backbone's features also where the backbone itself is trained.
    learned, fixed = (read_summary(tmp_path / name) for name in ("trained", "frozen"))
    assert {name for name, scores in learned["baseline"].items() if scores} >= {"mean", "ridge"}
    assert learned["baseline"] == fixed["baseline"]
    assert learned["baseline"]["ridge"]["ccc_valence"] != 0.0
    assert learned["baseline_columns"] == "512 features per frame of a frozen ResNet18 (weights: none)"
    trained, frozen = (read_summary(tmp_path / name)["training_seconds"] for name in ("trained", "frozen"))
    assert frozen < trained


@pytest.mark.parametrize("method", ["fl", "fl-au"])
def test_federations_record_what_they_cost_and_packing_does_not_show(
    method: str, faces: Path, run_here: Run, run_inside: Run, tmp_path: Path
) -> None:
    """The clients in this process, and in two of their own."""
    windows = SHORT_WINDOWS if method == "fl" else ("--set", "sequence_length=50")
    for actors, run in ((1, run_here), (2, run_inside)):
        output = tmp_path / str(actors)
        done = run(
            *("tune", "--method", method, *SMALL, *windows, "--epochs", 2, "--client-actors", actors),
            *("--data", faces, "--output", output),
        )
        assert done.returncode == 0, done.stderr
    one, two = (read_summary(tmp_path / str(actors)) for actors in (1, 2))
    federation = two["federation"]
    assert federation["rounds"] == 2
    assert federation["clients"] == 4
    assert federation["failures"] == 0
    assert federation["bytes_up"] > 0
    assert federation["bytes_down"] > 0
    assert federation["paper_seconds"] > 0
    assert federation["wall_seconds"] > 0
    assert federation["own_ccc_valence"] is None  # the mean has no networks of the clients' own
    for name in ("leaderboard.csv", "predictions.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert one["mlflow"]["run_id"] != two["mlflow"]["run_id"]


def test_personal_networks_are_scored_on_what_they_did_not_train_on(faces: Path, run_here: Run, tmp_path: Path) -> None:
    done = run_here(
        *("tune", "--method", "fl-au", *SMALL, "--set", "sequence_length=20", "--epochs", 2, "--trials", 1),
        *("--aggregator", "personalised", "--data", faces, "--output", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    assert "of the clients' own networks" in done.stdout
    (path,) = (tmp_path / "run" / "trials").glob("*/result.json")
    last = json.loads(path.read_text())["federation"]["by_round"][-1]
    for dimension in ("valence", "arousal"):
        own = last[f"own_ccc_{dimension}"]
        assert len(own) == 2
        assert read_summary(tmp_path / "run")["federation"][f"own_ccc_{dimension}"] == pytest.approx(sum(own) / 2)


def test_a_federation_that_loses_its_clients_ends_with_3(faces: Path, run_here: Run, tmp_path: Path) -> None:
    done = run_here(
        *("tune", "--method", "fl-au", *SMALL, "--set", "sequence_length=50", "--epochs", 2, "--trials", 1),
        *("--round-deadline", 0.0001, "--data", faces, "--output", tmp_path / "run"),
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert read_summary(tmp_path / "run")["trials"]["failed"] == 1


def test_what_cannot_be_had_is_refused_before_anything_trains(
    faces: Path, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    common = (*SMALL, *SHORT_WINDOWS, "--data", faces, "--output", output)
    done = run_inside("tune", "--method", "fl", *common, "--gpus-per-client", 2)
    assert done.returncode == 2
    assert "GPUs" in done.stderr
    done = run_inside("tune", "--method", "images", *common, "--weights", tmp_path / "nowhere.pth")
    assert done.returncode == 2
    assert "--weights" in done.stderr
    nowhere = {"TORCH_HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = run_inside("tune", "--method", "images", *common, "--weights", "imagenet", env=nowhere)
    assert done.returncode == 2
    assert "error: --weights: found imagenet, whose weights of ResNet18 are not at" in done.stderr
    assert "; expected the file there or by name" in done.stderr
    assert "--weights none" in done.stderr
    done = run_inside("tune", "--method", "images", *SMALL, *SHORT_WINDOWS, "--data", small_corpus, "--output", output)
    assert done.returncode == 2
    assert done.stderr.count("no video") == 6
    assert not output.exists() or not list(output.glob("trials/*"))
