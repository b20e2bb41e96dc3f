"""Nothing in a figure is printed over anything else: measured on every kind of figure, and on crowded ones."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.audit.records import Attack, Audit, Statistic
from orchestrator.estimators.facts import Estimate, RaterFacts
from orchestrator.estimators.intervals import Interval
from orchestrator.estimators.new_people import PoolScore
from orchestrator.report import figures
from orchestrator.report.configuration_points import points
from orchestrator.report.figures import by_method, defence, labels, people, plane, style
from orchestrator.report.figures.best_baseline import draw_line
from orchestrator.report.figures.figure import Figure
from orchestrator.report.predictions import Trace
from tests.figures import measured
from tests.figures.evidence import make_search, make_summary, make_trials, write_predictions
from tests.figures.geometry import faults

SVG = "{http://www.w3.org/2000/svg}"
PEOPLE = {"P1": 0.4, "P2": 0.0, "P3": 2.0, "P4": 0.2, "P5": 0.8}
SCORED = {f"P{n}": (0.1 + n / 30, 0.4 - n / 40) for n in range(23)}
OF_SEARCH = ("traces", "agreement", "plane", "learning", "hyper-parameters", "importance", "parallel", "pearson")
KINDS = [*(f"au-{kind}" for kind in OF_SEARCH), "by-method", "trade-off", "people", "defence", "measured-privacy"]
DIMENSIONS = ("valence", "arousal")
INTERVAL = Interval(
    estimate=0.3, low=0.1, high=0.5, standard_error=0.1, degrees_of_freedom=9.0, num_people=23, num_folds=8, method="t"
)
POOL = PoolScore(value=0.3, people=23, interval=INTERVAL)


def crowd(path: Path) -> list[Any]:
    """Four methods, three networks each of nearly one time and CCC: little room for a name."""
    grid = {"network": ("bigru", "bilstm", "rnn"), "learning_rate": (1e-3, 1e-4), "hidden_size": (8, 512)}
    trials = make_trials({**grid, "sequence_length": (200,), "num_layers": (1,)}, lambda _: (0.3, 0.2))
    trials = [replace(one, training_seconds=60.0 + n, model_size_mib=0.2 + n) for n, one in enumerate(trials)]
    made = make_summary(SCORED, trials[0])
    scores = {**made.scores, "ccc_valence_low": 0.1, "ccc_valence_high": 0.5}
    made = replace(made, scores=scores, baseline={"ridge": {"ccc_valence": 0.29, "ccc_arousal": 0.19}})
    methods: dict[str, dict[str, Any]] = {
        "au": {}, "images": {"images": {}}, "fl": {"images": {}, "federation": {}}, "fl-au": {"federation": {}}
    }  # fmt: skip
    return [
        make_search(trials, predictions=path, summary=made, method=method, title=f"{method}, trained", **fields)
        for method, fields in methods.items()
    ]


def audit() -> Audit:
    """Strengths of a defence that lie nearly on one another."""

    def number(name: str, value: float) -> Statistic:
        return Statistic(name=name, unit="", value=value, lower=value - 0.1, upper=value + 0.1, chance=None)

    found = [
        replace(
            measured.attack("x", 0.1, 0.2, 0.3, kind="defence"),
            variant=f"noise={strength:g}",
            others=(
                number("identity advantage", 0.5 + n / 300),
                number("CCC valence", 0.3 + n / 900),
                number("CCC arousal", 0.2),
            ),
        )
        for n, strength in enumerate((0.5, 1, 2, 5, 10))
    ]
    attacks: list[Attack] = found
    return replace(measured.audit("au", *attacks))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    path = write_predictions(tmp_path_factory.mktemp("geometry") / "predictions.parquet", PEOPLE)
    (one, *others) = crowd(path)
    # Every figure of the first search; of the others those that compare methods.
    bare = [replace(other, predictions=None, trials=[]) for other in others]
    found = [*figures.draw_all([replace(one, trials=make_trials())])]
    with style.styled():
        from orchestrator.report.figures import trade_off

        comparing = [by_method.draw([one, *bare]), trade_off.draw([one, *others])]
    found = [figure for figure in found if figure.name not in ("by-method", "trade-off")]
    own = {dimension: {name: values[n] for name, values in SCORED.items()} for n, dimension in enumerate(DIMENSIONS)}
    found.append(people.draw(list(SCORED), own, dict.fromkeys(DIMENSIONS, POOL), heading="SYNTHETIC, 23 people"))
    updates = measured.audit("fl", measured.attack("update", 0.3, 0.4, 0.5, kind="linkability"))
    searches = [measured.search("au"), measured.search("fl", federation={}, hours=2.0)]
    found += figures.draw_measured(points(searches, [measured.UNITS, updates]), 3.0)
    found += [figure for figure in (*comparing, defence.draw(audit())) if figure is not None]
    return {figure.name: figure for figure in found}


@pytest.mark.parametrize("name", KINDS)
def test_words_are_by_themselves(drawn: dict[str, Figure], name: str) -> None:
    assert faults(drawn[name]) == []


@pytest.mark.parametrize("name", KINDS)
def test_the_heading_has_its_line_in_the_svg(drawn: dict[str, Figure], name: str) -> None:
    """The SVG is drawn once: what moves on the second drawing only would stay over the heading there."""
    heights = []
    for element in ET.fromstring(drawn[name].svg).iter(f"{SVG}text"):
        moved = re.search(r"translate\([-\d.]+ ([-\d.]+)\)", element.attrib.get("transform", ""))
        heights.append(float(moved[1] if moved else element.attrib["y"]))
    first, second = sorted(heights)[:2]
    assert second - first >= 1.2 * style.FONT_POINTS


def test_the_measuring_sees_what_is_wrong() -> None:
    with style.styled():
        drawing, axes = style.panels(1, 1, height_mm=50, heading="heading")
        panel = axes[0, 0]
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="across")
        panel.text(0.5, 0.5, "one")
        panel.text(0.52, 0.51, "other")
        panel.text(0.0, 0.7, "struck", ha="center")
        panel.text(0.9, 0.3, "much too long for this page", in_layout=False)
        panel.plot([0.2], [0.2], "o", markersize=8)
        panel.annotate("named", (0.2, 0.2))
    found = faults(Figure(name="wrong", title="", caption="", svg="", drawing=drawing))
    assert "'one' on 'other'" in found
    assert "'struck' on an axis line" in found
    assert "'much too long for this page' off the page" in found
    assert "'named' on a marker" in found


def test_a_name_without_a_free_place_is_left_out() -> None:
    with style.styled():
        _, axes = style.panels(1, 1, height_mm=30, heading="")
        axes[0, 0].set(xlim=(0, 1), ylim=(0, 1))
        spot = labels.Spot(x=0.5, y=0.5, radius=2.0, text="near")
        labels.place(axes[0, 0], [spot, replace(spot, text="wide " * 40)], size=7.0)
    assert [one.get_text() for one in axes[0, 0].texts] == ["near"]


def test_by_method_has_interval_people_baseline_and_ceiling() -> None:
    ceiling = Estimate(value=0.8, low=0.7, high=0.9)
    facts = RaterFacts(raters=6, people=23, ceiling=ceiling, icc_single=None, icc_mean=None, alpha=None)
    made = make_summary(SCORED, make_trials()[0])
    scores = {**made.scores, "ccc_valence": 0.3, "ccc_valence_low": 0.1, "ccc_valence_high": 0.5}
    made = replace(
        made, scores=scores, baseline={"ridge": {"ccc_valence": 0.25}}, raters=dict.fromkeys(DIMENSIONS, facts)
    )
    with style.styled():
        figure = by_method.draw([make_search([], summary=made)])
    assert figure is not None
    assert figure.drawing is not None
    lines: dict[str, Any] = {str(one.get_marker()): one for one in figure.drawing.axes[0].lines}
    assert lines["D"].get_xdata() == [0.3]
    assert lines["x"].get_xdata() == [0.25]
    assert lines["|"].get_xdata() == [0.8]
    assert list(lines["."].get_xdata()) == pytest.approx(sorted(valence for valence, _ in SCORED.values()))
    own: list[Any] = figure.drawing.axes[0].lines[:]
    assert [0.1, 0.5] in [list(one.get_xdata()) for one in own]
    assert [text for text in ("Dots", "Cross", "Upright line") if text not in figure.caption] == []
    assert by_method.draw([make_search([])]) is None


def test_by_method_says_all_in_which_its_rows_differ() -> None:
    """A name beyond one line goes on in the next: two searches of own data are alike in their first words."""
    made = make_summary(SCORED, make_trials()[0])
    protocol = {"name": "described", "optimistic": False, "epochs": 10, "gold": "ewe", "label_delay_seconds": 1.5}
    searches = [
        make_search([], summary=made, protocol=protocol | {"scaling": scaling, "defence": "low-pass 0.5"})
        for scaling in ("train", "both")
    ]
    with style.styled():
        figure = by_method.draw(searches)
    assert figure is not None
    assert figure.drawing is not None
    names = [text.get_text() for text in figure.drawing.axes[0].texts]
    assert [name.count("\n") for name in names] == [1, 1]
    assert ["scaling train" in names[0], "scaling both" in names[1]] == [True, True]
    assert faults(figure) == []


@pytest.mark.parametrize("spread", [0.05, 0.2, 0.25, 0.3, 0.5])
def test_numbers_of_shades_are_apart(spread: float) -> None:
    rng = np.random.default_rng(0)
    values = {(one, kind): rng.normal(0, spread, 5000) for one in DIMENSIONS for kind in ("gold", "pred")}
    trace = Trace(participant="P1", session="", times=np.arange(5000) / 25, values=values)
    with style.styled():
        figure = plane.draw(make_search([]), [trace])
    assert figure is not None
    assert faults(figure) == []


def test_every_person_is_inside_the_panels_which_share_an_axis() -> None:
    own = {"valence": {"P1": 0.95, "P2": 0.9}, "arousal": {"P1": -0.3, "P2": 0.2}}
    found = replace(INTERVAL, estimate=0.92, low=0.88, high=0.99)
    pooled = {"valence": PoolScore(value=0.92, people=2, interval=found), "arousal": None}
    drawing = people.draw(list(own["valence"]), own, pooled, heading="2 people").drawing
    assert drawing is not None
    for panel, values in zip(drawing.axes, own.values(), strict=True):
        low, high = panel.get_xlim()
        assert low < min(values.values())
        assert max(*values.values(), 0.99) < high


def test_names_are_off_the_line_of_the_best_baseline() -> None:
    with style.styled():
        _, axes = style.panels(1, 1, height_mm=50, heading="")
        panel = axes[0, 0]
        panel.set(xlim=(0, 1), ylim=(0, 1))
        draw_line(panel, {"valence": ("ridge", 0.5)}, "valence")
        labels.place(panel, [labels.Spot(x=0.5, y=0.5, radius=2.0, text="bilstm")], size=7.0)
        (name,) = panel.texts
        box = name.get_window_extent()
    level = panel.transData.transform((0, 0.5))[1]
    assert not box.y0 < level < box.y1


def test_limits_hold_all_values_in_their_middle_and_small_differences_stay_small() -> None:
    low, high = style.limits_around([0.80, 0.81], span=0.1)
    assert (low + high) / 2 == pytest.approx(0.805)
    assert high - low == pytest.approx(0.106)
    low, high = style.limits_around([-0.1, 0.9], span=0.1)
    assert (low, high) == pytest.approx((-0.13, 0.93))
