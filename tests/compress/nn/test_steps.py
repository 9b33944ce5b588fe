"""Steps: what joins a layer, what does not, and that the answers stay."""

from __future__ import annotations

import numpy as np
import pytest

from compress.nn.network import Network, Node
from compress.nn.steps import joined, separate
from compress.nn.tiling import tiled

RNG = np.random.default_rng(3)
SAME = {"pads": (1, 1, 1, 1)}


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def network(*nodes, outputs=(), **params):
    kernels = {
        "a": normal(6, 6, 3, 3),
        "b": normal(6, 6, 3, 3),
        "each": normal(6, 1, 3, 3),
        "shift": normal(6),
    }
    used = {name for node in nodes for name in (*node.params, *node.inputs)}
    params = {name: value for name, value in {**kernels, **params}.items() if name in used}
    return Network("net", (6, 8, 9), nodes, params, outputs=outputs)


def steps(net):
    plan = joined(net.nodes, net.params, net.shapes(), net.outputs)
    return [(step.node.name, *(node.op for node in step.tail)) for step in plan.steps]


def conv(name, source, weight="a", **attrs):
    return Node(name, "conv", (source,), {**SAME, **attrs}, (weight, "shift"))


def check(net):
    """The answers of joined steps are those of the nodes one by one."""
    x = normal(3, 6, 8, 9)
    for made in (net, tiled(net)):
        together = made.run(x)
        apart = made.run(x, observe=lambda *_: None)
        for name, value in together.items():
            np.testing.assert_allclose(value, apart[name], rtol=1e-5, atol=1e-5)


SUM = (conv("c", "input"), conv("d", "c", "b"), Node("s", "add", ("c", "d")), Node("r", "relu", ("s",)))


@pytest.mark.parametrize("op", ["relu", "sigmoid", "gelu", "tanh", "hard_swish"])
@pytest.mark.parametrize("groups", [1, 6])
def test_an_activation_joins_its_layer(op, groups):
    net = network(conv("c", "input", "a" if groups == 1 else "each", groups=groups), Node("y", op, ("c",)))
    assert steps(net) == [("c", op)]
    check(net)


@pytest.mark.parametrize("attrs", [{"min": 0.0, "max": 6.0}, {"min": -0.5}, {"max": 0.25}, {}])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_clip_joins_its_layer(attrs, groups):
    kernels = normal(6, 6 // groups, 3, 3)
    net = network(conv("c", "input", "k", groups=groups), Node("y", "clip", ("c",), attrs), k=kernels)
    assert steps(net) == [("c", "clip")]
    check(net)


def test_a_sum_joins_the_later_of_its_layers():
    assert steps(network(*SUM)) == [("c",), ("d", "add", "relu")]
    check(network(*SUM))


def test_a_difference_keeps_its_order():
    for pair in (("c", "d"), ("d", "c")):
        net = network(conv("c", "input"), conv("d", "c", "b"), Node("s", "sub", pair))
        assert steps(net) == [("c",), ("d", "sub")]
        check(net)


def test_a_product_with_its_sigmoid_is_one_activation():
    for pair in (("c", "g"), ("g", "c")):
        net = network(conv("c", "input"), Node("g", "sigmoid", ("c",)), Node("y", "mul", pair))
        assert steps(net) == [("c", "silu")]
        check(net)


def test_a_gate_that_is_read_elsewhere_stays():
    nodes = (conv("c", "input"), Node("g", "sigmoid", ("c",)), Node("y", "mul", ("c", "g")))
    assert steps(network(*nodes, outputs=("y", "g"))) == [("c",), ("g",), ("y",)]
    check(network(*nodes, outputs=("y", "g")))


def test_values_that_others_read_are_made():
    nodes = (conv("c", "input"), Node("r", "relu", ("c",)))
    assert steps(network(*nodes, outputs=("c", "r"))) == [("c",), ("r",)]
    twice = (*nodes, Node("s", "add", ("c", "r")))
    assert steps(network(*twice)) == [("c",), ("r",), ("s",)]
    check(network(*twice))


def test_other_shapes_do_not_join_and_single_numbers_do():
    pooled = (conv("c", "input"), Node("p", "global_avg_pool", ("input",)), Node("s", "add", ("c", "p")))
    assert steps(network(*pooled)) == [("c",), ("p",), ("s",)]
    check(network(*pooled))
    channels = (conv("c", "input"), Node("s", "mul", ("c", "factor")))
    assert steps(network(*channels, factor=normal(1, 6, 1, 1))) == [("c",), ("s",)]
    net = network(*channels, factor=np.array(0.5, np.float32))
    assert steps(net) == [("c", "mul")]
    check(net)


def test_a_tensor_is_kept_until_its_last_reader():
    plan = joined(SUM, network(*SUM).params, network(*SUM).shapes(), ("r",))
    assert [sorted(names) for names in plan.released] == [["input"], ["c"]]
    plan = separate(SUM, ("r",))
    assert [sorted(names) for names in plan.released] == [["input"], [], ["c", "d"], ["s"]]
