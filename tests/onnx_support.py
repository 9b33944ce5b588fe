"""Small ONNX models made on the spot, and onnxruntime as the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

onnx = pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray] | None = None,
    opset: int = 17,
    element: int = TensorProto.FLOAT,
) -> bytes:
    """Serialise a graph; a dimension given as a text is open."""
    graph = helper.make_graph(
        list(nodes),
        "case",
        [helper.make_tensor_value_info(name, element, list(shape)) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made.SerializeToString()


def reference(data: bytes, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of onnxruntime on one thread."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(data, options).run(None, dict(feeds))


def relative_error(value: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest magnitude."""
    assert value.shape == expected.shape
    difference, scale = np.abs(value - expected).max(), np.abs(expected).max()
    return float(difference / scale) if scale else float(difference)
