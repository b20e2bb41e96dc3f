"""Baselines of a search's own folds, and what a run says of labels that differ between people."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.ccc import Moments, ccc, frame_moments, window_moments
from models.windows import Series
from orchestrator.commands import preview
from orchestrator.commands.console import baseline_lines
from orchestrator.corpora.recording import Corpus
from orchestrator.data.dataset import Dataset, make_dataset
from orchestrator.evaluation import label_levels, search_baselines
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.search_baselines import as_measured, measure, scored
from orchestrator.planning.launch import refer
from orchestrator.protocols import DESCRIBED, Protocol
from orchestrator.run_records import Summary
from tests.data.test_dataset import make_corpus
from tests.records import make_plan

THREE_FOLDS = dataclasses.replace(DESCRIBED, num_folds=3)
SCALED = {scaling: dataclasses.replace(THREE_FOLDS, scaling=scaling) for scaling in ("participant", "both", "train")}


def between_people(people: int = 9) -> Corpus:
    """Valence is a level of the person's own, which the mean of the first feature tells; arousal moves inside."""
    corpus, made = make_corpus(people), []
    for number, one in enumerate(corpus.recordings):
        level = np.float32((number % 3 - 1) * 0.5)
        features = one.features / np.float32(number + 1)
        features[:, 0] += level * 10 - np.nanmean(features[:, 0])
        ratings = one.ratings.copy()
        ratings[:, :, 0] = level
        made.append(dataclasses.replace(one, features=features, ratings=ratings))
    return dataclasses.replace(corpus, recordings=tuple(made))


def shown(dataset: Dataset) -> dict[str, Any]:
    return dict(scored(measure(dataset), dataset, window_length=20, partial_window="pad").shown())


def announced(corpus: Corpus, dataset: Dataset, protocol: Protocol) -> list[str]:
    plan = make_plan(protocol=protocol, corpus=refer(corpus, dataset, None))
    return [line for line in preview.announce(plan, dataset).splitlines() if "WARNING" in line]


@pytest.mark.parametrize("scaling", SCALED)
def test_features_are_seen_as_they_were_measured(scaling: str) -> None:
    corpus = make_corpus(sessions=("1", "2"))
    dataset = make_dataset(corpus, SCALED[scaling], seed=0)
    series = [one for one in dataset.local_series() if isinstance(one, Series)]
    for one, recording in zip(as_measured(series, dataset.own_scales), corpus.recordings, strict=True):
        assert one.features_TF[one.valid_T] == pytest.approx(recording.features[recording.valid], rel=1e-4, abs=1e-4)
        assert one.features_TF.shape[1] == 4
        assert not one.features_TF[~one.valid_T].any()


def test_a_baseline_sees_the_level_that_scaling_takes_away() -> None:
    scores = shown(make_dataset(between_people(), SCALED["participant"], seed=0))
    assert list(scores) == list(BASELINES)
    assert abs(scores["ridge"]["ccc_valence"]) < 0.1
    assert scores["ridge-person"]["ccc_valence"] > 0.7
    assert {scores["mean"][key] for key in ("ccc_valence", "ccc_arousal", "ccc_window_valence")} == {0.0}
    assert scores["mean"]["mse_valence"] > 0
    both = shown(make_dataset(between_people(), SCALED["both"], seed=0))
    assert both["ridge"]["ccc_valence"] > 0.7
    assert both["ridge-person"]["ccc_valence"] == pytest.approx(scores["ridge-person"]["ccc_valence"], abs=1e-3)


def test_a_baseline_is_scored_as_a_configuration_is() -> None:
    """Against the moments of its traces, by hand: 40 frames per person make a window of 30 and a part of one."""
    dataset = make_dataset(make_corpus(), THREE_FOLDS, seed=0)
    told: list[str] = []
    measured = measure(dataset, show=told.append)
    assert [line.partition(":")[0] for line in told] == [f"baseline {number} of 5" for number in range(1, 6)]
    padded, dropped = (
        scored(measured, dataset, window_length=30, partial_window=partial).scores["ridge"]
        for partial in ("pad", "drop")
    )
    assert padded is not None
    assert dropped is not None
    frames, windows, whole = [], [], []
    for split, traces in zip(dataset.splits, measured.traces["ridge"], strict=True):
        parts = [(traces[index], dataset.local_series()[index]) for index in split.held_out]
        frames.append(sum((frame_moments(trace, one.gold_T2, one.mask_T2)[0] for trace, one in parts), Moments.zero()))
        both = [window_moments(trace, one.gold_T2, one.mask_T2, 30)[0] for trace, one in parts]
        windows.append(sum(both, Moments.zero()))
        cut = [frame_moments(trace[:30], one.gold_T2[:30], one.mask_T2[:30])[0] for trace, one in parts]
        whole.append(sum(cut, Moments.zero()))
    assert padded.scores["ccc_valence"] == pytest.approx(np.mean([ccc(one) for one in frames]), abs=1e-12)
    assert padded.scores["ccc_valence_sd"] == pytest.approx(np.std([ccc(one) for one in frames], ddof=1), abs=1e-12)
    assert padded.scores["ccc_window_valence"] == pytest.approx(np.mean([ccc(one) for one in windows]), abs=1e-12)
    assert dropped.scores["ccc_valence"] == pytest.approx(np.mean([ccc(one) for one in whole]), abs=1e-12)
    assert len({padded.scores[key] for key in ("ccc_valence", "ccc_window_valence", "ccc_valence_low")}) == 3
    assert padded.scores["ccc_valence"] != dropped.scores["ccc_valence"]


