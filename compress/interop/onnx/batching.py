"""A network of any number of items, from traces with different numbers of them.

Tracing with one number of items turns whatever a file computes from it into constants. Two traces show what
depends on it: a dimension of a shape, which is left open, or a constant with a row for each item, of which
one row is kept. Anything else is not the same network for every batch, and its items run one at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.interface import OPEN
from compress.nn.items import mixing
from compress.nn.network import INPUT, Node
from compress.nn.ops import OPS
from compress.nn.ops.elementwise import broadcast
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.interop.onnx.entry import Entry
    from compress.nn.interface import Interface
    from compress.nn.network import Network
    from compress.nn.ops.base import Array, Shape

RECURRENT = ("lstm", "gru", "rnn")
"""Operators (or the beginnings of their names) that run along the second dimension of what they read."""


def any_batch(trace: Callable[[int | None], Network], entry: Entry) -> Network:
    """Return the network of a graph, for any number of items if they do not mix.

    Parameters
    ----------
    trace : callable
        Converts the graph with so many items (or steps) in its first dimension: a network of just that
        size, or with None one of as many items as the entry has, whose interface is the entry's.
    entry : Entry

    Raises
    ------
    InputError
        If the graph cannot be converted, or its items mix and an output has no dimension that counts them.
    """
    network = trace(None)
    interface = network.interface
    if entry.any_batch:
        network = _merged(trace, interface) or network
    if interface.lead or not mixing(network):
        return network
    if _is_whole(network, entry):
        return replace(network, interface=replace(interface, lead=dict.fromkeys(network.inputs, OPEN)))
    if entry.batch > 1:
        fixed = replace(interface, lead=dict.fromkeys(network.inputs, entry.batch))
        return replace(network, interface=fixed)
    network = replace(network, interface=replace(interface, apart=True))
    if entry.any_batch:  # else the file itself takes one item, and what it gives of each is stacked
        _check_items(network)
    return network


def _check_items(network: Network) -> None:
    for called, name in network.named_outputs.items():
        if network.item_axis(name) is None:
            raise InputError(
                f"output {called} has shape {network.shapes()[name]} for one item, and items together "
                "differ from items apart, expected an output with a dimension that counts items"
            )


def _merged(trace: Callable[[int | None], Network], interface: Interface) -> Network | None:
    """Network of any batch from the traces of two and three items; None if there is none."""
    try:
        return _opened(trace(2), trace(3), interface)
    except InputError:
        return None


def _opened(two: Network, three: Network, interface: Interface) -> Network:
    """Open what differs between two traces.

    Raises
    ------
    InputError
        If they differ in more than shapes.
    """
    shapes = two.shapes(), three.shapes()
    params = {name: _one_row(value, three.params.get(name)) for name, value in two.params.items()}
    rows = {name for name, value in params.items() if value.shape != two.params[name].shape}
    nodes: list[Node] = []
    if len(two.nodes) != len(three.nodes) or two.params.keys() != three.params.keys():
        raise _differ(two, "nodes")
    spread: dict[str, str] = {}
    for a, b in zip(two.nodes, three.nodes, strict=True):
        if (a.name, a.op, a.inputs, a.params) != (b.name, b.op, b.inputs, b.params):
            raise _differ(two, a.name)
        node = a if a.attrs == b.attrs and a.op not in ("reshape", "expand") else _node(a, b, shapes)
        if rows.intersection(node.params):
            raise _differ(two, a.name)
        if rows.intersection(node.inputs) and node.op != "add" and OPS[node.op].infer is not broadcast:
            for name in rows.intersection(node.inputs) - spread.keys():
                spread[name] = f"{name}.items"
                nodes.append(Node(spread[name], "per_item", (name, INPUT)))
            node = replace(node, inputs=tuple(spread.get(name, name) for name in node.inputs))
        nodes.append(node)
    return replace(two, nodes=tuple(nodes), params=params, interface=interface)


def _differ(network: Network, where: str) -> InputError:
    return InputError(f"network {network.name}: {where} depends on the number of items")


def _one_row(two: Array, three: Array | None) -> Array:
    """Return a constant that does not depend on the batch, or the row that it has for each item."""
    if three is None:
        raise InputError("a parameter depends on the number of items")
    if two is three or (two.shape == three.shape and two.tobytes() == three.tobytes()):
        return two
    rows = (two, three)
    if two.shape[1:] != three.shape[1:] or any(len(rows[at]) != at + 2 for at in range(2)):
        raise InputError("a parameter depends on the number of items")
    if any(row.tobytes() != two[0].tobytes() for value in rows for row in value):
        raise InputError("a parameter depends on the number of items")
    return np.ascontiguousarray(two[:1])


def _node(a: Node, b: Node, shapes: tuple[dict[str, Shape], dict[str, Shape]]) -> Node:
    """Node whose target shape is open where it counts items."""
    if a.op == "reshape":
        return replace(a, attrs={**a.attrs, "shape": _target(a, shapes)})
    if a.attrs == b.attrs:
        return a
    raise InputError(f"node {a.name}: attributes depend on the number of items")


def _target(node: Node, shapes: tuple[dict[str, Shape], dict[str, Shape]]) -> Shape:
    """Shape of a reshape: 0 copies the items, -1 takes what is left."""
    if node.inputs[0] not in shapes[0]:
        return tuple(node.attrs["shape"])
    (old, older), (new, newer) = ([one[name] for one in shapes] for name in (node.inputs[0], node.name))
    target = [size if size == other else -1 for size, other in zip(new, newer, strict=True)]
    if target and target[0] == -1 and old and (old[0], older[0]) == (new[0], newer[0]):
        target[0] = 0
    if target.count(-1) > 1:
        raise InputError(f"node {node.name}: two dimensions depend on the number of items")
    return tuple(target)


def _is_whole(network: Network, entry: Entry) -> bool:
    """Whether the first dimension is no items: a recurrence runs along it, or an output does not count it.

    Where a file declares one item, it may pick that one by its place: its outputs then say nothing.
    """
    try:
        two, three = network.shapes(2), network.shapes(3)
    except InputError:
        return False
    recurs = any(
        node.op.startswith(RECURRENT) and two[node.inputs[0]][1:2] != three[node.inputs[0]][1:2]
        for node in network.nodes
    )
    one = entry.batch == 1 and not entry.any_batch
    return recurs or (not one and any(two[name] == three[name] for name in network.outputs))
