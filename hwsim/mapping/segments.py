"""Search of a plan: which kernels run together, how often, and what stays on chip meanwhile.

The kernels, in order, are divided into *segments*. A segment runs in one of three ways:

* ``WHOLE``: some items of the batch at a time, kernel after kernel. What passes between its kernels
  stays on chip; its weights come from DRAM for every pass, or are pinned.
* ``STRIPES``: depth-first. A stripe of rows goes through all its kernels before the next one; of what
  passes between them only the rows that are still needed are on chip (Alwani et al., "Fused-layer CNN
  accelerators", MICRO 2016). All its weights are on chip meanwhile, and come in once per batch.
* ``CUT``: a single kernel in blocks (`hwsim.mapping.tiling`).

What passes between segments goes through DRAM. For a given working memory the best division follows by
dynamic programming. Memory that is left then keeps, in parts, what saves most DRAM bits per bit held:
tensors that pass between segments, and weights. The search tries several sizes of working memory and
takes the plan of least cost: joules of DRAM, decoders and weight reads, plus time valued at `Costs.tick_J`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from hwsim.mapping.room import HEIGHTS, LONGEST_STRIPES, enter, stripes_need, whole_need
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray


WHOLE, STRIPES, CUT = 0, 1, 2

_ceil_div = njit(cache=True)(ceil_div)

LONGEST = 48
"""Kernels of a segment, at most, except for the one that runs to the last kernel."""
SPLITS = 6
"""More passes than memory asks for that are tried: 1, 2, 4, ... times as many, so that units overlap."""


class Costs(NamedTuple):
    """What the search needs besides the graph. Ticks and joules are of a whole batch, or of one pass.

    Parameters
    ----------
    fetched_bits, stored_bits : ndarray of int64, shape (kernels,)
        Weights as they come from DRAM for one pass, and as they lie on chip.
    owner : ndarray of int64, shape (kernels,)
        Kernel whose weights these are.
    input_fetches : ndarray of float64, shape (kernels,)
        Times each input comes in, where the array's own mapping says so.
    core_ticks, item_ticks : ndarray of float64, shape (kernels,)
        Of the batch in one pass, and of one item, weights being there.
    again_ticks, stripe_ticks : ndarray of float64, shape (kernels,)
        More for another pass over some items, and for another stripe of an item: arrays fill and load.
    decode_ticks, pass_J : ndarray of float64, shape (kernels,)
        Of one pass of the weights to the array: decoders, and joules.
    cut_bits, cut_fetches, cut_need : ndarray of float64, shape (spaces, kernels)
        DRAM bits of activations, fetches of weights and bits held of a kernel that is cut, for each
        working memory; infinite bits where it is not worth a try.
    dram_J_per_bit, dram_ticks_per_bit, tick_J : float
    """

    fetched_bits: NDArray[np.int64]
    stored_bits: NDArray[np.int64]
    owner: NDArray[np.int64]
    input_fetches: NDArray[np.float64]
    core_ticks: NDArray[np.float64]
    item_ticks: NDArray[np.float64]
    again_ticks: NDArray[np.float64]
    stripe_ticks: NDArray[np.float64]
    decode_ticks: NDArray[np.float64]
    pass_J: NDArray[np.float64]
    cut_bits: NDArray[np.float64]
    cut_fetches: NDArray[np.float64]
    cut_need: NDArray[np.float64]
    dram_J_per_bit: float
    dram_ticks_per_bit: float
    tick_J: float


class Found(NamedTuple):
    """A plan, as arrays.

    Parameters
    ----------
    first, mode, amount : ndarray of int64, shape (segments,)
        First kernel of each segment, how it runs, and the passes of a batch (`WHOLE`), the stripes of an
        item (`STRIPES`) or the index of the working memory (`CUT`).
    held : ndarray of float64, shape (segments,)
        Bits on chip while it runs, except pinned ones.
    pinned, kept : ndarray of float64, shape (kernels,)
        Fraction of the weights, and of the output, that stays on chip.
    cost : float
        Joules, time included.
    """

    first: NDArray[np.int64]
    mode: NDArray[np.int64]
    amount: NDArray[np.int64]
    held: NDArray[np.float64]
    pinned: NDArray[np.float64]
    kept: NDArray[np.float64]
    cost: float


@njit(cache=True)
def divide(g, c, space, batch, limit, pinned, need_of_stripes, at, attention, depth_first, layerwise):  # type: ignore[no-untyped-def]
    """Divide the kernels into segments that work in `space` bits, by dynamic programming.

    `pinned` says that all weights are on chip, beside that space. Returns, by last kernel: first kernel,
    mode, amount; and the cost, infinite if it cannot be done.
    """
    count = len(g.rows)
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    begin, mode, amount = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    live, once = np.zeros(count), np.zeros(count)
    place, seen = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    for first in range(count):
        if best[first] == np.inf:
            continue
        most = float(limit)
        per_item, per_batch, together, stored_weights = 0.0, 0.0, False, False
        joules = fetched = stored = 0.0
        for t in range(first, count):
            together = together or not g.each[t]
            item, whole = _moved(g, c, first, t, seen)
            per_item += item
            per_batch += whole
            low = enter(g, first, t, live, once, place, seen)
            for u in range(low, t + 1):
                if once[u] > space:
                    most = 0.0
                elif live[u] > 0:
                    most = min(most, np.floor((space - once[u]) / live[u]))
            joules += c.pass_J[t]
            fetched += c.fetched_bits[t]
            stored += c.stored_bits[t]
            length = t - first + 1
            moved = batch * per_item + per_batch
            value, how, times = np.inf, WHOLE, 1
            alone = length == 1 or not layerwise
            if (
                alone
                and most >= (batch if together else 1)
                and (length <= LONGEST or t == count - 1 or most >= limit)
            ):
                least = int(np.ceil(batch / most))
                for more in range(1 if together or layerwise else SPLITS):
                    passes = least << more
                    if passes > (1 if layerwise else batch):
                        break
                    loaded = 0.0 if pinned else float(passes)
                    ticks = _whole_ticks(g, c, first, t + 1, passes, loaded)
                    other = _cost(c, moved + loaded * fetched, passes, ticks, joules)
                    if other < value:
                        value, times = other, passes
            if length == 1 and c.cut_bits[at, t] < np.inf:
                fetches = c.cut_fetches[at, t]
                loaded = 0.0 if pinned else fetches
                ticks = _whole_ticks(g, c, t, t + 1, fetches, loaded)
                other = _cost(c, c.cut_bits[at, t] + loaded * fetched, fetches, ticks, joules)
                if other < value:
                    value, how, times = other, CUT, at
            stored_weights = stored_weights or g.groups[t] < 0
            striped = depth_first or (attention and not stored_weights)
            if striped and length <= LONGEST_STRIPES and g.rows[t]:
                held = 0.0 if pinned else stored
                for h in range(HEIGHTS - 1, -1, -1):
                    if need_of_stripes[first, length - 1, h] + held <= space:
                        number = _ceil_div(g.rows[t], 1 << h)
                        bits = moved + (0.0 if pinned else fetched)
                        ticks = _stripes_ticks(g, c, first, t + 1, number, batch)
                        other = _cost(c, bits, float(number * batch), ticks, joules)
                        if other < value:
                            value, how, times = other, STRIPES, number
                        break
            if best[first] + value < best[t + 1]:
                best[t + 1] = best[first] + value
                begin[t], mode[t], amount[t] = first, how, times
            if (most < 1 and length > LONGEST_STRIPES) or (layerwise and stored_weights):
                break
    return begin, mode, amount, best[count]


@njit(cache=True)
def _moved(g, c, first, t, seen):  # type: ignore[no-untyped-def]
    """DRAM bits of activations, of each item and of the batch, that kernel `t` adds to a segment.

    Its own output leaves until a later kernel of the segment turns out to be its last reader.
    """
    item, whole = 0.0, 0.0
    bits = g.outside_bits[t] * c.input_fetches[t]
    if g.outside_each[t]:
        item += bits
    else:
        whole += bits
    if g.out_each[t]:
        item += g.out_bits[t]
    else:
        whole += g.out_bits[t]
    for e in range(g.edge_ends[t - 1] if t else 0, g.edge_ends[t]):
        x = g.edge_source[e]
        bits = 0.0
        if x >= first and g.last_use[x] == t:
            bits = -float(g.out_bits[x])
        elif x < first and seen[x] != first:
            bits = g.edge_bits[e] * c.input_fetches[t]
        if g.out_each[x]:
            item += bits
        else:
            whole += bits
    return item, whole


@njit(cache=True)
def _stripes_ticks(g, c, first, end, number, batch):  # type: ignore[no-untyped-def]
    """Ticks of the core for a batch whose items run in so many stripes."""
    array = vector = 0.0
    for k in range(first, end):
        ticks = c.item_ticks[k] + (min(number, max(g.rows[k], 1)) - 1) * c.stripe_ticks[k]
        if g.groups[k]:
            array += max(ticks, number * c.decode_ticks[k])
        else:
            vector += ticks
    return batch * max(array, vector) + min(array, vector)


@njit(cache=True)
def _whole_ticks(g, c, first, end, passes, fetches):  # type: ignore[no-untyped-def]
    """Ticks of a batch that runs in so many passes, weights coming from DRAM `fetches` times.

    Weights of a kernel come while it runs. The array and the vector unit work on different passes.
    """
    array = vector = 0.0
    for k in range(first, end):
        ticks = c.core_ticks[k] + (passes - 1) * c.again_ticks[k]
        loaded = fetches * c.fetched_bits[k] * c.dram_ticks_per_bit
        if g.groups[k]:
            array += max(ticks, passes * c.decode_ticks[k], loaded)
        else:
            vector += max(ticks, loaded)
    return max(array, vector) + min(array, vector) / passes


@njit(cache=True)
def _cost(c, bits, passes, core, joules):  # type: ignore[no-untyped-def]
    ticks = max(core, bits * c.dram_ticks_per_bit)
    return bits * c.dram_J_per_bit + passes * joules + ticks * c.tick_J


@njit(cache=True)
def fill(g, c, capacity, batch, begin, mode_of, amount_of, need_of_stripes, may_pin):  # type: ignore[no-untyped-def]
    """Keep in the memory that a division leaves what saves most DRAM bits per bit held.

    Returns the segments' first kernels, modes, amounts and bits held, the pinned and kept fractions,
    each kernel's segment, and the most bits that a segment needs.
    """
    count = len(g.rows)
    segment = np.empty(count, np.int64)
    number, t = 0, count - 1
    while t >= 0:
        number += 1
        t = begin[t] - 1
    first, mode, amount = np.empty(number, np.int64), np.empty(number, np.int64), np.empty(number, np.int64)
    need = np.empty(number)
    t, at = count - 1, number - 1
    while t >= 0:
        first[at], mode[at], amount[at] = begin[t], mode_of[t], amount_of[t]
        for k in range(begin[t], t + 1):
            segment[k] = at
        t, at = begin[t] - 1, at - 1
    for s in range(number):
        end = first[s + 1] if s + 1 < number else count
        if mode[s] == WHOLE:
            need[s] = whole_need(g, first[s], end, np.ceil(batch / amount[s]))
        elif mode[s] == CUT:
            need[s] = c.cut_need[amount[s], first[s]]
        else:
            height = 0
            while _ceil_div(g.rows[end - 1], 1 << height) > amount[s]:
                height += 1
            need[s] = need_of_stripes[first[s], end - first[s] - 1, height]
    most_need = 0.0
    slack = np.empty(number)
    for s in range(number):
        slack[s] = capacity - need[s]
    for k in range(count):
        if mode[segment[k]] == STRIPES:
            slack[segment[k]] -= c.stored_bits[k]
    for s in range(number):
        most_need = max(most_need, capacity - slack[s])

    # what may stay, and joules saved and bits held by it: tensors between segments; weights that the
    # core waits for; other weights
    value, held = np.zeros(3 * count), np.zeros(3 * count)
    until = np.full(count, -1, np.int64)
    for k in range(count):
        reads = 0.0
        reader = -1
        if g.last_use[k] < count and segment[g.last_use[k]] > segment[k]:
            until[k] = segment[g.last_use[k]]
            for t in range(first[segment[k] + 1], count):
                for e in range(g.edge_ends[t - 1] if t else 0, g.edge_ends[t]):
                    if g.edge_source[e] == k and segment[t] != reader:
                        reads += c.input_fetches[t]
                        reader = segment[t]
            bits = g.out_bits[k] * (batch if g.out_each[k] else 1)
            value[k], held[k] = bits * (1 + reads) * c.dram_J_per_bit, bits
        o = c.owner[k]
        if may_pin and c.fetched_bits[k] and c.stored_bits[o]:
            bits = c.fetched_bits[k] * _dram_passes(c, mode, amount, segment[k], k)
            ticks = bits * c.dram_ticks_per_bit
            late = max(0.0, 1.0 - c.core_ticks[k] / ticks)
            held[count + o] = max(held[count + o], late * c.stored_bits[o])
            value[count + o] += late * bits * c.dram_J_per_bit + late * ticks * c.tick_J
            value[2 * count + o] += (1 - late) * bits * c.dram_J_per_bit
    for o in range(count):
        if value[count + o] + value[2 * count + o]:
            held[2 * count + o] = c.stored_bits[o] - held[count + o]
    gain = np.zeros(3 * count)
    for i in range(3 * count):
        if held[i]:
            gain[i] = value[i] / held[i]
    pinned, kept = np.zeros(count), np.zeros(count)
    while True:
        i = 0
        for other in range(3 * count):  # the first of the largest that are left
            if gain[other] > gain[i]:
                i = other
        if gain[i] == 0:
            break
        gain[i] = 0.0
        room = np.inf
        for s in range(number):
            if _occupies(mode, segment, until, c.owner, count, i, s):
                room = min(room, slack[s])
        part = min(1.0, max(0.0, room / held[i]))
        for s in range(number):
            if _occupies(mode, segment, until, c.owner, count, i, s):
                slack[s] -= part * held[i]
        if i < count:
            kept[i] = part
        else:
            pinned[i % count] += part * held[i] / c.stored_bits[i % count]
    stay = 0.0
    for k in range(count):
        pinned[k] = min(1.0, pinned[c.owner[k]])
        if c.owner[k] == k:
            stay += pinned[k] * c.stored_bits[k]
    for s in range(number):
        need[s] = capacity - slack[s] - stay
    return first, mode, amount, need, pinned, kept, segment, most_need


@njit(cache=True)
def _occupies(mode, segment, until, owner, count, i, s):  # type: ignore[no-untyped-def]
    """Whether keeping `i` takes room in segment `s`: weights of a depth-first segment are there anyway."""
    if i < count:
        return segment[i] <= s <= until[i]
    return not (mode[s] == STRIPES and segment[i % count] == s)


@njit(cache=True)
def _dram_passes(c, mode, amount, s, k):  # type: ignore[no-untyped-def]
    """Times the weights of a kernel come from DRAM for one batch, where nothing of them is pinned."""
    if mode[s] == WHOLE:
        return float(amount[s])
    return c.cut_fetches[amount[s], k] if mode[s] == CUT else 1.0


@njit(cache=True)
def traffic_of(g, c, batch, first, mode, amount, pinned, kept, segment):  # type: ignore[no-untyped-def]
    """Cost of a plan, what is kept and pinned taken off."""
    count, number = len(g.rows), len(first)
    total = 0.0
    seen = np.full(count, -1, np.int64)
    for s in range(number):
        end = first[s + 1] if s + 1 < number else count
        joules = bits = 0.0
        passes = float(amount[s])
        if mode[s] == CUT:
            passes = c.cut_fetches[amount[s], first[s]]
            bits += c.cut_bits[amount[s], first[s]]
        elif mode[s] == STRIPES:
            passes *= batch
        for t in range(first[s], end):
            if mode[s] != CUT:
                item, whole = _moved(g, c, first[s], t, seen)
                bits += batch * item + whole
            bits -= kept[t] * g.out_bits[t] * (batch if g.out_each[t] else 1)
            for e in range(g.edge_ends[t - 1] if t else 0, g.edge_ends[t]):
                x = g.edge_source[e]
                if x < first[s] and seen[x] != first[s]:
                    bits -= kept[x] * g.edge_bits[e] * c.input_fetches[t] * (batch if g.out_each[x] else 1)
                seen[x] = first[s]
            bits += (1 - pinned[t]) * c.fetched_bits[t] * _dram_passes(c, mode, amount, s, t)
            joules += c.pass_J[t]
        if mode[s] == STRIPES:
            ticks = _stripes_ticks(g, c, first[s], end, amount[s], batch)
        else:
            loaded = whole = 0.0
            for t in range(first[s], end):
                loaded += (1 - pinned[t]) * c.fetched_bits[t]
                whole += c.fetched_bits[t]
            ticks = _whole_ticks(g, c, first[s], end, passes, passes * loaded / whole if whole else 0.0)
        total += _cost(c, bits, passes, ticks, joules)
    return total


@njit(cache=True)
def search(g, c, capacity, spaces, batch, limit, attention, depth_first, may_pin, layerwise):  # type: ignore[no-untyped-def]
    """Find the plan of least cost.

    Parameters
    ----------
    g : Graph
    c : Costs
    capacity : float
        Bits on chip, without the streaming buffers.
    spaces : ndarray of float64
        Working memories to try, in bits.
    batch, limit : int
        Items of the batch, and of one pass at most.
    attention, depth_first, may_pin, layerwise : bool
        Whether kernels without stored weights (products of activations, and softmax between them) may run
        by stripes; whether all kernels may; whether weights may stay on chip; whether each kernel takes the
        whole batch.

    Returns
    -------
    tuple
        The fields of `Found`; no segments if nothing runs in the memory that there is.
    """
    need_of_stripes = stripes_need(g) if attention or depth_first else np.full((1, 1, 1), np.inf)
    weights = 0.0
    for k in range(len(g.rows)):
        if c.owner[k] == k:
            weights += c.stored_bits[k]
    best_cost = np.inf
    none = np.zeros(0, np.int64)
    best = (none, none, none, np.zeros(0), np.zeros(0), np.zeros(0))
    enough = np.full(2, np.inf)
    for at in range(len(spaces)):
        for all_pinned in (False, True):
            if all_pinned and (not may_pin or weights > capacity - spaces[at]):
                continue
            if spaces[at] >= enough[int(all_pinned)]:
                continue  # the division of a larger space fits this one, too: it is the best here
            begin, mode, amount, cost = divide(
                g,
                c,
                spaces[at],
                batch,
                limit,
                all_pinned,
                need_of_stripes,
                at,
                attention,
                depth_first,
                layerwise,
            )
            if cost == np.inf:
                continue
            first, modes, amounts, held, pinned, kept, segment, most_need = fill(
                g, c, capacity, batch, begin, mode, amount, need_of_stripes, may_pin
            )
            enough[int(all_pinned)] = most_need
            total = traffic_of(g, c, batch, first, modes, amounts, pinned, kept, segment)
            if total < best_cost:
                best_cost = total
                best = (first, modes, amounts, held, pinned, kept)
    return best, best_cost
