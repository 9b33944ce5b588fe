"""How operators that choose or weigh elements are written in ONNX."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.interop.onnx.export_operators import OnnxGraph
    from compress.nn.network import Node

REDUCTIONS = ("none", "add", "mul")
"""What a scatter of the operator set that is written may do."""


def _with_attrs(op: str, names: tuple[str, ...], graph: OnnxGraph, node: Node) -> None:
    attrs = {name: node.attrs[name] for name in names if name in node.attrs}
    graph.add(op, *node.inputs, target=node.name, **attrs)


def _scatter(op: str, graph: OnnxGraph, node: Node) -> None:
    reduction = node.attrs.get("reduction", "none")
    if reduction not in REDUCTIONS:
        raise InputError(f"node {node.name}: reduction {reduction} cannot be written, expected {REDUCTIONS}")
    _with_attrs(op, ("axis", "reduction"), graph, node)


def _topk(graph: OnnxGraph, node: Node) -> None:
    attrs = {name: int(node.attrs[name]) for name in ("axis", "largest") if name in node.attrs}
    k = graph.integers("k", (node.attrs["k"],))
    graph.add("TopK", *node.inputs, k, target=node.name, outputs=2, **attrs)


def _cumsum(graph: OnnxGraph, node: Node) -> None:
    attrs: dict[str, Any] = {
        name: node.attrs[name] for name in ("exclusive", "reverse") if name in node.attrs
    }
    axis = graph.constant("axis", np.array(node.attrs["axis"], np.int64))
    graph.add("CumSum", *node.inputs, axis, target=node.name, **attrs)


def _trilu(graph: OnnxGraph, node: Node) -> None:
    k = graph.constant("k", np.array(node.attrs["k"], np.int64))
    graph.add("Trilu", *node.inputs, k, target=node.name, upper=int(node.attrs.get("upper", 1)))


def _tile(graph: OnnxGraph, node: Node) -> None:
    graph.add("Tile", *node.inputs, graph.integers("repeats", node.attrs["repeats"]), target=node.name)


def _one_hot(graph: OnnxGraph, node: Node) -> None:
    depth = graph.constant("depth", np.array(node.attrs["depth"], np.int64))
    two = graph.constant("values", np.array([node.attrs["off"], node.attrs["on"]], np.float32))
    graph.add("OneHot", *node.inputs, depth, two, target=node.name, axis=node.attrs["axis"])


def _interpolate(graph: OnnxGraph, node: Node) -> None:
    """Add the weighted neighbours, one layer of taps after another."""
    places, weights = node.params
    rank, axis = len(graph.shapes[node.inputs[0]]), node.attrs["axis"]
    along = graph.integers("along", tuple(-1 if at == axis % rank else 1 for at in range(rank)))
    taps, total = graph.shapes[places][1], ""
    for tap in range(taps):
        column = graph.constant(f"tap{tap}", np.array(tap, np.int64))
        rows = graph.add("Gather", places, column, axis=1)
        weight = graph.add("Reshape", graph.add("Gather", weights, column, axis=1), along)
        last = tap == taps - 1
        near = graph.add("Gather", *node.inputs, rows, axis=axis)
        part = graph.add("Mul", near, weight, target=node.name if last and not total else None)
        total = graph.add("Add", total, part, target=node.name if last else None) if total else part


EXPORTERS: dict[str, Callable[[OnnxGraph, Node], None]] = {
    "gather_elements": partial(_with_attrs, "GatherElements", ("axis",)),
    "gather_nd": partial(_with_attrs, "GatherND", ("batch_dims",)),
    "scatter_elements": partial(_scatter, "ScatterElements"),
    "scatter_nd": partial(_scatter, "ScatterND"),
    "topk": _topk,
    "argmax": partial(_with_attrs, "ArgMax", ("axis", "keepdims", "select_last_index")),
    "argmin": partial(_with_attrs, "ArgMin", ("axis", "keepdims", "select_last_index")),
    "cumsum": _cumsum,
    "trilu": _trilu,
    "tile": _tile,
    "one_hot": _one_hot,
    "einsum": partial(_with_attrs, "Einsum", ("equation",)),
    "interpolate": _interpolate,
}
