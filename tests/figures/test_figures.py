"""Figures are vector, readable, harmless and equal on each drawing; what cannot be drawn is said, never wrong."""

import io
import re
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from orchestrator.report import figures, predictions
from orchestrator.report.figures import configurations, files, importance, style, traces, trade_off
from orchestrator.report.figures.best_baseline import best_baselines
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import FailedTrial
from tests.figures.evidence import GRID, make_search, make_summary, make_trial, make_trials, write_predictions

FAILED = FailedTrial(name="rnn lr=1 h=1 L=1 x1", message="no memory")
SVG = "{http://www.w3.org/2000/svg}"
POINTS_PER_MM = 72 / 25.4
OF_SEARCH = ["au-learning", "au-hyper-parameters", "au-importance", "au-parallel", "au-pearson"]
EVERYTHING = ["au-traces", "au-agreement", "au-plane", *OF_SEARCH, "trade-off"]
PEOPLE = {"P1": 0.4, "P2": 0.0, "P3": 2.0, "P4": 0.2, "P5": 0.8}
NAMES = ("<img src=x onerror=alert(1)>", "$x_1$ $\\frac$", "名前 & co", "a\x00b\nc")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    path = write_predictions(tmp_path_factory.mktemp("figures") / "predictions.parquet", PEOPLE)
    return {figure.name: figure for figure in figures.draw_all([make_search(make_trials(), predictions=path)])}


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def names(found: tuple[Figure, ...]) -> list[str]:
    return [figure.name for figure in found]


def test_a_search_has_all_its_figures(drawn: dict[str, Figure]) -> None:
    assert list(drawn) == EVERYTHING
    assert drawn["au-traces"].title == "Predictions over time: Action units"


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_figure_is_readable_vector_and_harmless(drawn: dict[str, Figure], name: str) -> None:
    svg = drawn[name].svg
    root = ET.fromstring(svg)
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(88.0 * POINTS_PER_MM, abs=0.01)
    styles = [element.attrib["style"] for element in root.iter(f"{SVG}text")]
    sizes = [float(size) for one in styles for size in re.findall(r"font(?:-size)?: ?([\d.]+)px", one)]
    assert len(styles) >= 5
    assert len(sizes) == len(styles)
    assert min(sizes) >= 7.0
    assert all("sans-serif" in one for one in styles)
    assert any("SYNTHETIC" in text for text in texts(svg))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not tags & {"script", "image", "foreignObject"}
    attributes = [(key, value) for element in root.iter() for key, value in element.attrib.items()]
    assert all(value.startswith("#") for key, value in attributes if key.endswith("href"))
    assert not [value for _, value in attributes if re.search(r"\b(nan|inf)\b", value)]
    assert "<dc:date>" not in svg


def test_equal_data_gives_equal_bytes(drawn: dict[str, Figure], tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "predictions.parquet", PEOPLE)
    again = figures.draw_all([make_search(make_trials(), predictions=path)])
    assert {figure.name: figure for figure in again} == drawn


def test_the_readers_own_settings_do_not_matter_and_stay(drawn: dict[str, Figure]) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 3.0, "svg.fonttype": "path"}):
        again = figures.draw_all([make_search(make_trials())])
        assert mpl.rcParams["font.size"] == 3.0
    assert {figure.name: figure.svg for figure in again} == {name: drawn[name].svg for name in names(again)}
    assert len(again) == len(OF_SEARCH) + 1


@pytest.mark.parametrize("person", NAMES)
def test_names_are_text(person: str, tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "predictions.parquet", {person: 0.1})
    trials = [make_trial("a", {**{key: values[0] for key, values in GRID.items()}, "network": person}, 0.5, 0.4)]
    search = make_search(trials, predictions=path, title=person, method=person)
    found = figures.draw_all([search])
    assert len(found) == 5
    assert all(re.fullmatch(r"[a-z0-9-]+", figure.name) for figure in found)
    shown = person.replace("\n", " ").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    assert f"best: {shown}" in texts(found[0].svg)
    assert shown in texts(found[3].svg)  # the legend of the learning curves
    assert not [element for element in ET.fromstring(found[0].svg).iter() if element.tag.endswith("img")]


def test_best_median_and_worst_are_shown(drawn: dict[str, Figure]) -> None:
    heads = [text for text in texts(drawn["au-traces"].svg) if re.match("best|median|worst", text)]
    assert heads == ["best: P2", "median: P1", "worst: P3"]
    assert "raters" in texts(drawn["au-traces"].svg)
    assert "lowest to the highest rater" in drawn["au-traces"].caption


def test_recorded_scores_choose_before_computed_ones(tmp_path: Path) -> None:
    people = predictions.read(write_predictions(tmp_path / "p.parquet", PEOPLE))
    recorded = make_summary({f"P{i}": (i / 10, 0.0) for i in range(1, 6)})
    scores = predictions.mean_of_dimensions(traces.people_ccc(make_search([], summary=recorded), people))
    assert [role + one.participant for role, one in traces.choose(people, scores)[0]] == [
        "best: P5",
        "median: P3",
        "worst: P1",
    ]


