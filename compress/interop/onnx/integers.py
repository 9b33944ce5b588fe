"""An imported network as a file: its integers as they came, and one rounding before each layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compress.format.found import stored_as_found
from compress.nn.ops.integer import INPUT_SCALE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network, Node


def stored(network: Network, forms: Mapping[str, StoredTensor]) -> Artifact:
    """Store a network: parameters in a form that is given or found; the stage is the form of most weights."""
    return stored_as_found(rounded_once(network, frozenset(forms)), forms)


def rounded_once(network: Network, quantized: frozenset[str]) -> Network:
    """Leave the rounding of what layers read to the layers on integers.

    Parameters
    ----------
    network : Network
    quantized : frozenset of str
        Parameters that are integers.
    """
    made = {node.name: node for node in network.nodes}
    nodes = [_rewired(node, made) if quantized.intersection(node.params) else node for node in network.nodes]
    read = {*network.outputs, *(name for node in nodes for name in node.inputs)}
    kept = tuple(node for node in nodes if node.op != "round_levels" or node.name in read)
    return replace(network, nodes=kept)


def _rewired(node: Node, made: Mapping[str, Node]) -> Node:
    before = made.get(node.inputs[0])
    if before is None or before.op != "round_levels" or INPUT_SCALE not in node.attrs:
        return node
    same = before.attrs["scale"] == node.attrs[INPUT_SCALE] and before.attrs["range"] == node.attrs["range"]
    return replace(node, inputs=(*before.inputs, *node.inputs[1:])) if same else node
