"""A search of more than a day begins only if its user has said so: asked at a terminal, by `--yes` elsewhere."""

from collections.abc import Callable

from orchestrator.data.dataset import Dataset
from orchestrator.errors import InputError
from orchestrator.planning import duration
from orchestrator.planning.plan import Plan

Ask = Callable[[str], bool]  # takes a question, returns whether the answer is yes

LONG_SECONDS = duration.DAY  # ours
SHORTER = "--yes to begin it, --hours to end it earlier, or less: --preset standard, --trials"


def agreed(plan: Plan, dataset: Dataset, *, yes: bool, ask: Ask | None) -> bool:
    """Return whether a new search may begin; InputError if it is long and there is nobody to ask.

    A search is long by the dry run's estimate, which takes a second. It is left out if the search surely takes less
    than a day: by what its frames, layers, weights and steps would cost at ten times the time that was measured
    (`duration.most_seconds`), or because `--hours` ends it before.
    """
    hours = plan.search.hours
    if yes or (hours is not None and hours * duration.HOUR < LONG_SECONDS):
        return True
    if duration.most_seconds(plan, dataset) <= LONG_SECONDS:
        return True
    seconds = duration.estimate(plan, dataset).seconds
    if hours is not None:
        seconds = min(seconds, hours * duration.HOUR)
    if seconds <= LONG_SECONDS:
        return True
    words = duration.in_words(seconds)
    if ask is None:
        raise InputError.of("tune", found=f"a search that is estimated at {words} on this machine", expected=SHORTER)
    return ask(
        f"This search is estimated at {words} on this machine (less: --preset standard, --hours, --trials). Begin?"
    )
