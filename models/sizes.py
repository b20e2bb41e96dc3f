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
BACKBONE_NAMES = ("resnet18",)
BACKBONE_FEATURES = 512
BACKBONE_PARAMETERS = 11_176_512
BACKBONE_FLOAT_BUFFERS = 9_600  # running means and variances of 20 batch normalisations
BACKBONE_COUNTERS = 20  # their int64 `num_batches_tracked`


# A recurrent cell's blocks of weights, each hidden x (inputs + hidden + 2). The modules that compute them are in
# models/networks.py, the steps for `torch.export` in models/exportable.py.
GATES = {"tanh": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What decides the size of a network: its recurrent cell, a key of GATES, and one direction in time or both.

    Behind the recurrence every network has the same head.
    """

    title: str  # in tables
    cell: str
    directions: int

    @property
    def gates(self) -> int:
        """Blocks of weights of a cell."""
        return GATES[self.cell]


NETWORKS: dict[str, Network] = {
    "rnn": Network(title="RNN", cell="tanh", directions=1),
    "bigru": Network(title="BiGRU", cell="gru", directions=2),
    "bilstm": Network(title="BiLSTM", cell="lstm", directions=2),
}


def network_of(name: str) -> Network:
    """Return the network of this name; ValueError with the known names."""
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}: expected one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


def title_of(name: str) -> str:
    """Return a network's name in tables; that of one which is not known here is its own."""
    return NETWORKS[name].title if name in NETWORKS else name


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
    backbone: bool = False,
    head: str = DEFAULT_HEAD,
    sequence_length: int = 0,
) -> int:
    """Count the trained numbers of a `network` of `num_layers` layers of `hidden_size` units per direction.

    `num_features` go in; with a `backbone` they are what it puts out, 512. `sequence_length`, in frames, counts for a
    `head` on whole windows only.
    """
    facts = network_of(network)
    assert not backbone or num_features == BACKBONE_FEATURES, f"the backbone puts out {BACKBONE_FEATURES} features"
    width = hidden_size * facts.directions
    recurrent = 0
    for layer in range(num_layers):
        inputs = num_features if layer == 0 else width
        # Input weights, recurrent weights and torch's two biases.
        recurrent += facts.directions * facts.gates * hidden_size * (inputs + hidden_size + 2)
    inputs, neurons = head_sizes(head, width, sequence_length)
    of_head = (inputs + 1) * neurons + (neurons + 1) * NUM_DIMENSIONS
    return recurrent + of_head + (BACKBONE_PARAMETERS if backbone else 0)


def model_size_mib(  # noqa: PLR0913 - as above
    network: str,
    *,
    num_features: int,
    hidden_size: int,
    num_layers: int,
    backbone: bool = False,
    head: str = DEFAULT_HEAD,
    sequence_length: int = 0,
) -> float:
    """Size of the float32 state in MiB, a backbone's buffers included.

    `network`, `num_features`, `hidden_size`, `num_layers`, `backbone`, `head` and `sequence_length` as in
    `num_parameters`.
    """
    floats = num_parameters(
        network,
        num_features=num_features,
        hidden_size=hidden_size,
        num_layers=num_layers,
        backbone=backbone,
        head=head,
        sequence_length=sequence_length,
    )
    num_bytes = 4 * floats
    if backbone:
        num_bytes += 4 * BACKBONE_FLOAT_BUFFERS + 8 * BACKBONE_COUNTERS
    return num_bytes / 2**20
