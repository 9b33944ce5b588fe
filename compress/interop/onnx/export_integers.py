"""How layers on integers and roundings are written in ONNX.

A layer becomes QuantizeLinear, a product of integers (ConvInteger, MatMulInteger) and DequantizeLinear of its
sums: any runtime adds integers, without rounding, and has the answers of our executor to the bit. Levels of
weights are written as 8 bits around 128: some processors add products of signed levels with saturation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.export_operators import OnnxGraph, window
from compress.nn.network import output_names
from compress.nn.ops.integer import INPUT_SCALE, UNSIGNED_TOP, reach_of, top_level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.format.tensors import QuantizedTensor
    from compress.nn.network import Node

MIDDLE = 128
"""Level of the real zero among those of weights."""


def runs_on_integers(node: Node, tensor: object) -> bool:
    """Whether a node is a layer on integers whose levels have 8 bits; `tensor` holds its weights."""
    scale, block = (getattr(tensor, key, None) for key in ("scale", "block"))
    if INPUT_SCALE not in node.attrs or scale is None or block is not None or node.op not in ("fc", "conv"):
        return False
    low, high = _reach(node.attrs, getattr(tensor, "bits", 0))
    return high - low <= UNSIGNED_TOP


def _reach(attrs: Mapping[str, Any], bits: int) -> tuple[int, int]:
    return reach_of(attrs) if "range" in attrs else (-top_level(bits), top_level(bits))


def write_layer(
    graph: OnnxGraph, node: Node, tensor: QuantizedTensor, written: dict[tuple[str, str], str]
) -> None:
    """Write a layer on integers.

    Parameters
    ----------
    graph : OnnxGraph
    node : Node
        A fully-connected layer or a convolution.
    tensor : QuantizedTensor
        Its weights.
    written : dict of (str, str) to str
        Levels in the graph already, by parameter and operator.
    """
    rank, reach = len(graph.shapes[node.inputs[0]]), _reach(node.attrs, tensor.bits)
    levels, zero = _levels(graph, node.inputs[0], node.attrs[INPUT_SCALE], reach)
    is_conv, key = node.op == "conv", (node.params[0], node.op)
    if key not in written:
        q = (tensor.q.astype(np.int16) + MIDDLE).astype(np.uint8)
        written[key] = graph.constant("weights", q if is_conv else np.ascontiguousarray(q.T))
    weights = written[key]
    middle = graph.constant("middle", np.array(MIDDLE, np.uint8))
    if is_conv:
        attrs = window(node, group=int(node.attrs.get("groups", 1)))
        sums = graph.add("ConvInteger", levels, weights, zero, middle, **attrs)
    else:
        sums = graph.add("MatMulInteger", levels, weights, zero, middle)
    scale = tensor.scale * np.float32(node.attrs[INPUT_SCALE])
    along = {"axis": 1 if is_conv else rank - 1} if tensor.scale.ndim else {}
    real = graph.constant("scale", scale.astype(np.float32))
    biases = node.params[1:]
    y = graph.add("DequantizeLinear", sums, real, target=None if biases else node.name, **along)
    for bias in biases:
        if is_conv:
            bias = graph.add("Reshape", bias, graph.integers("along", (-1, 1, 1)))
        graph.add("Add", y, bias, target=node.name)


def _levels(graph: OnnxGraph, x: str, scale: float, reach: tuple[int, int]) -> tuple[str, str]:
    """Round to levels of 8 bits; return their names and their zero's."""
    zero = graph.constant("zero", np.array(-reach[0], np.uint8))
    levels = graph.add("QuantizeLinear", x, graph.number("step", scale), zero)
    if reach[1] - reach[0] < UNSIGNED_TOP:
        highest = graph.constant("highest", np.array(reach[1] - reach[0], np.uint8))
        levels = graph.add("Clip", levels, "", highest)
    return levels, zero


def _round_levels(graph: OnnxGraph, node: Node) -> None:
    x, scale, reach = node.inputs[0], node.attrs["scale"], reach_of(node.attrs)
    if reach[1] - reach[0] > UNSIGNED_TOP:
        real_rounding(graph, x, scale, reach, node.name)
        return
    levels, zero = _levels(graph, x, scale, reach)
    graph.add("DequantizeLinear", levels, graph.number("scale", scale), zero, target=node.name)


def real_rounding(
    graph: OnnxGraph, x: str, scale: float, reach: tuple[int, int], target: str | None = None
) -> str:
    """Write a rounding to levels of more than 8 bits, in floating point; return its name."""
    step = graph.number("step", scale)
    steps = graph.add("Round", graph.add("Div", x, step))
    clipped = graph.add("Clip", steps, graph.number("lowest", reach[0]), graph.number("highest", reach[1]))
    return graph.add("Mul", clipped, step, target=target)


def _dynamic_levels(graph: OnnxGraph, node: Node) -> None:
    made = graph.add("DynamicQuantizeLinear", *node.inputs, outputs=3)
    q, scale, zero = output_names(made, 3)
    names = output_names(node.name, 3)
    graph.add("Identity", scale, target=names[1])
    graph.add("Cast", zero, target=names[2], to=1)
    graph.add("Sub", graph.add("Cast", q, to=1), names[2], target=names[0])


EXPORTERS: dict[str, Callable[[OnnxGraph, Node], None]] = {
    "round_levels": _round_levels,
    "dynamic_levels": _dynamic_levels,
}
