"""Fusion into the output path: element-wise layers run with the layer that makes their input.

A *kernel* is a layer and the element-wise layers that follow it in its output path: an activation
function, a batch normalisation, the addition of a shortcut. What passes between them never goes to
on-chip memory. A layer joins the kernel of its latest input if nobody else reads that input.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from hwsim.same import Same
from hwsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer, Workload

Fusion = Literal["none", "elementwise", "depth-first"]
"""What a chip fuses: nothing; element-wise layers, and attention; groups of layers by rows, too."""

ELEMENTWISE = frozenset(row.name for row in OPERATORS.values() if row.reads == "element")
"""Operators whose output element depends on the input elements of the same place alone."""


@dataclass(frozen=True)
class Kernel:
    """Layers that run as one.

    Parameters
    ----------
    layers : tuple of int
        Indices of the layers: the root first, then those in its output path in order.
    """

    layers: tuple[int, ...]

    @property
    def root(self) -> int:
        """The layer that sets the shape of the work."""
        return self.layers[0]

    @property
    def last(self) -> int:
        """The layer whose output leaves the kernel."""
        return self.layers[-1]


def kernels_of(workload: Workload, fusion: Fusion) -> tuple[Kernel, ...]:
    """Group the layers of a workload into kernels, in the order in which their roots run.

    Parameters
    ----------
    workload : Workload
    fusion : {"none", "elementwise", "depth-first"}
        ``"none"`` gives one kernel per layer.
    """
    return _kernels(Same(workload), fusion)


@lru_cache(maxsize=64)
def _kernels(workload: Same[Workload], fusion: Fusion) -> tuple[Kernel, ...]:
    layers = workload.thing.layers
    readers = Counter(source for layer in layers for source in set(layer.inputs))
    members: dict[int, list[int]] = {}
    root_of: list[int] = []
    for index, layer in enumerate(layers):
        root = -1
        if fusion != "none" and joins(layer):
            root, source = max((root_of[source], source) for source in layer.inputs)
            producer = layers[source]
            alone = readers[source] == 1 and members[root][-1] == source
            if not (alone and producer.output_elements == layer.output_elements and _each(producer)):
                root = -1
        if root < 0:
            root = index
            members[index] = []
        members[root].append(index)
        root_of.append(root)
    return tuple(Kernel(tuple(found)) for found in members.values())


def joins(layer: Layer) -> bool:
    """Whether a layer can run in the output path of another: all it reads was made by layers."""
    return (
        layer.kind == "vector"
        and layer.op in ELEMENTWISE
        and _each(layer)
        and layer.like is None
        and min(layer.inputs) >= 0
    )


def _each(layer: Layer) -> bool:
    return layer.over_batch == "each"
