"""The numbers of the paper (arXiv:2111.07344v1), written down a second time: a slip in one place shows in the other."""

import pytest

from orchestrator.report import paper
from tune_spaces.catalogue import find_method
from tune_spaces.method import make_hparams

# Method and network of Table I -> learning rate, sequence length, hidden size, layers.
TABLE_1 = {
    ("images", "bigru"): (0.0001, 16, 8, 1),
    ("images", "bilstm"): (0.0001, 16, 8, 1),
    ("images", "rnn"): (0.0001, 16, 8, 1),
    ("au", "bigru"): (0.0001, 600, 512, 6),
    ("au", "bilstm"): (0.0001, 600, 128, 6),
    ("au", "rnn"): (0.0001, 2000, 128, 2),
    ("fl", "bigru"): (0.0001, 8, 128, 6),
    ("fl", "bilstm"): (0.0001, 8, 128, 6),
    ("fl", "rnn"): (0.0001, 8, 128, 6),
}
# Method and network of Table II -> CCC valence, CCC arousal.
TABLE_2 = {
    ("images", "bigru"): (0.415, 0.504),
    ("images", "bilstm"): (0.476, 0.515),
    ("images", "rnn"): (0.471, 0.486),
    ("au", "bigru"): (0.347, 0.401),
    ("au", "bilstm"): (0.269, 0.365),
    ("au", "rnn"): (0.183, 0.228),
    ("fl", "bigru"): (0.393, 0.273),
    ("fl", "bilstm"): (0.426, 0.390),
    ("fl", "rnn"): (0.304, 0.197),
}
# Table III: privacy, CCC valence, CCC arousal, training minutes, MB, seconds for 100 and for 500 images.
TABLE_3 = {
    "images": ("Low", 0.476, 0.516, 315.4, 43, 17.509, 22.921),
    "au": ("Average", 0.347, 0.401, 141.5, 98, 1.351, 2.962),
    "fl": ("High", 0.426, 0.390, 599.2, 53, 19.720, 26.860),
}
# Table IV from above to below: group, model, number of the reference, CCC valence, CCC arousal (None: the dash).
TABLE_4 = [
    ("images", "CNN + LSTM", "[29]", 0.620, 0.435),
    ("images", "DNN", "[20]", 0.379, 0.464),
    ("images", "CNN + LSTM", "[6]", 0.538, 0.336),
    ("images", "CNN + RNN", "[12]", 0.474, None),
    ("images", "2D CNN + ConvLSTM + 3D CNN", "[15]", 0.546, None),
    ("images", "CNN + BiLSTM", None, 0.476, 0.514),
    ("au", "LSTM", "[6]", 0.483, 0.137),
    ("au", "SVM", "[30]", 0.507, 0.272),
    ("au", "BiLSTM + SVM", "[10]", 0.394, 0.265),
    ("au", "BiGRU", None, 0.347, 0.401),
    ("fl", "CNN + BiLSTM", None, 0.426, 0.390),
]


def test_table_one_is_the_published_point_of_every_method() -> None:
    found = {
        (method, network): point
        for method in ("images", "au", "fl", "fl-au")
        for network, point in find_method(method).published.items()
    }
    names = ("learning_rate", "sequence_length", "hidden_size", "num_layers")
    assert found == {key: make_hparams(dict(zip(names, row, strict=True))) for key, row in TABLE_1.items()}


def test_table_two() -> None:
    assert {(row.method, row.network): (row.valence, row.arousal) for row in paper.TABLE_2} == TABLE_2
    assert len(paper.TABLE_2) == 9


def test_table_three_and_the_network_of_each_row() -> None:
    found = {
        row.method: (
            row.privacy, row.valence, row.arousal, row.training_minutes, row.size_mb, row.seconds_100, row.seconds_500
        )
        for row in paper.TABLE_3
    }  # fmt: skip
    assert found == TABLE_3
    # The table does not name the network; it is the one that Table II has best in valence.
    best = {method: max((row[0], key[1]) for key, row in TABLE_2.items() if key[0] == method)[1] for method in TABLE_3}
    assert {row.method: row.network for row in paper.TABLE_3} == best


def test_table_four_in_its_order() -> None:
    found = [
        (row.group, row.model, row.reference and row.reference.split()[0], row.valence, row.arousal)
        for row in paper.TABLE_4
    ]
    assert found == TABLE_4


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("au", (50, 100, 200, 400, 600, 800, 1000, 2000)),
        ("fl-au", (50, 100, 200, 400, 600, 800, 1000, 2000)),
        ("images", (4, 8, 16, 32)),
        ("fl", (4, 8, 16, 32)),
    ],
)
def test_the_grids_of_section_four_b(name: str, grid: tuple[int, ...]) -> None:
    preset = find_method(name).presets["paper"]
    assert preset.epochs is None
    assert dict(preset.grid) == {
        "learning_rate": (1e-3, 1e-4, 1e-5),
        "hidden_size": (8, 16, 64, 128, 256, 512),
        "sequence_length": grid,
        "num_layers": (1, 2, 4, 6, 8),
    }


def test_the_headline_is_of_two_rows() -> None:
    assert TABLE_2["fl", "bilstm"][0] == paper.HEADLINE_VALENCE
    assert TABLE_2["au", "bigru"][1] == paper.HEADLINE_AROUSAL
