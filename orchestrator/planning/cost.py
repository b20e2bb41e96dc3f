"""What a configuration costs, roughly: parameters, MiB, and the order in which trials are started."""

from models.sizes import model_size_mib, num_parameters
from orchestrator.planning.plan import Plan, Trial

STEP_COST = 50_000  # parameters that cost as much as the overhead of a layer's time step; ours, measured on a CPU


def relative_cost(plan: Plan, trial: Trial) -> float:
    """Return a rough cost of an epoch, for order and for time left only: parameters, and steps that cost anyway."""
    return planned_size(plan, trial)[0] + STEP_COST * trial.hparams.num_layers


def planned_size(plan: Plan, trial: Trial) -> tuple[int, float]:
    """Return the parameters and the MiB of one of the trial's models, by the plan's own corpus and protocol."""
    return size_of(trial, plan.corpus.features, backbone=plan.images is not None, head=plan.protocol.head)


def size_of(trial: Trial, num_features: int, *, backbone: bool, head: str) -> tuple[int, float]:
    """Return the parameters and the MiB of one of the trial's models; a backbone is ResNet18 before it."""
    sizes = {
        "num_features": num_features,
        "hidden_size": trial.hparams.hidden_size,
        "num_layers": trial.hparams.num_layers,
        "sequence_length": trial.hparams.sequence_length,
    }
    return (
        num_parameters(trial.network, backbone=backbone, head=head, **sizes),
        model_size_mib(trial.network, backbone=backbone, head=head, **sizes),
    )
