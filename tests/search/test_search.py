"""Whole searches: what they leave behind, and that breaking them off changes nothing.

On a real Ray where Tune decides or a trial fails, and for the finished search that the first tests read; in this
process, to the same bytes, where only the records count.
"""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from models.ccc import Moments, ccc
from models.training import Epoch
from orchestrator.data.dataset import make_dataset
from orchestrator.errors import InputError
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.protocols import DESCRIBED, STRICT, Protocol
from orchestrator.run_folder import FAILURE_FILE, MODEL_FILE, RESULT_FILE
from orchestrator.search.trial_scores import _curve
from tests.conftest import LEFT_OPEN, read_summary
from tests.data.test_dataset import make_corpus
from tests.documents import SOMETIMES, summary_keys
from tests.search.small_searches import POINT, resumed, search
from tune_spaces.method import HParams

pytestmark = LEFT_OPEN


def test_summary_has_the_documented_keys(finished_search: Path) -> None:
    summary = read_summary(finished_search)
    assert summary_keys() - SOMETIMES <= summary.keys() <= summary_keys()
    assert summary["status"] == "finished"
    assert summary["trials"] == {"planned": 4, "finished": 4, "failed": 0, "stopped": 0}
    kept = {"kind", "path", "sha256", "frame_rate", "time_unit", "limits", "options", "features"}
    assert set(summary["corpus"]) == kept
    assert set(summary["best"]) >= {"network", "hparams", "uid"}
    assert set(summary["mlflow"]) == {"tracking_uri", "experiment_id", "run_id"}
    assert all(summary["mlflow"].values())
    assert [fold["fold"] for fold in summary["folds"]] == [0, 1, 2]
    assert len({person for fold in summary["folds"] for person in fold["participants"]}) == 6
    assert summary["ccc_valence_low"] <= summary["ccc_valence"] <= summary["ccc_valence_high"]


def test_predictions_are_the_held_out_frames_in_order_and_give_the_summarys_ccc(finished_search: Path) -> None:
    table = pq.read_table(finished_search / "predictions.parquet")
    kinds = ("gold", "pred", "raters_low", "raters_high")
    columns = [f"{dimension}_{kind}" for kind in kinds for dimension in ("valence", "arousal")]
    assert table.column_names == ["participant", "session", "time", "fold", *columns]
    assert table.schema.metadata[b"synthetic"] == b"true"
    assert table.num_rows == 6 * 600
    summary = read_summary(finished_search)
    people, folds = table["participant"].to_numpy(), table["fold"].to_numpy()
    for fold in summary["folds"]:
        assert set(people[folds == fold["fold"]]) == set(fold["participants"])
    for person in set(people):
        assert (np.diff(table["time"].to_numpy()[people == person]) > 0).all()
    for dimension in ("valence", "arousal"):
        gold = table[f"{dimension}_gold"].to_numpy(zero_copy_only=False)
        prediction = table[f"{dimension}_pred"].to_numpy(zero_copy_only=False)
        assert table[f"{dimension}_gold"].null_count > 0  # frames without a face are outside the score
        scores = []
        for k in range(3):
            scored = (folds == k) & ~np.isnan(gold)
            scores.append(ccc(Moments.of(prediction[scored], gold[scored])))
        assert np.mean(scores) == pytest.approx(summary[f"ccc_{dimension}"], abs=1e-12)
        low, high = (table[f"{dimension}_raters_{end}"].to_numpy() for end in ("low", "high"))
        inside = ~np.isnan(gold)
        assert (low[inside] <= gold[inside] + 1e-6).all()
        assert (gold[inside] <= high[inside] + 1e-6).all()
        assert (low[inside] < high[inside]).any()
        assert 0 < summary["rater_agreement"][dimension] < 1
        for person in summary["participants"]:
            of_person = inside & (people == person["participant"])
            assert person[f"num_frames_{dimension}"] == of_person.sum()
            own = ccc(Moments.of(prediction[of_person], gold[of_person]))
            assert person[f"ccc_{dimension}"] == pytest.approx(own, abs=1e-12)
    assert [one["participant"] for one in summary["participants"]] == sorted(set(people))


