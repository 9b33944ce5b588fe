"""Files of other quantizers: Brevitas, NNCF and Neural Compressor, in the forms that they write.

The graphs below copy the form, node by node, of what these versions wrote of one small network: Brevitas
0.13.4 (`export_onnx_qcdq`), NNCF 3.4.0 (`nncf.quantize` of an ONNX model) and onnx-neural-compressor 1.0
(`StaticQuantConfig`, QDQ). Numbers are random. The slow test quantizes with the tools themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx_support import helper, model, onnx, reference, relative_error

from compress.format.container import parse
from compress.format.execution import executable
from compress.format.tensors import QuantizedTensor
from compress.interop.onnx import read_onnx_bytes, stored
from compress.nn.network import INPUT

if TYPE_CHECKING:
    from pathlib import Path

    from compress.format.container import Artifact

RNG = np.random.default_rng(19)
WINDOW = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1], "dilations": [1, 1]}
SIZES = {"w1": (8, 3, 3, 3), "w2": (8, 4, 3, 3), "w3": (5, 8)}
WIDTHS = {"w1": 4, "w2": 8, "w3": 4}
"""Bits of the weights in the file of Brevitas."""
LEVEL = 0.03
"""The widest level of activations in the files below."""


def weight(name: str, bits: int = 8) -> np.ndarray:
    top = 2 ** (bits - 1) - 1
    return RNG.integers(-top, top + 1, SIZES[name]).astype(np.int8)


class Graph:
    """Nodes and constants, as they come."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value
        return name

    def add(self, op: str, inputs: list[str], **attrs: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attrs))
        return name

    def written(self, output: str) -> bytes:
        return model(self.nodes, {"x": ["n", 3, 12, 12]}, [output], self.constants)


def brevitas() -> bytes:
    """Weights clip to their bits after they are integers; levels of activations clip to theirs."""
    graph, zero = Graph(), np.array(0, np.int8)

    def levels(x: str, scale: float, bits: int = 8, kind: type = np.int8) -> str:
        pair = [graph.constant(f"{x}.s", np.float32(scale)), graph.constant(f"{x}.z", kind(0))]
        q = graph.add("QuantizeLinear", [x, *pair])
        if bits < 8:
            ends = [graph.constant(f"{x}.{at}", kind(at)) for at in (0, 2**bits - 1)]
            q = graph.add("Clip", [q, *ends])
        return graph.add("DequantizeLinear", [q, *pair])

    def weights(name: str, scale: float) -> str:
        bits = WIDTHS[name]
        top = 2 ** (bits - 1) - 1
        ends = [graph.constant(f"{name}.{at}", np.int8(at)) for at in (-top, top)]
        clipped = graph.add("Clip", [graph.constant(name, weight(name, bits)), *ends])
        zeros = graph.constant(f"{name}.z", zero)
        return graph.add("DequantizeLinear", [clipped, graph.constant(f"{name}.s", np.float32(scale)), zeros])

    b1, b2, b3 = (graph.constant(f"b{at}", values(size)) for at, size in ((1, 8), (2, 8), (3, 5)))
    read = levels("x", 3 / 127)
    first = graph.add("Conv", [read, weights("w1", 0.04), b1], group=1, **WINDOW)
    read = levels(graph.add("Relu", [first]), 0.2, 4, np.uint8)
    second = graph.add("Conv", [read, weights("w2", 0.003), b2], group=2, **WINDOW)
    read = levels(graph.add("ReduceMean", [second], axes=[2, 3], keepdims=0), 0.02)
    y = graph.add("Gemm", [read, weights("w3", 0.1), b3], transB=1)
    return graph.written(y)


