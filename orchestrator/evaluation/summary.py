"""What a command leaves behind: summary.json, the leaderboard, predictions.parquet and the model's folder."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from orchestrator import measures
from orchestrator.data.dataset import Dataset, Outline
from orchestrator.data.raters import agreement
from orchestrator.errors import InputError
from orchestrator.estimators.agreement import Rated
from orchestrator.estimators.agreement import agreement as described_raters
from orchestrator.estimators.facts import Estimate, IntervalFacts, RaterFacts
from orchestrator.estimators.intervals import Interval
from orchestrator.evaluation import (
    comparisons,
    label_levels,
    leaderboard,
    model_card,
    prediction_table,
    repeats,
    results,
)
from orchestrator.evaluation.person_moments import scored_people
from orchestrator.evaluation.results import Outcome
from orchestrator.evaluation.search_baselines import Scored, columns_in_words
from orchestrator.evaluation.trial_files import read_artefact
from orchestrator.files import JsonObject, write_bytes, write_json, write_text
from orchestrator.planning.plan import Plan
from orchestrator.protocols import DIMENSIONS, head_in_words
from orchestrator.run_folder import (
    CARD_FILE,
    CURVES_FILE,
    LEADERBOARD_FILE,
    MODEL_FILE,
    MODEL_FOLDER,
    MOMENTS_FILE,
    PREDICTIONS_FILE,
    PREDICTIONS_TABLE,
)
from orchestrator.run_records import Best, FoldScore, Summary, TrialCounts, TrialResult

FILES_KEPT = ("frame_rate", "time_unit", "limits")  # of what the user said of the files


def build(  # noqa: PLR0913 - what a summary is made of
    plan: Plan,
    dataset: Dataset,
    outcome: Outcome,
    *,
    status: str,
    tracking: Mapping[str, str],
    baselines: Scored,
) -> Summary:
    """Return the summary of a run; in `summary.json` every key is always there."""
    found = outcome.results
    ranked = results.ranking(found)
    best = ranked[0] if ranked else None
    score, intervals = results.reported_scores(found, plan.protocol, seed=plan.seed)
    return Summary(
        status=status,
        command=plan.command,
        method=plan.method,
        protocol=plan.protocol.name,
        protocol_fields=dataclasses.asdict(plan.protocol),
        optimistic=plan.protocol.optimistic,
        synthetic=plan.corpus.synthetic,
        corpus=_corpus(plan),
        features=plan.features,
        seed=plan.seed,
        best=None
        if best is None
        else Best(network=best.network, hparams=best.hparams, uid=best.uid, loss=best.selection_loss),
        scores={key: score.get(key) for key in measures.score_keys()},
        intervals={
            key: IntervalFacts(
                method=one.method,
                standard_error=one.standard_error,
                degrees_of_freedom=float(one.degrees_of_freedom),
                people=one.num_people,
                folds=one.num_folds,
                conservative=one.conservative,
            )
            for key, one in intervals.items()
        },
        baseline=baselines.shown(),
        rater_agreement=agreement(dataset.raters, [split.held_out for split in dataset.splits]),
        raters=_raters(dataset),
        folds=tuple(_reported(result, k) for k, result in enumerate(results.reported_by_fold(found, plan.protocol))),
        participants=results.reported_people(found, plan.protocol),
        training_seconds=best.training_seconds if best else None,
        search_seconds=sum(result.training_seconds or 0.0 for result in found),
        model_size_mib=best.model_size_mib if best else None,
        num_parameters=best.num_parameters if best else None,
        trials=TrialCounts(
            planned=plan.num_planned,
            finished=len(ranked),
            failed=len(outcome.failures),
            stopped=len(found) - len(ranked),
        ),
        # Without the rounds one by one, which are the configuration's own.
        federation=replace(best.federation, by_round=None) if best and best.federation else None,
        mlflow={key: tracking.get(key) for key in ("tracking_uri", "experiment_id", "run_id")},
        baseline_left_out=baselines.left_out,
        label_variance=label_levels.record(dataset, plan.protocol),
        against_baselines=comparisons.against_baselines(found, baselines.scores, plan.protocol),
        repeats=repeats.repeated_scores(plan, outcome),
        head=head_in_words(dataclasses.asdict(plan.protocol)),
        baseline_columns=columns_in_words(dataset) if any(baselines.shown().values()) else None,
    )


def _raters(dataset: Dataset) -> dict[str, RaterFacts] | None:
    """Describe the raters by dimension; None with one rater, and for federations, whose labels never meet."""
    people = [fold.held_out for fold in dataset.folds]
    found = {}
    for d, dimension in enumerate(DIMENSIONS):
        rated = [
            Rated(
                participant=series.participant,
                raters=one.names,
                ratings_TR=one.ratings_TR2[:, :, d],
                scored_T=one.scored_T2[:, d],
            )
            for series, one in zip(dataset.series, dataset.raters, strict=True)
            if one is not None
        ]
        described = described_raters(rated, people) if rated else None
        if described is not None:
            found[dimension] = RaterFacts(
                raters=described.num_raters,
                people=described.num_people,
                ceiling=_estimate(described.ceiling),
                icc_single=_estimate(described.icc_single),
                icc_mean=_estimate(described.icc_mean),
                alpha=_estimate(described.alpha),
            )
    return found or None


def _estimate(interval: Interval | None) -> Estimate | None:
    return None if interval is None else Estimate(value=interval.estimate, low=interval.low, high=interval.high)


def _reported(result: TrialResult, k: int) -> FoldScore:
    """Return a fold as the summary has it: with the configuration it is of, measure by measure, without moments."""
    fold = result.folds[k]
    scores = {key: fold.scores[key] for key in measures.fold_keys() if key in fold.scores}
    return replace(fold, uid=result.uid, scores=scores, moments=None, window_moments=None)


def _corpus(plan: Plan) -> JsonObject:
    return {
        **{key: getattr(plan.corpus, key) for key in ("kind", "path", "sha256", *FILES_KEPT)},
        "options": dataclasses.asdict(plan.corpus.options),
        "features": list(plan.corpus.feature_names),
    }


def write_outputs(  # noqa: PLR0913, PLR0917 - what the files are made of
    plan: Plan, dataset: Dataset, output: Path, trials_folder: Path, found: Sequence[TrialResult], baselines: Scored
) -> list[str]:
    """Write leaderboard, learning curves, sums by person, predictions and model of the results there are.

    Return a line if predictions and model could not be written because a trial has lost them: resuming makes them.
    """
    write_text(output / LEADERBOARD_FILE, leaderboard.leaderboard_csv(plan, found, baselines.shown()))
    write_json(output / CURVES_FILE, best_curves(found))
    write_json(output / MOMENTS_FILE, scored_people(plan, found, baselines.scores).to_json())
    reported = results.reported_by_fold(found, plan.protocol)
    if not reported:
        return []
    try:
        write_predictions(dataset, output / PREDICTIONS_TABLE, trials_folder, reported, synthetic=plan.corpus.synthetic)
        write_model(plan, dataset, output / MODEL_FOLDER, trials_folder, results.ranking(found)[0])
    except InputError as error:
        return [f"predictions and model are not of the reported trials ({error}); resuming makes them"]
    return []


def best_curves(found: Sequence[TrialResult]) -> dict[str, JsonObject]:
    """Return for each network the uid and the curve of its best configuration: what learning curves show."""
    best = results.best_of_networks(found)
    return {network: {"uid": result.uid, "curve": result.curve} for network, result in best.items()}


def write_predictions(
    dataset: Dataset, path: Path, trials_folder: Path, reported: Sequence[TrialResult], *, synthetic: bool
) -> None:
    """Write the held-out predictions, one row per frame, in the corpus's order and within it in the order of time.

    The gold columns are null at frames that are outside the score: no face, or no label. They and the raters' are
    null throughout for a federation, whose labels stay with the participants. The predictions are null where the
    protocol drops the last partial window.
    """
    traces: dict[int, np.ndarray] = {}
    for k, result in enumerate(reported):
        arrays = safetensors.numpy.load(read_artefact(trials_folder / result.uid, PREDICTIONS_FILE))
        traces |= {index: arrays[str(index)] for index in dataset.splits[k].held_out}
    fold_of = {index: k for k, split in enumerate(dataset.splits) for index in split.held_out}
    blocks = []
    for index, series in enumerate(dataset.series):
        raters = dataset.raters[index]
        unknown = np.full(series.mask_T2.shape, np.nan, dtype=np.float32)
        gold = unknown if isinstance(series, Outline) else np.where(series.mask_T2, series.gold_T2, np.nan)
        low, high = (unknown, unknown) if raters is None else (raters.low_T2, raters.high_T2)
        values = {"gold": gold, "pred": traces[index], "raters_low": low, "raters_high": high}
        blocks.append(
            prediction_table.block(series.participant, series.session, dataset.times[index], fold_of[index], values)
        )
    prediction_table.write(path, blocks, synthetic=synthetic)


def write_model(plan: Plan, dataset: Dataset, folder: Path, trials_folder: Path, best: TrialResult) -> None:
    """Write the model's folder: the fold models' weights, a JSON card and the card as text."""
    weights = read_artefact(trials_folder / best.uid, MODEL_FILE)
    write_bytes(folder / MODEL_FILE, weights)
    card = model_card.build(plan, dataset, best, weights_sha256=hashlib.sha256(weights).hexdigest())
    write_json(folder / CARD_FILE, card)
    write_text(folder / "README.md", model_card.as_text(card))
