"""Quantized graphs come in as integers with onnxruntime's answers; what goes out runs there on integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx_support import helper, model, reference, relative_error

from compress.format.container import Artifact, parse
from compress.format.execution import executable
from compress.format.tensors import QuantizedTensor
from compress.interop.onnx import read_onnx_bytes, stored
from compress.lowering import workload_of

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
