"""A check that items are items: two random ones give the same answers together and apart."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import INPUT
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.nn.network import Network
    from compress.nn.ops.base import Array, Shape

TOLERANCE = 1e-3
"""Largest difference, root mean square over that of the outputs, that rounding in another order may make."""

MAX_ELEMENTS = 1 << 28
"""Of all tensors of two items: larger networks are not executed, so that a file cannot exhaust memory."""

FEW_INTEGERS = 0.01
"""Fraction of integer outputs (places of a maximum, say) that rounding may change."""

SEED = 19


def mixing(network: Network) -> str:
    """Say where two random items together differ from the same items apart; empty if nowhere.

    Parameters
    ----------
    network : Network
        Whether its interface says that items run one at a time does not matter.
    """
    network = replace(network, interface=replace(network.interface, apart=False))
    try:
        shapes = network.shapes(2)
        axes = [network.item_axis(name) for name in network.outputs]
    except InputError as error:
        return f"two items together fail ({error})"
    if sum(map(math.prod, shapes.values())) > MAX_ELEMENTS:
        return ""
    rng = np.random.default_rng(SEED)
    two = {name: random_input(network, name, shape, rng) for name, shape in network.inputs.items()}
    try:
        apart = [_run(network, {name: value[at : at + 1] for name, value in two.items()}) for at in range(2)]
        together = _run(network, two)
    except (InputError, ValueError, IndexError) as error:
        return f"two random items together or apart fail ({error})"
    for (called, name), axis in zip(network.named_outputs.items(), axes, strict=True):
        if axis is None:
            return f"output {called} has no dimension of items"
        expected = np.concatenate([one[name] for one in apart], axis=axis)
        if not _agree(together[name], expected):
            return f"output {called} of two random items together differs from theirs apart"
    return ""


def random_input(network: Network, name: str, shape: Shape, rng: np.random.Generator) -> Array:
    """Two random items of an input: normal numbers, or integers 0 and 1, which any table has."""
    kind = np.dtype(network.interface.type_of(name))
    if kind.kind == "f":
        return rng.standard_normal((2, *shape)).astype(kind)
    return rng.integers(0, 2, (2, *shape)).astype(kind)


def _run(network: Network, values: dict[str, Array]) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        return network.run(values[INPUT], extra={key: value for key, value in values.items() if key != INPUT})


def _agree(found: Array, expected: Array) -> bool:
    if found.shape != expected.shape:
        return False
    if found.dtype.kind != "f":
        return float(np.mean(found != expected)) <= FEW_INTEGERS
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    difference = np.where(same, 0, found.astype(np.float64) - expected)
    power = np.square(expected[np.isfinite(expected)], dtype=np.float64).sum()
    noise = float(np.square(difference).sum())
    return bool(noise <= TOLERANCE**2 * power)
