"""Both levels at once: federated learning on action units, which the paper's title promises and no table shows.

Command: `python -m orchestrator tune --method fl-au`. The grid is that of action units (section IV.B): 720 points a
network, 2,160 in all. No CCC is published to compare with; `au` is the same without federation (Table II: BiGRU
.347 / .401), `fl` the same federation on images (BiLSTM .426 / .390).
"""

from tune_spaces.au import DEMO_GRID, GRID, NETWORKS, STANDARD_GRID
from tune_spaces.method import Method, Preset, standard

DEMO_EPOCHS = 10

METHOD = Method(
    name="fl-au",
    title="Action units, federated learning",
    features="action-units",
    federated=True,
    networks=NETWORKS,
    presets={
        "paper": Preset(networks=NETWORKS, grid=GRID, epochs=None),
        "standard": standard(Preset(networks=NETWORKS, grid=STANDARD_GRID, epochs=None)),
        "demo": Preset(networks=NETWORKS, grid=DEMO_GRID, epochs=DEMO_EPOCHS),
    },
    published={},
)
