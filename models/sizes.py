"""Parameters and bytes of a network in closed form, so that a plan needs no torch (paper, Table III)."""

from dataclasses import dataclass

HEAD_NEURONS = 10  # section IV.B: one fully connected layer of 10 neurons
NUM_DIMENSIONS = 2  # valence and arousal
# What follows the recurrence. "frame": 10 neurons, ReLU and 2 outputs at every frame, by the paper's text. "authors":
# the window flattened, 1000 neurons and 2 outputs without a non-linearity, as in the authors' uploaded code.
HEADS = ("frame", "authors")
DEFAULT_HEAD = "frame"
AUTHORS_NEURONS = 1000

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


def head_sizes(head: str, width: int, sequence_length: int) -> tuple[int, int]:
    """Return inputs and neurons of a head's first layer, behind `width` (hidden times directions) values per frame."""
    if head not in HEADS:
        raise ValueError(f"unknown head {head!r}: expected one of {', '.join(HEADS)}")
    if head == DEFAULT_HEAD:
        return width, HEAD_NEURONS
    assert sequence_length > 0, "a head on whole windows has a fixed length"
    return width * sequence_length, AUTHORS_NEURONS


def num_parameters(  # noqa: PLR0913 - what decides a size
    network: str,
    *,
    num_features: int,
    hidden_size: int,
    num_layers: int,
    trunk: bool = False,
    head: str = DEFAULT_HEAD,
    sequence_length: int = 0,
) -> int:
    """Count the trained numbers of a network; with a trunk `num_features` is what the trunk puts out, 512.

    `sequence_length` counts for a head on whole windows only.
    """
    cell = cell_of(network)
    assert not trunk or num_features == TRUNK_FEATURES, f"the trunk puts out {TRUNK_FEATURES} features"
    width = hidden_size * cell.directions
    recurrent = 0
    for layer in range(num_layers):
        inputs = num_features if layer == 0 else width
        # Input weights, recurrent weights and torch's two biases.
        recurrent += cell.directions * cell.gates * hidden_size * (inputs + hidden_size + 2)
    inputs, neurons = head_sizes(head, width, sequence_length)
    of_head = (inputs + 1) * neurons + (neurons + 1) * NUM_DIMENSIONS
    return recurrent + of_head + (TRUNK_PARAMETERS if trunk else 0)


def model_size_mib(  # noqa: PLR0913 - as above
    network: str,
    *,
    num_features: int,
    hidden_size: int,
    num_layers: int,
    trunk: bool = False,
    head: str = DEFAULT_HEAD,
    sequence_length: int = 0,
) -> float:
    """Size of the float32 state in MiB, a trunk's buffers included."""
    floats = num_parameters(
        network,
        num_features=num_features,
        hidden_size=hidden_size,
        num_layers=num_layers,
        trunk=trunk,
        head=head,
        sequence_length=sequence_length,
    )
    num_bytes = 4 * floats
    if trunk:
        num_bytes += 4 * TRUNK_FLOAT_BUFFERS + 8 * TRUNK_COUNTERS
    return num_bytes / 2**20
