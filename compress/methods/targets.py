"""Forms that `compress.methods.compensate` brings a matrix to: integers in groups, values of a codebook.

Both may be pruned first: in a group of columns, the weights of least magnitude, each times how much its
column weighs, become zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compress.format.tensors import RAW, QuantizedTensor, SharedTensor
from compress.methods.cluster import kmeans
from compress.methods.prune import kept_count, nm_mask, top_mask
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.nn.ops.base import Array

SHRUNK = np.linspace(1.0, 0.6, 17)
"""Ranges that a group tries, relative to its largest magnitude; the one of least squared error is taken."""

PRUNED_COLUMNS = 128
"""Columns that are pruned together: a choice of SparseGPT."""


@dataclass(frozen=True)
class Kept:
    """Weights that are not pruned: a fraction, or `n` of every `m` neighbours in a row.

    Parameters
    ----------
    density : float
    n, m : int
        0 for a fraction in any place.
    """

    density: float = 1.0
    n: int = 0
    m: int = 0

    def mask(self, group: Array, importance: Array) -> Array:
        """Weights of a group, (rows, columns), that stay."""
        scores = np.square(group) * importance
        if self.m:
            return nm_mask(scores, self.n, self.m)
        return top_mask(scores, kept_count(group.size, self.density))


ALL = Kept()


class Integers:
    """Integers in groups of a row, with float16 scales and, if asked, offsets: a `Target`.

    Parameters
    ----------
    shape : tuple of int
        Of the matrix.
    bits : int
    columns : int
        Of a group.
    offset : bool
        Whether levels reach from the least to the largest weight of a group; else they are symmetric
        around zero.
    kept : Kept
    coding : str
        Of the levels.
    """

    def __init__(
        self,
        shape: Sequence[int],
        bits: int,
        columns: int,
        *,
        offset: bool = False,
        kept: Kept = ALL,
        coding: str = RAW,
    ) -> None:
        if offset and kept != ALL:
            raise InputError("pruned weights have levels with an offset, expected symmetric ones")
        self.columns, self.bits, self.kept, self.coding = columns, bits, kept, coding
        self._q = np.zeros(shape, np.int8)
        self._at = 0
        self._scales: list[Array] = []
        self._offsets: list[Array] | None = [] if offset else None
        self._mask: Array | None = None

    def begin(self, group: Array, importance: Array) -> None:
        """Choose the zeros, scale and offset of each row of a group."""
        self._at = len(self._scales) * self.columns
        self._mask = self.kept.mask(group, importance) if self.kept != ALL else None
        if self._mask is not None:
            group = group * self._mask
        if self._offsets is not None:
            low, high = group.min(axis=1), group.max(axis=1)
            self._offsets.append(low.astype(np.float16))
            self._scales.append(_half_scale((high - low) / ((1 << self.bits) - 1)))
        else:
            self._scales.append(_best_scale(group, importance, (1 << (self.bits - 1)) - 1))

    def column(self, at: int, wanted: Array) -> Array:
        """Round a column: see `Target`."""
        scale, half = self._scales[-1].astype(np.float32), 1 << (self.bits - 1)
        if self._offsets is not None:
            low = self._offsets[-1].astype(np.float32)
            levels = np.clip(np.rint((wanted - low) / scale), 0, 2 * half - 1)
            values = levels * scale + low
            levels -= half
        else:
            levels = np.clip(np.rint(wanted / scale), 1 - half, half - 1)
            if self._mask is not None:
                levels *= self._mask[:, at]
            values = levels * scale
        self._q[:, self._at + at] = levels
        return values

    def tensor(self) -> QuantizedTensor:
        """Return the integers: see `Target`."""
        scale = np.stack(self._scales, axis=1)
        offset = None if self._offsets is None else np.stack(self._offsets, axis=1)
        return QuantizedTensor(self._q, scale, self.bits, self.coding, block=self.columns, offset=offset)


class Codebook:
    """Values of a codebook, found by k-means of all weights that stay: a `Target`.

    Parameters
    ----------
    weight : ndarray, shape (outputs, inputs)
    values : int
        Of the codebook; zeros of a pruned matrix come on top.
    importance : ndarray, shape (inputs,)
        How much a column weighs in the choice of the values.
    kept : Kept
    coding : str
        Of the labels.
    """

    columns = PRUNED_COLUMNS

    def __init__(
        self, weight: Array, values: int, importance: Array, *, kept: Kept = ALL, coding: str = "fixed"
    ) -> None:
        weighing = np.broadcast_to(importance, weight.shape)
        staying = slice(None) if kept == ALL else kept.mask(weight, importance)
        found = kmeans(weight[staying], values, weights=weighing[staying])
        self._values = found.centroids.astype(np.float16).astype(np.float32)
        self._edges = (self._values[1:] + self._values[:-1]) / 2
        self.kept, self.coding = kept, coding
        self._labels = np.zeros(weight.shape, np.uint16)
        self._at, self._done = 0, 0
        self._mask: Array | None = None

    def begin(self, group: Array, importance: Array) -> None:
        """Choose the zeros of a group: see `Target`."""
        self._at, self._done = self._done, self._done + group.shape[1]
        self._mask = self.kept.mask(group, importance) if self.kept != ALL else None

    def column(self, at: int, wanted: Array) -> Array:
        """Take the nearest values for a column: see `Target`."""
        nearest = np.searchsorted(self._edges, wanted)
        labels, values = nearest + 1, self._values[nearest]
        if self._mask is not None:
            labels, values = labels * self._mask[:, at], values * self._mask[:, at]
        self._labels[:, self._at + at] = labels
        return values

    def tensor(self) -> SharedTensor:
        """Return labels and codebook: see `Target`."""
        return SharedTensor(self._labels, self._values.astype(np.float16), self.coding)


def _half_scale(scale: Array) -> Array:
    """Scales in float16, none of them zero."""
    return np.maximum(scale, np.finfo(np.float16).tiny).astype(np.float16)


def _best_scale(group: Array, importance: Array, top: int) -> Array:
    """Scale of each row of a group, of the range with the least squared error among `SHRUNK`."""
    largest = np.abs(group).max(axis=1)
    best, least = _half_scale(largest / top), np.full(len(group), np.inf, np.float32)
    for shrunk in SHRUNK:
        scale = _half_scale(shrunk * largest / top)
        steps = scale.astype(np.float32)[:, np.newaxis]
        rounded = np.clip(np.rint(group / steps), -top, top) * steps
        error = (np.square(rounded - group) * importance).sum(axis=1)
        better = error < least
        best, least = np.where(better, scale, best), np.where(better, error, least)
    return best
