"""What a search's command prints at its end: leaderboard, score, failures, how to go on; and its exit code."""

import shlex
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator import measures
from orchestrator.estimators.facts import RepeatedEstimate
from orchestrator.estimators.intervals import ccc_in_words
from orchestrator.evaluation import results
from orchestrator.evaluation.answer import (
    Line,
    among_finished,
    answer,
    compared_configurations,
    stopped_configurations,
)
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import Outcome
from orchestrator.planning.duration import in_words
from orchestrator.planning.plan import Plan
from orchestrator.process import exit_codes
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import Failure, RepeatedScore, Summary
from orchestrator.search.conclude import INTERRUPTED, OUT_OF_TIME, RunOutcome
from orchestrator.tracking.location import resolve_tracking_uri
from tune_spaces.method import describe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LEADERBOARD_ROWS = 20
PLAIN_WIDTH = 80  # columns of what is printed if there is no terminal
LABEL = 9  # columns of the word before a line
CLIENTS_LOST = ("QuorumLost", "ClientFailed")  # fed.round_records: in a round, or before the first


def present(outcome: RunOutcome) -> int:
    """Print what came of a run; return the exit code."""
    print_report(outcome.plan, outcome.summary, outcome.trials)
    print("\n".join(outcome.remarks))
    if outcome.ended is not None:
        print(f"error: {outcome.ended}", file=sys.stderr)
    _print_end(outcome)
    if outcome.ended is not None:
        return outcome.ended.exit_code
    return _exit_code(outcome.summary.status, outcome.trials)


def _exit_code(status: str, outcome: Outcome) -> int:
    if status == INTERRUPTED or (status == OUT_OF_TIME and not outcome.results):
        return exit_codes.INTERRUPTED
    if any(failure.kind in CLIENTS_LOST for failure in (*outcome.failures, *outcome.failed_repeats)):
        return exit_codes.QUORUM_LOST
    return exit_codes.SOME_FAILED if outcome.failures or outcome.failed_repeats else exit_codes.FINISHED


def _print_end(outcome: RunOutcome) -> None:
    """Print where everything is, the answer in words, and what can be done next."""
    output, status = outcome.output, outcome.summary.status
    print(f"written to {output}")
    print()
    for word, text in answer(outcome.summary):
        _say(_console(), word, text)
    for word, command in _next(outcome):
        print(f"{word:{LABEL}}{command}")
    if status in (INTERRUPTED, OUT_OF_TIME):
        sys.stdout.flush()
        print(f"{status}: continue with  python -m orchestrator tune --resume {output}", file=sys.stderr)


def _next(outcome: RunOutcome) -> list[tuple[str, str]]:
    """Return commands that go on from a run with results, one a line so that it can be copied."""
    if outcome.summary.best is None:
        return []
    output, uri = shlex.quote(str(outcome.output)), str(outcome.plan.tracking["tracking_uri"])
    store = "" if uri == resolve_tracking_uri(None) else f" --tracking-uri {shlex.quote(uri)}"
    return [
        ("next", f"python -m orchestrator predict --model {output} --input FILE --output predictions.csv"),
        ("", f"python -m orchestrator audit {output}"),
        ("", f"python -m orchestrator report{store}"),
        ("", f"python -m orchestrator ui{store}"),
    ]


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def _say(console: "Console", word: str, text: str) -> None:
    """Print a word and what it says, however long, in lines of the console's width."""
    for line in hanging(word, text, console.width):
        console.print(line, markup=False, soft_wrap=True)


