"""A compressed network as an ONNX file that runs anywhere.

Shared weights are written as their codebook and 8-bit labels, integers as they are: a runtime looks
the values up once, when it loads the file, and the file stays small. Weights come out bit for bit as
the network's own. Quantized layers multiply integers there as they do here: they give the same answers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.format.tensors import QuantizedTensor, SharedTensor
from compress.interop.onnx.element_types import element_types
from compress.interop.onnx.export_integers import real_rounding, runs_on_integers, write_layer
from compress.interop.onnx.export_operators import OnnxGraph
from compress.interop.onnx.exporters import EXPORTERS
from compress.interop.onnx.reading import PRODUCER, onnx, require_onnx
from compress.nn.interface import OPEN
from compress.nn.network import INPUT
from compress.nn.ops.integer import INPUT_SCALE, reach_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network, Node

OPSET, IR_VERSION = 17, 8
MAX_BYTES = (1 << 31) - 1


def onnx_bytes(artifact: Artifact) -> bytes:
    """Return the ONNX file of a compressed network; the first dimension of its inputs is open.

    Where items mix, it is 1: a runtime would mix them, too.

    Raises
    ------
    InputError
        If the package onnx is absent, an operator has no counterpart, or the file would be too large.
    """
    require_onnx()
    network = artifact.to_network()
    types, shapes = element_types(network), network.shapes()
    graph = OnnxGraph(shapes, {name: value.shape for name, value in network.params.items()})
    on_integers = {node.name for node in network.nodes if _runs_on_integers(node, artifact)}
    for name in _read_as_real(network, on_integers):
        _weights(graph, name, artifact.tensors[name], types[name])
    written: dict[tuple[str, str], str] = {}
    for node in network.nodes:
        if node.op not in EXPORTERS:
            raise InputError(f"node {node.name}: op {node.op} cannot be written to ONNX")
        graph.begin(node.name)
        weights = artifact.tensors[node.params[0]] if node.params else None
        if node.name in on_integers and isinstance(weights, QuantizedTensor):
            write_layer(graph, node, weights, written)
        else:
            EXPORTERS[node.op](graph, _rounded(graph, node, weights))
    inputs = [_declared(name, types, shapes, _first(network, name)) for name in network.inputs]
    outputs = [_declared(name, types, shapes, _first(network, INPUT)) for name in network.outputs]
    helper = onnx.helper
    proto = helper.make_graph(
        [helper.make_node(op, ins, outs, name, **attrs) for op, ins, outs, name, attrs in graph.operations],
        network.name,
        inputs,
        outputs,
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(proto, opset_imports=opset, ir_version=IR_VERSION, producer_name=PRODUCER)
    if model.ByteSize() > MAX_BYTES:
        raise InputError(f"the ONNX file would have {model.ByteSize()} bytes, expected at most {MAX_BYTES}")
    return model.SerializeToString(deterministic=True)


def _runs_on_integers(node: Node, artifact: Artifact) -> bool:
    return bool(node.params) and runs_on_integers(node, artifact.tensors[node.params[0]])


def _read_as_real(network: Network, on_integers: set[str]) -> list[str]:
    """Parameters that are not only weights of layers on integers."""
    real = {
        name
        for node in network.nodes
        for name in (*node.inputs, *node.params[1 if node.name in on_integers else 0 :])
    }
    return [name for name in network.params if name in real]


def _rounded(graph: OnnxGraph, node: Node, weights: StoredTensor | None) -> Node:
    """Node that reads levels of more than 8 bits instead of what it read, if it is a quantized layer."""
    if not isinstance(weights, QuantizedTensor) or INPUT_SCALE not in node.attrs:
        return node
    read, *others = node.inputs
    levels = real_rounding(
        graph, read, node.attrs[INPUT_SCALE], reach_of({**node.attrs, "bits": weights.bits})
    )
    graph.shapes[levels] = graph.shapes[read]
    return replace(node, inputs=(levels, *others))


def _first(network: Network, name: str) -> str | int:
    """First dimension of an input: its name, or its size where it is fixed or items must run apart."""
    interface = network.interface
    if interface.apart:
        return 1
    usual = "steps" if interface.sequence else "batch"
    return interface.lead.get(name, OPEN) or interface.dimension or usual


def _declared(name: str, types: dict[str, str], shapes: dict[str, tuple[int, ...]], first: str | int) -> Any:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(types[name]))
    return onnx.helper.make_tensor_value_info(name, kind, [first, *shapes[name][1:]])


def _weights(graph: OnnxGraph, name: str, tensor: StoredTensor, kind: str) -> None:
    """Write a parameter: its values, or what they are looked up in and how."""
    graph.begin(name)
    if isinstance(tensor, SharedTensor) and tensor.labels.dtype == np.uint8:
        table = np.concatenate([[0], tensor.codebook]).astype(np.float32)
        index = graph.add("Cast", graph.constant("labels", tensor.labels), to=onnx.TensorProto.INT32)
        graph.add("Gather", graph.constant("codebook", table), index, axis=0, target=name)
    elif isinstance(tensor, QuantizedTensor) and tensor.block is None:
        levels, scale = graph.constant("levels", tensor.q), graph.constant("scale", tensor.scale)
        graph.add(
            "DequantizeLinear", levels, scale, target=name, **({"axis": 0} if tensor.scale.ndim else {})
        )
    elif isinstance(tensor, QuantizedTensor):
        levels = graph.add("Cast", graph.constant("levels", tensor.q), to=onnx.TensorProto.FLOAT)
        graph.add("Mul", levels, _block_scales(graph, tensor), target=name)
    else:
        graph.constants[name] = tensor.to_array().astype(kind)


def _block_scales(graph: OnnxGraph, tensor: QuantizedTensor) -> str:
    """Scale of every level, as a runtime repeats it when it loads the file."""
    assert tensor.block is not None
    columns = np.arange(math.prod(tensor.shape[1:])) // tensor.block
    spread = graph.add(
        "Gather", graph.constant("scale", tensor.scale), graph.constant("blocks", columns), axis=1
    )
    return graph.add("Reshape", spread, graph.integers("shape", tensor.shape))
