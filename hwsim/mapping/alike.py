"""Layers of a workload that cost the same, so that each kind of them is worked out once.

A transformer of 24 blocks repeats its layers 24 times. They differ in their names and in what they read.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from hwsim.same import Same
from hwsim.workload.layer import Layer, StoredWeights

if TYPE_CHECKING:
    from hwsim.workload.layer import Workload

_PLACE = frozenset({"name", "inputs", "like"})
"""What says where a layer stands in its network, and nothing of its cost."""

_figures_of_layer = attrgetter(*(one.name for one in fields(Layer) if one.name not in _PLACE))
_figures_of_weights = attrgetter(*(one.name for one in fields(StoredWeights)))


def first_alike(workload: Workload) -> tuple[Same[Layer], ...]:
    """For each layer, the first one of the workload that costs the same.

    Parameters
    ----------
    workload : Workload
    """
    return _first_alike(Same(workload))


@lru_cache(maxsize=64)
def _first_alike(workload: Same[Workload]) -> tuple[Same[Layer], ...]:
    first: dict[tuple[object, ...], Same[Layer]] = {}
    return tuple(first.setdefault(_content(layer), Same(layer)) for layer in workload.thing.layers)


def _content(layer: Layer) -> tuple[object, ...]:
    return tuple(map(_hashable, _figures_of_layer(layer)))


def _hashable(figure: object) -> object:
    """A figure of a layer, its stored weights and arrays by their content."""
    if isinstance(figure, StoredWeights):
        return tuple(map(_hashable, _figures_of_weights(figure)))
    if isinstance(figure, np.ndarray):
        return figure.shape, figure.dtype.str, blake2b(np.ascontiguousarray(figure)).digest()
    return figure
