"""Mixed precision: the bit width of each layer that loses least within a budget.

What a layer's bits cost is up to the caller: bytes of the file, joules of an inference on some
machine. Losses of layers are taken to add up, so the best choice walks along the lower convex hulls
of the layers' points, always where a unit of cost buys the most (see `hwsim.hull`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.methods.prune import weights_of
from compress.methods.quantize import FEWEST_BITS, MOST_BITS, quantize_network
from compress.methods.remarks import ignore
from hwsim.errors import InputError
from hwsim.hull import Choice, lower_hull, slope

if TYPE_CHECKING:
    from compress.methods.quantize import Calibration
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

Table = dict[str, dict[int, float]]
"""A number by weight tensor and bits."""

Cost = Callable[["Artifact"], Mapping[str, float]]
"""What an artifact costs by layer; what belongs to no layer has any other key."""


def quantize_within(
    network: Network,
    x: Array,
    budget: float,
    cost: Cost,
    most_bits: int = MOST_BITS,
    *,
    calibration: Calibration = "mse",
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    r"""Quantize a trained network, each layer to the bits that lose least within a budget.

    Losses by layer, and costs of a layer in networks with the same bits everywhere, give the order in
    which layers get more bits; how far that may go, the cost of the whole network says. Layers that
    share their weights have the same bits.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (items, \*input_shape)
        What activations are calibrated and losses are measured on.
    budget : float
        In the unit of `cost`, for the whole network.
    cost : callable
        See `Cost`.
    most_bits : int
        Of a layer, 2 to 8.
    calibration : str
        See `compress.methods.quantize.quantize_network`, also for `extra` and `remark`.
    extra : dict of str to ndarray, optional
    remark : callable

    Raises
    ------
    InputError
        If no layer has weights, bits cannot be used, or even the cheapest choice is beyond the budget.
    """
    if not budget > 0:
        raise InputError(f"network {network.name}: a budget of {budget:g}, expected more than zero")

    def made(bits: int, say: Callable[[str], None] = ignore) -> Artifact:
        return quantize_network(network, x, bits, calibration=calibration, extra=extra, remark=say)

    uniform = {most_bits: made(most_bits, remark)}
    by_layer = {most_bits: cost(uniform[most_bits])}
    if sum(by_layer[most_bits].values()) <= budget:
        return uniform[most_bits]
    for bits in range(FEWEST_BITS, most_bits):
        uniform[bits] = made(bits)
        by_layer[bits] = cost(uniform[bits])
    costs = {
        tensor: {bits: sum(found[layer] for layer in readers) for bits, found in by_layer.items()}
        for tensor, readers in readers_of(network).items()
    }
    path = allocations(tensor_losses(network, x, uniform, extra), costs)

    def mixed(bits: Mapping[str, int]) -> Artifact:
        return assembled(network, uniform, bits)

    within = bisect_right(path, budget, key=lambda bits: sum(cost(mixed(bits)).values()))
    if not within:
        least = sum(cost(mixed(path[0])).values())
        raise InputError(
            f"network {network.name}: costs {least:.4g} with the fewest bits, expected a budget of at least "
            f"that, not {budget:.4g}"
        )
    return mixed(path[within - 1])


def readers_of(network: Network) -> dict[str, list[str]]:
    """Layers by the weight tensor that they share."""
    readers: dict[str, list[str]] = {}
    for layer, tensor in weights_of(network).items():
        readers.setdefault(tensor, []).append(layer)
    return readers


def assembled(network: Network, uniform: Mapping[int, Artifact], bits: Mapping[str, int]) -> Artifact:
    """Quantize some weight tensors, and what their layers read, to bits of their own.

    Parameters
    ----------
    network : Network
        In floating point: its other layers stay so.
    uniform : dict of int to Artifact
        By bits: `network` with these bits everywhere.
    bits : dict of str to int
        By weight tensor.
    """
    widths = set(bits.values())
    if len(widths) == 1 and bits.keys() == readers_of(network).keys():
        return uniform[widths.pop()]
    of_layer = {layer: bits[tensor] for layer, tensor in weights_of(network).items() if tensor in bits}
    nodes = {width: {node.name: node for node in uniform[width].topology.nodes} for width in widths}
    chosen = (
        nodes[of_layer[node.name]][node.name] if node.name in of_layer else node for node in network.nodes
    )
    tensors = {tensor: uniform[width].tensors[tensor] for tensor, width in bits.items()}
    return Artifact.of(replace(network, nodes=tuple(chosen)), "mixed", tensors)


def tensor_losses(
    network: Network,
    x: Array,
    uniform: Mapping[int, Artifact],
    extra: Mapping[str, Array] | None = None,
) -> Table:
    r"""Squared error of the outputs when one weight tensor alone, and what its layers read, has few bits.

    It needs no labels, and a few inputs are enough for it, where classes of a few would be luck.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (items, \*input_shape)
        What errors are measured on.
    uniform : dict of int to Artifact
        As in `assembled`.
    extra : dict of str to ndarray, optional
        Further inputs.
    """
    outputs = network.forward(x, extra=extra).astype(np.float64)

    def loss(tensor: str, bits: int) -> float:
        alone = executable(assembled(network, uniform, {tensor: bits}))
        return float(np.square(alone.forward(x, extra=extra) - outputs).sum())

    return {tensor: {bits: loss(tensor, bits) for bits in uniform} for tensor in readers_of(network)}


def allocations(losses: Table, costs: Table) -> list[dict[str, int]]:
    """Bits by tensor on the lower convex hull of total loss over total cost, from the cheapest on.

    Parameters
    ----------
    losses, costs : dict of str to dict of int to float
        The same tensors, and the same choices for each.
    """
    hulls = {
        tensor: lower_hull(Choice(costs[tensor][bits], losses[tensor][bits], bits) for bits in losses[tensor])
        for tensor in losses
    }
    path = [{tensor: hull[0].what for tensor, hull in hulls.items()}]
    steps = [
        (slope(before, after), tensor, after.what)
        for tensor, hull in hulls.items()
        for before, after in pairwise(hull)
    ]
    for _, tensor, bits in sorted(steps, key=lambda step: step[0]):  # those of a tensor stay in order
        path.append(path[-1] | {tensor: bits})
    return path
