"""Repeats of reported configurations: their uids, seeds and folds, and what they say together."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from models.ccc import Moments, ccc
from orchestrator import measures
from orchestrator.commands import preview
from orchestrator.commands.console import repeat_lines
from orchestrator.data.dataset import make_dataset, redrawn
from orchestrator.errors import InputError
from orchestrator.estimators.facts import RepeatedEstimate
from orchestrator.evaluation.fold_scores import over_folds
from orchestrator.evaluation.repeats import plan_of_repeats, repeated_scores
from orchestrator.evaluation.results import Outcome, best_of_networks
from orchestrator.evaluation.trial_files import read_results, seal
from orchestrator.measures import FoldMoments
from orchestrator.planning import duration
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.repeats import plan_of_repeat, plan_of_trial, repeat_of, repeated_plan
from orchestrator.protocols import DESCRIBED, DIMENSIONS, STRICT, Protocol
from orchestrator.run_records import Failure, FoldScore, Summary, TrialCounts, TrialResult, sums_of
from orchestrator.search import repeats, tune
from orchestrator.search.progress import Observer
from orchestrator.search.repeats import data_of_trial
from tests.data.test_dataset import make_corpus
from tests.records import make_plan, make_result

THREE = SearchOptions(repeats=3, hours=2.0, scheduler="asha", max_trials=1)
POINTS = [(trial.network, trial.hparams) for trial in make_plan().trials[:2]]


def test_repeats_are_trials_of_their_own_and_the_run_itself_stays_what_it_was() -> None:
    plan = make_plan(search=THREE)
    repeated = repeated_plan(plan, POINTS)
    assert repeated is not None
    assert [(one.network, one.hparams) for one in repeated.trials] == POINTS * 2
    uids = [one.uid for one in repeated.trials]
    assert len({*uids, *(trial.uid for trial in plan.trials)}) == 4 + len(plan.trials)
    assert [repeat_of(repeated, uid) for uid in uids] == [1, 1, 2, 2]
    assert uids == [one.uid for one in repeated_plan(plan, POINTS).trials]  # type: ignore[union-attr]
    later = plan_of_trial(repeated, uids[-1])
    assert (later.seed, later.protocol.fold_draw) == (2, 2)
    assert dataclasses.replace(later.protocol, fold_draw=0) == plan.protocol
    assert plan_of_repeat(plan, 0) is plan
    assert plan_of_trial(plan, plan.trials[0].uid) is plan
    # All of them are trained, whatever the search stops or leaves out.
    assert (repeated.num_planned, repeated.search.scheduler, repeated.search.hours) == (4, "fifo", None)
    assert repeated_plan(make_plan(), POINTS) is None


def test_a_plan_repeats_at_least_once() -> None:
    with pytest.raises(ValueError, match="repeats must be above 0"):
        SearchOptions(repeats=0)


@pytest.mark.parametrize("protocol", [DESCRIBED, STRICT], ids=lambda one: one.name)
def test_a_repeat_has_the_folds_that_its_own_draw_would_have_had(protocol: Protocol) -> None:
    corpus, three = make_corpus(7), dataclasses.replace(protocol, num_folds=3)
    dataset = make_dataset(corpus, three, seed=5)
    drawn = dataclasses.replace(three, fold_draw=1)
    found, expected = redrawn(dataset, drawn, seed=6), make_dataset(corpus, drawn, seed=6)
    assert found.folds == expected.folds
    assert found.folds != dataset.folds
    assert redrawn(dataset, drawn, seed=7).folds != found.folds
    assert sorted(person for fold in found.folds for person in fold.held_out) == list(corpus.participants)
    for one, other, fold in zip(found.splits, expected.splits, found.folds, strict=True):
        assert (one.train, one.validation, one.held_out) == (other.train, other.validation, other.held_out)
        assert {dataset.series[index].participant for index in one.held_out} == set(fold.held_out)
        if protocol is STRICT:  # whose statistics are the training people's of the draw
            assert one.mean_F == pytest.approx(other.mean_F)
            means = [np.asarray(before.mean_F) for before in dataset.splits]
            assert not any(np.allclose(np.asarray(one.mean_F), before) for before in means)


def test_a_draw_whose_fold_has_nothing_to_train_on_is_refused_for_that_repeat() -> None:
    """Two of four people have labels; in the corpus's order each fold trains on one of them, in some draws on none."""
    corpus = make_corpus(4)
    recordings = [
        dataclasses.replace(one, ratings=one.ratings * (1 if one.participant in ("P0", "P2") else np.float32("nan")))
        for one in corpus.recordings
    ]
    two = dataclasses.replace(DESCRIBED, num_folds=2)
    dataset = make_dataset(dataclasses.replace(corpus, recordings=tuple(recordings)), two, seed=0)
    point = (POINTS[0][0], dataclasses.replace(POINTS[0][1], sequence_length=20))
    repeated = repeated_plan(make_plan(protocol=two, search=SearchOptions(repeats=12)), [point])
    assert repeated is not None
    refused = []
    for trial in repeated.trials:
        try:
            plan, _ = data_of_trial(repeated, dataset, trial)
            assert plan.seed == repeat_of(repeated, trial.uid)
        except InputError as error:
            refused.append((repeat_of(repeated, trial.uid), str(error)))
    assert 0 < len(refused) < 11
    assert all(f"--repeats: found in repeat {number}, sequence_length 20" in text for number, text in refused)


