"""Multiply-accumulates of a network, counted from its shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Shape


def macs(network: Network) -> dict[str, int]:
    """Multiply-accumulates of one item by node, zeros and pads included; nodes without are left out."""
    shapes = network.shapes()
    counted = {node.name: _macs(node, network, shapes) for node in network.nodes}
    return {name: count for name, count in counted.items() if count}


def _macs(node: Node, network: Network, shapes: dict[str, Shape]) -> int:
    weights = [network.params[name].shape for name in node.params]
    outputs = math.prod(shapes[node.name])
    if node.op in ("conv", "fc"):
        return outputs * math.prod(weights[0][1:])
    if node.op == "conv_transpose":
        return math.prod(shapes[node.inputs[0]]) * math.prod(weights[0][1:])
    if node.op == "lstm":
        return shapes[node.name][1] * (math.prod(weights[0]) + math.prod(weights[1]))
    if node.op == "matmul":
        left = node.inputs[0]
        depth = (shapes[left] if left in shapes else network.params[left].shape)[-1]
        return outputs * depth
    return 0
