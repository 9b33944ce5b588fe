"""Layers that rounded inputs would ruin, left in floating point.

Levels are evenly spaced, so they hold values of one order of magnitude. A spectrum of powers before a
logarithm has many: its small values all round to zero, and the logarithm makes that the largest error of the
network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compress.format.execution import executable
from compress.methods.ranges import ABOUT_INPUTS, rounding_before
from compress.methods.remarks import ignore
from compress.methods.rounding import signal_to_noise_dB
from compress.nn.network import INPUT
from compress.nn.ops.integer import INPUT_SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.format.container import Artifact
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

LEAST_DB = 10.0
"""Signal-to-noise ratio of the outputs below which a layer's rounded inputs are called ruinous: a choice."""

PROBE_ITEMS = 2
"""Items that each layer by itself is measured on."""


def spare(
    network: Network,
    quantized: Artifact,
    x: Array,
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    r"""Let layers read unrounded inputs where the rounding of those alone takes the outputs below 10 dB.

    Parameters
    ----------
    network : Network
        The original.
    quantized : Artifact
        As `compress.methods.quantize.quantize_network` makes it of `network`.
    x : ndarray, shape (items, \*input_shape)
    extra : dict of str to ndarray, optional
        Further inputs.
    remark : callable
        Called with a sentence that names the layers.

    Returns
    -------
    Artifact
        `quantized`, or with some layers in floating point; their weights stay integers.
    """
    inputs = {INPUT: x, **(extra or {})}
    if signal_to_noise_dB(network, executable(quantized), inputs) >= LEAST_DB:
        return quantized
    few = {name: value[:PROBE_ITEMS] for name, value in inputs.items()}
    found = {}
    for node in quantized.topology.nodes:
        if INPUT_SCALE in node.attrs:
            alone = _with_rounding(network, node, quantized)
            found[node.name] = signal_to_noise_dB(network, alone, few)
    spared = [name for name, near in found.items() if near < LEAST_DB]
    if not spared:
        return quantized
    remark(
        f"read unrounded values, because rounding alone leaves the outputs less than {LEAST_DB:g} dB: "
        + ", ".join(spared)
    )
    nodes = tuple(_unrounded(node) if node.name in spared else node for node in quantized.topology.nodes)
    return replace(quantized, stage="mixed", topology=replace(quantized.topology, nodes=nodes))


def _with_rounding(network: Network, layer: Node, quantized: Artifact) -> Network:
    """Return the original in which one layer reads rounded values."""
    bits = getattr(quantized.tensors[layer.params[0]], "bits", 8)
    rounding = rounding_before(layer, bits)
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name == layer.name:
            nodes += [rounding, replace(node, inputs=(rounding.name, *node.inputs[1:]))]
        else:
            nodes.append(node)
    return replace(network, nodes=tuple(nodes))


def _unrounded(node: Node) -> Node:
    return replace(node, attrs={key: value for key, value in node.attrs.items() if key not in ABOUT_INPUTS})
