"""Bits on chip while kernels run together: whole feature maps, or the rows that stripes still need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.compiled import Records, njit, tiered

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_STRIPES = 24
"""Kernels of a depth-first segment, at most."""
HEIGHTS = 7
"""Heights of a stripe that are tried: 1, 2, 4, ... rows of the last kernel."""

HOLD = np.dtype(
    [(name, np.float64) for name in ("live", "once", "item", "whole", "item_in", "whole_in")]
    + [("seen", np.int64), ("since", np.int64)]
)
"""A kernel of a segment.

``live``, ``once``: bits on chip while it runs, of each item and of the batch. ``item``, ``whole``: bits of
activations that it moves between DRAM and chip, of each item and of the batch; ``item_in``, ``whole_in``:
those of them that come in. ``seen``: first kernel of the latest segment in which its output was read;
``since``: the kernel that made or read it last.
"""


def stripes_need(kernels: NDArray[np.void], edges: NDArray[np.void]) -> NDArray[np.float64]:
    """Bits of activations on chip for every depth-first segment: see `_stripes_need`."""
    run = _stripes_need.chosen(kernels)
    tables = (kernels, edges) if run == _stripes_need.compiled else (Records(kernels), Records(edges))
    found: NDArray[np.float64] = run(*tables)
    return found


@tiered(turns=lambda kernels: len(kernels) * LONGEST_STRIPES * HEIGHTS)
@njit(cache=True, error_model="numpy")
def _stripes_need(kernels, edges):  # type: ignore[no-untyped-def]
    """Bits of activations on chip for every depth-first segment, shape (kernels, lengths, heights).

    For a stripe of some rows of the last kernel, each tensor is needed up to some row by the kernels that
    read it, and from the first row that one of them still needs for this stripe. Rows are made once.
    Infinite where a segment cannot run so.
    """
    count = len(kernels)
    need = np.full((count, LONGEST_STRIPES, HEIGHTS), np.inf)
    low, high, step = np.empty(count), np.empty(count), np.empty(count)
    for first in range(count):
        for length in range(1, min(LONGEST_STRIPES, count - first) + 1):
            last = first + length - 1
            if kernels[last].rows == 0 or not kernels[last].each:
                break
            for h in range(HEIGHTS):
                height = 1 << h
                if h and height >= 2 * kernels[last].rows:
                    break
                height = min(height, kernels[last].rows)
                need[first, length - 1, h] = _stripe_bits(
                    kernels, edges, first, last, height, low, high, step
                )
    return need


@njit(cache=True, error_model="numpy")
def _stripe_bits(kernels, edges, first, last, height, low, high, step):  # type: ignore[no-untyped-def]
    total, whole = 0.0, 0.0
    groups = kernels[first].groups
    for k in range(first, last + 1):
        low[k], high[k], step[k] = np.inf, -np.inf, 0.0
        if kernels[k].groups and kernels[k].groups != groups:
            groups = -1 if groups else kernels[k].groups
    for k in range(last, first - 1, -1):
        row = kernels[k]
        if high[k] == -np.inf:
            step[k] = height * row.rows / kernels[last].rows
            low[k], high[k] = 0.0, step[k]
        if k == last or row.last_use > last:
            low[k] = min(low[k], high[k] - step[k])
        total += row.out_bits * min(1.0, (high[k] - low[k]) / row.rows)
        begin = (high[k] - step[k]) * row.stride - row.pad
        end = (high[k] - 1) * row.stride - row.pad + row.window
        in_rows = max(row.rows * row.stride, 1)
        total += row.outside_bits * min(1.0, (end - begin) / in_rows)
        for e in range(row.edges, row.edges_end):
            source = edges[e].source
            if edges[e].second:
                if source >= first:
                    return np.inf
                whole += edges[e].bits
            elif source >= first:
                low[source], high[source] = min(low[source], begin), max(high[source], end)
                step[source] = max(step[source], step[k] * row.stride)
            else:
                total += edges[e].bits * min(1.0, (end - begin) / max(kernels[source].rows, 1))
    return (total + whole) / (groups if groups > 0 else 1)


@njit(cache=True, error_model="numpy")
def enter(kernels, edges, fetches, kept, first, t, hold):  # type: ignore[no-untyped-def]
    """Let kernel `t` enter the segment from `first`: see `HOLD`.

    Returns the first kernel that holds more bits, and the first one whose traffic changes.

    A tensor is on chip from the kernel that makes it, or reads it first, to the last one that reads it.
    Those of other segments come in with the kernel that reads them first, so many times as `fetches` says.
    An output leaves until a later kernel of the segment turns out to be its last reader. The fraction that is
    `kept` of a kernel's output neither leaves nor comes in.
    """
    row = kernels[t]
    hold[t].live = hold[t].once = hold[t].item = hold[t].whole = 0.0
    hold[t].item_in = hold[t].whole_in = 0.0
    hold[t].seen = -1
    if row.outside_each:
        hold[t].live += row.outside_bits
        hold[t].item_in += row.outside_bits * fetches[t]
    else:
        hold[t].once += row.outside_bits
        hold[t].whole_in += row.outside_bits * fetches[t]
    if row.out_each:
        hold[t].live += row.out_bits
        hold[t].item += row.out_bits * (1 - kept[t])
    else:
        hold[t].once += row.out_bits
        hold[t].whole += row.out_bits * (1 - kept[t])
    low = changed = t
    for e in range(row.edges, row.edges_end):
        x = edges[e].source
        made, each = kernels[x], kernels[x].out_each
        bits, since = edges[e].bits, t
        last = made.last_use == t
        comes = leaves = 0.0
        if x >= first:
            bits, since = made.out_bits, hold[x].since + 1
            if last:
                leaves, changed = bits * (1 - kept[x]), min(changed, x)
        elif hold[x].seen == first:
            since = hold[x].since + 1
        else:
            comes = bits * fetches[t] * (1 - kept[x])
        shared = min(bits, row.out_bits) if row.in_place and last else 0.0
        for u in range(since, t + 1):
            held = bits - (shared if u == t else 0.0)
            if each:
                hold[u].live += held
            else:
                hold[u].once += held
        if each:
            hold[t].item_in += comes
        else:
            hold[t].whole_in += comes
        if x >= first and each:
            hold[x].item -= leaves
        elif x >= first:
            hold[x].whole -= leaves
        hold[x].seen, hold[x].since = first, t
        low = min(low, since)
    hold[t].item += hold[t].item_in
    hold[t].whole += hold[t].whole_in
    hold[t].since = t
    return low, changed