def test_labels_that_stayed_with_their_clients_are_not_drawn(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.parquet", PEOPLE, gold=False, raters=False)
    trace, plane, _ = figures.draw_all([make_search([], predictions=path), make_search(make_trials())])[:3]
    for figure in (trace, plane):
        assert "gold standard" not in texts(figure.svg)
        assert "Prediction only" in figure.caption
    assert "first, the middle and the last" in trace.caption
    assert [text for text in texts(trace.svg) if text.startswith("P")] == ["P1", "P3", "P5"]


def test_older_predictions_have_no_band(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.parquet", PEOPLE, raters=False)
    figure = figures.draw_all([make_search([], predictions=path)])[0]
    assert "No band" in figure.caption
    assert "raters" not in texts(figure.svg)


def test_gaps_and_constant_traces_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet

    path = write_predictions(tmp_path / "p.parquet", {"P1": 0.0})
    table = pyarrow.parquet.read_table(path)
    gaps = [None if 10 <= i < 20 else 0.25 for i in range(60)]
    index = table.column_names.index("valence_pred")
    pyarrow.parquet.write_table(table.set_column(index, "valence_pred", pyarrow.array(gaps, "float32")), path)
    found = figures.draw_all([make_search([], predictions=path)])
    assert names(found) == ["au-traces", "au-agreement", "au-plane"]
    assert "nan" not in found[0].svg.lower()
    assert capsys.readouterr().err == ""


def test_one_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures.draw_all([make_search(make_trials()[:1])])
    assert names(found) == ["au-learning", "trade-off"]
    assert capsys.readouterr().err == ""


def test_failures_only_and_nothing_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert figures.draw_all([make_search([], failures=[FAILED])]) == ()
    assert figures.draw_all([]) == ()
    assert capsys.readouterr().err == ""


def test_what_is_not_shown_is_counted() -> None:
    trials = make_trials()
    trials[3] = replace(trials[3], status="stopped")
    found = {figure.name: figure for figure in figures.draw_all([make_search(trials, failures=[FAILED])])}
    assert "23 configurations; not shown: 1 stopped early, 1 failed" in found["au-parallel"].caption


def test_importance_is_refused_with_a_reason() -> None:
    few = make_trials()[:4]
    found = {figure.name: figure for figure in figures.draw_all([make_search(few)])}
    assert "au-importance" not in found
    assert "not drawn: 4 finished configurations, at least 12" in found["au-hyper-parameters"].caption
    same = make_trials(score=lambda _: (0.2, 0.3))
    assert importance.why_not(same) == "every configuration has the same CCC"
    assert importance.why_not(make_trials()) is None


def test_importance_of_an_additive_score_is_its_share_of_the_variance() -> None:
    trials = make_trials()
    keys = configurations.varying(trials)
    assert list(keys) == ["network", "learning_rate", "hidden_size", "num_layers"]
    shares = importance.explained(trials, keys, "ccc_valence")
    of_network, of_size = 0.15**2, 0.01**2 * np.var([8, 16, 64])
    assert shares["network"] == pytest.approx(of_network / (of_network + of_size))
    assert shares["hidden_size"] == pytest.approx(of_size / (of_network + of_size))
    assert shares["learning_rate"] == pytest.approx(0.0, abs=1e-12)
    # Also where a third of the grid is missing: what others explain is not counted twice.
    some = importance.explained(trials[5:20], keys, "ccc_valence")
    assert some["learning_rate"] == pytest.approx(0.0, abs=1e-12)
    assert some["network"] > 0.1


def test_importance_of_noise_is_about_nothing() -> None:
    generator = np.random.default_rng(1)
    sums = []
    for _ in range(100):
        trials = make_trials(score=lambda _: (0.0, float(generator.normal())))
        sums.append(sum(importance.explained(trials, configurations.varying(trials), "ccc_arousal").values()))
    # Five effects of 23 would take 0.22 by chance; what is left is that no share is below 0.
    assert np.mean(sums) < 0.15


def test_the_full_grid_is_drawn_without_a_dot_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    from tune_spaces.au import GRID as FULL
    from tune_spaces.au import NETWORKS

    trials = make_trials({"network": NETWORKS, **FULL})
    assert len(trials) == 2160
    found = {figure.name: figure for figure in figures.draw_all([make_search(trials)])}
    assert list(found) == [*OF_SEARCH, "trade-off"]
    assert found["au-hyper-parameters"].caption == "2160 configurations. Marker: median; bar: quartiles."
    assert len(found["au-hyper-parameters"].svg) < 200_000
    assert max(len(figure.svg) for figure in found.values()) < 2_000_000
    assert capsys.readouterr().err == ""


def test_levels_of_privacy_have_shapes_of_their_own() -> None:
    some: dict[str, Any] = {}
    methods = {"images": (some, None), "au": (None, None), "fl": (some, some), "fl-au": (None, some)}
    searches = [
        make_search(make_trials(), method=method, title=method, images=images, federation=federation)
        for method, (images, federation) in methods.items()
    ]
    levels = [trade_off.LEVELS[trade_off.level_of(search)] for search in searches]
    assert len({marker for _, marker in levels}) == 4
    shown = texts(figures.draw_all(searches)[-1].svg)
    for method, (word, _) in zip(methods, levels, strict=True):
        assert f"{method} ({word})" in shown


def test_two_searches_of_a_method_have_names_and_titles_of_their_own() -> None:
    one = make_search(make_trials()[:1])
    strict = replace(one, plan={**one.plan, "protocol": {**one.plan["protocol"], "name": "strict"}})
    found = figures.draw_all([one, strict])
    assert names(found) == ["au-learning", "au-2-learning", "trade-off"]
    first, second = (figure.title for figure in found[:2])
    assert first != second
    assert ", strict" in second
    assert ", strict" not in figures.draw_all([strict])[0].title, "there is one of its method"


def test_no_two_things_are_told_apart_by_colour_alone() -> None:
    looks = list(style.looks([str(i) for i in range(14)]).values())
    assert len({(look.colour, str(look.line), look.marker) for look in looks}) == 14
    assert len({(str(look.line), look.marker) for look in looks[:7]}) == 7


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [([1.0, 3.0, 5.0], 2, [2.0, 5.0]), ([1.0, np.nan, np.nan, np.nan], 2, [1.0, np.nan]), ([4.0], 1, [4.0])],
)
def test_means_leave_out_what_is_not_known(values: list[float], width: int, expected: list[float]) -> None:
    np.testing.assert_array_equal(style.means_of(np.array(values), width), expected)


def test_broken_predictions_cost_a_line_and_their_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "predictions.parquet"
    path.write_bytes(b"PAR1 no table")
    found = figures.draw_all([make_search(make_trials(), predictions=path)])
    assert names(found) == [*OF_SEARCH, "trade-off"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"figure not drawn: {path}: ")


def test_figures_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "au-traces.svg").write_text("of an earlier part of the search")
    files.write(make_search(make_trials()[:1]), tmp_path, draw=True)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"au-learning", "trade-off"}
    files.write(make_search(make_trials()[:1]), tmp_path, draw=False)
    assert not (tmp_path / "figures").exists()


