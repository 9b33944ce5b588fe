"""What activations are like: how many are not zero, measured while real inputs run through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.network import INPUT

if TYPE_CHECKING:
    from compress.network import Network, Node
    from compress.ops.base import Array


def input_densities(network: Network, x: Array) -> dict[str, float]:
    """Fraction of non-zero values in the input of each node.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (batch, \\*input_shape)
        Real inputs: the densities are those of these.

    Returns
    -------
    dict of str to float
        By node name; a node with several inputs has the mean over all their values.
    """
    counts: dict[str, tuple[int, int]] = {INPUT: (int(np.count_nonzero(x)), x.size)}

    def observe(node: Node, output: Array) -> None:
        counts[node.name] = (int(np.count_nonzero(output)), output.size)

    network.forward(x, observe=observe)
    densities = {}
    for node in network.nodes:
        known = [counts[name] for name in node.inputs if name in counts]
        size = sum(total for _, total in known)
        densities[node.name] = sum(nonzero for nonzero, _ in known) / size if size else 1.0
    return densities
