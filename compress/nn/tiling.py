"""A network to execute: the weights of its layers lie as their products read them.

The order is that of this machine's registers, so it is made when a file is opened, and never stored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops.tiled import packed, padded

if TYPE_CHECKING:
    from compress.nn.network import Network, Node

LAYERS = {"conv": 4, "fc": 2}
"""Layers with such an order, and the rank of their weights."""


def tiled(network: Network) -> Network:
    """Return a network with the same answers, up to rounding, for inference alone.

    Convolutions of all channels and fully-connected layers in fp32 change; nodes keep their names.
    """
    params = dict(network.params)
    nodes = []
    for node in network.nodes:
        if not _fits(node, network):
            nodes.append(node)
            continue
        weight = network.params[node.params[0]]
        bias = node.params[1] if len(node.params) > 1 else node.params[0]
        names = f"{node.params[0]}:panels", f"{bias}:padded"
        if names[0] not in params:
            params[names[0]] = packed(weight)
        if names[1] not in params:
            params[names[1]] = padded(network.params[bias] if len(node.params) > 1 else None, len(weight))
        attrs = {**node.attrs, "shape": weight.shape}
        nodes.append(replace(node, op=f"tiled_{node.op}", params=names, attrs=attrs))
    used = {name for node in nodes for name in (*node.params, *node.inputs)}
    params = {name: value for name, value in params.items() if name in used}
    return replace(network, nodes=tuple(nodes), params=params)


def _fits(node: Node, network: Network) -> bool:
    if node.op not in LAYERS:
        return False
    weight = network.params[node.params[0]]
    if weight.ndim != LAYERS[node.op] or weight.dtype != np.float32 or not weight.size:
        return False
    alone = node.attrs.get("groups", 1) == 1 and tuple(node.attrs.get("dilation", (1, 1)))[1] == 1
    return node.op == "fc" or alone