def test_the_best_baseline_is_a_line_where_configurations_are_compared() -> None:
    """The constant is no rival; the best differs between the dimensions."""
    scores = {"mean": (0.99, 0.99), "ridge": (0.9, 0.1), "boosting-person": (0.2, 0.8)}
    summary = replace(
        make_summary({}),
        baseline={name: {"ccc_valence": v, "ccc_arousal": a} for name, (v, a) in scores.items()},
    )
    search = make_search(make_trials(), summary=summary)
    assert best_baselines([search]) == {"valence": ("ridge", 0.9), "arousal": ("boosting-person", 0.8)}
    found = {figure.name: figure for figure in figures.draw_all([search])}
    plain = {figure.name: figure for figure in figures.draw_all([make_search(make_trials())])}
    for name in ("au-hyper-parameters", "trade-off"):
        assert (
            "Dotted: the best baseline on the same folds (ridge for valence, boosting-person for" in found[name].caption
        )
        assert "best baseline" in texts(found[name].svg)
        assert "Dotted" not in plain[name].caption
        assert "best baseline" not in texts(plain[name].svg)
        drawing = found[name].drawing
        assert drawing is not None
        levels = [
            float(np.asarray(line.get_ydata())[0])
            for axes in drawing.axes
            for line in axes.lines
            if line.get_linestyle() == ":"
        ]
        assert set(levels) == {0.9, 0.8}


def test_each_figure_is_svg_pdf_and_png_of_equal_bytes_each_time(tmp_path: Path) -> None:
    """PDF: its font is in it, as TrueType, and no date; PNG: 88 mm at 300 dots per inch."""
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        files.write(make_search(make_trials()[:1]), folder, draw=True)
        written.append({path.name: path.read_bytes() for path in (folder / "figures").iterdir()})
    assert sorted(written[0]) == [
        f"{name}.{suffix}" for name in ("au-learning", "trade-off") for suffix in ("pdf", "png", "svg")
    ]
    assert written[0] == written[1]
    for name, content in written[0].items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF-")
            assert content.rstrip().endswith(b"%%EOF")
            assert b"/FontFile2" in content
            assert b"CreationDate" not in content
        elif name.endswith(".png"):
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
            assert int.from_bytes(content[16:20], "big") == pytest.approx(88.0 / 25.4 * 300, abs=1)


def test_a_pdf_holds_the_letters_of_its_font_without_what_places_them(drawn: dict[str, Figure]) -> None:
    drawing = drawn["au-learning"].drawing
    assert drawing is not None
    with style.styled():
        places = [axes.get_position().bounds for axes in drawing.axes]
        content = style.to_pdf(drawing)
        style.to_png(drawing)
        assert [axes.get_position().bounds for axes in drawing.axes] == places  # as in the SVG
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    texts_of = [zlib.decompress(one) for one in streams if one.startswith(b"x")]
    (font,) = [TTFont(io.BytesIO(one)) for one in texts_of if one.startswith(b"\0\1\0\0")]
    assert {"glyf", "hmtx"} <= set(font.keys())
    assert not {"GDEF", "GPOS", "GSUB"} & set(font.keys())
