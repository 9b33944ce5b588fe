"""Density and range of activations, measured on real inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import INPUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.nn.network import Network
    from compress.nn.ops.base import Array


@dataclass(frozen=True)
class ActivationStatistics:
    """One tensor over all items of a batch.

    Parameters
    ----------
    elements, nonzeros : int
        Of all items.
    minimum, maximum, root_mean_square : float
    """

    elements: int
    nonzeros: int
    minimum: float
    maximum: float
    root_mean_square: float

    @classmethod
    def of(cls, value: Array) -> ActivationStatistics:
        """Measure an activation of any shape."""
        mean_square = float(np.mean(np.square(value, dtype=np.float64)))
        extremes = float(value.min()), float(value.max())
        return cls(value.size, int(np.count_nonzero(value)), *extremes, mean_square**0.5)

    @property
    def density(self) -> float:
        """Fraction that is not zero."""
        return self.nonzeros / self.elements


def activation_statistics(
    network: Network, x: Array, extra: Mapping[str, Array] | None = None
) -> dict[str, ActivationStatistics]:
    """Execute a network and measure its inputs and every output of its nodes.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (batch, \\*input_shape)
        Real inputs: the statistics are those of these.
    extra : dict of str to ndarray, optional
        Further inputs.

    Returns
    -------
    dict of str to ActivationStatistics
        By tensor name.
    """
    found = {name: ActivationStatistics.of(value) for name, value in {INPUT: x, **(extra or {})}.items()}

    def observe(tensor: str, value: Array) -> None:
        found[tensor] = ActivationStatistics.of(value)

    network.run(x, extra=extra, observe=observe)
    return found


def input_densities(network: Network, x: Array, extra: Mapping[str, Array] | None = None) -> dict[str, float]:
    """Fraction of non-zero values in the input of each node; parameters as in `activation_statistics`.

    Returns
    -------
    dict of str to float
        By node name; a node with several inputs has the mean over all their values.
    """
    found = activation_statistics(network, x, extra)
    densities = {}
    for node in network.nodes:
        known = [found[name] for name in node.inputs if name in found]
        elements = sum(one.elements for one in known)
        densities[node.name] = sum(one.nonzeros for one in known) / elements if elements else 1.0
    return densities
