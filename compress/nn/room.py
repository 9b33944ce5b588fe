"""Memory that executing a network takes, added up from the shapes of its tensors."""

from __future__ import annotations

import math
from itertools import count, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from compress.nn.ops.base import Shape

VALUE_B = 4
"""Bytes of a value between two nodes."""


def held_B(
    reads: Mapping[str, Collection[str]], shapes: Mapping[str, Shape], outputs: Collection[str]
) -> int:
    """Bytes of all tensors that are held at once, where most are: each until its last use.

    Parameters
    ----------
    reads : dict of str to collection of str
        What each node reads, in the order of execution.
    shapes : dict of str to tuple of int
        Of the inputs and of every node's outputs, as `Network.shapes` gives them.
    outputs : collection of str
        Tensors that are held to the end.
    """
    sizes = {name: VALUE_B * math.prod(shape) for name, shape in shapes.items()}
    made = {node: _made(node, sizes) for node in reads}
    later = {name for names in made.values() for name in names}
    held = {name: size for name, size in sizes.items() if name not in later}
    last = {name: node for node, names in reads.items() for name in names}
    released: dict[str, list[str]] = {}
    for name, node in last.items():
        released.setdefault(node, []).append(name)
    most = total = sum(held.values())
    for node in reads:
        held |= made[node]
        total += sum(made[node].values())
        most = max(most, total)
        unread = [name for name in made[node] if name not in last]
        over = [name for name in (*released.get(node, ()), *unread) if name not in outputs]
        total -= sum(held.pop(name, 0) for name in over)
    return most


def _made(node: str, sizes: Mapping[str, int]) -> dict[str, int]:
    """Outputs of a node among tensors."""
    further = takewhile(sizes.__contains__, (f"{node}:{index}" for index in count(1)))
    return {name: sizes[name] for name in (node, *further)}
