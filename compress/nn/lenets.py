"""The LeNets, ready to be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import INPUT, Network, Node
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.nn.ops.base import Array, Shape

POOL = {"kernel": (2, 2), "stride": (2, 2)}


def lenet_300_100(rng: np.random.Generator, hidden: tuple[int, int] = (300, 100)) -> Network:
    """LeNet-300-100: 784-300-100-10 with ReLU, 266,610 parameters (LeCun et al. 1998).

    Parameters
    ----------
    rng : numpy.random.Generator
    hidden : (int, int)
        Units of the two hidden layers, for smaller networks of the same kind.
    """
    nodes = (
        Node("flatten", "flatten"),
        _weighted("fc1", "fc", "flatten"),
        Node("relu1", "relu", ("fc1",)),
        _weighted("fc2", "fc", "relu1"),
        Node("relu2", "relu", ("fc2",)),
        _weighted("fc3", "fc", "relu2"),
    )
    shapes = {"fc1": (hidden[0], 784), "fc2": hidden[::-1], "fc3": (10, hidden[1])}
    return Network("lenet300", (1, 28, 28), nodes, initial_params(shapes, rng))


def lenet_5(rng: np.random.Generator) -> Network:
    """LeNet-5 as in Caffe: 20 and 50 filters of 5x5, 500, 10; 431,080 parameters.

    ReLU follows the first fully-connected layer only; convolutions go straight into pooling.
    """
    nodes = (
        _weighted("conv1", "conv", INPUT),
        Node("pool1", "max_pool", ("conv1",), POOL),
        _weighted("conv2", "conv", "pool1"),
        Node("pool2", "max_pool", ("conv2",), POOL),
        Node("flatten", "flatten", ("pool2",)),
        _weighted("fc1", "fc", "flatten"),
        Node("relu1", "relu", ("fc1",)),
        _weighted("fc2", "fc", "relu1"),
    )
    shapes = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)}
    return Network("lenet5", (1, 28, 28), nodes, initial_params(shapes, rng))


MODELS: dict[str, Callable[[np.random.Generator], Network]] = {"lenet300": lenet_300_100, "lenet5": lenet_5}


def build(name: str, rng: np.random.Generator) -> Network:
    """Make the named network with fresh weights.

    Raises
    ------
    InputError
        If there is no network of that name.
    """
    if name not in MODELS:
        raise InputError(f"network {name!r} is unknown, expected one of {', '.join(MODELS)}")
    return MODELS[name](rng)


def initial_params(shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, Array]:
    """Zero biases and normal weights of variance 2 / fan-in, fit for ReLU (He et al. 2015, eq. 10).

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Weight shape by layer; the first axis counts the outputs.
    """
    params: dict[str, Array] = {}
    for layer, shape in shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        params[f"{layer}.weight"] = (rng.standard_normal(shape) * deviation).astype(np.float32)
        params[f"{layer}.bias"] = np.zeros(shape[0], np.float32)
    return params


def _weighted(name: str, op: str, source: str) -> Node:
    return Node(name, op, (source,), params=(f"{name}.weight", f"{name}.bias"))
