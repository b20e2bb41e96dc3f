"""What a search's command prints at its end: leaderboard, score, failures, how to go on; and its exit code."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import measures
from orchestrator.estimators.facts import RepeatedEstimate
from orchestrator.estimators.paired import CAVEAT
from orchestrator.evaluation import results
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import Outcome, selected_on_reported
from orchestrator.measures import Value
from orchestrator.planning.duration import in_words
from orchestrator.planning.plan import Plan
from orchestrator.process import exit_codes
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import Failure, Summary
from orchestrator.search.conclude import INTERRUPTED, OUT_OF_TIME, RunOutcome
from tune_spaces.method import describe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LEADERBOARD_ROWS = 20
PLAIN_WIDTH = 120  # columns of the printed tables if there is no terminal
CLIENTS_LOST = ("QuorumLost", "ClientFailed")  # fed.round_records: in a round, or before the first


def present(outcome: RunOutcome) -> int:
    """Print what came of a run; return the exit code."""
    print_report(outcome.plan, outcome.summary, outcome.trials)
    print("\n".join(outcome.remarks))
    if outcome.ended is not None:
        print(f"error: {outcome.ended}", file=sys.stderr)
    _print_end(outcome.output, outcome.summary.status)
    if outcome.ended is not None:
        return outcome.ended.exit_code
    return _exit_code(outcome.summary.status, outcome.trials)


def _exit_code(status: str, outcome: Outcome) -> int:
    if status == INTERRUPTED or (status == OUT_OF_TIME and not outcome.results):
        return exit_codes.INTERRUPTED
    if any(failure.kind in CLIENTS_LOST for failure in (*outcome.failures, *outcome.failed_repeats)):
        return exit_codes.QUORUM_LOST
    return exit_codes.SOME_FAILED if outcome.failures or outcome.failed_repeats else exit_codes.FINISHED


def _print_end(output: Path, status: str) -> None:
    if status in (INTERRUPTED, OUT_OF_TIME):
        print(f"{status}: continue with  python -m orchestrator tune --resume {output}", file=sys.stderr)
    print(f"written to {output}")


def print_report(plan: Plan, summary: Summary, outcome: Outcome) -> None:
    """Print leaderboard, score and failures."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    note = " (SYNTHETIC corpus)" if plan.corpus.synthetic else ""
    note += f", protocol {plan.protocol.name}" + (
        " - OPTIMISTIC: the reported fold chose the epoch" if plan.protocol.optimistic else ""
    )
    table = Table(title=f"{plan.title}{note}", title_justify="left")
    shown = {
        f"{measure.title} {dimension}": f"{measure.key}_{dimension}"
        for measure in measures.headlines()
        for dimension in DIMENSIONS
    }
    for heading in ("", "network", "configuration", "val. loss", *shown, "minutes", "MiB"):
        table.add_column(heading, justify="left" if heading in ("network", "configuration") else "right")
    for rank, result in enumerate(results.ranking(outcome.results)[:LEADERBOARD_ROWS], start=1):
        table.add_row(
            str(rank),
            result.network,
            describe(result.hparams),
            f"{result.selection_loss:.4f}",
            *(_with_spread(result.scores, key) for key in shown.values()),
            f"{(result.training_seconds or 0.0) / 60:.1f}",
            f"{result.model_size_mib:.2f}",
        )
    if outcome.results:
        _add_baselines(table, summary, list(shown.values()))
    console.print(table)
    if summary.head is not None:
        console.print(f"head     {summary.head}")
    if summary.best:
        _print_score(console, summary)
    if summary.wall_seconds is not None:
        trained = in_words(summary.search_seconds or 0.0)
        console.print(f"time     {in_words(summary.wall_seconds)} by the clock, {trained} of training added up")
    for line in repeat_lines(summary):
        console.print(line, markup=False)
    failures = [*outcome.failures, *outcome.failed_repeats]
    if failures:
        _print_failures(console, failures)


def _add_baselines(table: "Table", summary: Summary, keys: Sequence[str]) -> None:
    """Add a row for each baseline below the configurations; none has a rank, however good it is."""
    there = {name: scores for name, scores in summary.baseline.items() if scores}
    if there:
        table.add_section()
    for name, scores in there.items():
        table.add_row("", name, "baseline", "", *(_with_spread(scores, key) for key in keys), "", "")


def _with_spread(scores: Mapping[str, Value], key: str) -> str:
    spread = scores.get(f"{key}_{measures.SPREAD}")
    return f"{scores[key]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def _print_score(console: "Console", summary: Summary) -> None:
    scores = summary.scores
    for dimension in DIMENSIONS:
        key = f"ccc_{dimension}"
        spread = scores.get(f"{key}_{measures.SPREAD}")
        over = "" if spread is None else f" (± {spread:.3f} over folds)"
        parts = [
            f"{dimension:8} CCC {scores[key]:.3f}{over}, {_interval(summary, key)}",
            f"of window means {scores[f'ccc_window_{dimension}']:.3f}",
            _corrected(summary, f"ccc_corrected_{dimension}"),
        ]
        console.print(", ".join(parts))
    federation = summary.federation
    if federation and federation.own_ccc_valence is not None:
        console.print(
            f"own      CCC valence {federation.own_ccc_valence:.3f}, arousal {federation.own_ccc_arousal:.3f}"
            " of the clients' own networks, on the last fifth of their recordings, which they did not train on"
        )
    for line in baseline_lines(summary):
        console.print(line)