def made(uid: str, seed: int, repeat: int | None, folds: int = 3) -> TrialResult:
    """A result of nine people with random traces; the folds are people in another order in each."""
    generator = np.random.default_rng(seed)
    names = [f"P{number}" for number in generator.permutation(9)]
    parts = []
    for k in range(folds):
        people, windows = {}, {}
        for name in names[k::folds]:
            gold = generator.normal(size=(2, 50))
            traces = gold + generator.normal(size=(2, 50))
            people[name] = {d: Moments.of(x, y) for d, x, y in zip(DIMENSIONS, traces, gold, strict=True)}
            windows[name] = {d: Moments.of(x[:9], y[:9]) for d, x, y in zip(DIMENSIONS, traces, gold, strict=True)}
        scores = measures.of_fold(FoldMoments(frames=people, windows=windows))
        parts.append(
            FoldScore(
                fold=k,
                participants=tuple(people),
                scores=scores,
                moments=sums_of(people),
                window_moments=sums_of(windows),
            )
        )
    base = make_result(uid, [1.0] * folds, [0.5] * folds)
    return dataclasses.replace(base, folds=tuple(parts), scores=over_folds(parts), repeat=repeat)


def _check(one: RepeatedEstimate, folds: list[list[dict[str, Any]]]) -> None:
    """Against plain lines, for arousal."""

    def mean(without: str | None = None) -> list[float]:
        return [
            ccc(sum((own["arousal"] for name, own in fold.items() if name != without), Moments.zero()))
            for run in folds
            for fold in run
        ]

    values = np.array(mean())
    assert one.value == pytest.approx(values.mean())
    assert one.by_repeat == pytest.approx(values.reshape(3, 3).mean(axis=1))
    error = np.sqrt(values.var(ddof=1) * (1 / 9 + 1 / 2))
    assert one.high is not None
    half = t.ppf(0.975, 8) * error / (1 - values.mean() ** 2)
    assert one.high == pytest.approx(np.tanh(np.arctanh(values.mean()) + half))
    assert (one.folds, one.people) == (3, 9)
    left_out = np.array([np.mean(mean(f"P{person}")) for person in range(9)])
    error = np.sqrt(8 / 9 * ((left_out - left_out.mean()) ** 2).sum()) / (1 - values.mean() ** 2)
    assert one.people_low == pytest.approx(np.tanh(np.arctanh(values.mean()) - t.ppf(0.975, 8) * error))


