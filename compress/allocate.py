"""Mixed precision: the bits of each layer that lose least within a budget.

What a layer's bits cost is up to the caller: bytes of the file, joules of an inference on some
machine. Losses of layers are taken to add up, so the best choice walks down the lower convex hulls
of the layers' points, always where a unit of cost buys the most (Shoham and Gersho 1988, "Efficient
bit allocation for an arbitrary set of quantizers").
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from compress.ops.loss import softmax_cross_entropy
from compress.prune import weights_of
from compress.quantize import integer_network, quantize_network
from hwsim.workload import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from compress.network import Network
    from compress.ops.base import Array
    from compress.quantize import Calibration

Table = dict[str, dict[int, float]]
"""A number by layer and bits."""


def layer_losses(
    network: Network,
    x: Array,
    y: Array,
    choices: Iterable[int] = range(2, 9),
    *,
    calibration: Calibration = "mse",
) -> Table:
    """Rise of the loss when one layer alone, its weights and its input, has few bits.

    Parameters
    ----------
    network : Network
    x, y : ndarray
        Images to calibrate and to measure on, and their classes.
    choices : iterable of int
    calibration : str
        See `compress.quantize.quantize_network`.
    """
    before = softmax_cross_entropy(network.forward(x), y)[0]
    losses: Table = {layer: {} for layer in weights_of(network)}
    for bits in choices:
        for layer, known in losses.items():
            artifact = quantize_network(network, x, {layer: bits}, calibration=calibration)
            known[bits] = softmax_cross_entropy(integer_network(artifact).forward(x), y)[0] - before
    return losses


def layer_costs(layers: Iterable[str], choices: Iterable[int], cost: Callable[[str, int], float]) -> Table:
    """Tabulate ``cost(layer, bits)``, whatever it counts."""
    choices = tuple(choices)
    return {layer: {bits: cost(layer, bits) for bits in choices} for layer in layers}


def choose_bits(losses: Table, costs: Table, budget: float) -> dict[str, int]:
    """Bits by layer of (nearly) least total loss whose costs together stay within the budget.

    Parameters
    ----------
    losses, costs : dict of str to dict of int to float
        The same layers, and the same choices in a layer.
    budget : float
        In the unit of the costs.

    Raises
    ------
    InputError
        If the tables differ, or the cheapest choice is beyond the budget.
    """
    if {layer: set(known) for layer, known in losses.items()} != {
        layer: set(known) for layer, known in costs.items()
    }:
        raise InputError("mixed bits: losses and costs have different layers or choices")
    hulls = {layer: _hull(losses[layer], costs[layer]) for layer in losses}
    chosen = {layer: hull[0] for layer, hull in hulls.items()}
    spent = sum(point.cost for point in chosen.values())
    if spent > budget:
        raise InputError(f"mixed bits: a budget of {budget:g} is too small, expected at least {spent:g}")
    steps = [
        (_slope(before, after), layer, after)
        for layer, hull in hulls.items()
        for before, after in pairwise(hull)
    ]
    stopped: set[str] = set()
    for _, layer, after in sorted(steps, key=lambda step: step[0]):
        rise = after.cost - chosen[layer].cost
        if layer in stopped or spent + rise > budget:
            stopped.add(layer)  # the steps of a layer follow one another
            continue
        chosen[layer], spent = after, spent + rise
    return {layer: point.bits for layer, point in chosen.items()}


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
