"""Activation densities, counted by hand on a network small enough to follow."""

import numpy as np

from compress.nn.network import Network, Node
from compress.nn.statistics import ActivationStatistics, activation_statistics, input_densities


def test_densities_of_a_network_worked_by_hand():
    weight = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    network = Network(
        "toy",
        (2,),
        (
            Node("fc1", "fc", params=("fc1.weight",)),
            Node("relu1", "relu", ("fc1",)),
            Node("fc2", "fc", ("relu1",), params=("fc2.weight",)),
        ),
        {"fc1.weight": weight, "fc2.weight": np.ones((3, 4), np.float32)},
    )
    x = np.array([[2, 0], [1, -1]], np.float32)  # 3 of 4 are not zero
    # fc1 gives (2, -2, 0, 0) and (1, -1, -1, 1); relu keeps 1 of 4 and 2 of 4
    assert input_densities(network, x) == {"fc1": 3 / 4, "relu1": 6 / 8, "fc2": 3 / 8}


def test_statistics_by_hand():
    nodes = (Node("relu", "relu"), Node("sum", "add", ("relu", "more")))
    network = Network("net", (4,), nodes, {}, extra_inputs={"more": (4,)})
    x = np.array([[-1, 0, 3, 4], [1, -2, -2, 0]], np.float32)
    found = activation_statistics(network, x, {"more": np.ones((2, 4), np.float32)})
    assert list(found) == ["input", "more", "relu", "sum"]
    assert found["relu"] == ActivationStatistics(8, 3, 0, 4, (26 / 8) ** 0.5)
    assert found["relu"].density == 3 / 8


def test_every_output_of_a_node_is_counted():
    nodes = (
        Node("halves", "split", attrs={"axis": -1, "sizes": (2, 2)}),
        Node("last", "relu", ("halves:1",)),
    )
    network = Network("parts", (4,), nodes, {})
    x = np.array([[1, 1, 0, 4]], np.float32)
    assert input_densities(network, x) == {"halves": 3 / 4, "last": 1 / 2}
