"""What a search's command prints at its end: leaderboard, score, failures, how to go on; and its exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import measures
from orchestrator.evaluation import results
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import Outcome
from orchestrator.planning.plan import Plan
from orchestrator.process import exit_codes
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import Failure, Summary, TrialResult
from orchestrator.search.conclude import INTERRUPTED, OUT_OF_TIME, RunOutcome
from tune_spaces.method import describe

if TYPE_CHECKING:
    from rich.console import Console

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
    if any(failure.kind in CLIENTS_LOST for failure in outcome.failures):
        return exit_codes.QUORUM_LOST
    return exit_codes.SOME_FAILED if outcome.failures else exit_codes.FINISHED


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
            *(_with_spread(result, key) for key in shown.values()),
            f"{(result.training_seconds or 0.0) / 60:.1f}",
            f"{result.model_size_mib:.2f}",
        )
    console.print(table)
    if summary.best:
        _print_score(console, summary)
    if outcome.failures:
        _print_failures(console, outcome.failures)


def _with_spread(result: TrialResult, key: str) -> str:
    spread = result.scores.get(f"{key}_{measures.SPREAD}")
    return f"{result.scores[key]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")


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


def baseline_lines(summary: Summary) -> list[str]:
    """Return a line for each baseline: what it scores; then the reasons why others were left out."""
    lines = []
    for name, scores in summary.baseline.items():
        if scores:
            title = BASELINES[name].title if name in BASELINES else name
            words = ", ".join(f"{dimension} {scores[f'ccc_{dimension}']:.3f}" for dimension in DIMENSIONS)
            lines.append(f"{name:15} CCC {words} on the same folds: {title}")
    left_out = summary.baseline_left_out or {}
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, own in left_out.items() if own == why)
        lines.append(f"left out        {names}: {why}")
    return lines


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
    if summary.protocol_fields.get("epoch_choice") == "best-on-inner":
        return "chosen by people who are not reported"
    return "too few people to correct for selection"


def _print_failures(console: "Console", failures: Sequence[Failure]) -> None:
    from rich.table import Table

    table = Table(title="Failed trials", title_justify="left")
    for heading in ("uid", "network", "configuration", "reason"):
        table.add_column(heading)
    for failure in failures:
        table.add_row(failure.uid, failure.network, describe(failure.hparams), failure.message)
    console.print(table, markup=False)
    console.print("The first failure in full:")
    console.print(failures[0].traceback, markup=False)
