"""Arithmetic of 16 bits: worked by hand, and beside numpy's own float16 and onnxruntime's."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.methods.quantize import quantize_network
from compress.nn.interface import Interface
from compress.nn.narrow import narrowed
from compress.nn.network import INPUT, Network, Node
from compress.nn.zoo.llama import LlamaShape
from hwsim.errors import InputError

TYPES = {"fp16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}


def perceptron(rng: np.random.Generator) -> Network:
    nodes = (
        Node("fc1", "fc", params=("w1", "b1")),
        Node("tanh", "tanh", ("fc1",)),
        Node("scaled", "mul", ("tanh", "gain")),
        Node("sum", "add", ("scaled", "fc1")),
        Node("fc2", "fc", ("sum",), params=("w2",)),
    )
    sizes = {"w1": (8, 6), "b1": (8,), "gain": (8,), "w2": (3, 8)}
    params = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    return Network("perceptron", (6,), nodes, params)


def test_by_hand():
    """A third is 0.33325195 or 0.33398438; from 2048 on fp16 steps by 2 and bf16 by 16."""
    nodes = (Node("third", "mul", (INPUT, "third_of")), Node("sum", "add", ("third", "large")))
    params = {"third_of": np.array([1 / 3, 1], np.float32), "large": np.array([0, 2048], np.float32)}
    network, x = Network("two", (2,), nodes, params), np.array([[1, 1 + 1 / 1024]], np.float32)
    assert narrowed(network, "fp16").forward(x).tolist() == [[0.333251953125, 2050.0]]
    assert narrowed(network, "bf16").forward(x).tolist() == [[0.333984375, 2048.0]]
    assert network.forward(x)[0, 1] == np.float32(2049 + 1 / 1024)


@pytest.mark.parametrize("form", TYPES)
def test_operators_give_what_numpy_gives_in_that_type(form):
    """Each product of matrices is added in fp32 and rounded once; the others are numpy's own."""
    rng = np.random.default_rng(0)
    network, kind = perceptron(rng), TYPES[form]
    x = rng.normal(size=(5, 6)).astype(np.float32)
    w1, b1, gain, w2 = (network.params[name].astype(kind) for name in ("w1", "b1", "gain", "w2"))
    wide = x.astype(kind).astype(np.float32) @ w1.astype(np.float32).T + b1.astype(np.float32)
    first = wide.astype(kind)
    summed = np.tanh(first) * gain + first
    expected = (summed.astype(np.float32) @ w2.astype(np.float32).T).astype(kind)
    np.testing.assert_array_equal(narrowed(network, form).forward(x), expected.astype(np.float32))


def test_numbers_too_large_for_fp16_are_infinite_and_not_for_bf16():
    network = Network("square", (1,), (Node("square", "mul", (INPUT, INPUT)),), {})
    x = np.array([[300.0]], np.float32)
    assert narrowed(network, "fp16").forward(x)[0, 0] == np.inf
    assert narrowed(network, "bf16").forward(x)[0, 0] == 90112  # 90000 to 8 bits


def test_integers_and_names_stay():
    shape = LlamaShape(words=40_000, features=8, blocks=1, heads=2, kv_heads=1, hidden=8)
    params = {name: value * 0.1 for name, value in shape.random(np.random.default_rng(0)).items()}
    network = Network("llama", (), shape.nodes(), params, ("head",), {}, shape.interface())
    words = np.array([39_999, 2049])
    made = narrowed(network, "bf16")
    assert list(made.named_outputs) == ["scores"]
    assert made.forward(words) == pytest.approx(network.forward(words), abs=0.05)
    interface = Interface(types={INPUT: "int64"})
    counts = Network("sum", (1,), (Node("sum", "add", (INPUT, INPUT)),), {}, interface=interface)
    assert narrowed(counts, "fp16").forward(np.array([[40_001]])).tolist() == [[80_002]]


def test_layers_on_integers_keep_their_scales():
    rng = np.random.default_rng(0)
    network, x = perceptron(rng), rng.normal(size=(5, 6)).astype(np.float32)
    artifact = quantize_network(network, x)
    assert executable(artifact, arithmetic="fp16").forward(x) == pytest.approx(
        executable(artifact).forward(x), abs=0.02
    )


def test_what_cannot_be_computed_so_is_refused():
    artifact = Artifact.of(perceptron(np.random.default_rng(0)), "dense")
    with pytest.raises(InputError, match="arithmetic is 'fp8', expected one of fp32, fp16, bf16"):
        executable(artifact, arithmetic="fp8")
    with pytest.raises(InputError, match="arithmetic is fp16, expected fp32 to compute from stored weights"):
        executable(artifact, stored=True, arithmetic="fp16")


@pytest.mark.parametrize("ties", [(1.0, 2.0**-11), (1.0, 3 * 2.0**-11)])
def test_ties_go_to_even_as_in_onnxruntime(ties):
    """An addition in the type float16 of ONNX, exactly between two numbers."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")
    from onnx import TensorProto, helper

    half = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [1, 2]) for name in ("x", "y", "z")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "y"], ["z"])], "add", half[:2], half[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x, y = (np.array([[value, -value]], np.float32) for value in ties)
    (expected,) = session.run(None, {"x": x.astype(np.float16), "y": y.astype(np.float16)})
    network = Network("add", (2,), (Node("z", "add", (INPUT, "y")),), {"y": y[0]})
    assert narrowed(network, "fp16").forward(x).tolist() == expected.astype(np.float32).tolist()
