"""Element types of all tensors of a network, which ONNX declares and numpy carries along.

A network need not say whether its input is numbers or indices. Operators tie the types of their
tensors together; a tied group takes the type of a parameter, input, cast or comparison in it, and is
float32 where nothing speaks against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import output_names

if TYPE_CHECKING:
    from compress.nn.network import Network, Node

COMPARISONS = ("equal", "greater", "less", "isnan", "isinf")
LOGIC = ("and", "or", "xor", "not")
INDEXED = ("gather", "gather_elements", "gather_nd", "scatter_elements", "scatter_nd")
"""Operators whose second input numbers elements."""

PLACES = {"argmax": 0, "argmin": 0, "topk": 1}
"""Operators with an output that numbers elements, and which of their outputs it is."""


INDEX = np.dtype(np.int64).name


class _Groups:
    """Tensors of one type each, joined as operators are read (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._type: dict[str, str] = {}

    def root(self, name: str) -> str:
        while name in self._parent:
            name = self._parent[name]
        return name

    def join(self, names: list[str]) -> None:
        first, *others = (self.root(name) for name in names)
        for other in others:
            if other != first:
                self._parent[other] = first
                if other in self._type:
                    self.declare(first, self._type.pop(other))

    def declare(self, name: str, kind: str) -> None:
        """Set the type of a group, unless one that says more is known: a mask may be stored as integers."""
        root = self.root(name)
        if self._type.get(root) != "bool":
            self._type[root] = kind

    def type_of(self, name: str) -> str:
        return self._type.get(self.root(name), "float32")


def element_types(network: Network) -> dict[str, str]:
    """Return the type of every tensor and parameter by name, as numpy calls it."""
    groups = _Groups()
    for name, value in network.params.items():
        groups.declare(name, value.dtype.name)
    for name, kind in network.interface.types.items():
        groups.declare(name, kind)
    shapes = network.shapes()
    names = [*shapes, *network.params]
    for node in network.nodes:
        _tie(groups, node, _outputs(node, shapes))
    return {name: groups.type_of(name) for name in names}


def _outputs(node: Node, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    count = 1
    while f"{node.name}:{count}" in shapes:
        count += 1
    return output_names(node.name, count)


def _declare_index(groups: _Groups, name: str) -> None:
    if groups.type_of(name) == "float32":
        groups.declare(name, INDEX)


def _tie(groups: _Groups, node: Node, outputs: list[str]) -> None:
    inputs = list(node.inputs)
    if node.op == "cast":
        groups.declare(outputs[0], str(node.attrs["to"]))
    elif node.op in COMPARISONS:
        groups.join(inputs)
        groups.declare(outputs[0], "bool")
    elif node.op in LOGIC:
        groups.join([*inputs, *outputs])
        groups.declare(outputs[0], "bool")
    elif node.op == "where":
        groups.declare(inputs[0], "bool")
        groups.join([*inputs[1:], *outputs])
    elif node.op == "per_item":
        groups.join([inputs[0], *outputs])
    elif node.op in INDEXED:
        groups.join([inputs[0], *inputs[2:], *outputs])
        _declare_index(groups, inputs[1])
    elif node.op == "one_hot":
        _declare_index(groups, inputs[0])
    elif node.op in PLACES:
        at = PLACES[node.op]
        groups.join([inputs[0], *outputs[:at]])
        groups.declare(outputs[at], INDEX)
    else:
        groups.join([*inputs, *outputs])
