"""A compressed network as an ONNX file that runs anywhere.

Shared weights are written as their codebook and 8-bit labels, integers as they are: a runtime looks
the values up once, when it loads the file, and the file stays small. Weights come out bit for bit as
the network's own. What quantized layers read is rounded before them, as it is here. Their sums are
then those of the integers up to what floating point rounds, which now and then is the next level.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.format.tensors import QuantizedTensor, SharedTensor
from compress.interop.onnx.element_types import element_types
from compress.interop.onnx.reading import PRODUCER, onnx, require_onnx
from compress.interop.onnx.spelling import SPELLINGS, Spelling
from compress.nn.network import INPUT
from compress.nn.ops.integer import INPUT_SCALE, top_level
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Node

OPSET, IR_VERSION = 17, 8
MAX_BYTES = (1 << 31) - 1


def onnx_bytes(artifact: Artifact) -> bytes:
    """Return the ONNX file of a compressed network; the first dimension of its inputs is open.

    Raises
    ------
    InputError
        If the package onnx is absent, an operator has no counterpart, or the file would be too large.
    """
    require_onnx()
    network = artifact.to_network()
    types, shapes = element_types(network), network.shapes()
    text = Spelling(shapes, {name: value.shape for name, value in network.params.items()})
    for name, tensor in artifact.tensors.items():
        _weights(text, name, tensor, types[name])
    for node in network.nodes:
        if node.op not in SPELLINGS:
            raise InputError(f"node {node.name}: op {node.op} cannot be written to ONNX")
        text.begin(node.name)
        SPELLINGS[node.op](text, _rounded(text, node, artifact))
    inputs = [_declared(name, types, shapes) for name in (INPUT, *network.extra_inputs)]
    outputs = [_declared(name, types, shapes) for name in network.outputs]
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, name, **attrs) for op, ins, outs, name, attrs in text.operations],
        network.name,
        inputs,
        outputs,
        [onnx.numpy_helper.from_array(array, name) for name, array in text.constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name=PRODUCER)
    if model.ByteSize() > MAX_BYTES:
        raise InputError(f"the ONNX file would have {model.ByteSize()} bytes, expected at most {MAX_BYTES}")
    return model.SerializeToString(deterministic=True)


def _rounded(text: Spelling, node: Node, artifact: Artifact) -> Node:
    """Node that reads levels instead of what it read, if it is a quantized layer."""
    tensor = artifact.tensors[node.params[0]] if node.params else None
    if not isinstance(tensor, QuantizedTensor) or INPUT_SCALE not in node.attrs:
        return node
    top, scale = top_level(tensor.bits), text.number("step", node.attrs[INPUT_SCALE])
    read, *others = node.inputs
    steps = text.add("Round", text.add("Div", read, scale))
    clipped = text.add("Clip", steps, text.number("lowest", -top), text.number("highest", top))
    levels = text.add("Mul", clipped, scale)
    text.shapes[levels] = text.shapes[read]
    return replace(node, inputs=(levels, *others))


def _declared(name: str, types: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> Any:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(types[name]))
    return onnx.helper.make_tensor_value_info(name, kind, ["batch", *shapes[name][1:]])


def _weights(text: Spelling, name: str, tensor: StoredTensor, kind: str) -> None:
    """Write a parameter: its values, or what they are looked up in and how."""
    text.begin(name)
    if isinstance(tensor, SharedTensor) and tensor.labels.dtype == np.uint8:
        table = np.concatenate([[0], tensor.codebook]).astype(np.float32)
        index = text.add("Cast", text.constant("labels", tensor.labels), to=onnx.TensorProto.INT32)
        text.add("Gather", text.constant("codebook", table), index, axis=0, target=name)
    elif isinstance(tensor, QuantizedTensor):
        scale = tensor.scale.reshape(-1, *(1,) * (tensor.q.ndim - 1)) if tensor.scale.ndim else tensor.scale
        levels = text.add("Cast", text.constant("levels", tensor.q), to=onnx.TensorProto.FLOAT)
        text.add("Mul", levels, text.constant("scale", scale), target=name)
    else:
        text.constants[name] = tensor.to_array().astype(kind)
