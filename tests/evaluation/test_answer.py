"""The answer of a run in words: best configuration, interval, best baseline, difference with interval and p."""

import dataclasses
from typing import Any

from orchestrator.estimators.facts import IntervalFacts, PairedDifference
from orchestrator.estimators.paired import CAVEAT
from orchestrator.evaluation.answer import answer, best_baseline
from orchestrator.run_records import Best, Summary, TrialCounts
from tune_spaces.method import HParams

HPARAMS = HParams(learning_rate=1e-3, hidden_size=8, sequence_length=50, num_layers=1)
INTERVAL = IntervalFacts(
    method="jackknife", standard_error=0.1, degrees_of_freedom=6.0, people=7, folds=3, conservative=False
)


def difference(value: float, p: float) -> PairedDifference:
    return PairedDifference(
        value=value,
        low=value - 0.125,
        high=value + 0.125,
        p=p / 2,
        p_holm=p,
        of_people=None,
        p_of_people=None,
        people=7,
    )


def made(*, finished: int = 1, **changes: Any) -> Summary:
    """Valence 0.5, arousal 0.25; ridge is the better baseline of valence, boosting that of arousal."""
    scores = {"ccc_valence": 0.5, "ccc_valence_low": 0.25, "ccc_valence_high": 0.75, "ccc_arousal": 0.25}
    fields: dict[str, Any] = {
        "status": "finished",
        "best": Best(network="bigru", hparams=HPARAMS, uid="a", loss=1.0),
        "scores": scores,
        "intervals": {"ccc_valence": INTERVAL},
        "baseline": {
            "mean": {"ccc_valence": 0.0, "ccc_arousal": 0.0},
            "ridge": {"ccc_valence": 0.375, "ccc_valence_low": 0.125, "ccc_valence_high": 0.625, "ccc_arousal": 0.125},
            "boosting-person": {"ccc_valence": 0.25, "ccc_arousal": 0.375},
            "ridge-windows": {},
        },
        "against_baselines": {
            "ridge": {"valence": difference(0.125, 0.049), "arousal": difference(0.125, 0.5)},
            "boosting-person": {"valence": difference(0.25, 0.001), "arousal": difference(-0.125, 0.0004)},
        },
        "trials": TrialCounts(planned=finished, finished=finished, failed=0),
    }
    return Summary(**{**fields, **changes})


def test_the_best_baseline_of_each_dimension_is_compared_in_words() -> None:
    assert answer(made()) == [
        ("best", "bigru (learning rate 0.001, hidden size 8, sequence length 50, layers 1)"),
        (
            "valence",
            "CCC 0.500 (0.250 to 0.750), 95 % interval over 7 people. The best baseline, ridge (ridge on frames), has "
            "0.375 (0.125 to 0.625): the network is better, +0.125 (+0.000 to +0.250), p = 0.049 (Holm, "
            "4 tests), 7 people",
        ),
        (
            "arousal",
            "CCC 0.250, too few people for an interval. The best baseline, boosting-person (boosting with a person's "
            "mean, minimum, maximum), has 0.375: the network is WORSE, -0.125 (-0.250 to +0.000), "
            "p < 0.001 (Holm, 4 tests), 7 people",
        ),
    ]
    assert best_baseline(made(), "arousal") == ("boosting-person", difference(-0.125, 0.0004))


def test_a_difference_that_may_be_chance_is_not_called_better() -> None:
    compared = {"ridge": {"valence": difference(0.125, 0.05), "arousal": difference(-0.125, 0.6)}}
    _, valence, arousal = answer(made(against_baselines=compared))
    assert (
        "has 0.375 (0.125 to 0.625): no difference is shown, +0.125 (+0.000 to +0.250), p = 0.050 (Holm, 2 tests)"
        in valence[1]
    )
    assert "has 0.125: no difference is shown, -0.125" in arousal[1]


def test_the_best_of_many_is_said_to_be_chosen_and_is_corrected() -> None:
    summary = made(finished=4)
    summary = dataclasses.replace(summary, scores={**summary.scores, "ccc_corrected_valence": 0.4375})
    best, valence, arousal, note = answer(summary)
    assert best[1].endswith("layers 1), the best of 4 configurations")
    assert "over 7 people, 0.438 if corrected for the choice of the configuration. The best" in valence[1]
    assert "corrected" not in arousal[1]
    assert note == ("note", CAVEAT)
    strict = made(finished=4, protocol_fields={"epoch_choice": "best-on-inner"}, synthetic=True)
    found = answer(strict)
    assert found[0][1].endswith("; what is reported is of each fold's own, chosen by other people")
    assert found[3:] == [("note", "SYNTHETIC corpus: these figures say nothing about people")]


def test_who_was_stopped_early_was_chosen_against_too() -> None:
    """Its loss on the reported people was compared; a failed one was not."""
    best, *_, note = answer(made(trials=TrialCounts(planned=5, finished=1, failed=1, stopped=3)))
    assert best[1].endswith("layers 1), the best of 4 configurations (3 stopped early)")
    assert note == ("note", CAVEAT)
    summary = made(trials=TrialCounts(planned=5, finished=2, failed=0, stopped=3))
    summary = dataclasses.replace(summary, scores={**summary.scores, "ccc_corrected_valence": 0.4375})
    best, valence, *_ = answer(summary)
    assert best[1].endswith("the best of 5 configurations (3 stopped early)")
    assert "0.438 if corrected for the choice of the configuration among the 2 that finished. The best" in valence[1]
    alone = answer(made(trials=TrialCounts(planned=3, finished=1, failed=2)))
    assert alone[0][1].endswith("layers 1)")
    assert len(alone) == 3


def test_without_baselines_and_without_results_there_is_an_answer_too() -> None:
    left_out = dict.fromkeys(("ridge", "mean"), "no two people's frames meet")
    _, valence, _ = answer(made(baseline={"ridge": {}}, against_baselines={}, baseline_left_out=left_out))
    assert valence[1].endswith("over 7 people. No baseline is compared: no two people's frames meet")
    assert answer(made(best=None)) == [("answer", "none: no configuration has finished")]
