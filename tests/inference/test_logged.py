"""The best model of a search, logged once to MLflow with its signature and no pickle; a failure breaks nothing."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import mlflow.pytorch
import numpy as np
import pytest
import torch

from models.windows import cut
from orchestrator.data.series import make_series
from orchestrator.inference import benchmark, export, export_best, predict
from orchestrator.inference.saved_model import SavedModel, open_model
from orchestrator.tracking.client import connect
from orchestrator.tracking.tracker import tracking_identity, write_missing
from tests.conftest import LEFT_OPEN, Disk, Run, read_summary, without_baselines_and_figures
from tests.records import make_result
from tests.search.small_searches import search
from tests.search.trained_here import trained_here

pytestmark = [*LEFT_OPEN, pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")]
BEST = make_result("aaa111", [0.5], [0.5])  # not looked at: the model is one of features
ONE_POINT = {"overrides": ("hidden_size=8", "sequence_length=50", "num_layers=1"), "protocol_changes": {"epochs": 1}}


@pytest.fixture(scope="module")
def run_folder(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, str]":
    """A search of one configuration with a store of its own."""
    folder = tmp_path_factory.mktemp("logged")
    uri = f"sqlite:///{folder}/mlflow.db"
    with trained_here(), without_baselines_and_figures():
        assert search(small_corpus, folder / "run", uri, **ONE_POINT, search={"log_model": True}) == 0
    return folder / "run", uri


def parent(run_folder: "tuple[Path, str]") -> "mlflow.entities.Run":
    identity = tracking_identity(run_folder[0])
    assert identity is not None
    return connect(run_folder[1]).get_run(identity["run_id"])


def test_it_is_a_model_of_the_run_and_loads_without_pickle(run_folder: "tuple[Path, str]") -> None:
    (output,) = parent(run_folder).outputs.model_outputs
    mlflow.set_tracking_uri(run_folder[1])
    info = mlflow.models.get_model_info(f"models:/{output.model_id}")
    assert [spec.shape for spec in info.signature.inputs.inputs] == [(-1, -1, 40)]
    assert [spec.shape for spec in info.signature.outputs.inputs] == [(-1, -1, 2)]
    # MLflow itself refuses an archive with anything that must be unpickled.
    loaded = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    model = open_model(str(run_folder[0]))
    x = torch.randn(3, 17, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = loaded(x).numpy()
    np.testing.assert_allclose(found, export.original(model, (0, 1, 2), x).numpy(), atol=1e-5, rtol=0)
    served = mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(x.numpy())
    np.testing.assert_allclose(served, found, atol=1e-6)
    names = zipfile.ZipFile(run_folder[0] / "model.pt2").namelist()
    assert any(name.endswith("models/model.json") for name in names)


# 15 images per person, in windows of 4.
FEDERATED = {
    **ONE_POINT,
    "method": "fl-au",
    "protocol_changes": {"epochs": 1, "num_folds": 2},
    "search": {"log_model": True, "client_actors": 1},
}
TRAINED_BACKBONE = {
    "method": "images",
    "overrides": ("hidden_size=8", "sequence_length=4", "num_layers=1"),
    "protocol_changes": {"epochs": 1, "num_folds": 2},
    "search": {"log_model": True},
    "image_changes": {"image_size": 40, "frame_stride": 10, "backbone": "trained"},
}


@pytest.mark.parametrize(
    ("asked", "corpus", "shape", "dtype", "folds"),
    [
        (FEDERATED, "small_corpus", (-1, -1, 40), "float32", [0, 1]),
        (TRAINED_BACKBONE, "faces", (-1, -1, 3, 40, 40), "uint8", None),
    ],
    ids=["fl-au", "images"],
)
def test_what_other_methods_log_gives_the_numbers_of_predict(  # noqa: PLR0917
    asked: dict[str, Any],
    corpus: str,
    shape: tuple[int, ...],
    dtype: str,
    folds: list[int] | None,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """A federation's mean over the folds, and a backbone's fold of least selection loss, on windows of real input."""
    data: Path = request.getfixturevalue(corpus)
    output, uri = tmp_path / "run", f"sqlite:///{tmp_path}/mlflow.db"
    with trained_here(), without_baselines_and_figures():
        assert search(data, output, uri, **asked) == 0
    run = parent((output, uri))
    assert "logged_model_problem" not in run.data.tags
    (logged_model,) = run.outputs.model_outputs
    mlflow.set_tracking_uri(uri)
    address = f"models:/{logged_model.model_id}"
    info = mlflow.models.get_model_info(address)
    (given,), (out) = info.signature.inputs.inputs, info.signature.outputs.inputs[0]
    assert (given.shape, str(given.type)) == (shape, dtype)
    assert out.shape == (-1, -1, 2)
    files = [path for path in Path(mlflow.artifacts.download_artifacts(address)).rglob("*") if path.is_file()]
    (program,) = [path for path in files if path.suffix not in {"", ".txt", ".yml", ".yaml", ".json"}]
    assert program.suffix == ".pt2"
    assert not [name for name in zipfile.ZipFile(program).namelist() if name.endswith((".pkl", ".pickle", ".pth"))]
    losses = [fold["selection_loss"] for fold in read_summary(output)["folds"]]
    folds = folds or [losses.index(min(losses))]
    x, expected = predicted_windows(open_model(str(output)), data, folds)
    with torch.no_grad():
        found = mlflow.pytorch.load_model(address)(torch.from_numpy(x)).numpy()
    seen = np.isfinite(expected)
    assert seen.mean() > 0.9
    np.testing.assert_allclose(found[seen], expected[seen], atol=1e-5, rtol=0)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(address).predict(x), found, atol=1e-6)


def predicted_windows(model: SavedModel, data: Path, folds: list[int]) -> "tuple[np.ndarray, np.ndarray]":
    """Whole windows without a gap as a graph takes them, and what `predict` says in them, the mean of some folds."""
    given = predict.read_input(model, data)
    series = make_series(given.recordings, model.protocol, model.images)
    windows = cut(series, model.recipe.sequence_length)
    whole = (windows.valid_WL.all(1) & (windows.length_W == windows.length)).nonzero().flatten()
    assert len(whole) > len(series)
    x = windows.batch(whole).x_BLF
    by_fold = []
    for fold in folds:
        traces = predict.predict(model, given, predict.Wishes(overlap=0.0, fold=fold)).traces
        places = zip(windows.series_W[whole].tolist(), windows.start_W[whole].tolist(), strict=True)
        by_fold.append([traces[one].prediction[start : start + windows.length] for one, start in places])
    x = x.permute(0, 1, 4, 2, 3) if x.dtype == torch.uint8 else x
    return x.contiguous().numpy(), np.mean(by_fold, axis=0)


def test_once_a_search(run_folder: "tuple[Path, str]") -> None:
    before = len(parent(run_folder).outputs.model_outputs)
    assert write_missing(*run_folder).complete
    assert len(parent(run_folder).outputs.model_outputs) == before == 1
    stamp = (run_folder[0] / "model.pt2").stat().st_mtime_ns
    assert export_best.export_best(run_folder[0], BEST) is None
    assert (run_folder[0] / "model.pt2").stat().st_mtime_ns == stamp


def test_a_run_s_id_is_a_model(run_folder: "tuple[Path, str]", run_here: Run, tmp_path: Path) -> None:
    run_id = parent(run_folder).info.run_id
    for place in (run_id, f"runs:/{run_id}"):
        model = open_model(place, tracking_uri=run_folder[1])
        assert model.card == open_model(str(run_folder[0])).card
        assert model.run_id == run_id
    child = connect(run_folder[1]).search_runs([parent(run_folder).info.experiment_id], "tags.uid != ''")[0]
    for wrong, message in ((child.info.run_id, "configurations have no model"), ("0" * 32, "expected a run of this")):
        done = run_here(
            *("export", "--model", wrong, "--format", "pt2", "--output", tmp_path / "m.pt2"),
            *("--tracking-uri", run_folder[1]),
        )
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.usefixtures("here", "only_trials")
def test_a_failed_export_is_a_line_and_a_tag(
    small_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("torch does not want to")

    monkeypatch.setattr(export_best, "export", fail)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert search(small_corpus, tmp_path / "run", uri, **ONE_POINT, search={"log_model": True}) == 0
    assert "could not be exported for MLflow (RuntimeError: torch does not want to)" in capsys.readouterr().out
    run = parent((tmp_path / "run", uri))
    assert run.info.status == "FINISHED"
    assert run.data.tags["logged_model_problem"] == "RuntimeError: torch does not want to"
    assert not run.outputs.model_outputs
    # A later attempt that succeeds is logged by `track`.
    monkeypatch.undo()
    assert export_best.export_best(tmp_path / "run", BEST) is None
    assert write_missing(tmp_path / "run", uri).complete
    assert len(parent((tmp_path / "run", uri)).outputs.model_outputs) == 1


def test_inference_is_timed_and_recorded(run_folder: "tuple[Path, str]", run_here: Run, tmp_path: Path) -> None:
    done = run_here(
        *("benchmark", "inference", "--model", run_folder[0], "--device", "cpu", "--record"),
        *("--output", tmp_path / "t.json", "--tracking-uri", run_folder[1]),
    )
    assert done.returncode == 0, done.stderr
    assert "recorded in run" in done.stdout
    data = parent(run_folder).data
    for key in ("inference_seconds_100", "inference_seconds_500", "inference_load_seconds"):
        assert data.metrics[key] > 0
    assert data.tags["inference_device"].startswith("cpu (")
    figures = benchmark.measure(open_model(str(run_folder[0])), device="cpu", fold=0)
    assert figures["models"] == 1
    assert figures["frames"].keys() == {"100", "500"}
    for one in figures["frames"].values():
        assert 0 < one["least_seconds"] <= one["median_seconds"] <= one["most_seconds"]
        assert one["cold_seconds"] > 0


def test_a_model_without_a_run_is_not_recorded(run_folder: "tuple[Path, str]", tmp_path: Path) -> None:
    import shutil

    from orchestrator.errors import InputError

    shutil.copytree(run_folder[0] / "model", tmp_path / "model")
    with pytest.raises(InputError, match="--record: found a model whose run is not known"):
        benchmark.record(open_model(str(tmp_path / "model")), {}, None)


def test_a_full_disk_costs_the_export_and_not_the_run(run_folder: "tuple[Path, str]", full_disk: Disk) -> None:
    output = full_disk.folder / "run"
    shutil.copytree(run_folder[0] / "model", output / "model")
    full_disk.fill()
    line = export_best.export_best(output, BEST)
    assert line is not None
    assert "the model could not be exported for MLflow" in line
    assert [path.name for path in output.iterdir()] == ["model"]
