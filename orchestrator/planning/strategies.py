"""How a search walks its points: which it trains, and which it stops early; named here without Ray."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStrategy:
    """Which points of the grid are trained, in which order.

    `order` names `(trials, count or None, seed) -> trials`, applied when the plan is made; None: as the grid has them.
    `propose` names `(plan, earlier results, complain) -> a searcher of Ray Tune` that chooses each point by the results
    so far; None: the plan has decided all.
    """

    help: str
    order: str | None = None  # `module:name`
    propose: str | None = None

    @property
    def chooses(self) -> bool:
        """Whether it makes sense to ask it for fewer points than there are: the first of a grid are no choice."""
        return self.order is not None or self.propose is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStrategy:
    """Which trials go on. `make` names `(epochs, earlier results) -> (uid, epoch, validation loss) -> goes on or not`.

    `epochs_compared` names `(epochs) -> the epochs at which it is asked`; None: at every one. `epochs` may name
    `(trials, epochs) -> epochs that all of them train`, for estimates; None: all. Without `make` every trial goes on to
    its end.
    """

    help: str
    make: str | None = None  # `module:name`
    epochs_compared: str | None = None  # `module:name`
    epochs: str | None = None  # `module:name`

    @property
    def stops(self) -> bool:
        """Whether a trial may be stopped early."""
        return self.make is not None


SEARCHES: dict[str, SearchStrategy] = {
    "grid": SearchStrategy(help="every point, as the grid is written"),
    "random": SearchStrategy(
        help="points drawn without replacement, with --trials so many", order="orchestrator.planning.grid:choose_random"
    ),
    "spread": SearchStrategy(
        help="as many points of each network, drawn without replacement, with --trials so many in all",
        order="orchestrator.planning.grid:choose_spread",
    ),
    "optuna": SearchStrategy(
        help="points proposed by a TPE sampler from the results so far",
        propose="orchestrator.search.optuna_search:searcher",
    ),
}

SCHEDULERS: dict[str, SchedulerStrategy] = {
    "fifo": SchedulerStrategy(help="every trial to its end"),
    "asha": SchedulerStrategy(
        help="those that are best so far (Li et al. 2020)",
        make="orchestrator.search.halving:Halving",
        epochs_compared="orchestrator.planning.halving:rungs_of",
        epochs="orchestrator.planning.halving:epochs_with_halving",
    ),
}