def nncf() -> bytes:
    """A scale and a zero for each output, axes from the back for layers, and roundings of sums."""
    graph = Graph()

    def levels(x: str, scale: float, zero: int = 0, kind: type = np.int8) -> str:
        pair = [graph.constant(f"scale_{x}", np.float32(scale)), graph.constant(f"zero_{x}", kind(zero))]
        return graph.add("DequantizeLinear", [graph.add("QuantizeLinear", [x, *pair]), *pair])

    def weights(name: str, axis: int) -> str:
        outputs = SIZES[name][0]
        scale = graph.constant(f"{name}.s", RNG.uniform(0.002, 0.006, outputs).astype(np.float32))
        zeros = graph.constant(f"{name}.z", np.zeros(outputs, np.int8))
        return graph.add("DequantizeLinear", [graph.constant(name, weight(name)), scale, zeros], axis=axis)

    b1, b2, b3 = (graph.constant(f"b{at}", values(size)) for at, size in ((1, 8), (2, 8), (3, 5)))
    first = graph.add("Conv", [levels("x", 3 / 127), weights("w1", 0), b1], group=1, **WINDOW)
    read = levels(graph.add("Relu", [first]), 0.02, 0, np.uint8)
    second = levels(graph.add("Conv", [read, weights("w2", 0), b2], group=2, **WINDOW), 0.03, 11)
    total = levels(graph.add("Add", [second, read]), 0.04, -9)
    mean = levels(graph.add("ReduceMean", [total], axes=[2, 3], keepdims=0), 0.02, -30)
    return graph.written(graph.add("Gemm", [mean, weights("w3", -2), b3], transB=1))


def neural_compressor() -> bytes:
    """Zero points of 8 bits without a sign, and biases of 32 bits with the scale of their sums."""
    graph = Graph()

    def levels(x: str, scale: float, zero: int) -> str:
        pair = [graph.constant(f"{x}_scale", np.float32(scale)), graph.constant(f"{x}_zero", np.uint8(zero))]
        return graph.add("DequantizeLinear", [graph.add("QuantizeLinear", [x, *pair]), *pair])

    def layer(op: str, at: int, read: str, scale: float, **attrs: object) -> str:
        name, step = f"w{at}", np.float32(0.004)
        pair = [graph.constant(f"{name}_scale", step), graph.constant(f"{name}_zero", np.int8(0))]
        weights = graph.add("DequantizeLinear", [graph.constant(name, weight(name)), *pair])
        sums = np.array([step * np.float32(scale)], np.float32)
        pair = [graph.constant(f"b{at}_scale", sums), graph.constant(f"b{at}_zero", np.zeros(1, np.int32))]
        stored_bias = np.rint(values(SIZES[name][0]) / sums).astype(np.int32)
        bias = graph.add("DequantizeLinear", [graph.constant(f"b{at}", stored_bias), *pair])
        return graph.add(op, [read, weights, bias], **attrs)

    first = layer("Conv", 1, levels("x", 6 / 255, 127), 6 / 255, auto_pad="NOTSET", **WINDOW)
    read = levels(first, 0.02, 0)
    second = levels(layer("Conv", 2, read, 0.02, group=2, auto_pad="NOTSET", **WINDOW), 0.03, 107)
    total = graph.add("Add", [second, read])
    mean = levels(graph.add("ReduceMean", [total], axes=[2, 3], keepdims=0), 0.02, 25)
    return graph.written(levels(layer("Gemm", 3, mean, 0.02, transB=1), 0.03, 120))


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def check(data: bytes, x: np.ndarray) -> Artifact:
    """Weights and layers are integers, and answers are onnxruntime's, but for a level here and there.

    A sum half-way between two levels is rounded either way: that moves an answer by one level at most.
    """
    artifact = stored(*read_onnx_bytes(data, "case.onnx"))
    assert sum(isinstance(tensor, QuantizedTensor) for tensor in artifact.tensors.values()) == 3
    network = executable(parse(artifact.to_bytes())[0])
    assert [node.op for node in network.nodes if node.op.startswith("integer_")] == [
        "integer_conv", "integer_conv", "integer_fc",
    ]  # fmt: skip
    expected = np.concatenate([reference(data, {"x": one})[0] for one in x[:, None]])
    found = network.forward(x)
    assert relative_error(found, expected) < 0.05
    assert np.abs(found - expected).max() < LEVEL * 1.001
    return artifact


