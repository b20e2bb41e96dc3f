"""Accuracy against measured privacy and cost: what is drawn where, and what is named instead of drawn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from orchestrator.audit.verdict import EXPOSED
from orchestrator.report.configuration_points import Point, points
from orchestrator.report.cost_words import bytes_words
from orchestrator.report.figures import Figure, draw_measured
from orchestrator.report.figures.measured_privacy import width_of
from tests.figures.measured import UNITS, attack, audit, search


def drawn(found: list[Point], price: float | None = None) -> Figure:
    (figure,) = draw_measured(found, price)
    return figure


def bars(container: Any) -> list[np.ndarray]:
    return [np.array(lines.get_segments()[0]) for lines in container.lines[2]]


def test_a_point_is_ccc_over_the_advantage_with_both_intervals() -> None:
    """(0.44 - 0.2) / 0.8 = 0.3, from 0.2 to 0.4."""
    figure = drawn(points([search("au")], [UNITS]))
    assert figure.drawing is not None
    expected = {"CCC valence": (0.4, 0.1, 0.6), "CCC arousal": (0.3, 0.2, 0.5)}
    for panel in figure.drawing.axes:
        container: Any
        (container,) = panel.containers
        score, low, high = expected[panel.get_ylabel()]
        assert container.lines[0].get_xydata()[0] == pytest.approx([0.3, score])
        across, up = bars(container)
        assert across == pytest.approx(np.array([[0.2, score], [0.4, score]]))
        assert up == pytest.approx(np.array([[0.3, low], [0.3, high]]))
    assert "SYNTHETIC" in figure.svg


def test_what_was_not_run_or_not_measured_is_named_and_not_drawn() -> None:
    assert draw_measured(points([search("au")], [])) == ()
    assert draw_measured(points([], [UNITS])) == ()
    figure = drawn(points([search("au"), search("images")], [UNITS]))
    assert figure.drawing is not None
    assert [len(panel.containers) for panel in figure.drawing.axes] == [1, 1]
    assert "Images (its privacy is not measured)" in figure.caption
    assert "Federated action units (no search of it is reported, its privacy is not measured)" in figure.caption
    assert "Measured in part, without: Action units (membership model)." in figure.caption
    assert "The attacks: Action units: identity action-units shared." in figure.caption


def test_secure_sums_are_a_configuration_of_their_own() -> None:
    update, sums = (
        attack("update", 0.3, 0.4, 0.5, kind="linkability"),
        attack("sum", 0.3, 0.6, 0.7, kind="sum-membership"),
    )
    plain, secure = search("fl", federation={"secure_sum": False}), search("fl", federation={"secure_sum": True})
    found = points([plain, secure], [audit("fl", update), audit("fl", sums, secure=True)])
    by_title = {one.configuration.title: one for one in found}
    assert by_title["Federated images"].search is plain
    assert by_title["Federated images, secure sums"].search is secure
    only = points([secure], [audit("fl", update)])
    assert [one.absent for one in only if one.configuration.method == "fl"] == [
        ("no search of it is reported",),
        ("its privacy is not measured",),
    ]


def test_the_legend_has_minutes_mib_bytes_and_money() -> None:
    found = points(
        [search("au"), search("fl", federation={}, hours=2.0)],
        [UNITS, audit("fl", attack("update", 0.3, 0.4, 0.5, kind="linkability"))],
    )
    labels = [text.get_text() for text in drawn(found, 3.0).drawing.legends[0].get_texts()]  # type: ignore[union-attr]
    assert labels == [
        "Action units\n30.0 min, 0.25 MiB, money 1.5",
        "Federated images\n120.0 min, 0.25 MiB, 2.5 MB sent, money 6.0",
    ]
    assert "3 per hour" in drawn(found, 3.0).caption
    assert "money" not in drawn(found).svg.lower()


def test_a_number_without_an_interval_has_no_bar_and_is_named() -> None:
    lone = search("au")
    assert lone.summary is not None
    scores = {key: value for key, value in lone.summary.scores.items() if not key.endswith(("_low", "_high"))}
    figure = drawn(points([replace(lone, summary=replace(lone.summary, scores=scores))], [UNITS]))
    assert figure.drawing is not None
    containers: list[Any] = [panel.containers[0] for panel in figure.drawing.axes]
    assert [len(one.lines[2]) for one in containers] == [1, 1]
    assert "Without an interval: Action units." in figure.caption
    assert "Without an interval" not in drawn(points([search("au")], [UNITS])).caption


def test_of_attacks_of_one_verdict_the_greatest_advantage_is_drawn() -> None:
    weak, strong = (
        replace(attack("model", 0.8, value, 0.99, EXPOSED, "membership"), variant=name)
        for name, value in (("lira", 0.84), ("rmia", 0.92))
    )
    (own,) = [one for one in points([search("au")], [audit("au", weak, strong)]) if one.search is not None]
    assert own.level.decisive is strong
    assert own.leak is not None
    assert own.leak.value == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_600, "1 MB"), (2_500_000, "2.5 MB")]
)
def test_bytes_have_decimal_units(count: int, words: str) -> None:
    assert bytes_words(count) == words


def test_a_point_grows_with_the_training_time() -> None:
    assert width_of(None) == width_of(60.0) == 3.5
    assert width_of(86_400.0) == width_of(9e9) == 10.0
    assert 3.5 < width_of(600.0) < width_of(6000.0) < 10.0
