"""What the values of a tensor say of its form: few distinct ones, or ones of 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from compress.nn.ops.base import Array

MOST = 255
"""Values beside zero that a label of 8 bits tells apart."""

PER_VALUE = 8
"""Fewest weights for each value: with fewer, few values are no sign of sharing."""

SAMPLE = 4096
"""Weights that are looked at first."""


def shared_values(weight: Array) -> Array | None:
    """Distinct values of a tensor beside zero, in order, where weights share them.

    Parameters
    ----------
    weight : ndarray of any shape

    Returns
    -------
    ndarray or None
        None if the values are many, or hardly fewer than the weights.
    """
    flat = weight.ravel()
    if len(np.unique(flat[:SAMPLE])) > MOST + 1:
        return None
    values = np.unique(flat)
    values = values[values != 0]
    if not len(values) or len(values) > MOST or len(values) * PER_VALUE > np.count_nonzero(flat):
        return None
    return values


def is_half(values: Array) -> bool:
    """Whether float16 holds every float32 value, bit for bit."""
    with np.errstate(over="ignore"):
        return bool(values.astype(np.float16).astype(np.float32).tobytes() == values.tobytes())


def is_bfloat16(values: Array) -> bool:
    """Whether the lower half of every float32 value is zero."""
    return not np.any(np.ascontiguousarray(values).view(np.uint32) & 0xFFFF)


def has_form(weight: Array) -> bool:
    """Whether float32 weights have a form that a scale for each output would destroy."""
    return is_half(weight) or is_bfloat16(weight) or shared_values(weight) is not None
