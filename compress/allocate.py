"""Mixed precision: the bits of each layer that lose least within a budget.

What a layer's bits cost is up to the caller: bytes of the file, joules of an inference on some
machine. Losses of layers are taken to add up, so the best choice walks along the lower convex hulls
of the layers' points, always where a unit of cost buys the most (Shoham and Gersho 1988, "Efficient
bit allocation for an arbitrary set of quantizers").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.execution import executable
from compress.prune import require_weights, weights_of
from compress.quantize import FEWEST_BITS, MOST_BITS, quantize_network
from hwsim.workload import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compress.container import Artifact
    from compress.network import Network
    from compress.ops.base import Array
    from compress.quantize import Calibration

Table = dict[str, dict[int, float]]
"""A number by layer and bits."""

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
) -> Artifact:
    r"""Quantize a trained network, each layer to the bits that lose least within a budget.

    Losses by layer, and costs of a layer in networks with the same bits everywhere, give the order in
    which layers get more bits; how far that may go, the cost of the whole network says.

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
        See `compress.quantize.quantize_network`.

    Raises
    ------
    InputError
        If no layer has weights, bits cannot be used, or even the cheapest choice is beyond the budget.
    """
    if not budget > 0:
        raise InputError(f"network {network.name}: a budget of {budget:g}, expected more than zero")
    layers = require_weights(network)

    def made(bits: int | Mapping[str, int]) -> Artifact:
        return quantize_network(network, x, bits, calibration=calibration)

    best = made(most_bits)
    if sum(cost(best).values()) <= budget:
        return best
    choices = range(FEWEST_BITS, most_bits + 1)
    uniform = {bits: cost(made(bits)) for bits in choices}
    costs = {layer: {bits: uniform[bits][layer] for bits in choices} for layer in layers}
    losses = layer_losses(network, x, choices, calibration=calibration)
    path = allocations(losses, costs)
    within = bisect_right(path, budget, key=lambda bits: sum(cost(made(bits)).values()))
    if not within:
        least = sum(cost(made(path[0])).values())
        raise InputError(
            f"network {network.name}: costs {least:.4g} with the fewest bits, expected a budget of at least "
            f"that, not {budget:.4g}"
        )
    return made(path[within - 1])


def layer_losses(
    network: Network,
    x: Array,
    choices: Iterable[int],
    *,
    calibration: Calibration = "mse",
) -> Table:
    r"""Squared error of the outputs when one layer alone, its weights and its input, has few bits.

    It needs no labels, and a few inputs are enough for it, where classes of a few would be luck.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (items, \*input_shape)
        What activations are calibrated and errors are measured on.
    choices : iterable of int
    calibration : str
        See `compress.quantize.quantize_network`.
    """
    outputs = network.forward(x).astype(np.float64)
    losses: Table = {layer: {} for layer in weights_of(network)}
    for bits in choices:
        for layer, known in losses.items():
            artifact = quantize_network(network, x, {layer: bits}, calibration=calibration)
            known[bits] = float(np.square(executable(artifact).forward(x) - outputs).sum())
    return losses


def allocations(losses: Table, costs: Table) -> list[dict[str, int]]:
    """Bits by layer on the lower convex hull of total loss over total cost, from the cheapest on.

    Parameters
    ----------
    losses, costs : dict of str to dict of int to float
        The same layers, and the same choices in a layer.
    """
    hulls = {layer: _hull(losses[layer], costs[layer]) for layer in losses}
    path = [{layer: hull[0].bits for layer, hull in hulls.items()}]
    steps = [
        (_slope(before, after), layer, after.bits)
        for layer, hull in hulls.items()
        for before, after in pairwise(hull)
    ]
    for _, layer, bits in sorted(steps, key=lambda step: step[0]):  # those of a layer stay in order
        path.append(path[-1] | {layer: bits})
    return path


class _Point(NamedTuple):
    cost: float
    loss: float
    bits: int


def _hull(losses: Mapping[int, float], costs: Mapping[int, float]) -> list[_Point]:
    """Lower convex hull, from the cheapest point to the one of least loss."""
    hull: list[_Point] = []
    for point in sorted(_Point(costs[bits], losses[bits], bits) for bits in losses):
        if hull and point.loss >= hull[-1].loss:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _slope(before: _Point, after: _Point) -> float:
    """Loss per unit of cost, negative: the lower, the better."""
    rise = after.cost - before.cost
    return (after.loss - before.loss) / rise if rise else float("-inf")
