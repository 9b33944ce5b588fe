"""Search of blocks, compiled: the memory they take, the bits they move, and the ones that move least.

A ``cut`` is a row of `windows.Cuts.figures`. ``places`` are those of m, n and k in a loop order, 0 the
outermost. ``n_trips`` and ``k_trips`` are how often the loops over filters and depth run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arrays.counting import PSUM_BITS
from hwsim.compiled import njit, tiered

if TYPE_CHECKING:
    from numpy.typing import NDArray

SINGLE, STREAMING, DOUBLE = 0.0, 1.0, 2.0
"""What has two buffers: nothing, what the innermost running loop moves on, or everything."""


class Sizes(NamedTuple):
    """Loops of one group of a layer, bits per element of its tensors, and what is double-buffered."""

    filters: float
    channels: float
    area: float
    positions: float
    groups: float
    weight_bits: float
    input_bits: float
    output_bits: float
    buffering: float


class Found(NamedTuple):
    """A choice: traffic of a group, order, cut, filters, channels, and halo kept for all channels."""

    bits: float
    order: int
    cut: int
    filters: float
    channels: float
    keep: bool


@tiered()
@njit(cache=True)
def times(
    places: NDArray[np.int64], m_trips: float, n_trips: float, k_trips: float
) -> tuple[float, float, float]:
    """How often weights, inputs and outputs move.

    That is the trips of the loop that does not index a tensor, if a loop inside it that does runs more
    than once: a loop that runs once evicts nothing.
    """
    m, n, k = places
    weights = m_trips if (n_trips > 1 and n > m) or (k_trips > 1 and k > m) else 1.0
    inputs = n_trips if (m_trips > 1 and m > n) or (k_trips > 1 and k > n) else 1.0
    outputs = k_trips if (m_trips > 1 and m > k) or (n_trips > 1 and n > k) else 1.0
    return weights, inputs, outputs


@tiered()
@njit(cache=True)
def follows(places: NDArray[np.int64], k_trips: float) -> bool:
    """Whether an input block is followed by the next positions of the same channels."""
    return bool(k_trips == 1 or places[2] < places[0])


@njit(cache=True)
def _buffers(
    places: NDArray[np.int64], m_trips: float, n_trips: float, k_trips: float, layer: Sizes
) -> tuple[float, float, float]:
    """Buffers of weights, inputs and outputs."""
    if layer.buffering != STREAMING:
        each = 1.0 if layer.buffering == SINGLE else 2.0
        return each, each, each
    last, inner = -1, -1
    for loop, trips in enumerate((m_trips, n_trips, k_trips)):
        if trips > 1 and places[loop] > last:
            last, inner = places[loop], loop
    if inner < 0:
        each = 2.0 if layer.groups > 1 else 1.0
        return each, each, each
    return 1.0 + (inner != 0), 1.0 + (inner != 1), 1.0 + (inner != 2)


@njit(cache=True)
def _memory(
    cut: NDArray[np.float64],
    places: NDArray[np.int64],
    n_trips: float,
    k_trips: float,
    keep: bool,
    layer: Sizes,
) -> tuple[float, float, float, float]:
    """Bits on chip per filter and channel of a block, per channel, per filter, and in any case."""
    positions, m_trips, reach, shared = cut[0], cut[1], cut[2], cut[3]
    weights, inputs, outputs = _buffers(places, m_trips, n_trips, k_trips, layer)
    always = 0.0
    if keep:
        held = inputs * (reach - shared)
        always = shared * layer.channels * layer.input_bits
    elif follows(places, k_trips):
        held = reach + (inputs - 1.0) * (reach - shared)
    else:
        held = inputs * reach
    return (
        weights * layer.area * layer.weight_bits,
        held * layer.input_bits,
        outputs * positions * PSUM_BITS,
        always,
    )


@tiered()
@njit(cache=True)
def needed(
    cut: NDArray[np.float64],
    places: NDArray[np.int64],
    filters: float,
    channels: float,
    keep: bool,
    layer: Sizes,
) -> float:
    """Bits on chip for blocks of so many filters and channels."""
    n_trips, k_trips = np.ceil(layer.filters / filters), np.ceil(layer.channels / channels)
    both, channel, filt, always = _memory(cut, places, n_trips, k_trips, keep, layer)
    return float(filters * channels * both + channels * channel + filters * filt + always)


@njit(cache=True)
def _traffic(
    cut: NDArray[np.float64],
    places: NDArray[np.int64],
    n_trips: float,
    k_trips: float,
    keep: bool,
    layer: Sizes,
) -> float:
    """Bits that one group moves."""
    weights, inputs, outputs = times(places, cut[1], n_trips, k_trips)
    came = cut[5] if keep or follows(places, k_trips) else cut[4]
    return float(
        weights * layer.filters * layer.channels * layer.area * layer.weight_bits
        + inputs * came * layer.channels * layer.input_bits
        + layer.positions * layer.filters * (layer.output_bits + 2.0 * PSUM_BITS * (outputs - 1.0))
    )


@njit(cache=True)
def _most(space: float, each: float, whole: float) -> float:
    """Largest number below `whole` of things of `each` bits in a space; as few as need as many blocks."""
    fits = whole - 1.0 if space >= 0.0 else 0.0
    if each > 0.0:
        fits = min(fits, np.floor(space / each))
    return float(np.ceil(whole / np.ceil(whole / fits))) if fits >= 1.0 else 0.0


@njit(cache=True)
def _most_filters(
    cut: NDArray[np.float64],
    places: NDArray[np.int64],
    channels: float,
    keep: bool,
    layer: Sizes,
    space: float,
) -> float:
    """Most filters, below all, for blocks of all channels or of fewer."""
    k_trips = np.ceil(layer.channels / channels)
    both, channel, filt, always = _memory(cut, places, 2.0, k_trips, keep, layer)
    return _most(space - always - channels * channel, filt + channels * both, layer.filters)


@njit(cache=True)
def _most_channels(
    cut: NDArray[np.float64],
    places: NDArray[np.int64],
    filters: float,
    layer: Sizes,
    space: float,
    best: float,
) -> tuple[float, float, bool]:
    """Most channels for blocks of so many filters, as more never cost traffic: bits, channels, halo kept.

    No channels if nothing fits, or nothing can be better than `best`.
    """
    n_trips = np.ceil(layer.filters / filters)
    bits, c, kept = np.inf, 0.0, False
    whole = _traffic(cut, places, n_trips, 1.0, False, layer)
    if whole > best:
        return bits, c, kept
    if needed(cut, places, filters, layer.channels, False, layer) <= space:
        return whole, layer.channels, False
    if _traffic(cut, places, n_trips, 2.0, True, layer) > best:
        return bits, c, kept
    for keep in (False, True):
        if keep and (cut[3] == 0.0 or follows(places, 2.0)):
            continue
        both, channel, filt, always = _memory(cut, places, n_trips, 2.0, keep, layer)
        most = _most(space - always - filters * filt, channel + filters * both, layer.channels)
        if most >= 1.0:
            moved = _traffic(cut, places, n_trips, np.ceil(layer.channels / most), keep, layer)
            if moved < bits:
                bits, c, kept = moved, most, keep
    return bits, c, kept


@njit(cache=True)
def _least(cut: NDArray[np.float64], places: NDArray[np.int64], layer: Sizes, alone: bool) -> float:
    """Least traffic of a cut; unless `alone`, K in one piece is left to the orders with K innermost."""
    k_trips = 1.0 if alone or places[2] == 2 else 2.0
    once = _traffic(cut, places, 1.0, k_trips, True, layer)
    return min(once, _traffic(cut, places, 2.0, k_trips, True, layer))


@tiered(turns=lambda cuts, sizes, orders, *_: len(cuts) * len(orders))
@njit(cache=True)
def search(
    cuts: NDArray[np.float64],
    sizes: NDArray[np.float64],
    orders: NDArray[np.int64],
    layer: Sizes,
    space: float,
) -> Found:
    """Blocks and order of the least traffic; infinite if nothing fits.

    Cuts and orders are enumerated. Filters and channels of a block follow from the space, as traffic
    never grows with either: filters for a block of all channels and, where partial sums stay, for a
    block of one. Only where partial sums leave the chip do both matter, and `sizes` are enumerated.

    Parameters
    ----------
    cuts : ndarray of float64, shape (cuts, 6)
        As in `windows.Cuts`.
    sizes : ndarray of float64, shape (sizes,)
        Filters of a block.
    orders : ndarray of int64, shape (orders, 3)
        Places of m, n and k; all six, those with K innermost first, or one.
    layer : Sizes
    space : float
        Bits on chip.
    """
    best, volume = np.inf, 0.0
    found = Found(np.inf, 0, 0, 0.0, 0.0, False)
    tried = np.zeros(4 + len(sizes))
    for order in range(len(orders)):
        places = orders[order]
        stay = places[2] == 2
        for index in range(len(cuts)):
            cut = cuts[index]
            if _least(cut, places, layer, len(orders) == 1) > best:
                continue
            tried[0] = layer.filters
            tried[1] = _most_filters(cut, places, layer.channels, False, layer, space)
            if stay:
                tried[2] = _most_filters(cut, places, 1.0, False, layer, space)
                tried[3] = _most_filters(cut, places, 1.0, cut[3] > 0.0, layer, space)
            else:
                tried[2] = tried[3] = 0.0
                for i in range(len(sizes)):
                    tried[4 + i] = sizes[i]
            for number in range(4 if stay else len(tried)):
                n = tried[number]
                if n < 1.0:
                    continue
                bits, c, keep = _most_channels(cut, places, n, layer, space, best)
                size = cut[0] * n * c
                if c >= 1.0 and (bits < best or (bits == best and size > volume)):
                    best, volume = bits, size
                    found = Found(bits, order, index, n, c, keep)
    return found
