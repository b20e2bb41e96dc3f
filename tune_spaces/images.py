"""Level 1's opposite: raw images, ResNet18 and recurrent networks trained centrally, end to end (paper, III.B, IV.B).

Command: `python -m orchestrator tune --method images`. The paper's grid has 360 points per network, 1,080 in all.
Published CCC valence / arousal (Table II): BiLSTM .476 / .515, RNN .471 / .486, BiGRU .415 / .504.
"""

from tune_spaces.method import HParams, Method, Preset, standard

NETWORKS = ("rnn", "bigru", "bilstm")

# Section IV.B; the sequence lengths are those of images.
GRID = {
    "learning_rate": (1e-3, 1e-4, 1e-5),
    "hidden_size": (8, 16, 64, 128, 256, 512),
    "sequence_length": (4, 8, 16, 32),
    "num_layers": (1, 2, 4, 6, 8),
}

# The paper gives no size; that of ImageNet's weights and of the authors' code.
IMAGE_SIZE = 224

# Ours: the search of a night. End to end one configuration takes weeks on two cores, so ResNet18 stays as ImageNet's
# weights leave it and each frame's features are computed once, of five frames per second at RECOLA's 25; what follows
# is searched as of action units, without the sizes that take the most time. By the dry run 40 of these take, for 23
# people of 5 minutes on two cores, 3 to 6 hours if all run to their end, and about a quarter of that with ASHA.
STANDARD_GRID = {**GRID, "hidden_size": (8, 16, 64, 128), "num_layers": (1, 2, 4)}
STANDARD_FRAME_STRIDE = 5

# Ours: two configurations side by side on two cores within eight minutes on the embedded corpus (23 people of 60 s),
# from random weights. One core takes ResNet18 through a frame of 48 pixels and back in 4.9 ms with 64 frames per step,
# 5.4 ms with 32, 9.8 ms with 8 (its 11 million weights are then the work), and through alone in 1.4 ms. With Adam and
# validation 8 folds of 1,380 frames (one per second) take 50 s an epoch. Half the paper's highest learning rate is
# steadier in so few steps: CCC .68 / .62 after 6 epochs against .63 / .44; a BiGRU has .34 / .22 (docs/log.md).
# Of 48 pixels ResNet18 leaves maps of 2 x 2.
DEMO_NETWORKS = ("bilstm",)
DEMO_GRID = {
    "learning_rate": (1e-3, 5e-4),
    "hidden_size": (64,),
    "sequence_length": (4,),
    "num_layers": (1,),
}
DEMO_EPOCHS = 6
DEMO_IMAGE_SIZE = 48
DEMO_FRAME_STRIDE = 25

NIGHT = standard(
    Preset(
        networks=NETWORKS,
        grid=STANDARD_GRID,
        epochs=None,
        image_size=IMAGE_SIZE,
        frame_stride=STANDARD_FRAME_STRIDE,
        backbone="frozen",
        weights="imagenet",
    )
)

METHOD = Method(
    name="images",
    title="Raw images, trained centrally",
    features="frames",
    federated=False,
    networks=NETWORKS,
    presets={
        "paper": Preset(networks=NETWORKS, grid=GRID, epochs=None, image_size=IMAGE_SIZE, weights="imagenet"),
        "standard": NIGHT,
        "demo": Preset(
            networks=DEMO_NETWORKS,
            grid=DEMO_GRID,
            epochs=DEMO_EPOCHS,
            image_size=DEMO_IMAGE_SIZE,
            frame_stride=DEMO_FRAME_STRIDE,
        ),
    },
    published={
        "bigru": HParams(learning_rate=1e-4, sequence_length=16, hidden_size=8, num_layers=1),
        "bilstm": HParams(learning_rate=1e-4, sequence_length=16, hidden_size=8, num_layers=1),
        "rnn": HParams(learning_rate=1e-4, sequence_length=16, hidden_size=8, num_layers=1),
    },
)