def test_the_best_has_the_least_validation_loss_and_only_its_weights_are_kept(finished_search: Path) -> None:
    rows = list(csv.DictReader((finished_search / "leaderboard.csv").open()))
    assert [row["network"] for row in rows[4:]] == list(BASELINES)
    assert {(row["status"], row["rank"], row["selection_loss"]) for row in rows[4:]} == {("baseline", "", "")}
    losses = [float(row["selection_loss"]) for row in rows[:4]]
    assert losses == sorted(losses)
    assert len(set(losses)) == 4
    best = read_summary(finished_search)["best"]["uid"]
    assert rows[0]["uid"] == best
    assert [file.parent.name for file in finished_search.glob(f"trials/*/{MODEL_FILE}")] == [best]


def test_the_model_folder_holds_every_folds_weights_and_a_card(finished_search: Path) -> None:
    weights = safetensors.numpy.load_file(finished_search / "model" / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"fold_0", "fold_1", "fold_2"}
    total = sum(array.size for name, array in weights.items() if name.startswith("fold_0."))
    card = json.loads((finished_search / "model" / "card.json").read_text())
    assert card["num_parameters"] == read_summary(finished_search)["num_parameters"] == total
    assert len(card["features"]) == 40
    assert "synthetic" in (finished_search / "model" / "README.md").read_text()


@pytest.mark.usefixtures("here", "no_figures")
def test_resuming_a_finished_run_trains_nothing_and_changes_nothing(
    finished_search: Path, store: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_search, copy)
    plan = json.loads((copy / "plan.json").read_text())
    plan["tracking"]["tracking_uri"] = store  # other tests look at what is in its own
    (copy / "plan.json").write_text(json.dumps(plan))
    (copy / "tracking.json").unlink()
    before = {file: file.stat().st_mtime_ns for file in copy.glob(f"trials/*/{RESULT_FILE}")}
    assert resumed(copy) == 0
    assert before == {file: file.stat().st_mtime_ns for file in copy.glob(f"trials/*/{RESULT_FILE}")}
    assert (copy / "leaderboard.csv").read_bytes() == (finished_search / "leaderboard.csv").read_bytes()
    assert {**read_summary(copy), "mlflow": 0} == {**read_summary(finished_search), "mlflow": 0}


@pytest.mark.usefixtures("here", "no_figures")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    finished_search: Path, small_corpus: Path, store: str, tmp_path: Path
) -> None:
    assert search(small_corpus, tmp_path / "again", store) == 0
    assert search(small_corpus, tmp_path / "other", store, seed=1, overrides=("hidden_size=8", "num_layers=1")) == 0
    predictions = [path / "predictions.parquet" for path in (finished_search, tmp_path / "again", tmp_path / "other")]
    first, again, other = (pq.read_table(path)["valence_pred"].to_numpy() for path in predictions)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (finished_search / "leaderboard.csv").read_bytes() == (tmp_path / "again" / "leaderboard.csv").read_bytes()


