"""What a run found, in words: its best configuration, how good it is, and whether a simple baseline is as good."""

from collections.abc import Mapping

from orchestrator import measures
from orchestrator.estimators.facts import PairedDifference
from orchestrator.estimators.paired import CAVEAT
from orchestrator.evaluation.baselines import BASELINES
from orchestrator.evaluation.results import selected_on_reported
from orchestrator.measures import Value
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_records import Best, Summary
from tune_spaces.method import shown

SIGNIFICANCE = 0.05  # the usual one; p after Holm's correction for all baselines
BY_FOLD = "best-on-inner"  # of `epoch_choice`: each fold has the configuration that other people chose

Line = tuple[str, str]  # a word to stand before it, and what it says


def answer(summary: Summary) -> list[Line]:
    """Return the answer of a run, a line per question; of one in which nothing finished, that alone."""
    if summary.best is None:
        return [("answer", "none: no configuration has finished")]
    lines = [("best", _best(summary, summary.best))]
    lines += [(dimension, _dimension(summary, dimension)) for dimension in DIMENSIONS]
    if summary.against_baselines and selected_on_reported(compared_configurations(summary), _epoch_choice(summary)):
        lines.append(("note", CAVEAT))
    if summary.synthetic:
        lines.append(("note", "SYNTHETIC corpus: these figures say nothing about people"))
    if summary.forgotten:
        lines.append(("note", removed_in_words(summary.forgotten)))
    return lines


def removed_in_words(number: int) -> str:
    """Return that people were removed from a run after its scores were computed."""
    people = "1 person" if number == 1 else f"{number} people"
    return f"{people} removed by `data forget` after these scores were computed with them"


def best_baseline(summary: Summary, dimension: str) -> tuple[str, PairedDifference] | None:
    """Return the baseline of the highest CCC and what is reported minus it; None if none was compared."""
    compared = {name: own[dimension] for name, own in (summary.against_baselines or {}).items() if dimension in own}
    if not compared:
        return None
    name = max(compared, key=lambda one: summary.baseline[one][f"ccc_{dimension}"])
    return name, compared[name]


def _best(summary: Summary, best: Best) -> str:
    hparams = ", ".join(f"{one.about.title.lower()} {getattr(best.hparams, one.name):g}" for one in shown(best.hparams))
    number = compared_configurations(summary)
    of = f", the best of {number} configurations" if number > 1 else ""
    if stopped_configurations(summary):
        of += f" ({stopped_configurations(summary)} stopped early)"
    if number > 1 and _epoch_choice(summary) == BY_FOLD:
        of += "; what is reported is of each fold's own, chosen by other people"
    return f"{best.network} ({hparams}){of}"


def _dimension(summary: Summary, dimension: str) -> str:
    key = f"ccc_{dimension}"
    parts = [f"CCC {_with_interval(summary.scores, key)}{_people(summary, key)}"]
    corrected = summary.scores.get(f"ccc_corrected_{dimension}")
    if corrected is not None:
        parts[0] += f", {corrected:.3f} if corrected for the choice of the configuration{among_finished(summary)}"
    found = best_baseline(summary, dimension)
    if found is None:
        parts.append(f"No baseline is compared{_why_none(summary)}")
    else:
        parts.append(_against(summary, dimension, *found))
    return ". ".join(parts)


def _against(summary: Summary, dimension: str, name: str, one: PairedDifference) -> str:
    title = f" ({BASELINES[name].title})" if name in BASELINES else ""
    words = f"The best baseline, {name}{title}, has {_with_interval(summary.baseline[name], f'ccc_{dimension}')}: "
    tests = sum(map(len, (summary.against_baselines or {}).values()))
    corrected = f" (Holm, {tests} tests)" if tests > 1 else ""  # the interval is of this test alone
    facts = f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f}), {p_in_words(one.p_holm)}{corrected}"
    facts += f", {one.people} people"
    if one.p_holm >= SIGNIFICANCE:
        return f"{words}no difference is shown, {facts}"
    return f"{words}the network is {'better' if one.value > 0 else 'WORSE'}, {facts}"


def p_in_words(value: float) -> str:
    """Return a p value with three digits, or that it is smaller."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _with_interval(scores: Mapping[str, Value], key: str) -> str:
    low, high = (scores.get(f"{key}_{end}") for end in (measures.LOW, measures.HIGH))
    value = f"{scores[key]:.3f}"
    return value if low is None or high is None else f"{value} ({low:.3f} to {high:.3f})"


def _people(summary: Summary, key: str) -> str:
    """Return what the interval is, or that there is none."""
    facts = (summary.intervals or {}).get(key)
    if summary.scores.get(f"{key}_{measures.LOW}") is None:
        return ", too few people for an interval"
    return "" if facts is None else f", 95 % interval over {facts.people} people"


def _why_none(summary: Summary) -> str:
    reasons = dict.fromkeys((summary.baseline_left_out or {}).values())
    return f": {'; '.join(reasons)}" if reasons else ""


def compared_configurations(summary: Summary) -> int:
    """Return how many configurations the best one was chosen among: those that finished, and those stopped early."""
    return summary.trials.compared if summary.trials else 0


def stopped_configurations(summary: Summary) -> int:
    """Return how many configurations the scheduler stopped early, by their loss on the reported people."""
    return summary.trials.stopped if summary.trials else 0


def among_finished(summary: Summary) -> str:
    """Return among how many a choice was repeated, to follow what it corrects; "" if nobody was stopped."""
    stopped = stopped_configurations(summary)
    return f" among the {compared_configurations(summary) - stopped} that finished" if stopped else ""


def _epoch_choice(summary: Summary) -> object:
    return summary.protocol_fields.get("epoch_choice")
