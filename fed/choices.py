"""What a federation chooses by name: aggregators, server optimisers, policies; plain facts, without torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """One way from the clients' updates to their average; `function` is a `fed.aggregators.Aggregate`."""

    function: str  # `module:name`, imported when a round needs it
    help: str
    # It needs only sums of updates, which are formed where the clients are; each counts 1 ("clients") or its number of
    # labelled windows ("samples"). None: it sees every single update.
    sums: str | None = None
    personal: bool = False  # each client has a network of its own
    # `module:name` of a function of the options and a number of updates, which raises FederationError if they are too
    # few; None: one is enough.
    check: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptimiser:
    """One way from the average to the next global weights; `function` is a `fed.server_optimisers.Optimise`."""

    function: str
    help: str


AGGREGATORS: dict[str, Aggregator] = {
    "mean": Aggregator(
        function="fed.aggregators:mean",
        sums="clients",
        help="the paper's: plain mean over clients, whatever their size",
    ),
    "weighted-mean": Aggregator(
        function="fed.aggregators:mean",
        sums="samples",
        help="by numbers of labelled windows (FedAvg: McMahan et al. 2017)",
    ),
    "median": Aggregator(function="fed.aggregators:median", help="the middle value of every weight (Yin et al. 2018)"),
    "trimmed-mean": Aggregator(
        function="fed.aggregators:trimmed_mean",
        help="mean of every weight without the smallest and largest values (Yin et al. 2018)",
    ),
    "geometric-median": Aggregator(
        function="fed.robust:geometric_median",
        help="the point with the least sum of distances to the clients' networks (Pillutla et al. 2022)",
    ),
    "multi-krum": Aggregator(
        function="fed.robust:multi_krum",
        check="fed.robust:check_krum",
        help="mean of the networks that lie closest to most others (Blanchard et al. 2017)",
    ),
    "norm-clipped-mean": Aggregator(
        function="fed.robust:norm_clipped_mean",
        help="mean after every client's change is cut to one length (Sun et al. 2019)",
    ),
    "personalised": Aggregator(
        function="fed.aggregators:personalised",
        personal=True,
        help="a network per client, the average of all by similarity; the paper's remark on n global models",
    ),
}

SERVER_OPTIMISERS: dict[str, ServerOptimiser] = {
    "fedavg": ServerOptimiser(
        function="fed.server_optimisers:fedavg", help="the average is the next network: the paper's"
    ),
    "fedadam": ServerOptimiser(function="fed.server_optimisers:fedadam", help="Adam on the averaged change"),
    "fedyogi": ServerOptimiser(
        function="fed.server_optimisers:fedyogi", help="as fedadam, with a second moment that changes by less"
    ),
    "fedavgm": ServerOptimiser(
        function="fed.server_optimisers:fedavgm", help="momentum on the averaged change (Hsu et al. 2019)"
    ),
}

CLIENT_OPTIMISERS = {"fresh": "Adam begins anew in every round", "kept": "each client keeps its Adam's moments"}
BATCH_NORMS = {
    "mean": "averaged like all other layers",
    "local": "each client keeps its own (FedBN: Li et al. 2021); people who are no clients get the mean",
    "frozen": "the statistics stay what they began with",
}
FAILURE_POLICIES = {
    "strict": "a round needs every client",
    "quorum": "a round needs the share `quorum` of a fold's clients",
    "resilient": "a round needs one client",
}