@pytest.mark.parametrize("tool", [brevitas, nncf, neural_compressor])
def test_the_form_of_a_tool_comes_in_as_integers(tool):
    artifact = check(tool(), values(16, 3, 12, 12))
    bits = [tensor.bits for tensor in artifact.tensors.values() if isinstance(tensor, QuantizedTensor)]
    assert bits == ([4, 8, 4] if tool is brevitas else [8, 8, 8])
    reaches = [node.attrs["range"] for node in executable(artifact).nodes if "input_scale" in node.attrs]
    assert reaches[1] == ((0, 15) if tool is brevitas else (0, 255))


def by_brevitas(folder: Path, x: np.ndarray) -> bytes:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layers = pytest.importorskip("brevitas.nn", reason="Brevitas is not installed")
    from brevitas.export import export_onnx_qcdq
    from brevitas.quant import Int8ActPerTensorFloat

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            reads = {"input_quant": Int8ActPerTensorFloat}
            self.c1 = layers.QuantConv2d(3, 8, 3, padding=1, weight_bit_width=4, **reads)
            self.relu = layers.QuantReLU(bit_width=4, return_quant_tensor=True)
            self.c2 = layers.QuantConv2d(8, 8, 3, padding=1, groups=2, weight_bit_width=8)
            self.fc = layers.QuantLinear(8, 5, bias=True, weight_bit_width=4, **reads)

        def forward(self, images):
            return self.fc(self.c2(self.relu(self.c1(images))).mean((2, 3)))

    images, small = torch.tensor(x), Small()
    small(images)  # in training mode: ranges are measured
    path = folder / "brevitas.onnx"
    how = {"opset_version": 17, "input_names": ["x"], "dynamo": False}
    export_onnx_qcdq(small.eval(), args=images[:1], export_path=str(path), **how)
    return path.read_bytes()


def small_float() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], **WINDOW),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], group=2, **WINDOW),
        helper.make_node("Add", ["c2", "r1"], ["s"]),
        helper.make_node("ReduceMean", ["s"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["m", "w3", "b3"], ["y"], transB=1),
    ]
    constants = {name: values(*size) for name, size in SIZES.items()}
    constants |= {"b1": values(8), "b2": values(8), "b3": values(5)}
    made = onnx.load_from_string(model(nodes, {"x": ["n", 3, 12, 12]}, ["y"], constants))
    return onnx.shape_inference.infer_shapes(made)


def by_nncf(folder: Path, x: np.ndarray) -> bytes:
    tool = pytest.importorskip("nncf", reason="NNCF is not installed")
    data = tool.Dataset([{"x": one} for one in x[:, None]])
    return tool.quantize(small_float(), data, subset_size=len(x)).SerializeToString()


def by_neural_compressor(folder: Path, x: np.ndarray) -> bytes:
    tool = pytest.importorskip(
        "onnx_neural_compressor.quantization", reason="onnx-neural-compressor is not installed"
    )
    from onnx_neural_compressor import data_reader

    class Reader(data_reader.CalibrationDataReader):
        def __init__(self) -> None:
            self.rewind()

        def rewind(self) -> None:
            self.left = iter(x[:, None])

        def get_next(self):
            one = next(self.left, None)
            return None if one is None else {"x": one}

    onnx.save(small_float(), folder / "float.onnx")
    how = tool.config.StaticQuantConfig(calibration_data_reader=Reader(), quant_format=tool.QuantFormat.QDQ)
    tool.quantize(str(folder / "float.onnx"), str(folder / "int8.onnx"), how)
    return (folder / "int8.onnx").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("tool", [by_brevitas, by_nncf, by_neural_compressor])
@pytest.mark.filterwarnings("ignore")
def test_what_a_tool_writes_comes_in_as_integers(tool, tmp_path):
    x = values(16, 3, 12, 12)
    artifact = check(tool(tmp_path, x), x)
    assert artifact.topology.network(artifact.arrays()).inputs == {INPUT: (3, 12, 12)}