def test_the_mean_over_repeats_has_the_corrected_interval_and_the_people_s() -> None:
    """By the formula of Nadeau and Bengio, and by leaving each person out of all repeats, in plain lines."""
    runs = [made("a", 1, None), made("b", 2, 1), made("c", 3, 2)]
    failure = Failure(uid="d", network="rnn", hparams=runs[0].hparams, repeat=3)
    outcome = Outcome(results=runs[:1], failures=(), repeats=[runs[2], runs[1]], failed_repeats=[failure])
    (found,) = repeated_scores(make_plan(search=SearchOptions(repeats=4)), outcome) or ()
    assert (found.uids, found.seeds) == (("a", "b", "c"), (0, 1, 2))
    assert (found.planned, found.failed, found.folds, found.people) == (4, 1, 3, 9)
    by_kind = [[[getattr(fold.people(), kind) for fold in run.folds] for run in runs] for kind in ("frames", "windows")]
    _check(found.estimates["ccc_arousal"], by_kind[0])
    _check(found.estimates["ccc_window_arousal"], by_kind[1])
    one = found.estimates["ccc_arousal"]
    trials = TrialCounts(planned=2, finished=2, failed=0)
    lines = repeat_lines(Summary(status="", best=None, repeats=(found,), trials=trials))
    assert lines[0][0] == "repeats"
    assert "3 of 4 repeats, 1 failed, 3 folds each, seeds 0, 1, 2, 9 participants" in lines[0][1]
    word, text = lines[3]
    assert word == "arousal"
    assert f"CCC {one.value:.3f} (corrected resampled t {one.low:.3f} to {one.high:.3f}; participants" in text
    assert lines[-1] == ("", "the choice of the configuration is not repeated")
    fewer = {"ccc_arousal": dataclasses.replace(one, folds=2, people=None)}
    lines_of_fewer = repeat_lines(Summary(status="", best=None, repeats=(dataclasses.replace(found, estimates=fewer),)))
    assert lines_of_fewer[1][1].endswith(", of 2 folds and 9 participants with scored frames")
    alone = Summary(status="", best=None, repeats=(found,), trials=TrialCounts(planned=1, finished=1, failed=0))
    assert len(repeat_lines(alone)) == len(lines) - 1


def test_repeats_are_of_the_best_of_each_network_and_are_no_configurations() -> None:
    worse = dataclasses.replace(made("w", 5, None), selection_loss=2.0, hparams=POINTS[1][1])
    best, other = made("b", 1, None), dataclasses.replace(made("o", 4, None), network="bigru")
    plan = make_plan(search=THREE)
    repeated = plan_of_repeats(plan, [worse, best, other])
    assert repeated is not None
    assert [one.network for one in repeated.trials] == ["bigru", "rnn"] * 2
    assert {one.hparams for one in repeated.trials} == {best.hparams}
    assert list(best_of_networks([worse, best, other])) == ["bigru", "rnn"]
    # Results of a configuration that is no longer the best say nothing of the one that is.
    stray = dataclasses.replace(made("s", 6, 1), hparams=worse.hparams)
    found = repeated_scores(plan, Outcome(results=[worse, best, other], failures=(), repeats=[stray]))
    assert found is not None
    assert [one.uids for one in found] == [("o",), ("b",)]
    assert repeated_scores(make_plan(), Outcome(results=[best], failures=())) is None