def test_what_is_too_large_is_left_out_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """240 frames: 2 x 3 fits of 16 columns (person) or 36 (windows)."""
    dataset = make_dataset(make_corpus(), THREE_FOLDS, seed=0)
    assert not measure(dataset).left_out
    longest = max(len(one.valid_T) for one in dataset.series if isinstance(one, Series))
    monkeypatch.setattr(search_baselines, "MOST_VALUES", longest * 16)
    found = measure(dataset)
    assert list(found.left_out) == ["ridge-windows"]
    assert found.traces["ridge-windows"] == ()
    assert scored(found, dataset, window_length=20, partial_window="pad").scores["ridge-windows"] is None
    assert found.left_out["ridge-windows"] == (
        f"a recording of {longest} frames, 36 columns: more than {longest * 16} numbers"
    )
    monkeypatch.setattr(search_baselines, "MOST_VALUES", 10**9)
    monkeypatch.setattr(search_baselines, "MOST_SECONDS", 2.0)
    monkeypatch.setattr(search_baselines, "TREES_PER_SECOND", 100.0)
    found = measure(dataset)
    assert found.left_out == {
        "boosting-person": "240 frames of 16 columns, 3 folds: about 230 s, more than 2 s",
    }
    monkeypatch.setattr(search_baselines, "RIDGE_PER_SECOND", 1.0)
    assert list(measure(dataset).left_out) == ["ridge-windows", "ridge-person", "boosting-person"]


@pytest.mark.parametrize(
    ("people", "seconds", "features", "folds"), [(23, 300, 40, 8), (23, 300, 52, 23), (40, 600, 35, 8)]
)
def test_every_baseline_is_made_of_a_corpus_as_large_as_recola(
    people: int, seconds: int, features: int, folds: int
) -> None:
    """The strongest one sees nine columns per feature: 62 million numbers of RECOLA's 23 people of five minutes."""
    rows = np.broadcast_to(np.float32(0), (seconds * 25, features))
    one = SimpleNamespace(features_TF=rows, valid_T=np.ones(len(rows), dtype=bool))
    for baseline in BASELINES.values():
        assert search_baselines._too_large(baseline, [one] * people, folds=folds) is None  # type: ignore[list-item]


def test_a_federation_has_neither_baselines_nor_figures_of_labels(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path_factory.mktemp("cache")))
    dataset = make_dataset(between_people(), THREE_FOLDS, seed=0, federated=True)
    assert not dataset.own_scales
    found = measure(dataset)
    assert scored(found, dataset, window_length=20, partial_window="pad").shown() == {name: {} for name in BASELINES}
    assert set(found.left_out.values()) == {"no two people's frames meet"}
    assert label_levels.record(dataset, THREE_FOLDS) is None


def test_each_baseline_has_a_line_and_so_has_each_reason() -> None:
    scores = {"mean": {"ccc_valence": 0.0, "ccc_arousal": 0.25}, "ridge": {}, "ridge-windows": {}, "ridge-person": {}}
    reasons = {"ridge": "too large", "ridge-windows": "too long", "ridge-person": "too large"}
    summary = Summary(status="finished", best=None, baseline=scores, baseline_left_out=reasons)
    assert baseline_lines(summary) == [
        ("baseline", "mean (mean of the training people): CCC valence 0.000; arousal 0.250"),
        ("left out", "ridge, ridge-person: too large"),
        ("left out", "ridge-windows: too long"),
    ]


def test_labels_between_people_are_told_in_the_first_lines_and_in_the_summary() -> None:
    corpus = between_people()
    dataset = make_dataset(corpus, THREE_FOLDS, seed=0)
    found = label_levels.record(dataset, THREE_FOLDS)
    assert found is not None
    assert found.valence == {"between": 1.0, "constant_share": 1.0, "num_people": 9}
    assert found.arousal is not None
    assert found.arousal["between"] < 0.1
    (line,) = announced(corpus, dataset, THREE_FOLDS)
    assert line == f"labels    WARNING: {found.warning}"
    assert "100% of the variance of valence lies between people" in line
    assert "--scaling train or --scaling both" in line
    assert "arousal" not in line
    for scaling in ("both", "train"):
        other = make_dataset(corpus, SCALED[scaling], seed=0)
        assert announced(corpus, other, SCALED[scaling]) == []
        told = label_levels.record(other, SCALED[scaling])
        assert told == dataclasses.replace(found, warning=None)


def test_labels_inside_people_are_not_warned_of() -> None:
    corpus = make_corpus()
    assert announced(corpus, make_dataset(corpus, THREE_FOLDS, seed=0), THREE_FOLDS) == []


def test_both_says_how_many_inputs_it_makes_of_the_features() -> None:
    corpus = make_corpus()
    dataset = make_dataset(corpus, SCALED["both"], seed=0)
    plan = make_plan(protocol=SCALED["both"], corpus=refer(corpus, dataset, None))
    lines = preview.announce(plan, dataset).splitlines()
    assert any(line.startswith("corpus") and " 4 features" in line for line in lines)
    assert "inputs    12: the features' z-scores, and each person's own means and deviations" in lines
