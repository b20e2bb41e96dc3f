"""What is printed at the end of a search: the numbers of its results, in the units of their columns."""

import dataclasses

import pytest

from orchestrator.commands import console
from orchestrator.evaluation.results import Outcome
from orchestrator.run_records import Best, Summary
from tests.records import make_plan, make_result


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
        for uid, loss, valence, seconds, size in ((first, 0.5, 0.31, 90.0, 1.236), (second, 0.25, 0.42, 600.0, 0.5))
    ]
    console.print_report(plan, Summary(status="finished", best=None), Outcome(results=results, failures=()))
    printed = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("\u2502").split("\u2502")]
        for line in printed.splitlines()
        if "\u2502" in line
    ]
    assert [[row[0], row[1], *row[3:]] for row in rows] == [
        ["1", "rnn", "0.2500", "0.420 ± 0.125", "0.250", "10.0", "0.50"],
        ["2", "rnn", "0.5000", "0.310 ± 0.125", "0.250", "1.5", "1.24"],
    ]
    (heads,) = [line for line in printed.splitlines() if "network" in line]
    order = [heads.index(word) for word in ("network", "val. loss", "CCC valence", "CCC arousal", "minutes", "MiB")]
    assert order == sorted(order)


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
    lines = {
        line.split()[0]: " ".join(line.split()) for line in capsys.readouterr().out.splitlines() if " CCC 0." in line
    }
    assert lines["valence"].startswith("valence CCC 0.300 (± 0.030 over folds), ")
    assert "0.200 to 0.400" in lines["valence"]
    assert "of window means 0.500" in lines["valence"]
    assert lines["arousal"].startswith("arousal CCC 0.400 (± 0.030 over folds), ")
