"""Files and videos in, one trace a recording out; what a model cannot use is named."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from models.epochs import predict as predict_windows
from models.splits import scaled
from models.windows import Series, cut, merge
from orchestrator.corpora.convert import convert
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.image_options import ImageOptions
from orchestrator.data.series import make_series
from orchestrator.errors import InputError
from orchestrator.files import write_json
from orchestrator.inference import output, predict
from orchestrator.inference.from_video import Extracting
from orchestrator.inference.predict import Predicted, Wishes
from orchestrator.inference.saved_model import open_model
from orchestrator.run_folder import CARD_FILE
from tests.conftest import LEFT_OPEN, Run
from tests.corpora.tool_files import (
    NUM_ROWS,
    OPENFACE_1,
    OPENFACE_2,
    OPENFACE_2_0,
    PY_FEAT,
    PY_FEAT_2,
    openface_clock,
    write_labels,
    write_tool,
)
from tests.corpora.video.test_pictures import film
from tests.corpora.video.video_files import marked
from tests.inference.conftest import LENGTH, Make

IMAGES = ImageOptions(image_size=48, frame_stride=3, face_crop="none", backbone="trained", weights="none")
PLAIN = Wishes(overlap=0.0)


def predicted(folder: Path, source: Path, wishes: Wishes = PLAIN) -> Predicted:
    model = open_model(str(folder))
    return predict.predict(model, predict.read_input(model, source), wishes)


def expected_of_training(folder: Path, data: Path, fold: int, number: int) -> np.ndarray:
    """What the code of the training predicts for recording `number` of a corpus."""
    model = open_model(str(folder))
    series = make_series(open_corpus(data).recordings, model.protocol, model.images, backbone=model.frozen_backbone())
    windows = cut(series, model.recipe.sequence_length)
    index = windows.of_series([number])
    return merge(predict_windows(model.network(fold), windows, index), windows, index, [number])[0]


def test_held_out_people_get_what_training_would_have_said(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    found = predicted(folder, small_corpus)
    recordings = open_corpus(small_corpus).recordings
    assert [trace.participant for trace in found.traces] == [one.participant for one in recordings]
    for number, (trace, recording) in enumerate(zip(found.traces, recordings, strict=True)):
        (fold,) = trace.folds
        expected = expected_of_training(folder, small_corpus, fold, number)
        np.testing.assert_array_equal(np.isnan(trace.prediction).any(1), ~recording.valid)
        np.testing.assert_allclose(trace.prediction[recording.valid], expected[recording.valid], atol=1e-6)
    assert any(~one.valid.all() for one in recordings)


def test_a_table_gives_the_same_as_the_tree_in_whatever_order_its_columns_are(
    small_corpus: Path, make_model: Make, tmp_path: Path
) -> None:
    folder = make_model(small_corpus)
    convert(open_corpus(small_corpus), tmp_path / "all.parquet")
    table = pq.read_table(tmp_path / "all.parquet")
    pq.write_table(table.select(table.column_names[::-1]), tmp_path / "turned.parquet")
    from_tree = predicted(folder, small_corpus)
    for name in ("all.parquet", "turned.parquet"):
        found = predicted(folder, tmp_path / name)
        assert any("put in order" in line for line in found.lines) == (name == "turned.parquet")
        for left, right in zip(found.traces, from_tree.traces, strict=True):
            np.testing.assert_allclose(left.prediction, right.prediction, atol=1e-6)


def clock_of_py_feat() -> dict[str, list[object]]:
    return {
        "frame": [*range(NUM_ROWS)],
        "approx_time": [f"00:{n // 30:02d}" for n in range(NUM_ROWS)],
        "FaceScore": [0.9] * NUM_ROWS,
        "input": ["video.mp4"] * NUM_ROWS,
    }


@pytest.mark.parametrize(
    ("tool", "clock"),
    [
        *((header, openface_clock) for header in (OPENFACE_2, OPENFACE_2_0, OPENFACE_1)),
        *((header, clock_of_py_feat) for header in (PY_FEAT, PY_FEAT_2)),
    ],
)
def test_files_of_the_tools_as_they_are(tool: tuple[str, ...], clock: object, make_model: Make, tmp_path: Path) -> None:
    assert callable(clock)
    for seed, name in enumerate("ABC"):
        write_tool(tmp_path / "own" / "features" / f"{name}.csv", tool, clock(), seed=seed)
        write_labels(tmp_path / "own", name)
    folder = make_model(tmp_path / "own")
    columns = clock()
    if "success" in [name.strip() for name in tool]:
        columns["success"] = [0 if 20 <= n < 40 else 1 for n in range(NUM_ROWS)]
    else:
        columns["FaceScore"] = [0.1 if 20 <= n < 40 else 0.9 for n in range(NUM_ROWS)]
    stranger = write_tool(tmp_path / "stranger_s1.csv", tool, columns, seed=9)
    found = predicted(folder, stranger)
    (trace,) = found.traces
    assert (trace.participant, trace.session, trace.folds) == ("stranger", "s1", (0, 1))
    assert np.isnan(trace.prediction[20:40]).all()
    assert np.isfinite(np.delete(trace.prediction, np.s_[20:40], axis=0)).all()
    np.testing.assert_allclose(np.diff(trace.time), 1 / 30, atol=1e-3)
    assert any("mean of 2 fold models" in line for line in found.lines)


def test_missing_features_are_named_and_never_filled(make_model: Make, tmp_path: Path) -> None:
    for seed, name in enumerate("ABC"):
        write_tool(tmp_path / "own" / "features" / f"{name}.csv", OPENFACE_2, openface_clock(), seed=seed)
        write_labels(tmp_path / "own", name)
    folder = make_model(tmp_path / "own")
    few = tuple(name for name in OPENFACE_2 if name not in ("AU07_r", "pose_Rx"))
    lacking = write_tool(tmp_path / "lacking.csv", few, openface_clock(), seed=9)
    with pytest.raises(InputError, match=r"lacking.csv: found no feature pose_Rx, AU07"):
        predicted(folder, lacking)
    empty = write_tool(tmp_path / "empty.csv", OPENFACE_2, {**openface_clock(), "AU12_r": [""] * NUM_ROWS}, seed=9)
    with pytest.raises(InputError, match=r"empty.csv: found no feature AU12"):
        predicted(folder, empty)


@pytest.mark.parametrize("joining", ["mean", "tapered"])
def test_overlapping_windows_are_averaged(small_corpus: Path, make_model: Make, joining: str) -> None:
    """With weights that fall towards the ends of a window; alike for models whose card says so, or nothing."""
    folder = make_model(small_corpus)
    model = open_model(str(folder))
    assert model.protocol.joining == "tapered"
    model = dataclasses.replace(model, protocol=dataclasses.replace(model.protocol, joining=joining))
    given = predict.read_input(model, small_corpus)
    half = predict.predict(model, given, Wishes(overlap=0.5)).traces[0]
    (fold,) = half.folds
    series = make_series(given.recordings, model.protocol, None)[:1]
    total, weights = np.zeros((len(half.time), 2)), np.zeros((len(half.time), 1))
    for start in range(0, len(half.time) - LENGTH + 1, LENGTH // 2):
        assert isinstance(series[0], Series)
        one = np.asarray(series[0].features_TF)[None, start : start + LENGTH]
        with torch.inference_mode():
            prediction = model.network(fold)(torch.from_numpy(one))[0].numpy()
        place = np.arange(LENGTH)
        weight = np.minimum(place + 1 if start else LENGTH, LENGTH - place) if joining == "tapered" else np.ones(LENGTH)
        total[start : start + LENGTH] += weight[:, None] * prediction
        weights[start : start + LENGTH, 0] += weight
    valid = np.isfinite(half.prediction).all(1) & (weights[:, 0] > 0)
    valid[-LENGTH:] = False  # where the last window ends with the recording
    assert valid.sum() > LENGTH
    np.testing.assert_allclose(half.prediction[valid], (total / np.maximum(weights, 1))[valid], atol=1e-6)


def test_a_card_of_before_smooth_joining_averages_alike(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    card = folder / "card.json"
    content = json.loads(card.read_text())
    del content["protocol"]["joining"]
    card.write_text(json.dumps(content))
    assert open_model(str(folder)).protocol.joining == "mean"
    content["protocol"]["joining"] = "glued"
    card.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"joining .*glued.*mean, tapered"):
        open_model(str(folder))


def test_smoothing_and_centring(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    plain = predicted(folder, small_corpus).traces[0]
    smooth = predicted(folder, small_corpus, Wishes(overlap=0.0, smooth_seconds=0.2)).traces[0]
    middle = next(n for n in range(10, 300) if np.isfinite(plain.prediction[n - 2 : n + 3]).all())
    np.testing.assert_allclose(smooth.prediction[middle], plain.prediction[middle - 2 : middle + 3].mean(0), atol=1e-6)
    np.testing.assert_array_equal(np.isnan(smooth.prediction), np.isnan(plain.prediction))
    centred = predicted(folder, small_corpus, Wishes(overlap=0.0, centre=True)).traces[0]
    labels = json.loads((folder / "card.json").read_text())["labels"][plain.folds[0]]["mean"]
    np.testing.assert_allclose(np.nanmean(centred.prediction, axis=0), labels, atol=1e-5)
    spread = [np.nanstd(trace.prediction, axis=0) for trace in (plain, centred)]
    np.testing.assert_allclose(spread[0], spread[1], atol=1e-6)


def test_centring_needs_its_statistics(small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "labels": None}))
    with pytest.raises(InputError, match="--centre: found a card without `labels`"):
        predicted(folder, small_corpus, Wishes(centre=True))


@pytest.mark.parametrize("scaling", ["train", "both"])
def test_the_training_people_s_scaling_is_the_fold_s_own(scaling: str, small_corpus: Path, make_model: Make) -> None:
    folder = make_model(small_corpus, scaling=scaling)
    trace = predicted(folder, small_corpus).traces[0]
    model = open_model(str(folder))
    series = make_series(open_corpus(small_corpus).recordings[:1], model.protocol, None)
    assert isinstance(series[0], Series)
    assert (
        model.num_features
        == series[0].features_TF.shape[1]
        == len(model.card["features"]) * (1 + 2 * (scaling == "both"))
    )
    windows = cut(series, LENGTH)
    (fold,) = trace.folds
    index = windows.of_series([0])
    view = scaled(windows, fold, model.split(fold))
    expected = merge(predict_windows(model.network(fold), view, index), windows, index, [0])[0]
    seen = np.isfinite(trace.prediction).all(1)
    np.testing.assert_allclose(trace.prediction[seen], expected[seen], atol=1e-6)


@pytest.mark.parametrize("backbone", ["trained", "frozen"])
def test_a_real_video(backbone: str, faces: Path, make_model: Make, tmp_path: Path) -> None:
    images = ImageOptions(image_size=48, frame_stride=3, face_crop="none", backbone=backbone, weights="none")
    folder = make_model(faces, network="bilstm", images=images)
    of_tree = predicted(folder, faces)
    (fold,) = of_tree.traces[1].folds
    expected = expected_of_training(folder, faces, fold, 1)
    seen = np.isfinite(of_tree.traces[1].prediction).all(1)
    np.testing.assert_allclose(of_tree.traces[1].prediction[seen], expected[seen], atol=1e-5)
    video = next(faces.rglob("*.mp4"))
    (tmp_path / "stranger.mp4").write_bytes(video.read_bytes())
    (trace,) = predicted(folder, tmp_path / "stranger.mp4").traces
    assert trace.folds == (0, 1)
    assert np.isfinite(trace.prediction).all()
    np.testing.assert_allclose(np.diff(trace.time), 3 / 25, atol=1e-6)


def test_a_turned_video_for_a_model_of_before_has_its_line(faces: Path, make_model: Make, tmp_path: Path) -> None:
    folder = make_model(faces, images=IMAGES)
    film(tmp_path / "phone.mp4", [marked()] * 30, degrees=90)
    line = "pictures  phone: they are turned; the model is of an earlier version"
    assert not any(one.startswith("pictures") for one in predicted(folder, tmp_path / "phone.mp4").lines)
    card = json.loads((folder / CARD_FILE).read_text())
    del card["corpus"]["options"]
    write_json(folder / CARD_FILE, card)
    assert any(one.startswith(line) for one in predicted(folder, tmp_path / "phone.mp4").lines)


def test_what_a_model_cannot_read_is_said(small_corpus: Path, faces: Path, make_model: Make, tmp_path: Path) -> None:
    of_features = make_model(small_corpus, name="features")
    of_images = make_model(faces, images=IMAGES, name="images")
    video = next(faces.rglob("*.mp4"))
    with pytest.raises(InputError, match="found a video; expected tables of features by RECOLA"):
        predicted(of_features, video)
    with pytest.raises(InputError, match="--model-file: found the face crop none"):  # nobody would look at it
        predict.read_input(open_model(str(of_images)), video, extracting=Extracting(model_file=video))
    (tmp_path / "a.csv").write_text("time,AU01\n0,1\n")
    with pytest.raises(InputError, match="the model was trained on images"):
        predicted(of_images, tmp_path / "a.csv")
    for folder in (of_features, of_images):
        with pytest.raises(InputError, match="nothing there"):
            predicted(folder, tmp_path / "nowhere")
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="nothing to predict for"):
            predicted(folder, tmp_path / "empty")
        with pytest.raises(InputError, match="--fold: found 2"):
            predicted(folder, small_corpus if folder == of_features else video, Wishes(fold=2))


def test_another_rate_is_said_in_a_line(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    folder = make_model(small_corpus)
    names = open_model(str(folder)).card["features"]
    card = json.loads((folder / CARD_FILE).read_text())
    write_json(folder / CARD_FILE, card | {"hz": 24.9999})  # as of times rounded to milliseconds
    rows = [",".join([f"{n / 50:.2f}", *["0.5"] * len(names)]) for n in range(60)]
    (tmp_path / "fast.csv").write_text("\n".join([",".join(["time", *names]), *rows]) + "\n")
    (line,) = [line for line in predicted(folder, tmp_path / "fast.csv").lines if line.startswith("rate")]
    assert "fast: 50 frames per second, the model was trained on 25;" in line
    assert "0.4 s instead of 0.8 s" in line


def test_the_csv_has_empty_cells_and_no_nan(small_corpus: Path, make_model: Make, tmp_path: Path) -> None:
    found = predicted(make_model(small_corpus), small_corpus)
    output.write_csv(tmp_path / "p.csv", found)
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert list(rows[0]) == ["participant", "session", "time", "valence", "arousal"]
    assert "nan" not in (tmp_path / "p.csv").read_text().lower()
    values = np.concatenate([trace.prediction for trace in found.traces])
    assert len(rows) == len(values)
    for row, value in zip(rows, values, strict=True):
        for cell, number in zip((row["valence"], row["arousal"]), value, strict=True):
            assert (cell == "") if np.isnan(number) else np.float32(cell) == number
    assert [float(row["time"]) for row in rows[:2]] == [0.04, 0.08]


def test_people_of_a_plot_are_chosen_by_name_and_drawn_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    def trace(participant: str, session: str = "") -> predict.Trace:
        values = np.zeros((3, 2), dtype=np.float32)
        return predict.Trace(
            participant=participant, session=session, time=np.arange(3.0), prediction=values, folds=(0,)
        )

    traces = (trace("P1"), trace("P2", "a"), trace("P2", "b"), *(trace(f"Q{n}") for n in range(9)))
    predicted = predict.Predicted(traces=traces, lines=(), synthetic=True)
    drawn: list[Figure] = []
    save = Figure.savefig

    def kept(figure: Figure, *given: Any, **options: Any) -> None:
        drawn.append(figure)
        save(figure, *given, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    output.write_plot(tmp_path / "p.svg", predicted, ("P2", "P1"))
    output.write_plot(tmp_path / "p.svg", predicted)
    titles = [[axes.get_title(loc="left") for axes in figure.axes] for figure in drawn]
    assert titles == [["P2 a", "P2 b", "P1"], ["P1", "P2 a", "P2 b", *(f"Q{n}" for n in range(5))]]
    heads = [figure.get_suptitle() for figure in drawn]
    assert [head.splitlines()[0].rpartition(": ")[2] for head in heads] == ["3 of 12 recordings", "8 of 12 recordings"]
    assert all("synthetic data" in head for head in heads)
    assert [[len(figure.legends), *(len(axes.get_xlabel()) for axes in figure.axes)] for figure in drawn] == [
        [1, 0, 0, 7],
        [1, *[0] * 7, 7],
    ]


def test_who_is_not_in_the_input_is_not_drawn_and_the_nearest_is_named() -> None:
    there = ["P16", "P16", "P17", "Smith, J", "anna"]
    assert output.chosen_people("P17, P16,P17", there) == ("P17", "P16")
    assert output.chosen_people("Smith, J", there) == ("Smith, J",)
    with pytest.raises(InputError, match=r"--plot-people: found 'Anna'; expected a participant .* mean 'anna'"):
        output.chosen_people("P16,Anna", there)
    with pytest.raises(InputError, match=r"found ''; expected of --input: P16, P17, Smith, J, anna"):
        output.chosen_people("P16,", there)


class TestCommand:
    pytestmark = LEFT_OPEN

    def test_files_and_plot_are_written_and_said(
        self, small_corpus: Path, make_model: Make, run_here: Run, tmp_path: Path
    ) -> None:
        folder = make_model(small_corpus)
        for suffix in ("svg", "png"):
            done = run_here(
                *("predict", "--model", folder, "--input", small_corpus, "--output", tmp_path / "p.csv"),
                *("--plot", tmp_path / f"p.{suffix}", "--device", "cpu", "--force"),
            )
            assert done.returncode == 0, done.stderr
            assert "never saw them" in done.stdout
            assert "SYNTHETIC" in done.stdout
            assert (tmp_path / f"p.{suffix}").stat().st_size > 1000
        assert (tmp_path / "p.csv").is_file()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ((), "--output: found nothing"),
            (("--output", "p.txt"), "ends in .csv"),
            (("--output", "p.csv", "--plot", "p.gif"), "ends in .svg"),
            (("--output", "p.csv", "--look-ahead", "1"), "--follow with these"),
            (("--follow", "--centre"), "none of these with --follow"),
            (("--output", "p.csv", "--plot-people", "P1"), "--plot-people: found no --plot"),
            (("--output", "p.csv", "--device", "warp"), "--device: found warp"),
            (("--output", "p.csv", "--executable", "x"), "--executable: found beside tables"),
            (("--output", "p.csv", "--model-file", "x"), "--model-file: found beside tables"),
        ],
    )
    def test_options_that_do_not_fit(
        self, options: tuple[str, ...], message: str, small_corpus: Path, make_model: Make, run_here: Run
    ) -> None:
        done = run_here("predict", "--model", make_model(small_corpus), "--input", small_corpus, *options)
        assert done.returncode == 2
        assert message in done.stderr


def test_a_plot_is_fit_for_a_paper(tmp_path: Path) -> None:
    """As many pixels as journals ask for, and fonts as TrueType: Type 3, matplotlib's own, is refused by some."""
    from matplotlib.image import imread

    values = np.zeros((3, 2), dtype=np.float32)
    trace = predict.Trace(participant="P1", session="", time=np.arange(3.0), prediction=values, folds=(0,))
    predicted = predict.Predicted(traces=(trace,), lines=(), synthetic=False)
    output.write_plot(tmp_path / "p.png", predicted)
    assert imread(tmp_path / "p.png").shape[1] == 8 * 300
    output.write_plot(tmp_path / "p.pdf", predicted)
    written = (tmp_path / "p.pdf").read_bytes()
    assert (b"/Type3" in written, b"/FontFile2" in written) == (False, True)
