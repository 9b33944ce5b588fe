"""Execution on the compressed form: the network's layers compute from labels and codebooks.

`stored_network` gives a network whose convolutions and fully-connected layers hold what the file
holds, instead of decoded weights. It computes the same as the decoded network up to the order of
summation, in memory that shrinks with the file.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.network import Network
from compress.tensors import DenseTensor, QuantizedTensor, SharedTensor

if TYPE_CHECKING:
    from compress.container import Artifact
    from compress.network import Node
    from compress.ops.base import Array
    from compress.tensors import StoredTensor

SPARSE = 0.5
"""Up to this density a sparse product is cheaper than a dense one."""


def stored_network(artifact: Artifact) -> Network:
    """Return the network that executes on the stored form of its weights.

    Pruned weights run as sparse rows, and shared ones up to half full; fuller ones and integers go
    through a look-up; what is stored dense stays dense.
    """
    params: dict[str, Array] = {}
    nodes = []
    for node in artifact.topology.nodes:
        made, extra = _stored_node(node, artifact)
        nodes.append(made)
        params |= extra
    for node in nodes:
        for name in (*node.params, *node.inputs):
            if name not in params and name in artifact.tensors:
                params[name] = artifact.tensors[name].to_array()
    topology = artifact.topology
    return Network(
        topology.name, topology.input_shape, tuple(nodes), params, topology.outputs, topology.extra_inputs
    )


def _stored_node(node: Node, artifact: Artifact) -> tuple[Node, dict[str, Array]]:
    tensor = artifact.tensors[node.params[0]] if node.op in ("fc", "conv") else None
    if tensor is None or isinstance(tensor, DenseTensor):
        return node, {}
    weight, *bias = node.params
    if isinstance(tensor, QuantizedTensor) or (
        isinstance(tensor, SharedTensor) and tensor.nonzeros > SPARSE * math.prod(tensor.shape)
    ):
        kind, parts = "lookup", _lookup(tensor)
    else:
        kind, parts = "sparse", _sparse(tensor)
    attrs: dict[str, Any] = dict(node.attrs) | ({"shape": tensor.shape} if kind == "sparse" else {})
    named = {f"{weight}.{key}": array for key, array in parts.items()}
    return replace(node, op=f"{kind}_{node.op}", attrs=attrs, params=(*named, *bias)), named


def _sparse(tensor: StoredTensor) -> dict[str, Array]:
    """Compressed sparse rows of labels, and the table they point into."""
    values = tensor.labels if isinstance(tensor, SharedTensor) else tensor.to_array()
    mask = values.reshape(len(values), -1) != 0
    entries = values[values != 0]
    if isinstance(tensor, SharedTensor):
        labels, table = entries - 1, tensor.codebook.astype(np.float32)
    else:
        labels, table = np.arange(len(entries), dtype=np.uint32), entries
    starts = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    columns = np.nonzero(mask)[1].astype(np.int32)
    return {"starts": starts, "columns": columns, "labels": labels, "table": table}


def _lookup(tensor: SharedTensor | QuantizedTensor) -> dict[str, Array]:
    """A label for every weight, the table of values, and a scale for each output or all."""
    if isinstance(tensor, SharedTensor):
        table = np.concatenate([[0], tensor.codebook]).astype(np.float32)
        return {"labels": tensor.labels, "table": table, "scale": np.ones(1, np.float32)}
    low = 1 << (tensor.bits - 1)
    labels = (tensor.q.astype(np.int16) + low).astype(np.uint8)
    table = np.arange(-low, low, dtype=np.float32)
    return {"labels": labels, "table": table, "scale": tensor.scale.reshape(-1)}
