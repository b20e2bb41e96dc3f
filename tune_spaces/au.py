"""Level 1: recurrent networks on facial action units, trained centrally (paper, sections III.A and IV.B).

Command: `python -m orchestrator tune --method au`. The paper's grid has 720 points per network, 2,160 in all.
Published CCC valence / arousal (Table II): BiGRU .347 / .401, BiLSTM .269 / .365, RNN .183 / .228.
"""

from tune_spaces.method import HParams, Method, Preset, standard

NETWORKS = ("rnn", "bigru", "bilstm")

# Section IV.B.
GRID = {
    "learning_rate": (1e-3, 1e-4, 1e-5),
    "hidden_size": (8, 16, 64, 128, 256, 512),
    "sequence_length": (50, 100, 200, 400, 600, 800, 1000, 2000),
    "num_layers": (1, 2, 4, 6, 8),
}

# Ours: the part of the paper's grid that the search of a night draws from. Left out are the hidden sizes 256 and 512
# and more than four layers, which take 98 % of the whole grid's time. By the dry run 40 of these take, for 23 people of
# 5 minutes at 25 Hz on two cores, 8 to 13 hours if all run to their end, and about a quarter of that with ASHA.
STANDARD_GRID = {**GRID, "hidden_size": (8, 16, 64, 128), "num_layers": (1, 2, 4)}

# Ours: points of the paper's grid that two cores finish within three minutes on the embedded corpus.
DEMO_GRID = {
    "learning_rate": (1e-3,),
    "hidden_size": (8, 64),
    "sequence_length": (50, 200),
    "num_layers": (1,),
}
DEMO_EPOCHS = 10

METHOD = Method(
    name="au",
    title="Action units, trained centrally",
    features="action-units",
    federated=False,
    networks=NETWORKS,
    presets={
        "paper": Preset(networks=NETWORKS, grid=GRID, epochs=None),
        "standard": standard(Preset(networks=NETWORKS, grid=STANDARD_GRID, epochs=None)),
        "demo": Preset(networks=NETWORKS, grid=DEMO_GRID, epochs=DEMO_EPOCHS),
    },
    published={
        "bigru": HParams(learning_rate=1e-4, sequence_length=600, hidden_size=512, num_layers=6),
        "bilstm": HParams(learning_rate=1e-4, sequence_length=600, hidden_size=128, num_layers=6),
        "rnn": HParams(learning_rate=1e-4, sequence_length=2000, hidden_size=128, num_layers=2),
    },
)
