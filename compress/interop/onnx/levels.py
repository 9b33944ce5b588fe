"""Integers and the scales that make them real numbers, followed through an ONNX graph.

`Levels` are those of a constant: weights come in as the integers of the file. `Steps` are those of a
tensor that is computed: what a layer reads is rounded to them, as QuantizeLinear does before it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.format.tensors import QuantizedTensor
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.nn.ops.base import Array, Shape

WIDTHS = (2, 3, 4, 5, 8)
"""Widths that levels are stored in: 5 are 4 bits less any zero point, and what has more is a byte."""


FEWEST_IN_A_BLOCK = 4
"""Levels that share a scale, for a scale of 4 bytes to be worth it."""

NARROW = {"int4": (-8, 7), "uint4": (0, 15)}
"""Integers of which a byte holds two, and their range."""


class Levels(NamedTuple):
    """A constant as integers times a scale.

    Parameters
    ----------
    q : ndarray of int32, any shape
        Levels, with the zero point taken off.
    scale : ndarray of float32, of as many axes
        Broadcasts to `q`.
    """

    q: Array
    scale: Array

    def transposed(self, order: Sequence[int]) -> Levels:
        """Levels of the transposed constant."""
        return Levels(self.q.transpose(order), self.scale.transpose(order))

    def reshaped(self, shape: Shape) -> Levels | None:
        """Levels of the reshaped constant; None where its scales do not fit the new shape."""
        if self.scale.size == 1:
            return Levels(self.q.reshape(shape), self.scale.reshape((1,) * len(shape)))
        whole = np.broadcast_to(self.scale, self.q.shape).reshape(shape)
        for axis in range(len(shape)):
            first = whole[tuple(slice(None) if at == axis else slice(1) for at in range(len(shape)))]
            if np.array_equal(np.broadcast_to(first, shape), whole):
                return Levels(self.q.reshape(shape), first)
        return None

    def part(self, index: int) -> Levels:
        """Levels of one of the parts that the first axis counts."""
        return Levels(self.q[index], self.scale[index if len(self.scale) > 1 else 0])

    def times(self, factor: Array) -> Levels | None:
        """Levels of the constant times `factor`; None where it is no further scale."""
        try:
            scale = np.multiply(self.scale, factor, dtype=np.float32)
            if np.broadcast_shapes(scale.shape, self.q.shape) != self.q.shape:
                return None
        except ValueError:
            return None
        return Levels(self.q, scale.reshape((1,) * (self.q.ndim - scale.ndim) + scale.shape))

    def minus(self, zero: Array) -> Levels | None:
        """Levels of the constant less a zero point that is whole levels; None where it is not."""
        shift = np.divide(zero, self.scale)
        whole = np.rint(shift)
        fits = np.array_equal(shift, whole) and np.broadcast_shapes(whole.shape, self.q.shape) == self.q.shape
        return Levels(self.q - whole.astype(np.int32), self.scale) if fits else None

    def array(self) -> Array:
        """Return the real values."""
        return self.q.astype(np.float32) * self.scale

    def stored(self) -> QuantizedTensor | None:
        """Return the form in which a file holds them; None where it has none for these levels or scales."""
        bits = _bits(self.q)
        if bits is None or self.q.ndim < 2 or not np.isfinite(self.scale).all():
            return None
        scale: Array = self.scale
        if scale.size == 1:
            return QuantizedTensor(self.q, scale.reshape(()), bits)
        if scale.size == scale.shape[0]:
            return QuantizedTensor(self.q, scale.reshape(-1), bits)
        rows = np.broadcast_to(scale, self.q.shape).reshape(len(self.q), -1)
        block = _block(rows)
        if block is None:
            return None
        return QuantizedTensor(self.q, np.ascontiguousarray(rows[:, ::block]), bits, block=block)


def _block(scales: Array) -> int | None:
    """Longest run of equal scales that all rows are made of; None if it is below `FEWEST_IN_A_BLOCK`."""
    changes = np.flatnonzero(np.any(scales[:, 1:] != scales[:, :-1], axis=0)) + 1
    block = math.gcd(*map(int, changes)) if len(changes) else scales.shape[1]
    return block if block >= FEWEST_IN_A_BLOCK else None


def _bits(q: Array) -> int | None:
    """Fewest bits that hold all levels."""
    low, high = int(q.min(initial=0)), int(q.max(initial=0))
    fitting = (bits for bits in WIDTHS if -(1 << (bits - 1)) <= low and high < 1 << (bits - 1))
    return next(fitting, None)


class Steps(NamedTuple):
    """Levels that the values of a tensor are rounded to, as QuantizeLinear declares them.

    Parameters
    ----------
    scale : float
        Real value of a level.
    zero : int
        Level of the real zero.
    low, high : int
        Lowest and highest level, those of the element type.
    kind : str
        Element type of the levels, as numpy calls it.
    """

    scale: float
    zero: int
    low: int
    high: int
    kind: str

    @property
    def reach(self) -> tuple[int, int]:
        """Lowest and highest level counted from the real zero."""
        return self.low - self.zero, self.high - self.zero


def steps_of(scale: Array, zero: Array | None, kind: str) -> Steps:
    """Return the levels of a tensor with one scale.

    Parameters
    ----------
    scale : ndarray of one element
    zero : ndarray of one element, optional
        0 by default.
    kind : str
        Element type, as numpy calls it.

    Raises
    ------
    InputError
        If it has more scales, one that is not positive, or levels of another type.
    """
    if scale.size != 1 or (zero is not None and zero.size != 1):
        raise InputError(f"activations have {scale.size} scales, expected one")
    value = float(scale.reshape(-1)[0])
    if not 0 < value < np.inf:
        raise InputError(f"the scale is {value}, expected a positive number")
    if kind not in NARROW and np.dtype(kind).kind not in "iu":
        raise InputError(f"levels are {kind}, expected integers")
    low, high = limits_of(kind)
    return Steps(value, 0 if zero is None else int(zero.reshape(-1)[0]), low, high, kind)


def limits_of(kind: str) -> tuple[int, int]:
    """Lowest and highest number of an integer type."""
    if kind in NARROW:
        return NARROW[kind]
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def centred(values: Array, zero: Array | None, axis: int | None = None) -> Array:
    """Return levels less their zero point, one for all or one for each place along `axis`."""
    q = values.astype(np.int32)
    return q if zero is None else q - along(zero.astype(np.int32), q.ndim, axis)


def along(values: Array, rank: int, axis: int | None) -> Array:
    """Shape one value, or one for each place along `axis`, so that it broadcasts to `rank` axes."""
    if values.size == 1:
        return values.reshape((1,) * rank)
    if axis is None or values.ndim != 1:
        raise InputError(f"scales or zero points have shape {values.shape}, expected one for each output")
    return values.reshape(tuple(-1 if at == axis % rank else 1 for at in range(rank)))