def hanging(word: str, text: str, width: int) -> list[str]:
    """Return a word and what it says in lines of at most `width` columns; the later ones begin below the first."""
    return textwrap.wrap(
        f"{word:{LABEL}}{text}",
        max(width, 2 * LABEL),
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_report(plan: Plan, summary: Summary, outcome: Outcome) -> None:
    """Print leaderboard, score and failures."""
    from rich.box import HORIZONTALS
    from rich.table import Table

    console = _console()
    note = " (SYNTHETIC corpus)" if plan.corpus.synthetic else ""
    note += f", protocol {plan.protocol.name}" + (
        " - OPTIMISTIC: the reported fold chose the epoch" if plan.protocol.optimistic else ""
    )
    table = Table(
        title=f"{plan.title}{note}",
        title_justify="left",
        box=HORIZONTALS,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    # Two lines of a heading: a configuration with its network has to find room in 80 columns.
    shown = {
        f"{measure.title}\n{dimension}": f"{measure.key}_{dimension}"
        for measure in measures.headlines()
        for dimension in DIMENSIONS
    }
    for heading in ("", "configuration", "val.\nloss", *shown, "minutes", "MiB"):
        table.add_column(heading, justify="left" if heading == "configuration" else "right", overflow="fold")
    for rank, result in enumerate(results.ranking(outcome.results)[:LEADERBOARD_ROWS], start=1):
        table.add_row(
            str(rank),
            f"{result.network} {describe(result.hparams)}",
            f"{result.selection_loss:.4f}",
            *(f"{result.scores[key]:.3f}" for key in shown.values()),
            f"{(result.training_seconds or 0.0) / 60:.1f}",
            _size(result.model_size_mib),
        )
    if outcome.results:
        _add_baselines(table, summary, list(shown.values()))
    console.print(table)
    console.print()
    if summary.head is not None:
        _say(console, "head", summary.head)
    if summary.best:
        _print_score(console, summary)
    if summary.wall_seconds is not None:
        trained = in_words(summary.search_seconds or 0.0)
        _say(console, "time", f"{in_words(summary.wall_seconds)} by the clock, {trained} of training added up")
    for word, text in repeat_lines(summary):
        _say(console, word, text)
    failures = [*outcome.failures, *outcome.failed_repeats]
    if failures:
        _print_failures(console, failures)


def _size(mib: float | None) -> str:
    """Return a model's size, nothing of an old result without one; of a small one a digit more: it is not 0.00."""
    if mib is None:
        return ""
    return f"{mib:.2f}" if mib >= 0.1 else f"{mib:.3f}"


def _add_baselines(table: "Table", summary: Summary, keys: Sequence[str]) -> None:
    """Add a row for each baseline below the configurations; none has a rank, however good it is."""
    there = {name: scores for name, scores in summary.baseline.items() if scores}
    if there:
        table.add_section()
    for name, scores in there.items():
        table.add_row("", f"{name} (baseline)", "", *(f"{scores[key]:.3f}" for key in keys), "", "")


def _print_score(console: "Console", summary: Summary) -> None:
    scores = summary.scores
    for dimension in DIMENSIONS:
        key = f"ccc_{dimension}"
        spread = scores.get(f"{key}_{measures.SPREAD}")
        over = "" if spread is None else f" (± {spread:.3f} over folds)"
        parts = [
            f"CCC {scores[key]:.3f}{over}, {_interval(summary, key)}",
            f"of window means {ccc_in_words(scores.get(f'ccc_window_{dimension}'))}",
            _corrected(summary, dimension),
        ]
        _say(console, dimension, ", ".join(parts))
    federation = summary.federation
    if federation and federation.own_ccc_valence is not None:
        text = (
            f"CCC valence {federation.own_ccc_valence:.3f}, arousal {federation.own_ccc_arousal:.3f}"
            " of the clients' own networks, on the last fifth of their recordings, which they did not train on"
        )
        _say(console, "own", text)
    for word, text in baseline_lines(summary):
        _say(console, word, text)


def repeat_lines(summary: Summary) -> list[Line]:
    """Return for each repeated configuration what its repeats say together, and how many of what it is made of."""
    lines = []
    for one in summary.repeats or ():
        left = f", {one.failed} failed" if one.failed else ""
        text = (
            f"{one.network} {describe(one.hparams)}: {len(one.seeds)} of {one.planned} repeats{left},"
            f" {one.folds} folds each, seeds {', '.join(map(str, one.seeds))}, {one.people} participants"
        )
        lines.append(("repeats", text))
        for dimension in DIMENSIONS:
            for key, words in (("ccc", "CCC"), ("ccc_window", "of window means")):
                found = one.estimates.get(f"{key}_{dimension}")
                if found is not None:
                    made_of = _made_of(one, found)
                    lines.append((dimension if key == "ccc" else "", f"{words} {_repeated(found)}{made_of}"))
    if len(summary.repeats or ()) and compared_configurations(summary) > 1:
        lines.append(("", "the choice of the configuration is not repeated"))
    return lines


def _made_of(one: RepeatedScore, found: RepeatedEstimate) -> str:
    """Return how many folds and people a mean is of, if some have no scored frame."""
    folds, people = one.made_of(found)
    if (folds, people) == (one.folds, one.people):
        return ""
    return f", of {folds} folds and {people} participants with scored frames"


def _repeated(one: RepeatedEstimate) -> str:
    """Return a mean over repeats with both of its 95 % intervals and the spread of the repeats in words."""
    parts = []
    if one.low is not None and one.high is not None:
        parts.append(f"corrected resampled t {one.low:.3f} to {one.high:.3f}")
    if one.people_low is not None and one.people_high is not None:
        parts.append(f"participants {one.people_low:.3f} to {one.people_high:.3f}")
    parts.append(f"repeats {min(one.by_repeat):.3f} to {max(one.by_repeat):.3f}")
    return f"{one.value:.3f} ({'; '.join(parts)})"


def baseline_lines(summary: Summary) -> list[Line]:
    """Return a line for each baseline: what it is and scores; what they see; why others were left out."""
    lines = []
    for name, scores in summary.baseline.items():
        if scores:
            title = f" ({BASELINES[name].title})" if name in BASELINES else ""
            words = "; ".join(f"{dimension} {_baseline(scores, dimension)}" for dimension in DIMENSIONS)
            lines.append(("baseline", f"{name}{title}: CCC {words}"))
    if summary.baseline_columns is not None:
        lines.append(("inputs", f"of the baselines: {summary.baseline_columns}"))
    left_out = summary.baseline_left_out or {}
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, own in left_out.items() if own == why)
        lines.append(("left out", f"{names}: {why}"))
    return lines


def _baseline(scores: Mapping[str, float], dimension: str) -> str:
    """Return a baseline's CCC with its interval and that of window means; an older summary has the CCC alone."""
    key = f"ccc_{dimension}"
    words = f"{scores[key]:.3f}"
    low, high = (scores.get(f"{key}_{end}") for end in (measures.LOW, measures.HIGH))
    if low is not None and high is not None:
        words += f" ({low:.3f} to {high:.3f})"
    window = scores.get(f"ccc_window_{dimension}")
    return words if window is None else f"{words}, of window means {window:.3f}"


def _interval(summary: Summary, key: str) -> str:
    """Return the 95 % interval over participants in words, or that there is none."""
    low, high = (summary.scores.get(f"{key}_{end}") for end in (measures.LOW, measures.HIGH))
    if low is None or high is None:
        return "too few people for an interval"
    facts = (summary.intervals or {}).get(key)
    word = " (conservative)" if facts is not None and facts.conservative else ""
    return f"95 % interval over participants {low:.3f} to {high:.3f}{word}"


def _corrected(summary: Summary, dimension: str) -> str:
    """Return the score corrected for the choice of the configuration, or why there is none."""
    key = f"ccc_corrected_{dimension}"
    value = summary.scores.get(key)
    if value is not None:
        equal = f"{value:.3f}" == f"{summary.scores[f'ccc_{dimension}']:.3f}"
        word = ", the same because the choice gained nothing" if equal else ""
        return f"corrected for selection{among_finished(summary)} {value:.3f}{word} ({_interval(summary, key)})"
    return _why_not_corrected(summary)


def _why_not_corrected(summary: Summary) -> str:
    if summary.protocol_fields.get("epoch_choice") == "best-on-held-out":  # of a single configuration, too
        return "not corrected for selection: the reported folds chose the epochs"
    compared, stopped = compared_configurations(summary), stopped_configurations(summary)
    if compared < 2:
        return "nothing was selected"
    if compared - stopped < 2:
        return "not corrected for selection: the scheduler stopped the others by the reported people"
    if summary.protocol_fields.get("loss") == "ccc-window":
        return "not corrected for selection: what is stored cannot repeat a choice by ccc-window"
    if summary.protocol_fields.get("epoch_choice") == "best-on-inner":
        return "chosen by people who are not reported"
    return "too few people to correct for selection"


def _print_failures(console: "Console", failures: Sequence[Failure]) -> None:
    console.print("Failed trials:")
    for failure in failures:
        repeat = "" if failure.repeat is None else f" (repeat {failure.repeat})"
        _say(console, "", f"{failure.uid} {failure.network} {describe(failure.hparams)}{repeat}: {failure.message}")
    console.print("The first failure in full:")
    console.print(failures[0].traceback, markup=False, soft_wrap=True)
