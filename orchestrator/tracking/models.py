"""Models in MLflow: logs a search's best model with its signature and without pickle; downloads one by a run's id.

MLflow's own pt2 flavour needs no pickle either, but it traces the model again with an example and starts a process to
guess requirements; so the exported program and its MLmodel are written directly, in the form that this flavour reads.
"""

import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.errors import InputError
from orchestrator.files import JsonObject
from orchestrator.run_folder import EXPORTED_MODEL
from orchestrator.tracking.address import public_address
from orchestrator.tracking.client import open_to_read
from orchestrator.tracking.limits import Limit, bounded
from orchestrator.tracking.location import resolve_tracking_uri
from orchestrator.tracking.outcome import one_line

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL_NAME = "best"
MODEL_ARTIFACT = "model"
DATA = "data"


def download_model(run_id: str, folder: Path, tracking_uri: str | None) -> tuple[Path, str]:
    """Fetch the model's folder of a search's parent run into `folder`; return it and the store's address.

    InputError: a store without a database, no such run, a run without a model, such as a configuration's, or a server
    that answers too slowly.
    """
    uri = resolve_tracking_uri(tracking_uri)
    where = f"run {run_id} in {public_address(uri)}"
    client = _opened(uri)
    with _refused(uri, "--model", f"no {where}", expected="a run of this store"):
        names = bounded(lambda _: [one.path for one in client.list_artifacts(run_id)])
    if MODEL_ARTIFACT not in names:
        expected = "a search's parent run: its configurations have no model of their own"
        raise InputError.of("--model", found=f"no {MODEL_ARTIFACT}/ in {where}", expected=expected)
    with _refused(uri, "--model", f"{MODEL_ARTIFACT}/ of {where}", expected="artifacts that can be fetched"):
        return bounded(lambda limit: _download(client, run_id, folder, limit)), uri


def download_run(run_id: str, folder: Path, names: Sequence[str], tracking_uri: str | None) -> Path:
    """Fetch those artifacts of a search's parent run into `folder` that it has; the first of `names` it must have.

    InputError as `download_model`.
    """
    uri = resolve_tracking_uri(tracking_uri)
    where = f"run {run_id} in {public_address(uri)}"
    client = _opened(uri)

    def fetch(limit: Limit) -> bool:
        there = {one.path: one.file_size or 0 for one in client.list_artifacts(run_id)}
        for name in names:
            if name in there:
                limit.renew(num_bytes=there[name])
                client.download_artifacts(run_id, name, str(folder))
        return names[0] in there

    with _refused(uri, "load_run", f"no {where}", expected="a run of this store"):
        whole = bounded(fetch)
    if not whole:
        raise InputError.of("load_run", found=f"no {names[0]} in {where}", expected="a search's parent run")
    return folder


@contextmanager
def _refused(uri: str, where: str, found: str, *, expected: str) -> Iterator[None]:
    """Convert a store's refusal, or the lack of an answer in time, into an InputError."""
    try:
        yield
    except TimeoutError as error:
        raise _no_answer(uri, error) from error
    except Exception as error:
        raise InputError.of(where, found=f"{found} ({one_line(str(error))})", expected=expected) from error


def _download(client: "MlflowClient", run_id: str, folder: Path, limit: Limit) -> Path:
    sizes = [one.file_size or 0 for one in client.list_artifacts(run_id, MODEL_ARTIFACT)]
    limit.renew(num_bytes=sum(sizes))
    return Path(client.download_artifacts(run_id, MODEL_ARTIFACT, str(folder)))


def log_figures(run_id: str, tracking_uri: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Log metrics and tags to a run that may have ended; InputError if that fails."""
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    client = _opened(tracking_uri)
    try:
        bounded(
            lambda _: client.log_batch(
                run_id,
                metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
                tags=[RunTag(*item) for item in tags.items()],
            )
        )
    except Exception as error:
        found = f"run {run_id} in {public_address(tracking_uri)} ({one_line(str(error))})"
        raise InputError.of("--record", found=found, expected="a run that can be written") from error


def log_model(client: "MlflowClient", experiment_id: str, run_id: str, folder: Path, made: JsonObject) -> None:
    """Log a run's `model.pt2` as a model of the experiment; `made` tells its input (records.model_export)."""
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(experiment_id, name=MODEL_NAME, source_run_id=run_id, model_type="affect")
    with TemporaryDirectory(prefix="affect-model-") as place:
        _lay_down(Path(place), folder / EXPORTED_MODEL, logged.model_id, run_id, made)
        client.log_model_artifacts(logged.model_id, place)
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])


def _lay_down(place: Path, program: Path, model_id: str, run_id: str, made: JsonObject) -> None:
    """Write the folder that MLflow's pytorch flavour loads: MLmodel, and the program without the card's copy of it."""
    import numpy as np
    import torch
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    (place / DATA).mkdir()
    shutil.copyfile(program, place / DATA / "model.pt2")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(made["dtype"]), tuple(made["shape"]))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, -1, 2))]),
    )
    folds = [str(fold) for fold in made["folds"]]
    model = Model(run_id=run_id, model_id=model_id, signature=signature, metadata={"folds": ",".join(folds)})
    model.add_flavor("pytorch", model_data=DATA, pytorch_version=str(torch.__version__), code=None)
    model.add_flavor(
        "python_function",
        loader_module="mlflow.pytorch",
        data=DATA,
        model_config={"device": None},
        python_version=platform.python_version(),
    )
    model.save(str(place / "MLmodel"))


def _opened(tracking_uri: str) -> "MlflowClient":
    try:
        return bounded(lambda _: open_to_read(tracking_uri))
    except InputError:
        raise
    except Exception as error:
        raise _no_answer(tracking_uri, error) from error


def _no_answer(tracking_uri: str, error: Exception) -> InputError:
    found = f"{public_address(tracking_uri)}: {one_line(str(error))}"
    return InputError.of("--tracking-uri", found=found, expected="an MLflow store that answers")
