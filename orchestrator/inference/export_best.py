"""The best model of a search as torch's exported program, for MLflow: `model.pt2`, and what became of making it.

Made once, when the search has ended. A failure is a line and a tag, never the end of a run.
"""

import contextlib
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.files import read_json, write_json
from orchestrator.inference.export import export
from orchestrator.inference.saved_model import SavedModel, open_model
from orchestrator.run_folder import CARD_FILE, EXPORT_RECORD, EXPORTED_MODEL, MODEL_FOLDER
from orchestrator.run_records import TrialResult
from orchestrator.tracking.outcome import one_line


def export_best(output: Path, best: TrialResult) -> str | None:
    """Export the model in a run's folder unless it was; return a line if that failed.

    Networks of features: all folds, averaged. With a trained backbone the fold of least selection loss: eight times 45
    MiB help nobody.
    """
    try:
        record = {"weights_sha256": read_json(output / MODEL_FOLDER / CARD_FILE)["weights_sha256"]}
    except (InputError, KeyError) as error:  # lost in the meantime
        return f"the model could not be exported for MLflow ({one_line(error)})"
    if _made_before(output, record["weights_sha256"]):
        return None
    try:
        model = open_model(str(output / MODEL_FOLDER))
        done = export(model, "pt2", output / EXPORTED_MODEL, fold=_fold(model, best))
        shape = [-1 if size is None else size for size in done.shape]
        made = {"problem": None, "dtype": done.dtype, "shape": shape, "folds": done.metadata["folds"]}
        write_json(output / EXPORT_RECORD, {**record, **made})
    except KeyboardInterrupt:
        (output / EXPORTED_MODEL).unlink(missing_ok=True)
        raise  # without a record, a resumed run makes it
    except Exception as error:  # whatever torch or a full disk may say: the search is worth more
        problem = one_line(error)
        with contextlib.suppress(OSError):
            (output / EXPORTED_MODEL).unlink(missing_ok=True)
            write_json(output / EXPORT_RECORD, {**record, "problem": problem})
        return f"the model could not be exported for MLflow ({problem}); the run is whole without it"
    return None


def _fold(model: SavedModel, best: TrialResult) -> int | None:
    if model.recipe.backbone is None:
        return None
    losses = [fold.selection_loss for fold in best.folds]
    return losses.index(min(loss for loss in losses if loss is not None))


def _made_before(output: Path, weights_sha256: str) -> bool:
    try:
        record = read_json(output / EXPORT_RECORD)
    except InputError:
        return False
    return bool(record.get("weights_sha256") == weights_sha256 and not record.get("problem"))
