"""What stands in each figure, read from its axes: a number in another unit or of another column shows here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.measures import SPREAD
from orchestrator.report import figures
from orchestrator.run_records import TrialResult
from tests.figures.evidence import make_search, make_trials, write_predictions

PEOPLE = {"P1": 0.4, "P2": 0.0, "P3": 2.0}
DIMENSIONS = ("valence", "arousal")


def best_of(trials: list[TrialResult], network: str) -> TrialResult:
    return min((one for one in trials if one.network == network), key=lambda one: one.selection_loss)


@pytest.fixture(scope="module")
def trials() -> list[TrialResult]:
    return make_trials()


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_predictions(tmp_path_factory.mktemp("numbers") / "predictions.parquet", PEOPLE)


@pytest.fixture(scope="module")
def drawn(trials: list[TrialResult], predictions: Path) -> dict[str, list[Any]]:
    """The axes of every figure by its name."""
    found = figures.draw_all([make_search(trials, predictions=predictions)])
    return {one.name: one.drawing.axes for one in found if one.drawing is not None}


def marked(panel: Any, marker: str) -> np.ndarray:
    """The only line of a panel with this marker, as (points, 2)."""
    (own,) = [one for one in panel.lines if one.get_marker() == marker]
    return np.asarray(own.get_xydata(), dtype=np.float64)


def bars(container: Any) -> np.ndarray:
    """The lower and the upper end of each error bar, (bars, 2)."""
    (segments,) = container.lines[2]
    return np.array([[low[1], high[1]] for low, high in segments.get_segments()])


def test_cost_is_in_minutes_and_the_bar_is_one_standard_deviation(
    drawn: dict[str, list[Any]], trials: list[TrialResult]
) -> None:
    for panel, dimension in zip(drawn["trade-off"], DIMENSIONS, strict=True):
        assert panel.get_ylabel() == f"CCC {dimension}"
        for container, network in zip(panel.containers, ("bigru", "rnn"), strict=True):
            best = best_of(trials, network)
            score, spread = best.score(f"ccc_{dimension}"), float(best.scores[f"ccc_{dimension}_{SPREAD}"] or 0)
            assert best.training_seconds
            assert container.lines[0].get_xydata()[0] == pytest.approx([best.training_seconds / 60, score])
            assert bars(container)[0] == pytest.approx([score - spread, score + spread])
    assert "minutes" in drawn["trade-off"][1].get_xlabel()


def test_a_marker_grows_with_the_size_of_the_model() -> None:
    """4 to 18 points from 0.1 to 50 MiB, by the logarithm: 10 MiB is 2 of 2.699 decades."""
    from orchestrator.report.figures import trade_off

    assert trade_off._width(0.1) == trade_off._width(0.01) == 4.0
    assert trade_off._width(50.0) == trade_off._width(500.0) == 18.0
    assert trade_off._width(10.0) == pytest.approx(4.0 + 14.0 * 2.0 / np.log10(500.0))


def test_learning_curves_are_shaded_by_one_standard_deviation(
    drawn: dict[str, list[Any]], trials: list[TrialResult]
) -> None:
    names = ("train_loss", "validation_loss", "ccc_valence", "ccc_arousal")
    assert len(drawn["au-learning"]) == 4
    for panel, name in zip(drawn["au-learning"], names, strict=True):
        for curve, shade, network in zip(panel.lines, panel.collections, ("bigru", "rnn"), strict=True):
            values = np.array(best_of(trials, network).curve[name], dtype=np.float64)
            assert curve.get_xydata() == pytest.approx(np.column_stack([(1, 2, 3), values]))
            (outline,) = shade.get_paths()
            first = [y for x, y in outline.vertices if x == 1.0]
            last = [y for x, y in outline.vertices if x == 3.0]
            assert [min(first), max(first)] == pytest.approx([values[0] - 0.01, values[0] + 0.01])
            assert [min(last), max(last)] == pytest.approx([values[2] - 0.01, values[2] + 0.01])


def test_a_hyper_parameter_has_median_and_quartiles_of_its_configurations(
    drawn: dict[str, list[Any]], trials: list[TrialResult]
) -> None:
    panels = drawn["au-hyper-parameters"]
    rows = [("learning_rate", (1e-5, 1e-3)), ("hidden_size", (8, 16, 64)), ("num_layers", (1, 2))]
    for (key, values), row in zip(rows, zip(panels[::2], panels[1::2], strict=True), strict=True):
        for panel, dimension in zip(row, DIMENSIONS, strict=True):
            for container, network in zip(panel.containers, ("bigru", "rnn"), strict=True):
                scores = [
                    [one.score(f"ccc_{dimension}") for one in trials
                     if one.network == network and getattr(one.hparams, key) == value]
                    for value in values
                ]  # fmt: skip
                assert container.lines[0].get_ydata() == pytest.approx([np.median(one) for one in scores])
                quartiles = [np.quantile(one, (0.25, 0.75)) for one in scores]
                assert bars(container) == pytest.approx(np.array(quartiles))
                shift = -0.25 if network == "bigru" else 0.25
                assert container.lines[0].get_xdata() == pytest.approx(np.arange(len(values)) + shift)


def test_importance_is_in_percent(drawn: dict[str, list[Any]], trials: list[TrialResult]) -> None:
    from orchestrator.report.figures import configurations, importance

    (panel,) = drawn["au-importance"]
    keys = configurations.varying(trials)
    for container, dimension in zip(panel.containers, DIMENSIONS, strict=True):
        shares = importance.explained(trials, keys, f"ccc_{dimension}")
        assert [bar.get_width() for bar in container] == pytest.approx([100 * shares[key] for key in keys])
    assert "%" in panel.get_xlabel()


def test_parallel_lines_cross_each_axis_at_the_value(drawn: dict[str, list[Any]], trials: list[TrialResult]) -> None:
    """The dashed line is the configuration of the least loss: bigru (step 0 of 2), hidden size 64, two layers."""
    panel = drawn["au-parallel"][0]
    best = min(trials, key=lambda one: (one.selection_loss, one.uid))
    scores = [one.score(f"ccc_{dimension}") for one in trials for dimension in DIMENSIONS]
    low, high = min(scores), max(scores)
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    rate = 0.0 if best.hparams.learning_rate == 1e-5 else 1.0
    expected = [0.0, rate, 1.0, 1.0, *((best.score(f"ccc_{d}") - low) / (high - low) for d in DIMENSIONS)]
    assert marked(panel, "o")[:, 1] == pytest.approx(expected)
    (all_lines,) = panel.collections
    assert len(all_lines.get_segments()) == len(trials)
    means = sorted(float(np.mean([one.score(f"ccc_{d}") for d in DIMENSIONS])) for one in trials)
    assert np.asarray(all_lines.get_array()) == pytest.approx(means)


def test_pearson_is_across_and_ccc_is_up(drawn: dict[str, list[Any]], trials: list[TrialResult]) -> None:
    for panel, dimension in zip(drawn["au-pearson"], DIMENSIONS, strict=True):
        for points, network in zip(panel.lines[1:], ("bigru", "rnn"), strict=True):
            own = [one for one in trials if one.network == network]
            found = sorted(map(tuple, points.get_xydata()))
            expected = sorted((one.score(f"pearson_{dimension}"), one.score(f"ccc_{dimension}")) for one in own)
            assert np.array(found) == pytest.approx(np.array(expected))
        assert (panel.get_xlabel(), panel.get_title()) == ("Pearson", dimension)


def test_traces_are_the_files_over_seconds(drawn: dict[str, list[Any]], predictions: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(predictions).to_pydict()
    own = [i for i, name in enumerate(table["participant"]) if name == "P2"]  # the best: drawn first
    for panel, dimension in zip(drawn["au-traces"][:2], DIMENSIONS, strict=True):
        for curve, kind in zip(panel.lines, ("gold", "pred"), strict=True):
            expected = [(table["time"][i], table[f"{dimension}_{kind}"][i]) for i in own]
            assert curve.get_xydata() == pytest.approx(np.array(expected), abs=1e-6)
        (outline,) = panel.collections[0].get_paths()
        at_start = [y for x, y in outline.vertices if x == 0.0]
        ends = [table[f"{dimension}_raters_{end}"][own[0]] for end in ("low", "high")]
        assert [min(at_start), max(at_start)] == pytest.approx(ends, abs=1e-6)


def test_a_trace_has_its_persons_own_ccc_and_all_panels_have_the_same_axes(
    drawn: dict[str, list[Any]], predictions: Path
) -> None:
    from orchestrator.report.predictions import own_ccc, read

    own = own_ccc(read(predictions))
    panels = drawn["au-traces"]
    order = ["P2", "P1", "P3"]  # best, median, worst
    expected = [f"CCC {own[dimension][person]:.3f}" for person in order for dimension in DIMENSIONS]
    assert [panel.get_title(loc="right") for panel in panels] == expected
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1


def test_agreement_has_gold_across_prediction_up_and_a_line_of_equals(
    drawn: dict[str, list[Any]], predictions: Path
) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(predictions).to_pydict()
    for panel, dimension in zip(drawn["au-agreement"], DIMENSIONS, strict=True):
        expected = np.array([table[f"{dimension}_gold"], table[f"{dimension}_pred"]]).T
        assert marked(panel, ".") == pytest.approx(expected, abs=1e-6)
        (line,) = [one for one in panel.lines if one.get_linestyle() == "--"]
        assert list(line.get_xdata()) == list(line.get_ydata()) == list(panel.get_xlim()) == list(panel.get_ylim())
        assert panel.get_aspect() == 1.0


def test_the_plane_has_valence_across_and_shares_of_all_frames(drawn: dict[str, list[Any]], predictions: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(predictions).to_pydict()
    for panel, kind in zip(drawn["au-plane"], ("gold", "pred"), strict=False):
        points = np.array([table[f"{dimension}_{kind}"] for dimension in DIMENSIONS])
        assert marked(panel, "X")[0] == pytest.approx(points.mean(axis=1), abs=1e-6)
        (mesh,) = panel.collections
        shares = np.ma.filled(mesh.get_array(), 0.0).reshape(30, 30)
        assert shares.sum() == pytest.approx(100.0)
        edges = mesh.get_coordinates()[0, :, 0]
        across = np.histogram(points[0], bins=edges)[0] / points.shape[1] * 100
        assert shares.sum(axis=0) == pytest.approx(across)
