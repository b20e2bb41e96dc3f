"""Level 2: federated learning on raw images; a client is a participant (paper, sections III.B, IV.B and IV.D).

Command: `python -m orchestrator tune --method fl`. The paper's grid has 360 points per network, 1,080 in all.
Published CCC valence / arousal (Table II): BiLSTM .426 / .390, BiGRU .393 / .273, RNN .304 / .197.
"""

from tune_spaces.images import (
    DEMO_IMAGE_SIZE,
    DEMO_NETWORKS,
    GRID,
    IMAGE_SIZE,
    NETWORKS,
    NIGHT,
)
from tune_spaces.method import HParams, Method, Preset

# Ours. A federation needs rounds, and with random weights end to end it hardly leaves chance in those that two cores
# can afford (one fold, federated mean: CCC .00 / .05 after 6 rounds, two steps per client and round). So the demo
# leaves ResNet18 as it starts, and each client computes its frames' features once; the rest is learned in many
# rounds.
DEMO_GRID = {
    "learning_rate": (1e-3,),
    "hidden_size": (64,),
    "sequence_length": (16, 32),
    "num_layers": (1,),
}
DEMO_ROUNDS = 40
DEMO_FRAME_STRIDE = 5

METHOD = Method(
    name="fl",
    title="Raw images, federated learning",
    features="frames",
    federated=True,
    networks=NETWORKS,
    presets={
        "paper": Preset(networks=NETWORKS, grid=GRID, epochs=None, image_size=IMAGE_SIZE, weights="imagenet"),
        "standard": NIGHT,
        "demo": Preset(
            networks=DEMO_NETWORKS,
            grid=DEMO_GRID,
            epochs=DEMO_ROUNDS,
            image_size=DEMO_IMAGE_SIZE,
            frame_stride=DEMO_FRAME_STRIDE,
            backbone="frozen",
        ),
    },
    published={
        "bigru": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
        "bilstm": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
        "rnn": HParams(learning_rate=1e-4, sequence_length=8, hidden_size=128, num_layers=6),
    },
)
