"""Tied parameters: one owner for each, however often a file repeats it.

Exporters copy a weight that layers share, transpose it for some of them, or write its bias again. Equal
values are one parameter here. A parameter of one repeated value (zeros, ones) says nothing about ties, so it
is merged only where it is the same memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

HEAD = 16
"""Values that are compared before whole tensors are."""


def tie(network: Network) -> Network:
    """Return the same network with equal parameters stored once, under the name of the first."""
    owners: dict[str, str] = {}
    found: dict[tuple[object, ...], list[str]] = {}
    for name, value in network.params.items():
        alike = found.setdefault((value.dtype, value.shape, value.ravel()[:HEAD].tobytes()), [])
        owner = next((other for other in alike if _same(value, network.params[other])), None)
        if owner is None:
            alike.append(name)
        else:
            owners[name] = owner
    if not owners:
        return network
    nodes = tuple(
        replace(
            node,
            inputs=tuple(owners.get(name, name) for name in node.inputs),
            params=tuple(owners.get(name, name) for name in node.params),
        )
        for node in network.nodes
    )
    params = {name: value for name, value in network.params.items() if name not in owners}
    return replace(network, nodes=nodes, params=params)


def _same(value: Array, other: Array) -> bool:
    """Whether two arrays of one shape and dtype are tied."""
    if value.ctypes.data == other.ctypes.data and value.strides == other.strides:
        return True
    if not value.size or np.all(value == value.ravel()[0]):
        return False
    return np.array_equal(value.view(f"u{value.itemsize}"), other.view(f"u{other.itemsize}"))
