"""Level 2: federated learning on raw images; a client is a participant (paper, sections III.B, IV.B and IV.D).

Command: `python -m orchestrator tune --method fl`. The paper's grid has 360 points a network, 1,080 in all.
Published CCC valence / arousal (Table II): BiLSTM .426 / .390, BiGRU .393 / .273, RNN .304 / .197.
"""

from tune_spaces.images import (
    DEMO_EPOCHS,
    DEMO_FRAME_STRIDE,
    DEMO_GRID,
    DEMO_IMAGE_SIZE,
    DEMO_NETWORKS,
    GRID,
    IMAGE_SIZE,
    NETWORKS,
)
from tune_spaces.method import HParams, Method, Preset

# The demo has the budget of `images`, so that the two compare: a round costs what an epoch does and a tenth more. In it
# a client takes two steps a round, and random weights hardly leave chance (one fold in a plain loop, federated mean:
# CCC .00 / .05 after 6 rounds; with 2 windows a step, twice as dear, .02 / .37 after 7). The paper's
# preset starts from ImageNet's weights and has 100 rounds.

METHOD = Method(
    name="fl",
    title="Raw images, federated learning",
    features="frames",
    federated=True,
    networks=NETWORKS,
    presets={
        "paper": Preset(networks=NETWORKS, grid=GRID, epochs=None, image_size=IMAGE_SIZE, weights="imagenet"),
        "demo": Preset(
            networks=DEMO_NETWORKS,
            grid=DEMO_GRID,
            epochs=DEMO_EPOCHS,
            image_size=DEMO_IMAGE_SIZE,
            frame_stride=DEMO_FRAME_STRIDE,
        ),
    },
    published={
        "bigru": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
        "bilstm": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
        "rnn": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
    },
)
