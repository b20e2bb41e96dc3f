"""What is printed at the end of a search: the numbers of its results, in the units of their columns."""

import dataclasses
from pathlib import Path

import pytest

from orchestrator import measures
from orchestrator.commands import console
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import Outcome
from orchestrator.run_records import Best, Failure, RepeatedScore, Summary, TrialCounts
from orchestrator.search.conclude import RunOutcome
from tests.records import SMALL_GRID, make_plan, make_result


def test_the_table_has_rank_loss_scores_minutes_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan()
    first, second = (trial.uid for trial in plan.trials[:2])
    results = [
        dataclasses.replace(
            make_result(uid, [loss], [0.0]),
            scores={"ccc_valence": valence, "ccc_arousal": 0.25, "ccc_valence_sd": 0.125, "ccc_arousal_sd": None},
            training_seconds=seconds,
            model_size_mib=size,
        )
        for uid, loss, valence, seconds, size in ((first, 0.5, 0.31, 90.0, 0.0062), (second, 0.25, 0.42, 600.0, 0.5))
    ]
    console.print_report(plan, Summary(status="finished", best=None), Outcome(results=results, failures=()))
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if " lr=" in line]
    assert [[*row[:2], *row[-5:]] for row in rows] == [
        ["1", "rnn", "0.2500", "0.420", "0.250", "10.0", "0.50"],
        ["2", "rnn", "0.5000", "0.310", "0.250", "1.5", "0.006"],
    ]
    top, below = printed.splitlines()[1:3]
    assert [word for word in top.split() if word in ("val.", "CCC")] == ["val.", "CCC", "CCC"]
    order = [below.index(word) for word in ("configuration", "loss", "valence", "arousal", "minutes", "MiB")]
    assert order == sorted(order)


def test_all_that_is_printed_fits_80_columns_without_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Twenty rows of the longest names; a file's name may be longer."""
    plan = make_plan(grid={**SMALL_GRID, "learning_rate": (0.00025,), "sequence_length": (2500,)})
    trials = plan.trials[:1] * 20
    results = [
        dataclasses.replace(make_result(trial.uid, [0.5], [0.3]), hparams=trial.hparams, network="bilstm")
        for trial in trials
    ]
    best = Best(network="bilstm", hparams=trials[0].hparams, uid=trials[0].uid, loss=0.5)
    baseline = {name: {"ccc_valence": 0.1, "ccc_arousal": 0.2} for name in BASELINES}
    scores = dict.fromkeys(measures.score_keys(), 0.25)
    summary = Summary(
        status="finished",
        best=best,
        scores=scores,
        baseline=baseline,
        wall_seconds=1000.0,
        trials=TrialCounts(planned=20, finished=20, failed=0),
    )
    outcome = Outcome(results=results, failures=())
    shown = RunOutcome(plan=plan, output=tmp_path, summary=summary, trials=outcome, remarks=("written",))
    assert console.present(shown) == 0
    lines = capsys.readouterr().out.splitlines()
    long = [line for line in lines if len(line) > 80]
    assert all(str(tmp_path) in line or "sqlite:" in line for line in long)
    assert sum("lr=0.00025 h=8 L=2500 x1" in line for line in lines) == 20
    words = [line.split()[0] for line in lines[lines.index(f"written to {tmp_path}") + 1 :] if line[:1].strip()]
    assert words == ["best", "valence", "arousal", "next"]
    assert [line.split()[3] for line in lines if "python -m orchestrator" in line and line[0] == " "] == [
        "audit",
        "report",
        "ui",
    ]
    assert f"next     python -m orchestrator predict --model {tmp_path} --input FILE --output predictions.csv" in lines


