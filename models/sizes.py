"""Parameters and bytes of a network in closed form, so that a plan needs no torch (paper, Table III)."""

from dataclasses import dataclass

HEAD_NEURONS = 10  # section IV.B: one fully connected layer of 10 neurons
NUM_DIMENSIONS = 2  # valence and arousal

# ResNet18 without its last layer, as torchvision builds it.
TRUNK_NAMES = ("resnet18",)
TRUNK_FEATURES = 512
TRUNK_PARAMETERS = 11_176_512
TRUNK_FLOAT_BUFFERS = 9_600  # running means and variances of 20 batch normalisations
TRUNK_COUNTERS = 20  # their int64 `num_batches_tracked`


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What decides the size of one recurrent layer."""

    gates: int
    directions: int


CELLS = {
    "rnn": Cell(gates=1, directions=1),
    "bigru": Cell(gates=3, directions=2),
    "bilstm": Cell(gates=4, directions=2),
}


def cell_of(network: str) -> Cell:
    """Return the network of this name; ValueError with the known names."""
    if network not in CELLS:
        raise ValueError(f"unknown network {network!r}: expected one of {', '.join(CELLS)}")
    return CELLS[network]


def num_parameters(network: str, *, num_features: int, hidden_size: int, num_layers: int, trunk: bool = False) -> int:
    """Count the trained numbers of a network; with a trunk `num_features` is what the trunk puts out, 512."""
    cell = cell_of(network)
    assert not trunk or num_features == TRUNK_FEATURES, f"the trunk puts out {TRUNK_FEATURES} features"
    width = hidden_size * cell.directions
    recurrent = 0
    for layer in range(num_layers):
        inputs = num_features if layer == 0 else width
        # Input weights, recurrent weights and torch's two biases.
        recurrent += cell.directions * cell.gates * hidden_size * (inputs + hidden_size + 2)
    head = (width + 1) * HEAD_NEURONS + (HEAD_NEURONS + 1) * NUM_DIMENSIONS
    return recurrent + head + (TRUNK_PARAMETERS if trunk else 0)


def model_size_mib(network: str, *, num_features: int, hidden_size: int, num_layers: int, trunk: bool = False) -> float:
    """Size of the float32 state in MiB, a trunk's buffers included."""
    floats = num_parameters(
        network, num_features=num_features, hidden_size=hidden_size, num_layers=num_layers, trunk=trunk
    )
    num_bytes = 4 * floats
    if trunk:
        num_bytes += 4 * TRUNK_FLOAT_BUFFERS + 8 * TRUNK_COUNTERS
    return num_bytes / 2**20
