"""A workload's kernels as flat arrays, so that compiled code can search for a plan.

A kernel's *rows* are what depth-first execution cuts: rows of a feature map, or tokens of a sequence.
Bits of a tensor are those of one item of the batch, or of the whole batch where a layer works on the
batch at once (the gradient of weights in training).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.same import Same
from hwsim.whole import ceil_div
from hwsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.mapping.fusion import Kernel
    from hwsim.workload.layer import Layer, Workload

ROW_BY_ROW = frozenset(row.name for row in OPERATORS.values() if row.reads != "more")
"""Vector operators that need only the same row of the inputs for a row of the output."""


KERNEL = np.dtype(
    [
        (name, np.int64)
        for name in ("each", "out_each", "last_use", "outside_each", "in_place", "rows", "window", "stride")
    ]
    + [(name, np.int64) for name in ("pad", "groups", "edges", "edges_end")]
    + [(name, np.float64) for name in ("out_bits", "outside_bits", "alone_each", "alone_once")]
)
"""A kernel, as in `Graph`."""

EDGE = np.dtype([("source", np.int64), ("second", np.int64), ("bits", np.float64)])
"""What a kernel reads of another, as in `Graph`."""


class Graph(NamedTuple):
    """Kernels of a workload and what they read of one another, as tables.

    Parameters
    ----------
    kernels : ndarray of KERNEL, shape (kernels,)
        ``each``: the kernel works item by item. ``out_bits``, ``out_each``: bits of the output, and whether
        they are for each item. ``last_use``: last kernel that reads the output; the number of kernels where
        it leaves the network. ``outside_bits``, ``outside_each``: bits read that no kernel made.
        ``in_place``: the output may take the place of the first input, where that is not read later.
        ``rows``: rows of the output, 0 where they cannot be made one by one. ``window``, ``stride``,
        ``pad``: the rows of the input that a row of the output needs. ``groups``: matrix products that a
        kernel consists of; 0 for a vector kernel, -1 for one of stored weights. ``edges``,
        ``edges_end``: where its edges begin and end. ``alone_each``, ``alone_once``: bits on chip, of each
        item and of the batch, while it runs alone.
    edges : ndarray of EDGE, shape (edges,)
        ``source``, ``bits``: kernel whose output is read, and bits read of it. ``second``: it is the second
        operand of a product of activations.
    """

    kernels: NDArray[np.void]
    edges: NDArray[np.void]


class Reads(NamedTuple):
    """What a layer reads, in elements of one item (of the batch, where it works on all at once).

    Parameters
    ----------
    outside : int
        From outside the network.
    made : dict of int to int
        By the layer that made them: those that are used.
    """

    outside: int
    made: dict[int, int]


def reads_of(workload: Workload, index: int) -> Reads:
    """Say what a layer reads of each of its inputs.

    A convolution whose stride exceeds its kernel uses some rows of its input only, and fetches those.
    What no layer made comes from outside. Where layers made more than the layer reads, it uses a part of
    each, and all inputs are taken to be of one size.
    """
    return _all_reads(Same(workload))[index]


@lru_cache(maxsize=64)
def _all_reads(workload: Same[Workload]) -> tuple[Reads, ...]:
    layers = workload.thing.layers
    return tuple(_reads(layers, layer) for layer in layers)


def _reads(layers: tuple[Layer, ...], layer: Layer) -> Reads:
    made = {source: layers[source].output_elements for source in layer.inputs if source >= 0}
    total = sum(made.values())
    whole = layer.input_elements
    outside = sum(source < 0 for source in layer.inputs)
    if outside:
        outside = whole - total if whole > total else whole * outside // len(layer.inputs)
    used = min(total, whole)
    return Reads(
        _in_used_rows(layer, outside),
        {source: _in_used_rows(layer, elements * used // total) for source, elements in made.items()},
    )


def outside_bits_of(layer: Layer, reads: Reads) -> int:
    """Bits that a layer reads from outside the network, as they are stored there."""
    return reads.outside * layer.operand_bits if layer.outside_bits is None else layer.outside_bits


def _in_used_rows(layer: Layer, elements: int) -> int:
    """How many of some input elements lie in rows that the layer uses."""
    rows, used = layer.in_hw[0], layer.out_hw[0] * layer.kernel[0]
    return elements if layer.kind != "conv" or used >= rows else ceil_div(elements * used, rows)


def graph_of(workload: Workload, kernels: tuple[Kernel, ...]) -> Graph:
    """Flatten the kernels of a workload."""
    return _graph(Same(workload), kernels)


@lru_cache(maxsize=64)
def _graph(same: Same[Workload], kernels: tuple[Kernel, ...]) -> Graph:
    workload = same.thing
    layers = workload.layers
    kernel_of = {index: k for k, kernel in enumerate(kernels) for index in kernel.layers}
    table = np.zeros(len(kernels), KERNEL)
    edges: list[tuple[int, bool, int]] = []
    last_use = [len(kernels)] * len(kernels)
    outside = [0] * len(kernels)
    for k, kernel in enumerate(kernels):
        found: dict[int, list[int]] = {}
        for index in kernel.layers:
            layer, reads = layers[index], reads_of(workload, index)
            outside[k] += outside_bits_of(layer, reads)
            for source, elements in reads.made.items():
                if kernel_of[source] != k:
                    edge = found.setdefault(kernel_of[source], [0, 0])
                    edge[0] = max(edge[0], elements * layers[source].operand_bits)
                    edge[1] |= is_second_operand(layer, source)
        table["edges"][k] = len(edges)
        for source, (bits, second) in found.items():
            last_use[source] = k
            edges.append((source, bool(second), bits))
        table["edges_end"][k] = len(edges)
    roots = [layers[kernel.root] for kernel in kernels]
    lasts = [layers[kernel.last] for kernel in kernels]
    table["last_use"], table["outside_bits"] = last_use, outside
    table["each"] = [layer.over_batch == "each" for layer in roots]
    table["out_bits"] = [layer.output_elements * layer.operand_bits for layer in lasts]
    table["out_each"] = [layer.over_batch == "each" for layer in lasts]
    table["outside_each"] = [layer.over_batch != "once" for layer in roots]
    table["in_place"] = [_may_be_in_place(layer) for layer in roots]
    rows = zip(*_rows(workload, kernels, kernel_of), strict=True)
    for name, values in zip(("rows", "window", "stride", "pad"), rows, strict=True):
        table[name] = values
    table["groups"] = [_groups(layer) for layer in roots]
    graph = Graph(table, np.array(edges, EDGE))
    for k in range(len(table)):
        table["alone_each"][k], table["alone_once"][k] = _alone_bits(graph, k)
    return graph


def _alone_bits(graph: Graph, k: int) -> tuple[float, float]:
    """Bits on chip, of each item and of the batch, for a kernel that runs with nothing else."""
    kernel, held = graph.kernels[k], [0.0, 0.0]
    held[not kernel["outside_each"]] += kernel["outside_bits"]
    held[not kernel["out_each"]] += kernel["out_bits"]
    for edge in graph.edges[kernel["edges"] : kernel["edges_end"]]:
        made = graph.kernels[edge["source"]]
        shared = kernel["in_place"] and made["last_use"] == k
        held[not made["out_each"]] += edge["bits"] - (min(edge["bits"], kernel["out_bits"]) if shared else 0)
    return held[0], held[1]


def is_second_operand(layer: Layer, source: int) -> bool:
    """Whether `source` makes the second operand of a product of activations."""
    return layer.kind == "matmul" and len(layer.inputs) > 1 and source == layer.inputs[-1]


def _may_be_in_place(layer: Layer) -> bool:
    one_input = layer.kind == "vector" and len(layer.inputs) == 1
    return one_input and layer.input_elements == layer.output_elements


def _groups(layer: Layer) -> int:
    if layer.kind == "vector":
        return 0
    return layer.groups if layer.kind == "matmul" else -1


def _rows(
    workload: Workload, kernels: tuple[Kernel, ...], kernel_of: dict[int, int]
) -> list[tuple[int, int, int, int]]:
    """Rows, window, stride and padding of each kernel; no rows where they cannot be made one by one."""
    layers = workload.layers
    found: list[tuple[int, int, int, int]] = []
    for kernel in kernels:
        layer = layers[kernel.root]
        before = [found[kernel_of[source]][0] for source in layer.inputs if source >= 0]
        found.append(_rows_of(layer, before))
    return found


def _rows_of(layer: Layer, before: list[int]) -> tuple[int, int, int, int]:
    if layer.over_batch != "each":
        return 0, 1, 1, 0
    if layer.in_hw != (1, 1) or layer.out_hw != (1, 1):
        return layer.out_hw[0], layer.kernel[0], layer.stride[0], layer.pad[0]
    if layer.kind == "matmul" or (layer.kind == "fc" and layer.pixels > 1):
        return layer.pixels, 1, 1, 0
    if layer.kind == "vector" and layer.op in ROW_BY_ROW and before and min(before) == max(before):
        return before[0], 1, 1, 0
    return 0, 1, 1, 0
