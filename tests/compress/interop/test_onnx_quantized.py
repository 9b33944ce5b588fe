"""Quantized graphs come in as integers with onnxruntime's answers; what goes out runs there on integers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx_support import helper, model, numpy_helper, onnx, reference, relative_error

from compress.format.container import Artifact, parse
from compress.format.execution import executable
from compress.format.tensors import QuantizedTensor
from compress.interop.export import export
from compress.interop.onnx import import_onnx_bytes, read_onnx_bytes, stored
from compress.lowering import workload_of
from compress.methods.quantize import quantize_network
from compress.nn.network import INPUT, Network, Node

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(40)


def values(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * RNG.standard_normal(shape)).astype(np.float32)


def small_cnn() -> bytes:
    """Two convolutions, a join, pools and a layer, as people quantize them."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], group=2),
        helper.make_node("Add", ["c2", "r1"], ["s"]),
        helper.make_node("MaxPool", ["s"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    constants = {
        "w1": values(8, 3, 3, 3, scale=0.3), "b1": values(8), "w2": values(8, 4, 3, 3, scale=0.3),
        "b2": values(8), "w3": values(5, 8), "b3": values(5),
    }  # fmt: skip
    return model(nodes, {"x": ["n", 3, 12, 12]}, ["y"], constants)


CNN, IMAGES = small_cnn(), values(16, 3, 12, 12)


class Reader:
    """Images for a quantizer, one at a time."""

    def __init__(self) -> None:
        self.rest = iter(IMAGES)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.rest, None)
        return None if image is None else {"x": image[None]}

    def __iter__(self):
        return iter({"x": image[None]} for image in IMAGES)


def statically(folder: Path, **how: object) -> bytes:
    quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")
    (folder / "float.onnx").write_bytes(CNN)
    quantization.quantize_static(folder / "float.onnx", folder / "int8.onnx", Reader(), **how)
    return (folder / "int8.onnx").read_bytes()


def agree(data: bytes, x: np.ndarray, share: float = 0.99, within: float = 0.05) -> Artifact:
    """Compare with onnxruntime item by item: nearly all outputs to the last digits, the others by a level."""
    artifact = stored(*read_onnx_bytes(data, "case.onnx"))
    again, _ = parse(artifact.to_bytes())
    network = executable(again)
    for one in x[:, None]:
        (expected,) = reference(data, {"x": one})
        found = network.forward(one)
        assert relative_error(found, expected) <= within
        assert np.isclose(found, expected, rtol=1e-4, atol=1e-5).mean() >= share
    return artifact


def integers(artifact: Artifact) -> dict[str, QuantizedTensor]:
    return {name: one for name, one in artifact.tensors.items() if isinstance(one, QuantizedTensor)}


@pytest.mark.parametrize("operators", ["QDQ", "QOperator"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_static_quantization_by_onnxruntime(operators, per_channel, signed, tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")
    kind = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8
    data = statically(
        tmp_path,
        quant_format=quantization.QuantFormat[operators],
        per_channel=per_channel,
        activation_type=kind,
        weight_type=quantization.QuantType.QInt8,
    )
    artifact = agree(data, IMAGES, share=0.6)
    assert sorted(one.shape for one in integers(artifact).values()) == [(5, 8), (8, 3, 3, 3), (8, 4, 3, 3)]
    assert artifact.stage == "int8"
    assert len(artifact.to_bytes()) < 2_500
    assert {layer.arithmetic for layer in workload_of(artifact).layers} == {"int8"}
    assert {node.op for node in executable(artifact).nodes if node.params} == {"integer_conv", "integer_fc"}


def test_dynamic_quantization_by_onnxruntime(tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m"]),
        helper.make_node("Add", ["m", "b1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["y"]),
    ]
    constants = {"w1": values(12, 20), "b1": values(20), "w2": values(20, 5)}
    (tmp_path / "float.onnx").write_bytes(model(nodes, {"x": ["n", 7, 12]}, ["y"], constants))
    quantization.quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    data = (tmp_path / "int8.onnx").read_bytes()
    assert "DynamicQuantizeLinear" in {node.op_type for node in onnx.load_from_string(data).graph.node}
    artifact = agree(data, values(6, 7, 12))
    assert [one.shape for one in integers(artifact).values()] == [(20, 12), (5, 20)]
    assert len(artifact.to_bytes()) < 1_000
    export(artifact, tmp_path / "out.onnx")
    x = values(1, 7, 12)
    (there,) = reference((tmp_path / "out.onnx").read_bytes(), {"input": x})
    assert relative_error(there, executable(artifact).forward(x)) < 1e-6


def test_layers_on_levels_add_integers():
    """600 products of 255 x 127 are beyond 24 bits: floating point would round on the way."""
    x = np.full((1, 600), 255, np.uint8)
    x[0, :3] = 254
    w = np.full((600, 2), 127, np.int8)
    nodes = [
        helper.make_node("MatMulInteger", ["x", "w"], ["s"]),
        helper.make_node("Cast", ["s"], ["y"], to=1),
    ]
    data = model(nodes, {"x": ["n", 600]}, ["y"], {"w": w}, element=onnx.TensorProto.UINT8)
    (expected,) = reference(data, {"x": x})
    artifact = stored(*read_onnx_bytes(data, "case.onnx"))
    assert (
        executable(artifact).forward(x).tolist()
        == expected.tolist()
        == [[float(np.float32(600 * 255 * 127 - 3 * 127))] * 2]
    )


def int4_rows(q: np.ndarray) -> np.ndarray:
    """Two levels of 0 to 15 a byte, the first in its lower half."""
    return (q[..., ::2] | q[..., 1::2] << 4).astype(np.uint8)


@pytest.mark.parametrize("depth", [64, 56])
@pytest.mark.parametrize("with_zeros", [False, True])
def test_blocks_of_four_bits(depth, with_zeros, tmp_path):
    rows, block = 6, 16
    blocks = -(-depth // block)
    q, scales = RNG.integers(0, 16, (rows, blocks * block)), np.abs(values(rows, blocks)) + np.float32(0.1)
    constants = {"w": int4_rows(q).reshape(rows, blocks, block // 2), "s": scales.reshape(-1)}
    zeros = np.full((rows, blocks), 8)
    if with_zeros:
        zeros = RNG.integers(0, 16, (rows, blocks))
        constants["z"] = int4_rows(zeros).reshape(-1)
    node = helper.make_node(
        "MatMulNBits",
        ["x", *constants],
        ["y"],
        domain="com.microsoft",
        K=depth,
        N=rows,
        bits=4,
        block_size=block,
    )
    made = onnx.load_from_string(model([node], {"x": ["n", depth]}, ["y"], constants))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    artifact = agree(made.SerializeToString(), values(3, depth))
    (weights,) = integers(artifact).values()
    expected = (q - np.repeat(zeros, block, axis=1)) * np.repeat(scales, block, axis=1)
    assert np.array_equal(weights.to_array(), expected[:, :depth].astype(np.float32))
    assert (weights.bits, weights.scale.shape) == (5 if with_zeros else 4, (rows, blocks))
    again, _ = parse(artifact.to_bytes())
    assert np.array_equal(integers(again)["y.weight"].to_array(), weights.to_array())
    export(artifact, tmp_path / "out.onnx")
    x = values(3, depth)
    (there,) = reference((tmp_path / "out.onnx").read_bytes(), {"input": x})
    assert relative_error(there, executable(artifact).forward(x)) < 1e-5


@pytest.mark.parametrize("how", ["DequantizeLinear", "Cast and Mul", "with a zero point"])
def test_levels_times_a_scale_stay_integers(how):
    q, scale = RNG.integers(-127, 128, (24, 32)).astype(np.int8), np.abs(values(32)) + np.float32(0.01)
    constants = {"q": q, "s": scale}
    if how == "DequantizeLinear":
        nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1)]
    elif how == "Cast and Mul":
        nodes = [helper.make_node("Cast", ["q"], ["c"], to=1), helper.make_node("Mul", ["c", "s"], ["w"])]
    else:
        constants |= {"q": (q.astype(int) + 128).astype(np.uint8), "z": np.float32(128)}
        nodes = [
            helper.make_node("Cast", ["q"], ["c"], to=1),
            helper.make_node("Sub", ["c", "z"], ["d"]),
            helper.make_node("Mul", ["s", "d"], ["w"]),
        ]
    nodes.append(helper.make_node("MatMul", ["x", "w"], ["y"]))
    data, x = model(nodes, {"x": ["n", 24]}, ["y"], constants), values(4, 24)
    artifact = stored(*read_onnx_bytes(data, "case.onnx"))
    assert relative_error(executable(artifact).forward(x), x @ (q * scale)) < 1e-6
    (weights,) = integers(artifact).values()
    assert np.array_equal(weights.q, q.T)
    assert np.array_equal(weights.scale, scale)
    assert len(artifact.to_bytes()) < q.nbytes + scale.nbytes + 80


def test_scales_go_through_a_transpose_and_a_reshape():
    q, scale = RNG.integers(-8, 8, (3, 2, 2, 4)).astype(np.int8), np.abs(values(4)) + np.float32(0.5)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"], axis=3),
        helper.make_node("Transpose", ["d"], ["t"], perm=[3, 2, 0, 1]),
        helper.make_node("Conv", ["x", "t"], ["y"]),
    ]
    data = model(nodes, {"x": ["n", 2, 5, 5]}, ["y"], {"q": q, "s": scale})
    (weights,) = integers(agree(data, values(2, 2, 5, 5))).values()
    assert np.array_equal(weights.q, q.transpose(3, 2, 0, 1))
    assert weights.bits == 4


def test_operators_on_levels():
    """What the quantizers of onnxruntime write beside layers, from its own operator set."""
    scales = {"sx": np.float32(0.02), "zx": np.uint8(120), "sy": np.float32(0.03), "zy": np.uint8(100)}
    x_of, y_of = ["sx", "zx"], ["sy", "zy"]
    domain = "com.microsoft"
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *x_of], ["q"]),
        helper.make_node("QLinearSigmoid", ["q", *x_of, *y_of], ["s"], domain=domain),
        helper.make_node("QLinearAdd", ["q", *x_of, "s", *y_of, *y_of], ["a"], domain=domain),
        helper.make_node("QLinearMul", ["a", *y_of, "s", *y_of, *x_of], ["m"], domain=domain),
        helper.make_node("QLinearLeakyRelu", ["m", *x_of, *x_of], ["l"], domain=domain, alpha=0.1),
        helper.make_node("QLinearConcat", [*y_of, "l", *x_of, "a", *y_of], ["c"], domain=domain, axis=1),
        helper.make_node(
            "QLinearAveragePool",
            ["c", *y_of, *y_of],
            ["v"],
            domain=domain,
            kernel_shape=[2, 2],
            strides=[2, 2],
        ),
        helper.make_node("QLinearGlobalAveragePool", ["v", *y_of, *x_of], ["g"], domain=domain),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("QGemm", ["f", *x_of, "w", "sy", "zw", "b"], ["y"], domain=domain, transB=1),
    ]
    constants = {
        **scales,
        "w": RNG.integers(-100, 100, (5, 6)).astype(np.int8),
        "zw": np.int8(3),
        "b": RNG.integers(-50, 50, 5).astype(np.int32),
    }
    made = onnx.load_from_string(model(nodes, {"x": ["n", 3, 4, 4]}, ["y"], constants))
    made.opset_import.append(helper.make_opsetid(domain, 1))
    agree(made.SerializeToString(), values(6, 3, 4, 4), share=0.0, within=0.1)


def test_a_rounding_of_activations_alone_is_kept(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Reshape", ["q", "shape"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    constants = {"s": np.float32(0.5), "z": np.int8(-100), "shape": np.array([0, 2, 2], np.int64)}
    data = model(nodes, {"x": ["n", 4]}, ["y"], constants)
    x = np.array([[0.25, 0.75, -100.0, 1000.0], [-0.25, 1.25, -14.1, 3.0]], np.float32)
    network = import_onnx_bytes(data, "case.onnx")
    (expected,) = reference(data, {"x": x})
    assert np.array_equal(network.forward(x), expected)
    export(Artifact.of(network, "dense"), tmp_path / "out.onnx")
    assert np.array_equal(reference((tmp_path / "out.onnx").read_bytes(), {"input": x})[0], expected)


def test_shared_weights_of_quantized_layers_are_written_once(tmp_path):
    nodes = tuple(Node(f"fc{at}", "fc", (f"fc{at - 1}" if at else INPUT,), params=("w",)) for at in range(3))
    network = Network("tied", (16,), nodes, {"w": values(16, 16)})
    artifact = quantize_network(network, values(8, 16))
    export(artifact, tmp_path / "out.onnx")
    held = Counter(
        numpy_helper.to_array(one).dtype.name
        for one in onnx.load(tmp_path / "out.onnx").graph.initializer
        if np.prod(one.dims) == 256
    )
    assert held == {"uint8": 1}
    x = values(5, 16)
    (there,) = reference((tmp_path / "out.onnx").read_bytes(), {"input": x})
    assert np.array_equal(there, executable(artifact).forward(x))


OWN = {
    "FusedMatMul": (["x", "a"], {"a": values(5, 6)}, {"transB": 1, "alpha": 0.5}),
    "Gelu": (["x"], {}, {}),
    "BiasGelu": (["x", "b"], {"b": values(6)}, {}),
    "FastGelu": (["x", "b"], {"b": values(6)}, {}),
    "QuickGelu": (["x"], {}, {"alpha": 1.5}),
    "SkipLayerNormalization": (
        ["x", "x", "s", "t", "b"], {"s": values(6), "t": values(6), "b": values(6)}, {"epsilon": 1e-3},
    ),
    "SkipSimplifiedLayerNormalization": (
        ["x", "x", "s", "b"], {"s": values(6), "b": values(6)}, {"epsilon": 1e-3},
    ),
    "DynamicQuantizeMatMul": (
        ["x", "w", "s", "z", "b"],
        {
            "w": RNG.integers(-99, 99, (6, 4)).astype(np.int8), "s": np.float32([0.1]), "z": np.int8([2]),
            "b": values(4),
        },
        {},
    ),
}  # fmt: skip
"""Inputs, constants and attributes of operators that onnxruntime writes when it optimizes a file."""


def of_the_runtime(nodes, shape, constants) -> bytes:
    made = onnx.load_from_string(model(nodes, {"x": ["n", *shape]}, ["y"], constants))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made.SerializeToString()


@pytest.mark.parametrize("op", OWN)
def test_operators_of_an_optimized_file(op):
    inputs, constants, attrs = OWN[op]
    node = helper.make_node(op, inputs, ["y"], domain="com.microsoft", **attrs)
    agree(of_the_runtime([node], (3, 6), constants), values(4, 3, 6))


def test_simplified_normalization_and_softmax_on_levels():
    scale, zero = ["q", "z"], {"q": np.float32(0.05), "z": np.uint8(128)}
    nodes = [
        helper.make_node("SimplifiedLayerNormalization", ["x", "s"], ["n"], axis=-1, epsilon=1e-3),
        helper.make_node("QuantizeLinear", ["n", *scale], ["l"]),
        helper.make_node(
            "QLinearSoftmax", ["l", *scale, "p", "o"], ["m"], domain="com.microsoft", axis=-1, opset=13
        ),
        helper.make_node("DequantizeLinear", ["m", "p", "o"], ["y"]),
    ]
    constants = {**zero, "s": values(6), "p": np.float32(1 / 256), "o": np.uint8(0)}
    agree(of_the_runtime(nodes, (3, 6), constants), values(4, 3, 6), share=0.9)


def test_product_of_integers_to_float():
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node(
            "MatMulIntegerToFloat", ["q", "w", "s", "t", "z", "", "b"], ["y"], domain="com.microsoft"
        ),
    ]
    constants = {"w": RNG.integers(-99, 99, (6, 4)).astype(np.int8), "t": np.abs(values(4)), "b": values(4)}
    agree(of_the_runtime(nodes, (3, 6), constants), values(4, 3, 6))


def test_recurrence_with_weights_of_eight_bits():
    quantized = {
        "w": RNG.integers(-99, 99, (1, 6, 16)).astype(np.int8),
        "r": RNG.integers(-99, 99, (1, 4, 16)).astype(np.int8),
        "ws": np.float32([0.01]), "wz": np.int8([0]), "rs": np.float32([0.02]), "rz": np.int8([0]),
    }  # fmt: skip
    inputs = ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"]
    node = helper.make_node("DynamicQuantizeLSTM", inputs, ["y"], domain="com.microsoft", hidden_size=4)
    constants = {**quantized, "b": values(1, 32)}
    data = of_the_runtime([node], (1, 6), constants)
    artifact = stored(*read_onnx_bytes(data, "case.onnx"))
    assert [one.shape for one in integers(artifact).values()] == [(16, 6), (16, 4)]
    (expected,) = reference(data, {"x": (x := values(1, 1, 6))})
    assert relative_error(executable(artifact).forward(x), expected) < 0.05