@pytest.mark.usefixtures("ray_cluster", "only_trials")
def test_a_failing_trial_is_reported_and_does_not_stop_the_others(
    small_corpus: Path, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("learning_rate=0.001,1e30", "hidden_size=8", "sequence_length=50", "num_layers=1")
    output = tmp_path / "run"
    assert search(small_corpus, output, store, overrides=overrides) == 1
    summary = read_summary(output)
    assert summary["status"] == "some trials failed"
    assert summary["trials"] == {"planned": 2, "finished": 1, "failed": 1, "stopped": 0}
    (failure,) = [json.loads(file.read_text()) for file in output.glob(f"trials/*/{FAILURE_FILE}")]
    assert failure["hparams"]["learning_rate"] == 1e30
    assert "Traceback (most recent call last)" in failure["traceback"]
    printed = capsys.readouterr().out
    assert "Failed trials" in printed
    assert "Traceback (most recent call last)" in printed
    # Taken up again, the failed trial is tried again, and fails again.
    assert resumed(output) == 1


@pytest.mark.usefixtures("here", "only_trials")
def test_every_trial_failing_is_a_result_without_a_best(small_corpus: Path, store: str, tmp_path: Path) -> None:
    overrides = ("learning_rate=1e30", "hidden_size=8", "sequence_length=50", "num_layers=1")
    assert search(small_corpus, tmp_path / "run", store, overrides=overrides) == 1
    summary = read_summary(tmp_path / "run")
    assert summary["best"] is None
    assert summary["ccc_valence"] is None
    assert summary["folds"] == []


@pytest.mark.usefixtures("here", "only_trials")
@pytest.mark.parametrize("protocol", ["published", "strict"])
def test_other_protocols(protocol: str, small_corpus: Path, store: str, tmp_path: Path) -> None:
    output = tmp_path / protocol
    assert search(small_corpus, output, store, protocol=protocol, protocol_changes={"epochs": 3}) == 0
    summary = read_summary(output)
    assert summary["protocol"] == protocol
    assert summary["optimistic"] is (protocol == "published")
    folds = summary["folds"]
    if protocol == "strict":
        # Each fold reports the configuration of its own inner people, so there is nothing to correct.
        assert summary["ccc_corrected_valence"] is None
        by_uid = {file.parent.name: json.loads(file.read_text()) for file in output.glob(f"trials/*/{RESULT_FILE}")}
        for k, fold in enumerate(folds):
            best = min(by_uid.values(), key=lambda result: (result["folds"][k]["selection_loss"], result["uid"]))
            assert fold["uid"] == best["uid"]
    assert all(1 <= fold["chosen_epoch"] <= 3 for fold in folds)


@pytest.mark.usefixtures("here", "only_trials")
def test_published_scores_whole_windows_only(small_corpus: Path, store: str, tmp_path: Path) -> None:
    overrides = ("hidden_size=8", "sequence_length=400", "num_layers=1")
    assert search(small_corpus, tmp_path / "run", store, protocol="published", overrides=overrides) == 0
    table = pq.read_table(tmp_path / "run" / "predictions.parquet")
    # 600 frames hold one window of 400; the other 200 frames have no prediction, and no NaN.
    assert table["valence_pred"].null_count == 6 * 200
    assert not np.isnan(table["valence_pred"].drop_null().to_numpy()).any()


@pytest.mark.usefixtures("ray_cluster", "only_trials")
def test_asha_stops_trials_and_keeps_a_result_of_each(small_corpus: Path, store: str, tmp_path: Path) -> None:
    output = tmp_path / "run"
    overrides = ("learning_rate=0.001,0.00001", "hidden_size=8,16", "sequence_length=100", "num_layers=1")
    changes = {"protocol_changes": {"epochs": 12}, "search": {"scheduler": "asha"}}
    assert search(small_corpus, output, store, overrides=overrides, **changes) == 0
    trials = read_summary(output)["trials"]
    assert trials["stopped"] > 0
    assert trials["finished"] > 0
    assert trials["finished"] + trials["stopped"] == 4
    stopped = [
        result
        for file in output.glob(f"trials/*/{RESULT_FILE}")
        if (result := json.loads(file.read_text()))["status"] == "stopped"
    ]
    assert all(result["epochs"] == 10 for result in stopped)
    before = (output / "leaderboard.csv").read_bytes()
    assert resumed(output) == 0
    assert (output / "leaderboard.csv").read_bytes() == before


@pytest.mark.usefixtures("ray_cluster", "only_trials")
def test_random_and_optuna_try_as_many_as_asked_and_resume_to_the_same_leaderboard(
    small_corpus: Path, store: str, tmp_path: Path
) -> None:
    overrides = ("learning_rate=0.001,0.0001", "hidden_size=8,16", "sequence_length=50,100,200", "num_layers=1")
    for kind in ("random", "optuna"):
        output = tmp_path / kind
        settings = {"search": kind, "max_trials": 10 if kind == "optuna" else 3}
        assert search(small_corpus, output, store, overrides=overrides, search=settings) == 0
        assert read_summary(output)["trials"]["finished"] == settings["max_trials"]
        before = (output / "leaderboard.csv").read_bytes()
        for folder in sorted(output.glob("trials/*"))[:2]:
            shutil.rmtree(folder)
        assert resumed(output) == 0
        assert (output / "leaderboard.csv").read_bytes() == before


@pytest.mark.usefixtures("here", "only_trials")
def test_changed_recordings_are_not_mixed_with_old_results(small_corpus: Path, store: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_corpus, data)
    assert search(data, tmp_path / "run", store, overrides=("hidden_size=8", "sequence_length=50", "num_layers=1")) == 0
    file = next(data.rglob("valence/*.csv"))
    lines = file.read_text().splitlines()
    time, first, rest = lines[5].split(";", 2)
    changed = "0.11" if first != "0.11" else "0.12"
    file.write_text("\n".join([*lines[:5], f"{time};{changed};{rest}", *lines[6:]]) + "\n")
    with pytest.raises(InputError, match="as when the run began"):
        resumed(tmp_path / "run")


@pytest.mark.usefixtures("here", "only_trials")
def test_evaluate_trains_the_one_point(small_corpus: Path, store: str, tmp_path: Path) -> None:
    output = tmp_path / "run"
    assert search(small_corpus, output, store, command="evaluate", point=POINT, overrides=()) == 0
    summary = read_summary(output)
    assert HParams(**summary["best"]["hparams"]) == POINT
    assert summary["trials"]["planned"] == 1
    assert summary["ccc_corrected_valence"] is None  # nothing was selected


@pytest.mark.usefixtures("ray_cluster")
def test_more_cpus_than_any_node_has_are_refused_with_the_arithmetic(
    small_corpus: Path, store: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--cpus-per-trial: found 64; expected at most 2"):
        search(small_corpus, tmp_path / "run", store, search={"cpus_per_trial": 64})


@pytest.mark.parametrize("protocol", [DESCRIBED, STRICT], ids=lambda one: one.name)
def test_a_curve_leaves_out_folds_whose_validation_people_have_no_label(protocol: Protocol) -> None:
    """Their CCC is 0, which is no score; the mean of the last epoch is that of the scores."""
    corpus, three = make_corpus(6), dataclasses.replace(protocol, num_folds=3)
    dataset = make_dataset(corpus, three, seed=0)
    split = dataset.splits[1]
    silent = {dataset.series[index].participant for index in split.validation}
    nobody = [
        dataclasses.replace(one, ratings=one.ratings * np.array([np.nan, 1], np.float32))
        if one.participant in silent
        else one
        for one in corpus.recordings
    ]
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(nobody)), three, seed=0)
    there = [
        k for k, one in enumerate(dataset.splits) if {dataset.series[i].participant for i in one.validation} - silent
    ]
    assert 0 < len(there) < 3
    epoch = Epoch(
        number=1,
        train_loss=(0.1, 0.2, 0.3),
        validation_loss=(0.1, 0.2, 0.3),
        ccc_valence=(0.1, 0.2, 0.6),
        ccc_arousal=(0.1, 0.2, 0.6),
        seconds=1.0,
    )
    curve = _curve([epoch], dataset)
    assert curve["ccc_valence"] == pytest.approx((np.mean([epoch.ccc_valence[k] for k in there]),))
    assert curve["ccc_arousal"] == pytest.approx((0.3,))
    assert curve["validation_loss"] == pytest.approx((0.2,))
