"""Units without effect: silenced or removed, the outputs stay the same."""

from __future__ import annotations

import numpy as np
import pytest

from compress.methods.units import remove, silence
from compress.nn.lenets import build
from compress.nn.network import Network, Node


def chain(weights: list[list[list[float]]], biases: list[list[float]], relu: bool = True) -> Network:
    nodes: list[Node] = []
    params = {}
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        source = nodes[-1].name if nodes else "input"
        nodes.append(Node(f"fc{index}", "fc", (source,), params=(f"w{index}", f"b{index}")))
        if relu and index < len(weights):
            nodes.append(Node(f"relu{index}", "relu", (nodes[-1].name,)))
        params[f"w{index}"] = np.array(weight, np.float32)
        params[f"b{index}"] = np.array(bias, np.float32)
    return Network("chain", (len(weights[0][0]),), tuple(nodes), params)


def test_a_constant_moves_into_the_next_bias():
    # Unit 1 has no inputs and puts out relu(3) = 3, times weights 2 and -1.
    network = chain([[[1, 1], [0, 0]], [[5, 2], [4, -1]]], [[0.5, 3], [10, 20]])
    silent = silence(network)
    np.testing.assert_array_equal(silent.params["w2"], [[5, 0], [4, 0]])
    np.testing.assert_array_equal(silent.params["b2"], [16, 17])
    np.testing.assert_array_equal(silent.params["b1"], [0.5, 0])
    np.testing.assert_array_equal(remove(network).network.params["w2"], [[5], [4]])


def test_relu_stops_a_negative_constant():
    network = chain([[[1, 1], [0, 0]], [[5, 2], [4, -1]]], [[0.5, -3], [10, 20]])
    np.testing.assert_array_equal(silence(network).params["b2"], [10, 20])


def test_without_relu_every_bias_moves_on():
    straight = chain([[[1, 1], [0, 0]], [[5, 2], [4, -1]]], [[0.5, -3], [10, 20]], relu=False)
    silent = silence(straight)
    np.testing.assert_array_equal(silent.params["b1"], [0, 0])
    np.testing.assert_array_equal(silent.params["b2"], [10 + 2.5 - 6, 20 + 2 + 3])


def test_a_unit_that_nobody_reads_takes_those_before_it_along():
    # Unit 1 of the second layer is not read; unit 0 of the first feeds only that one.
    network = chain(
        [[[1, 2], [3, 4]], [[0, 7], [8, 0]], [[5, 0]]],
        [[1, 1], [1, 1], [0]],
    )
    silent = silence(network)
    np.testing.assert_array_equal(silent.params["w1"], [[0, 0], [3, 4]])
    np.testing.assert_array_equal(silent.params["w2"], [[0, 7], [0, 0]])
    small = remove(network).network
    assert [small.params[f"w{i}"].shape for i in (1, 2, 3)] == [(1, 2), (1, 1), (1, 1)]


def test_a_layer_keeps_one_unit_at_least():
    network = chain([[[0, 0], [0, 0]], [[1, 2], [3, 4]]], [[1, 1], [0, 0]])
    small = remove(network).network
    assert small.params["w1"].shape == (1, 2)
    np.testing.assert_allclose(small.forward(np.ones((1, 2), np.float32)), [[3, 7]])


@pytest.mark.parametrize("name", ["lenet300", "lenet5"])
def test_outputs_of_a_pruned_lenet_stay_the_same(name):
    rng = np.random.default_rng(0)
    network = build(name, rng)
    params = {
        key: value * (rng.random(value.shape) < 0.01 * (9 if value.size < 1000 else 1))
        if value.ndim > 1
        else rng.normal(0, 0.1, value.shape).astype(np.float32)
        for key, value in network.params.items()
    }
    network = network.with_params({key: value.astype(np.float32) for key, value in params.items()})
    x = rng.random((20, 1, 28, 28), dtype=np.float32)
    slim = remove(network)
    silent, small = silence(network), slim.network
    expected = network.forward(x)
    np.testing.assert_allclose(silent.forward(x), expected, atol=1e-5)
    np.testing.assert_allclose(small.forward(x), expected, atol=1e-5)
    nonzeros = {sum(np.count_nonzero(v) for v in net.params.values()) for net in (silent, small)}
    assert len(nonzeros) == 1
    assert nonzeros.pop() < sum(np.count_nonzero(v) for v in network.params.values())
    assert small.parameter_count < network.parameter_count / 2
    for key, value in slim.put_back(small.params, network.params).items():
        np.testing.assert_array_equal(value, silent.params[key])


@pytest.mark.parametrize("where", ["pool", "conv2"])
def test_a_constant_that_pads_would_mix_with_zeros_stays(where):
    rng = np.random.default_rng(1)
    pads = {"pool": (), "conv2": ()} | {where: (1, 1, 1, 1)}
    nodes = (
        Node("conv1", "conv", params=("w1", "b1")),
        Node(
            "pool",
            "max_pool",
            ("conv1",),
            {"kernel": (2, 2)} | ({"pads": pads["pool"]} if pads["pool"] else {}),
        ),
        Node("conv2", "conv", ("pool",), {"pads": pads["conv2"]} if pads["conv2"] else {}, ("w2", "b2")),
    )
    params = {
        "w1": rng.normal(size=(2, 1, 3, 3)).astype(np.float32),
        "b1": np.array([1, -2], np.float32),
        "w2": rng.normal(size=(2, 2, 3, 3)).astype(np.float32),
        "b2": np.zeros(2, np.float32),
    }
    params["w1"][1] = 0
    network = Network("padded", (1, 8, 8), nodes, params)
    x = rng.random((2, 1, 8, 8), dtype=np.float32)
    silent = silence(network)
    np.testing.assert_array_equal(silent.forward(x), network.forward(x))
    np.testing.assert_array_equal(silent.params["b1"], [1, -2])


def test_layers_that_several_nodes_read_are_left_alone():
    nodes = (
        Node("fc1", "fc", params=("w1", "b1")),
        Node("relu", "relu", ("fc1",)),
        Node("fc2", "fc", ("relu",), params=("w2", "b2")),
        Node("sum", "add", ("fc2", "fc1")),
    )
    params = {
        "w1": np.zeros((2, 2), np.float32), "b1": np.ones(2, np.float32),
        "w2": np.ones((2, 2), np.float32), "b2": np.zeros(2, np.float32),
    }  # fmt: skip
    network = Network("skip", (2,), nodes, params)
    assert all(np.array_equal(silence(network).params[key], value) for key, value in params.items())