def test_the_score_of_the_best_stands_with_its_spread(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan()
    trial = plan.trials[0]
    scores = {
        f"{key}_{dimension}{end}": middle + off
        for key, value in (("ccc", 0.3), ("ccc_window", 0.5), ("ccc_corrected", 0.2))
        for dimension, middle in (("valence", value), ("arousal", value + 0.1))
        for end, off in (("", 0.0), ("_low", -0.1), ("_high", 0.1), ("_sd", 0.03 - middle))
    }
    best = Best(network=trial.network, hparams=trial.hparams, uid=trial.uid, loss=0.5)
    summary = Summary(status="finished", best=best, scores=scores)
    console.print_report(plan, summary, Outcome(results=[make_result(trial.uid, [0.5], [0.3])], failures=()))
    # What is said in several lines goes on below its first, behind blanks.
    text = capsys.readouterr().out.replace("\n" + " " * console.LABEL, " ")
    lines = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if " CCC 0." in line}
    assert lines["valence"].startswith("valence CCC 0.300 (± 0.030 over folds), ")
    assert "0.200 to 0.400" in lines["valence"]
    assert "of window means 0.500" in lines["valence"]
    assert lines["arousal"].startswith("arousal CCC 0.400 (± 0.030 over folds), ")
    assert "corrected for selection 0.200 (95 % interval" in lines["valence"]
    without = dataclasses.replace(summary, scores={**scores, "ccc_window_valence": None})  # no label of valence
    console.print_report(plan, without, Outcome(results=[], failures=()))
    assert "of window means -," in " ".join(capsys.readouterr().out.split())
    same = dataclasses.replace(summary, scores={**scores, "ccc_corrected_valence": 0.3})
    console.print_report(plan, same, Outcome(results=[], failures=()))
    printed = " ".join(capsys.readouterr().out.split())
    assert "corrected for selection 0.300, the same because the choice gained nothing (95 %" in printed
    assert "corrected for selection 0.300 (95 %" in printed  # of arousal, whose CCC is 0.4


@pytest.mark.parametrize(
    ("trials", "epoch_choice", "value", "expected"),
    [
        ((1, 0), "last", None, "nothing was selected"),
        ((1, 3), "last", None, "not corrected for selection: the scheduler stopped the others by the reported people"),
        ((2, 3), "last", None, "too few people to correct for selection"),
        ((2, 3), "last", 0.125, "corrected for selection among the 2 that finished 0.125 ("),
        ((2, 0), "last", 0.125, "corrected for selection 0.125 ("),
        ((1, 0), "best-on-held-out", None, "not corrected for selection: the reported folds chose the epochs"),
        ((1, 3), "best-on-held-out", None, "not corrected for selection: the reported folds chose the epochs"),
        ((2, 0), "best-on-inner", None, "chosen by people who are not reported"),
    ],
)
def test_whether_the_choice_is_corrected_is_said_with_who_was_stopped(
    trials: tuple[int, int], epoch_choice: str, value: float | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    finished, stopped = trials
    trial = make_plan().trials[0]
    summary = Summary(
        status="finished",
        best=Best(network=trial.network, hparams=trial.hparams, uid=trial.uid, loss=0.5),
        scores={"ccc_valence": 0.25, "ccc_arousal": 0.25, "ccc_corrected_valence": value},
        protocol_fields={"epoch_choice": epoch_choice},
        trials=TrialCounts(planned=6, finished=finished, failed=1, stopped=stopped),
    )
    console.print_report(make_plan(), summary, Outcome(results=[], failures=()))
    printed = " ".join(capsys.readouterr().out.split())
    assert f"of window means -, {expected}" in printed.partition("arousal CCC")[0]


@pytest.mark.parametrize(("stopped", "said"), [(0, False), (2, True)])
def test_repeats_are_of_a_choice_if_others_were_stopped(stopped: int, *, said: bool) -> None:
    trial = make_plan().trials[0]
    repeated = RepeatedScore(
        network=trial.network,
        hparams=trial.hparams,
        uid=trial.uid,
        uids=(trial.uid,),
        seeds=(0,),
        planned=2,
        failed=0,
        folds=3,
        people=6,
        estimates={},
    )
    trials = TrialCounts(planned=3, finished=1, failed=0, stopped=stopped)
    lines = console.repeat_lines(Summary(status="finished", best=None, repeats=(repeated,), trials=trials))
    assert (("", "the choice of the configuration is not repeated") in lines) == said


def test_failures_are_named_and_the_first_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    trial = make_plan().trials[0]
    traceback = "Traceback (most recent call last):\n  " + "x" * 200 + "\nValueError: [loss] is NaN"
    first, second = (
        Failure(uid=uid, network="rnn", hparams=trial.hparams, message=message, traceback=traceback, repeat=repeat)
        for uid, message, repeat in (("aa", "[loss] is NaN", None), ("bb", "word " * 40, 2))
    )
    outcome = Outcome(results=[], failures=[first], failed_repeats=[second])
    console.print_report(make_plan(), Summary(status="some trials failed", best=None), outcome)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    start = lines.index("Failed trials:")
    assert lines[start + 1].strip() == "aa rnn lr=0.001 h=8 L=50 x1: [loss] is NaN"
    assert lines[start + 2].strip().startswith("bb rnn lr=0.001 h=8 L=50 x1 (repeat 2): word word")
    assert max(map(len, lines[start : lines.index("The first failure in full:")])) <= 80
    assert printed.endswith(f"The first failure in full:\n{traceback}\n")