def test_the_first_lines_and_a_dry_run_tell_of_repeats() -> None:
    plan = make_plan(search=SearchOptions(repeats=3, cpus_per_trial=64.0))
    assert [trial.network for trial in plan.trials] == ["rnn", "rnn", "rnn", "rnn", "bigru", "bigru", "bigru", "bigru"]
    assert duration.seconds_of_repeats(plan, plan.trials, [1, 2, 3, 4, 50, 7, 8, 9]) == [4, 50, 4, 50]
    assert duration.seconds_of_repeats(make_plan(), plan.trials, [1.0] * 8) == []
    dataset = make_dataset(make_corpus(), dataclasses.replace(DESCRIBED, num_folds=3), seed=0)
    lines = preview.announce(plan, dataset).splitlines()
    assert any(line.startswith("repeats   3 of each network's best configuration, seeds 0 to 2") for line in lines)


@pytest.mark.parametrize(("seconds", "asked"), [(-1.0, None), (3600.0, 1.0), (None, None)])
def test_repeats_have_what_is_left_of_the_hours_and_keep_no_weights(
    seconds: float | None, asked: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two repeats is there already; where the time is up the other is not begun."""
    plan = dataclasses.replace(make_plan(search=SearchOptions(repeats=3)), trials=make_plan().trials[:1])
    (trial,) = plan.trials
    own = repeated_plan(plan, [(trial.network, trial.hparams)])
    assert own is not None
    for uid, number in ((trial.uid, None), (own.trials[0].uid, 1)):
        (tmp_path / uid).mkdir()
        (tmp_path / uid / "model.safetensors").touch()
        result = dataclasses.replace(made(uid, 1, number), network=trial.network, hparams=trial.hparams)
        seal(tmp_path / uid, result, ())
    begun: list[tuple[Any, dict[str, Any]]] = []

    def search(repeated: Any, dataset: object, **places: Any) -> bool:
        del dataset
        begun.append((repeated, places))
        places["observer"].prune()
        return False

    monkeypatch.setattr(tune, "search", search)
    observer = Observer(plan, tmp_path, read_results(tmp_path, [trial.uid]), lambda: None)
    dataset = make_dataset(make_corpus(), dataclasses.replace(DESCRIBED, num_folds=3), seed=0)
    end = None if seconds is None else time.monotonic() + seconds
    over = repeats.train(plan, dataset, observer=observer, scratch=tmp_path / "scratch", end=end)
    assert over is (seconds == -1.0)
    assert len(begun) == (seconds != -1.0)
    for repeated, places in begun:
        assert [one.uid for one in repeated.trials] == [one.uid for one in own.trials]
        assert [one.uid for one in places["earlier"]] == [own.trials[0].uid]
        assert repeated.search.hours == (None if asked is None else pytest.approx(asked, abs=0.01))
        # The weights of repeats go, those of what is reported stay.
        assert [file.parent.name for file in tmp_path.glob("*/model.safetensors")] == [trial.uid]


def test_nothing_is_repeated_before_every_configuration_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(search=SearchOptions(repeats=2))
    uid = plan.trials[0].uid
    seal(tmp_path / uid, dataclasses.replace(made(uid, 1, None), hparams=plan.trials[0].hparams), ())
    monkeypatch.setattr(tune, "search", lambda *_, **__: pytest.fail("trained"))
    observer = Observer(plan, tmp_path, (), lambda: None)
    dataset = make_dataset(make_corpus(), dataclasses.replace(DESCRIBED, num_folds=3), seed=0)
    assert repeats.train(plan, dataset, observer=observer, scratch=tmp_path / "scratch", end=None) is False


def test_a_repeat_keeps_groups_together() -> None:
    corpus = make_corpus(6)
    people = corpus.participants
    pairs = tuple(tuple(people[place : place + 2]) for place in range(0, 6, 2))
    protocol = dataclasses.replace(DESCRIBED, num_folds=3, group_by="dyad")
    dataset = make_dataset(corpus, protocol, seed=0, groups=pairs)
    for draw in (1, 2):
        found = redrawn(dataset, dataclasses.replace(protocol, fold_draw=draw), seed=draw)
        assert {tuple(sorted(fold.held_out)) for fold in found.folds} == {tuple(sorted(pair)) for pair in pairs}