def repeat_lines(summary: Summary) -> list[str]:
    """Return for each repeated configuration what its repeats say together, and how many of what it is made of."""
    lines = []
    for one in summary.repeats or ():
        left = f", {one.failed} failed" if one.failed else ""
        lines.append(
            f"repeats  {one.network} {describe(one.hparams)}: {len(one.seeds)} of {one.planned} repeats{left},"
            f" {one.folds} folds each, seeds {', '.join(map(str, one.seeds))}, {one.people} participants"
        )
        for dimension in DIMENSIONS:
            for key, words in (("ccc", "CCC"), ("ccc_window", "of window means")):
                found = one.estimates.get(f"{key}_{dimension}")
                if found is not None:
                    lines.append(f"         {dimension if key == 'ccc' else '':8} {words} {_repeated(found)}")
    if len(summary.repeats or ()) and summary.trials and summary.trials.finished > 1:
        lines.append("         the choice of the configuration is not repeated")
    return lines


def _repeated(one: RepeatedEstimate) -> str:
    """Return a mean over repeats with both of its 95 % intervals and the spread of the repeats in words."""
    parts = []
    if one.low is not None and one.high is not None:
        parts.append(f"corrected resampled t {one.low:.3f} to {one.high:.3f}")
    if one.people_low is not None and one.people_high is not None:
        parts.append(f"participants {one.people_low:.3f} to {one.people_high:.3f}")
    parts.append(f"repeats {min(one.by_repeat):.3f} to {max(one.by_repeat):.3f}")
    return f"{one.value:.3f} ({'; '.join(parts)})"


def baseline_lines(summary: Summary) -> list[str]:
    """Return a line for each baseline: what it scores; the best of each dimension compared; reasons for others."""
    lines = []
    for name, scores in summary.baseline.items():
        if scores:
            title = BASELINES[name].title if name in BASELINES else name
            words = "; ".join(f"{dimension} {_baseline(scores, dimension)}" for dimension in DIMENSIONS)
            lines.append(f"{name:15} CCC {words}: {title}")
    if summary.baseline_columns is not None:
        lines.append(f"baselines see   {summary.baseline_columns}")
    lines += comparison_lines(summary)
    left_out = summary.baseline_left_out or {}
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, own in left_out.items() if own == why)
        lines.append(f"left out        {names}: {why}")
    return lines


def _baseline(scores: Mapping[str, float], dimension: str) -> str:
    """Return a baseline's CCC with its interval and that of window means; an older summary has the CCC alone."""
    key = f"ccc_{dimension}"
    words = f"{scores[key]:.3f}"
    if f"{key}_{measures.LOW}" in scores:
        words += f" ({scores[f'{key}_{measures.LOW}']:.3f} to {scores[f'{key}_{measures.HIGH}']:.3f})"
    window = scores.get(f"ccc_window_{dimension}")
    return words if window is None else f"{words}, of window means {window:.3f}"


def comparison_lines(summary: Summary) -> list[str]:
    """Return for each dimension what is reported minus the best baseline, with interval and p over participants."""
    lines = []
    compared = summary.against_baselines or {}
    for dimension in DIMENSIONS:
        scores = {name: summary.baseline[name][f"ccc_{dimension}"] for name in compared if dimension in compared[name]}
        if not scores:
            continue
        best = max(scores, key=lambda name: scores[name])
        one = compared[best][dimension]
        lines.append(
            f"{dimension:8} CCC minus that of {best}, the best baseline: {one.value:+.3f}, 95 % interval"
            f" over {one.people} participants {one.low:+.3f} to {one.high:+.3f}, {_p(one.p_holm)} (Holm, all baselines)"
        )
    finished = summary.trials.finished if summary.trials else 0
    if lines and selected_on_reported(finished, summary.protocol_fields.get("epoch_choice")):
        lines.append(f"         {CAVEAT}")
    return lines


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _interval(summary: Summary, key: str) -> str:
    """Return the 95 % interval over participants in words, or that there is none."""
    low, high = (summary.scores.get(f"{key}_{end}") for end in (measures.LOW, measures.HIGH))
    if low is None or high is None:
        return "too few people for an interval"
    facts = (summary.intervals or {}).get(key)
    word = " (conservative)" if facts is not None and facts.conservative else ""
    return f"95 % interval over participants {low:.3f} to {high:.3f}{word}"


def _corrected(summary: Summary, key: str) -> str:
    """Return the score corrected for the choice of the configuration, or why there is none."""
    value = summary.scores.get(key)
    if value is not None:
        return f"corrected for selection {value:.3f} ({_interval(summary, key)})"
    finished = summary.trials.finished if summary.trials else 0
    if finished < 2:
        return "nothing was selected"
    if summary.protocol_fields.get("epoch_choice") == "best-on-held-out":
        return "not corrected for selection: the reported folds chose the epochs"
    if summary.protocol_fields.get("loss") == "ccc-window":
        return "not corrected for selection: what is stored cannot repeat a choice by ccc-window"
    if summary.protocol_fields.get("epoch_choice") == "best-on-inner":
        return "chosen by people who are not reported"
    return "too few people to correct for selection"


def _print_failures(console: "Console", failures: Sequence[Failure]) -> None:
    from rich.table import Table

    table = Table(title="Failed trials", title_justify="left")
    for heading in ("uid", "network", "configuration", "reason"):
        table.add_column(heading)
    for failure in failures:
        repeat = "" if failure.repeat is None else f" (repeat {failure.repeat})"
        table.add_row(failure.uid, failure.network, describe(failure.hparams) + repeat, failure.message)
    console.print(table, markup=False)
    console.print("The first failure in full:")
    console.print(failures[0].traceback, markup=False)
