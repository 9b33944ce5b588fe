"""How recurrent operators are written in ONNX: steps first, one direction, gates and biases stacked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.nn.network import output_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.interop.onnx.export_operators import OnnxGraph
    from compress.nn.network import Node


def _recurrent(op: str, states: int, graph: OnnxGraph, node: Node) -> None:
    first = graph.integers("direction", (0,))
    weight, state, *biases = (graph.add("Unsqueeze", name, first) for name in node.params)
    if len(biases) == 1:
        biases.append(graph.constant("zeros", np.zeros((1, *graph.shapes[node.params[2]]), np.float32)))
    both = graph.add("Concat", *biases, axis=1)
    steps = graph.add("Transpose", node.inputs[0], perm=[1, 0, 2])
    given = [graph.add("Unsqueeze", name, first) for name in node.inputs[1:]]
    hidden = graph.shapes[node.params[1]][1]
    inputs = [steps, weight, state, both, *(["", *given] if given else [])]
    made = graph.add(op, *inputs, outputs=states + 1, hidden_size=hidden, **_attrs(node))
    every, *last = output_names(made, states + 1)
    flat = graph.add("Squeeze", every, graph.integers("axis", (1,)))
    graph.add("Transpose", flat, target=node.name, perm=[1, 0, 2])
    for name, value in zip(output_names(node.name, states + 1)[1:], last, strict=True):
        graph.add("Squeeze", value, first, target=name)


def _attrs(node: Node) -> dict[str, Any]:
    attrs: dict[str, Any] = {"direction": "reverse"} if node.attrs.get("reverse", 0) else {}
    if node.attrs.get("after", 0):
        attrs["linear_before_reset"] = 1
    if node.attrs.get("relu", 0):
        attrs["activations"] = ["Relu"]
    return attrs


EXPORTERS: dict[str, Callable[[OnnxGraph, Node], None]] = {
    "lstm": partial(_recurrent, "LSTM", 2),
    "gru": partial(_recurrent, "GRU", 1),
    "rnn": partial(_recurrent, "RNN", 1),
}
