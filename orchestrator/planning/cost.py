"""What a configuration costs, roughly: parameters, MiB, and the order in which trials are started."""

from models.sizes import model_size_mib, num_parameters
from orchestrator.planning.plan import Plan, Trial

STEP_COST = 50_000  # parameters that cost as much as the overhead of a layer's time step; ours, measured on a CPU


def relative_cost(plan: Plan, trial: Trial) -> float:
    """Return a rough cost of an epoch, for order and for time left only: parameters, and steps that cost anyway."""
    return size_of(trial, plan.corpus.features, trunk=plan.images is not None)[0] + STEP_COST * trial.hparams.num_layers


def size_of(trial: Trial, num_features: int, *, trunk: bool) -> tuple[int, float]:
    """Return the parameters and the MiB of one of the trial's models; a trunk is ResNet18 before it."""
    hidden_size, num_layers = trial.hparams.hidden_size, trial.hparams.num_layers
    return (
        num_parameters(
            trial.network, num_features=num_features, hidden_size=hidden_size, num_layers=num_layers, trunk=trunk
        ),
        model_size_mib(
            trial.network, num_features=num_features, hidden_size=hidden_size, num_layers=num_layers, trunk=trunk
        ),
    )
