"""A network of two layers and a problem that it learns in an instant."""

import numpy as np

from compress.nn.datasets import Dataset, Split
from compress.nn.network import Network, Node


def small_problem(images: int = 400, hidden: int = 20) -> tuple[Network, Dataset]:
    """Untrained network and data set: four classes of 4 x 4 images, each brighter in one row."""
    rng = np.random.default_rng(0)
    nodes = (
        Node("flatten", "flatten"),
        Node("fc1", "fc", ("flatten",), params=("fc1.weight", "fc1.bias")),
        Node("relu", "relu", ("fc1",)),
        Node("fc2", "fc", ("relu",), params=("fc2.weight", "fc2.bias")),
    )
    shapes = {"fc1.weight": (hidden, 16), "fc1.bias": (hidden,), "fc2.weight": (4, hidden), "fc2.bias": (4,)}
    params = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    y = rng.integers(4, size=images)
    x = rng.random((images, 1, 4, 4), dtype=np.float32)
    x[np.arange(images), 0, y] += 1
    data = Split(x, y)
    return Network("small", (1, 4, 4), nodes, params), Dataset("rows", data, data[:0], data, "none")
