"""From a configuration and a protocol to what the training takes; also for a saved model, whose card has both."""

import dataclasses

from models.recipe import Recipe
from orchestrator.data.backbone import BACKBONE, Backbone
from orchestrator.planning.plan import Trial
from orchestrator.protocols import Protocol

KEEPS = {"loss": "best", "loss-and-mae": "best-together"}  # by Protocol.best_by


def make_recipe(trial: Trial, protocol: Protocol, backbone: Backbone | None = None) -> Recipe:
    """Combine the configuration, the protocol's choices and the backbone into what the training needs."""
    recipe = Recipe(
        network=trial.network,
        **dataclasses.asdict(trial.hparams),  # Recipe has a field for each hyper-parameter
        epochs=protocol.epochs,
        loss=protocol.loss,
        target=protocol.target,
        partial_window=protocol.partial_window,
        windows_a_step=protocol.windows_a_step,
        order=protocol.order,
        keep="last" if protocol.epoch_choice == "last" else KEEPS[protocol.best_by],
        head=protocol.head,
    )
    if backbone is None or backbone.frozen:
        return recipe
    return dataclasses.replace(
        recipe,
        backbone=BACKBONE,
        image_size=backbone.image_size,
        normalisation=backbone.normalisation,
        backbone_weights=backbone.label,
    )
