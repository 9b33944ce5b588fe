"""What is executed is what was stored: every form computes as its decoded weights do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.format.tensors import DenseTensor, PrunedTensor, QuantizedTensor, SharedTensor, StoredTensor
from compress.format.topology import Topology
from compress.methods.quantize import quantize_network
from compress.nn.network import Network, Node
from hwsim.errors import InputError


def stored(form: str, shape: tuple[int, ...], density: float, rng: np.random.Generator) -> StoredTensor:
    kept = rng.random(shape) < density
    if form == "shared":
        labels = rng.integers(1, 6, shape) * kept
        return SharedTensor(labels, rng.standard_normal(5).astype(np.float32))
    if form == "pruned":
        return PrunedTensor((rng.standard_normal(shape) * kept).astype(np.float32))
    levels = rng.integers(-8, 8, shape).astype(np.int8)
    scale = rng.uniform(0.1, 1, shape[:1] if form == "int4 by output" else ()).astype(np.float32)
    return QuantizedTensor(levels, scale, 4)


forms = st.sampled_from(["shared", "pruned", "int4", "int4 by output"])


def compared(node: Node, tensor: StoredTensor, input_shape: tuple[int, ...], batch: int, op: str) -> None:
    rng = np.random.default_rng(8)
    bias = rng.standard_normal(tensor.shape[0]).astype(np.float32)
    params = {"w": tensor.to_array(), "b": bias}
    network = Network("one", input_shape, (node,), {name: params[name] for name in node.params})
    artifact = Artifact.of(network, "test", {"w": tensor})
    executed = executable(artifact, stored=True)
    assert executed.nodes[0].op == op
    x = rng.standard_normal((batch, *input_shape)).astype(np.float32)
    expected = network.forward(x)
    scale = max(np.abs(expected).max(), 1e-6)
    assert np.abs(executed.forward(x) - expected).max() <= 1e-5 * scale


def operator(form: str, tensor: StoredTensor, kind: str) -> str:
    looked_up = form.startswith("int4") or (
        form == "shared" and np.count_nonzero(tensor.to_array()) > tensor.to_array().size / 2
    )
    return f"{'lookup' if looked_up else 'sparse'}_{kind}"


@settings(max_examples=25)
@given(forms, st.integers(1, 150), st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.9]), st.booleans())
def test_fully_connected(form, outputs, inputs, density, biased):
    tensor = stored(form, (outputs, inputs), density, np.random.default_rng(inputs))
    node = Node("fc", "fc", params=("w", "b") if biased else ("w",))
    compared(node, tensor, (inputs,), 3, operator(form, tensor, "fc"))
    compared(node, tensor, (2, inputs), 2, operator(form, tensor, "fc"))


@settings(max_examples=25)
@given(
    forms,
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from([0.2, 0.9]),
)
def test_convolution(form, groups, kernel, stride, pads, dilation, density):
    rng = np.random.default_rng(groups)
    tensor = stored(form, (groups * 3, 2, *kernel), density, rng)
    attrs = {"groups": groups, "stride": stride, "pads": pads, "dilation": dilation}
    node = Node("conv", "conv", attrs=attrs, params=("w", "b"))
    compared(node, tensor, (groups * 2, 7, 8), 2, operator(form, tensor, "conv"))


def test_many_filters_are_looked_up_in_blocks():
    tensor = stored("shared", (200, 3, 3, 3), 0.9, np.random.default_rng(0))
    compared(Node("conv", "conv", params=("w", "b")), tensor, (3, 5, 5), 1, "lookup_conv")


def test_other_nodes_and_dense_layers_stay():
    rng = np.random.default_rng(1)
    nodes = (
        Node("fc1", "fc", params=("fc1.weight",)),
        Node("relu", "relu", ("fc1",)),
        Node("fc2", "fc", ("relu",), params=("fc2.weight",)),
        Node("sum", "add", ("fc2", "table")),
    )
    params = {
        "fc1.weight": rng.standard_normal((4, 3)).astype(np.float32),
        "fc2.weight": rng.standard_normal((2, 4)).astype(np.float32),
        "table": np.ones(2, np.float32),
    }
    network = Network("net", (3,), nodes, params)
    executed = executable(
        Artifact.of(network, "pruned", {"fc1.weight": PrunedTensor(params["fc1.weight"])}), stored=True
    )
    assert [node.op for node in executed.nodes] == ["sparse_fc", "relu", "tiled_fc", "add"]
    x = rng.standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_allclose(executed.forward(x), network.forward(x), rtol=1e-5, atol=1e-6)
    assert isinstance(Artifact.of(network, "dense").tensors["table"], DenseTensor)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("key", ["levels", "labels"])
def test_tensors_may_have_the_names_of_parts_of_others(key, stored):
    rng = np.random.default_rng(6)
    params = {name: rng.standard_normal((4, 4)).astype(np.float32) for name in ("w", f"w.{key}")}
    nodes = (Node("a", "fc", params=("w",)), Node("b", "fc", ("a",), params=(f"w.{key}",)))
    network, x = Network("net", (4,), nodes, params), rng.standard_normal((5, 4)).astype(np.float32)
    tensors = {
        name: QuantizedTensor(np.rint(value).astype(np.int8), np.float32(1), 4)
        for name, value in params.items()
    }
    artifact = Artifact.of(network, "int4", tensors)
    expected = artifact.to_network().forward(x)
    np.testing.assert_allclose(executable(artifact, stored=stored).forward(x), expected, rtol=1e-5, atol=1e-5)
    near = executable(quantize_network(network, x), stored=stored).forward(x)
    np.testing.assert_allclose(near, network.forward(x), atol=0.2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("columns", np.array([0, 3], np.int32)),
        ("columns", np.array([0, -1], np.int32)),
        ("labels", np.array([0, 2], np.uint8)),
        ("starts", np.array([0, 3], np.int64)),
        ("starts", np.array([1, 2], np.int64)),
    ],
)
def test_entries_outside_are_refused_before_they_are_read(key, value):
    good = {
        "starts": np.array([0, 2], np.int64),
        "columns": np.array([0, 2], np.int32),
        "labels": np.array([0, 1], np.uint8),
        "table": np.array([2, 3], np.float32),
    }
    node = Node("fc", "sparse_fc", attrs={"shape": (1, 3)}, params=tuple(good))
    x = np.array([[1, 5, 10]], np.float32)
    assert Network("net", (3,), (node,), good).forward(x).tolist() == [[32]]
    with pytest.raises(InputError, match="sparse weights point outside 3 columns or 2 values"):
        Network("net", (3,), (node,), good | {key: value}).forward(x)


@pytest.mark.parametrize("op", ["conv", "fc"])
@pytest.mark.parametrize("params", [(), ("nowhere",)])
def test_a_layer_without_weights_is_refused(op, params):
    """As a damaged file may have it."""
    topology = Topology("cut", (1, 4, 4), (Node("a", op, params=params),), ("a",))
    with pytest.raises(InputError):
        executable(Artifact(topology, {}, "dense"))
