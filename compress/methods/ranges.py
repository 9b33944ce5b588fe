"""Levels of what layers read: evenly spaced from a lowest to a highest value, zero exactly among them.

Activations are seldom symmetric: after a ReLU none is negative, after a Swish few are, and by little. Levels
that reach as far below zero as above would leave half of them unused (Jacob et al. 2018, "Quantization and
training of neural networks for efficient integer-arithmetic-only inference", equation 1). The zero point
costs a machine no product: its part of a sum is the same for all inputs, so it goes into the bias (section
2.3 there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from compress.nn.network import Node
from compress.nn.ops.integer import INPUT_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.nn.ops.base import Array

Calibration = Literal["minmax", "percentile", "mse"]

PERCENTILE = 99.9
"""Of the values, which ``percentile`` keeps in range: a choice."""

MSE_STEPS = 80
"""Ranges that ``mse`` tries, evenly spaced up to the widest: a choice."""

BINS = 4096
"""Of the histogram on which ``mse`` measures a range: 16 for each of 256 levels, so none is mistaken."""

ABOUT_INPUTS = (INPUT_SCALE, "range")
"""Attributes of a layer that say the levels of what it reads."""


class Levels(NamedTuple):
    """Whole numbers that stand for values.

    Parameters
    ----------
    scale : float
        Real value of a step, at least the smallest normal number of fp32.
    reach : tuple of int
        Lowest and highest level, zero among them.
    """

    scale: float
    reach: tuple[int, int]


def levels_of(values: Array, bits: int, calibration: Calibration = "minmax") -> Levels:
    """Levels for what a layer reads.

    Parameters
    ----------
    values : ndarray of any shape
        That it read.
    bits : int
        Width of a level: there are ``2 ** bits``.
    calibration : {"minmax", "percentile", "mse"}
        Range of the levels: all values, 99.9% of them with the ends alike, or the one of least squared error.
    """
    flat = values.ravel()
    low, high = float(flat.min(initial=0)), float(flat.max(initial=0))
    if calibration == "percentile" and high > low:
        rest = (100 - PERCENTILE) / 2
        ends = np.percentile(flat, [rest, 100 - rest])
        low, high = (min(float(ends[0]), 0.0), max(float(ends[1]), 0.0)) if ends.any() else (low, high)
    elif calibration == "mse" and high > low:
        low, high = _least_error(flat, low, high, bits)
    return _between(low, high, bits)


def rounding_before(layer: Node, bits: int) -> Node:
    """Return the node that rounds what a quantized layer reads, for execution in floating point."""
    reach = {"range": layer.attrs["range"]} if "range" in layer.attrs else {}
    attrs = {"scale": layer.attrs[INPUT_SCALE], "bits": bits, **reach}
    return Node(f"{layer.name}.round", "round_levels", layer.inputs[:1], attrs)


def _between(low: float, high: float, bits: int) -> Levels:
    top = 2**bits - 1
    scale = float(np.float32(max((high - low) / top, np.finfo(np.float32).tiny)))
    zero = int(np.clip(np.rint(-low / scale), 0, top))
    return Levels(scale, (-zero, top - zero))


def _least_error(values: Array, low: float, high: float, bits: int) -> tuple[float, float]:
    """Range of least squared error: first both ends drawn in alike, then each by itself."""
    means, counts = _histogram(values, low, high)

    def error(ends: tuple[float, float]) -> float:
        scale, reach = _between(*ends, bits)
        rounded = np.clip(np.rint(means / scale), *reach) * scale
        return float((counts * np.square(rounded - means)).sum())

    parts = np.arange(1, MSE_STEPS + 1) / MSE_STEPS
    ends = min(((low * part, high * part) for part in parts), key=error)
    ends = min(((ends[0], high * part) for part in parts), key=error)
    return min(((low * part, ends[1]) for part in parts), key=error) if low else ends


def _histogram(values: Array, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and number of the values in each bin that has any."""
    wide = values.astype(np.float64)
    bins = np.minimum(((wide - low) * (BINS / (high - low))).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    used = counts > 0
    return np.bincount(bins, wide, minlength=BINS)[used] / counts[used], counts[used]
