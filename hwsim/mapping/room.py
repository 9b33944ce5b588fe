"""Bits on chip while kernels run together: whole feature maps, or the rows that stripes still need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.mapping.graph import Graph

LONGEST_STRIPES = 24
"""Kernels of a depth-first segment, at most."""
HEIGHTS = 7
"""Heights of a stripe that are tried: 1, 2, 4, ... rows of the last kernel."""


@njit(cache=True)
def stripes_need(g: Graph) -> NDArray[np.float64]:
    """Bits of activations on chip for every depth-first segment, shape (kernels, lengths, heights).

    For a stripe of some rows of the last kernel, each tensor is needed up to some row by the kernels that
    read it, and from the first row that one of them still needs for this stripe. Rows are made once.
    Infinite where a segment cannot run so.
    """
    count = len(g.rows)
    need = np.full((count, LONGEST_STRIPES, HEIGHTS), np.inf)
    low, high, step = np.empty(count), np.empty(count), np.empty(count)
    for first in range(count):
        for length in range(1, min(LONGEST_STRIPES, count - first) + 1):
            last = first + length - 1
            if g.rows[last] == 0 or not g.each[last]:
                break
            for h in range(HEIGHTS):
                height = 1 << h
                if h and height >= 2 * g.rows[last]:
                    break
                need[first, length - 1, h] = _stripe_bits(
                    g, first, last, min(height, g.rows[last]), low, high, step
                )
    return need


@njit(cache=True)
def _stripe_bits(g: Graph, first, last, height, low, high, step):  # type: ignore[no-untyped-def]
    total, whole = 0.0, 0.0
    groups = g.groups[first]
    for k in range(first, last + 1):
        low[k], high[k], step[k] = np.inf, -np.inf, 0.0
        if g.groups[k] and g.groups[k] != groups:
            groups = -1 if groups else g.groups[k]
    for k in range(last, first - 1, -1):
        if high[k] == -np.inf:
            step[k] = height * g.rows[k] / g.rows[last]
            low[k], high[k] = 0.0, step[k]
        if k == last or g.last_use[k] > last:
            low[k] = min(low[k], high[k] - step[k])
        total += g.out_bits[k] * min(1.0, (high[k] - low[k]) / g.rows[k])
        row = (high[k] - step[k]) * g.stride[k] - g.pad[k]
        end = (high[k] - 1) * g.stride[k] - g.pad[k] + g.window[k]
        in_rows = max(g.rows[k] * g.stride[k], 1)
        total += g.outside_bits[k] * min(1.0, (end - row) / in_rows)
        for e in range(g.edge_ends[k - 1] if k else 0, g.edge_ends[k]):
            source = g.edge_source[e]
            if g.edge_second[e]:
                if source >= first:
                    return np.inf
                whole += g.edge_bits[e]
            elif source >= first:
                low[source], high[source] = min(low[source], row), max(high[source], end)
                step[source] = max(step[source], step[k] * g.stride[k])
            else:
                total += g.edge_bits[e] * min(1.0, (end - row) / max(g.rows[source], 1))
    return (total + whole) / (groups if groups > 0 else 1)


@njit(cache=True)
def enter(g, first, t, live, once, place, seen):  # type: ignore[no-untyped-def]
    """Let kernel `t` enter the segment from `first`: bits on chip of each item and of the batch, by kernel.

    A tensor is there from the kernel that makes it, or reads it first, to the last one that reads it.
    Returns the first kernel whose bits have grown.
    """
    low = t
    live[t], once[t] = 0.0, 0.0
    _hold(live, once, t, t, g.outside_bits[t], g.outside_each[t])
    _hold(live, once, t, t, g.out_bits[t], g.out_each[t])
    for e in range(g.edge_ends[t - 1] if t else 0, g.edge_ends[t]):
        x = g.edge_source[e]
        made_here = x >= first
        since = place[x] + 1 if made_here or seen[x] == first else t
        bits = g.out_bits[x] if made_here else g.edge_bits[e]
        _hold(live, once, since, t, bits, g.out_each[x])
        if g.in_place[t] and g.last_use[x] == t:
            _hold(live, once, t, t, -min(bits, g.out_bits[t]), g.out_each[x])
        place[x], seen[x] = t, first
        low = min(low, since)
    place[t] = t
    return low


@njit(cache=True)
def _hold(live, once, since, until, bits, each):  # type: ignore[no-untyped-def]
    for u in range(since, until + 1):
        if each:
            live[u] += bits
        else:
            once[u] += bits


@njit(cache=True)
def whole_need(g, first, end, items):  # type: ignore[no-untyped-def]
    """Bits on chip while the kernels from `first` to before `end` run together over some items."""
    count = len(g.rows)
    live, once = np.zeros(count), np.zeros(count)
    place, seen = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    for t in range(first, end):
        enter(g, first, t, live, once, place, seen)
    most = 0.0
    for t in range(first, end):
        most = max(most, live[t] * items + once[t])
    return most
