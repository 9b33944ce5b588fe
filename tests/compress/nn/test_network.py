"""The graph: execution order, multiple outputs, gradients through joins, hostile graphs."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from compress.nn.network import MAX_ELEMENTS, Network, Node
from compress.nn.ops import OPS, Op
from hwsim.errors import InputError


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def residual() -> Network:
    """Input -> fc a -> relu, added to fc b of the same input, twice through fc a's weights."""
    nodes = (
        Node("a", "fc", params=("a.weight", "a.bias")),
        Node("r", "relu", ("a",)),
        Node("b", "fc", ("r",), params=("a.weight",)),
        Node("sum", "add", ("b", "r", "a")),
    )
    return Network("residual", (3,), nodes, {"a.weight": weights(3, 3), "a.bias": weights(3, seed=1)})


def test_forward_by_hand():
    nodes = (Node("fc", "fc", params=("w", "b")), Node("relu", "relu", ("fc",)))
    params = {"w": np.array([[1.0, 2.0], [3.0, -4.0]], np.float32), "b": np.array([0.5, 0.0], np.float32)}
    y = Network("hand", (2,), nodes, params).forward(np.array([[1, 1], [2, 0]], np.float32))
    assert y.tolist() == [[3.5, 0.0], [2.5, 6.0]]
    assert y.dtype == np.float32


def test_shapes_parameter_count_and_default_output():
    network = residual()
    assert network.outputs == ("sum",)
    assert network.parameter_count == 12
    assert network.shapes(5) == dict.fromkeys(("input", "a", "r", "b", "sum"), (5, 3))


def test_gradients_through_joins_and_shared_weights():
    network, x = residual(), weights(4, 3, seed=2)
    upstream = weights(4, 3, seed=3)
    network.forward(x, training=True)
    gradients = network.backward(upstream)
    for name, value in network.params.items():
        for index in np.ndindex(value.shape):
            above, below = value.copy(), value.copy()
            above[index] += 1e-6
            below[index] -= 1e-6
            change = network.with_params({name: above}).forward(x) - network.with_params(
                {name: below}
            ).forward(x)
            assert gradients[name][index] == pytest.approx((change * upstream).sum() / 2e-6, abs=1e-6)


def test_training_and_inference_agree_and_batches_do_not_mix():
    network, x = residual(), weights(6, 3, seed=4)
    whole = network.forward(x)
    assert np.array_equal(network.forward(x, training=True), whole)
    assert np.concatenate([network.forward(x[:2]), network.forward(x[2:])]) == pytest.approx(whole)


def test_with_params_leaves_the_original_alone():
    network, x = residual(), weights(1, 3, seed=5)
    before = network.forward(x)
    other = network.with_params({"a.bias": np.zeros(3)})
    assert not np.array_equal(other.forward(x), before)
    assert np.array_equal(network.forward(x), before)


def test_observe_sees_every_node_once_in_order():
    seen = []
    network = residual()
    network.forward(weights(2, 3), observe=lambda name, value: seen.append((name, value.shape)))
    assert seen == [(name, (2, 3)) for name in ("a", "r", "b", "sum")]


def test_values_are_released_after_their_last_use():
    chain = (Node("r0", "relu"), *(Node(f"r{i}", "relu", (f"r{i - 1}",)) for i in range(1, 5)))
    network = Network("chain", (3,), chain, {}, ("r1", "r4"))
    references, alive = {}, {}

    def observe(tensor, value):
        references[tensor] = weakref.ref(value)
        alive[tensor] = {name for name, reference in references.items() if reference() is not None}

    outputs = network.run(np.ones((1, 3)), observe=observe)
    assert outputs.keys() == {"r1", "r4"}
    assert alive["r1"] == {"r0", "r1"}
    assert alive["r2"] == {"r1", "r2"}
    assert alive["r4"] == {"r1", "r3", "r4"}


