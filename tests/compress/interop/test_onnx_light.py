"""The topologies that the package onnx ships, with random weights in place of its constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_support import numpy_helper, onnx, reference, relative_error

from compress.interop.onnx import import_onnx, import_onnx_bytes
from compress.nn.counting import macs

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"

PARAMETERS = {
    "bvlc_alexnet": 60_965_224,
    "vgg19": 143_667_240,
    "squeezenet": 1_235_496,
    "resnet50": 25_557_032,
    "inception_v1": 6_998_552,
    "inception_v2": None,
    "densenet121": 7_978_856,
    "shufflenet": None,
    "zfnet512": None,
}
"""Published counts: weights, biases, and a scale and a shift per batch-normalised channel."""

SLOW = ("vgg19", "zfnet512", "bvlc_alexnet", "densenet121")


def path(name: str) -> Path:
    return LIGHT / f"light_{name}.onnx"


def randomised(name: str) -> onnx.ModelProto:
    """Replace the constants by random weights of variance 2 / fan-in, and the softmax by its logits."""
    light, rng = onnx.load(path(name)), np.random.default_rng(9)
    graph = light.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    positive = {
        name for node in graph.node if node.op_type == "BatchNormalization" for name in node.input[1::3]
    }
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        shape = tuple(shapes[node.input[0]])
        if len(shape) > 1:
            values = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            values = rng.uniform(0.5, 1.5, shape) * (
                1 if node.output[0] in positive else rng.choice([-1, 1], shape)
            )
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), node.output[0]))
        graph.node.remove(node)
    if graph.node[-1].op_type == "Softmax":
        graph.output[0].name = graph.node[-1].input[0]
        graph.node.remove(graph.node[-1])
        del graph.output[0].type.tensor_type.shape.dim[:]
        graph.output[0].type.tensor_type.ClearField("shape")
    return light


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PARAMETERS]
)
def test_output_equals_onnxruntime(name):
    data = randomised(name).SerializeToString()
    network = import_onnx_bytes(data, name)
    x = np.random.default_rng(10).standard_normal((1, *network.input_shape), np.float32)
    expected = reference(data, {"data_0" if "gpu" not in str(data[:2000]) else "gpu_0/data_0": x})[0]
    assert relative_error(network.forward(x), expected) <= 1e-4
    assert np.unique(expected).size > expected.size / 2


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_macs(name):
    light = onnx.load(path(name))
    network = import_onnx(path(name))
    weights, learned, products = counts(light)
    layers = [node for node in network.nodes if node.op in ("conv", "fc")]
    assert sum(network.params[node.params[0]].size for node in layers) == weights
    assert sum(macs(network).values()) == products
    assert PARAMETERS[name] in (learned, None)


def counts(light: onnx.ModelProto) -> tuple[int, int, int]:
    """Weights of layers, learned numbers and MACs, from the file and the shapes that onnx infers."""
    inferred = onnx.shape_inference.infer_shapes(light).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    lengths = {tensor.name: numpy_helper.to_array(tensor) for tensor in light.graph.initializer}
    sizes = {name: array.shape for name, array in lengths.items()}
    for node in light.graph.node:
        if node.op_type == "ConstantOfShape":
            sizes[node.output[0]] = lengths[node.input[0]]
        elif node.op_type == "Reshape" and node.input[0] in sizes:
            sizes[node.output[0]] = lengths[node.input[1]]
    weights = learned = products = 0
    for node in light.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            kernel = sizes[node.input[1]]
            weights += int(np.prod(kernel))
            learned += sum(int(np.prod(sizes[name])) for name in node.input[1:])
            products += int(np.prod(shapes[node.output[0]]) * np.prod(kernel[1:]))
        elif node.op_type == "BatchNormalization":
            learned += 2 * int(sizes[node.input[1]][0])
    return weights, learned, products