def test_several_outputs_of_one_node(monkeypatch):
    def halves(inputs, params, attrs, ctx):
        return tuple(np.split(inputs[0], 2, axis=1))

    split = Op(lambda shapes, params, attrs: ((shapes[0][0], shapes[0][1] // 2),) * 2, halves)
    monkeypatch.setitem(OPS, "halves", split)
    nodes = (Node("s", "halves"), Node("joined", "concat", ("s:1", "s")))
    network = Network("swap", (4,), nodes, {}, ("joined", "s:1"))
    seen = {}
    outputs = network.run(np.arange(4.0).reshape(1, 4), observe=seen.__setitem__)
    assert {name: value.tolist() for name, value in seen.items()} == {
        "s": [[0, 1]], "s:1": [[2, 3]], "joined": [[2, 3, 0, 1]]
    }  # fmt: skip
    assert outputs["joined"].tolist() == [[2, 3, 0, 1]]
    assert outputs["s:1"].tolist() == [[2, 3]]


def test_op_without_backward_cannot_be_trained(monkeypatch):
    monkeypatch.setitem(OPS, "frozen", Op(OPS["relu"].infer, OPS["relu"].forward))
    nodes = (Node("fc", "fc", params=("w",)), Node("f", "frozen", ("fc",)))
    network = Network("n", (2,), nodes, {"w": weights(2, 2)})
    network.forward(weights(1, 2), training=True)
    with pytest.raises(InputError, match="op frozen cannot be trained"):
        network.backward(np.ones((1, 2)))


def test_backward_needs_a_training_pass():
    network = residual()
    network.forward(weights(1, 3))
    with pytest.raises(InputError, match="training=True"):
        network.backward(np.ones((1, 3)))


def test_wrong_input_shape_is_refused():
    with pytest.raises(InputError, match=r"input has shape \(2, 4\), expected \(batch, 3\)"):
        residual().forward(np.ones((2, 4)))
    with pytest.raises(InputError, match=r"input has shape \(0, 3\)"):
        residual().forward(np.ones((0, 3)))


@pytest.mark.parametrize(
    ("nodes", "params", "outputs", "message"),
    [
        ((), {}, (), "no nodes"),
        ((Node("a", "fly"),), {}, (), "unknown op 'fly', expected one of abs, acos"),
        ((Node("a", "relu", ("b",)), Node("b", "relu")), {}, (), "input 'b' is no earlier node"),
        ((Node("a", "relu", ("a",)),), {}, (), "input 'a' is no earlier node"),
        ((Node("a", "relu"), Node("a", "relu")), {}, (), "'a' is used twice"),
        ((Node("input", "relu"),), {}, (), "'input' is used twice"),
        ((Node("w", "fc", params=("w",)),), {"w": np.ones((1, 2))}, (), "'w' is used twice"),
        ((Node("a", "fc", params=("w",)),), {}, (), "parameter 'w' is missing"),
        ((Node("a", "relu"),), {"w": np.ones(1)}, (), "parameter 'w' is used by no node"),
        ((Node("a", "relu"),), {}, ("b",), "output 'b' is no node's output"),
        ((Node("a", "fc", params=("w",)),), {"w": np.ones((1, 3))}, (), "does not fit weights"),
    ],
)
def test_graphs_that_cannot_run_are_refused(nodes, params, outputs, message):
    with pytest.raises(InputError, match=message) as caught:
        Network("bad", (2,), nodes, params, outputs)
    assert "network bad" in str(caught.value)


def test_a_declared_shape_cannot_exhaust_memory():
    pads = (1 << 20,) * 4
    node = Node("p", "max_pool", attrs={"kernel": (1 << 21, 1 << 21), "pads": pads})
    Network("small", (1, 2, 2), (node,), {})
    huge = Node("c", "conv", attrs={"pads": pads}, params=("w",))
    with pytest.raises(InputError, match=f"more than {MAX_ELEMENTS} elements"):
        Network("huge", (1, 2, 2), (huge,), {"w": np.ones((1, 1, 1, 1))})


def test_extra_inputs():
    nodes = (Node("sum", "add", ("input", "cache")),)
    network = Network("two", (2,), nodes, {}, extra_inputs={"cache": (2,)})
    assert network.shapes(3) == {"input": (3, 2), "cache": (3, 2), "sum": (3, 2)}
    x = np.ones((1, 2), np.float32)
    assert network.forward(x, extra={"cache": 2 * x}).tolist() == [[3, 3]]
    with pytest.raises(InputError, match="inputs are input, expected cache, input"):
        network.forward(x)
    with pytest.raises(InputError, match="input cache has 2 items, expected 1"):
        network.forward(x, extra={"cache": np.ones((2, 2))})


def test_a_batch_that_a_node_cannot_take_is_refused():
    table = np.ones((1, 1), np.float32)
    network = Network(
        "fixed", (2,), (Node("c", "concat", ("table", "input"), {"axis": 1}),), {"table": table}
    )
    assert network.forward(np.zeros((1, 2), np.float32)).tolist() == [[1, 0, 0]]
    with pytest.raises(InputError, match=r"network fixed, node c: .*differ beside axis 1"):
        network.forward(np.zeros((2, 2), np.float32))
