"""Keep in the memory that a division leaves what saves most joules, time included, per bit held.

What may stay are tensors that pass between segments, while they wait, and weights, for good. A kernel gains
time only while DRAM is its busiest resource, so the worth of a bit changes as memory fills.
"""

from __future__ import annotations

import numpy as np

from hwsim.compiled import njit
from hwsim.mapping.law import CUT, STRIPES, WHOLE, price, run_of
from hwsim.mapping.room import enter

LEAST = 1e-9
"""A smaller part of anything is nothing."""


@njit(cache=True, error_model="numpy")
def fill(t, terms, capacity, first, mode, amount, may_pin, tensors_first, hold, sums):  # type: ignore[no-untyped-def]
    """Fill the memory that is left, the most worthy first, or tensors before weights.

    `hold` and `sums` are room for a record of each kernel. Returns the kept and pinned fractions of every
    kernel, the most bits on chip except pinned ones, the most bits that a segment needs by itself, and joules
    and ticks of a batch.
    """
    count, number = len(t.kernels), len(first)
    segment = np.zeros(count, np.int64)
    slack, bits, other = np.full(number, float(capacity)), np.zeros(count), np.zeros(count)
    early = np.zeros(count)
    kept, pinned = np.zeros(count), np.zeros(count)
    for k in range(count):
        hold[k].seen = -1
    # what touches a kernel's DRAM traffic: by which item, and bits of it per bit held
    size = len(t.edges) + 2 * count
    item_of, at_kernel, rate = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size)
    decode_J, decode_ticks = np.zeros(size), np.zeros(size)  # per bit held: what is decoded once need not be
    touches = 0
    held, until = np.zeros(2 * count), np.full(count, -1, np.int64)
    for s in range(number):
        end = first[s + 1] if s + 1 < number else count
        live = need = 0.0
        for k in range(first[s], end):
            segment[k] = s
            w = t.weights[k]
            enter(t.kernels, t.edges, t.fetches, kept, first[s], k, hold)
            loads = run_of(t, terms, first[s], k, mode[s], amount[s])[-1]
            if mode[s] == STRIPES:
                need += w.stored_bits
            if may_pin and w.fetched_bits and t.weights[w.owner].stored_bits:
                item_of[touches], at_kernel[touches] = count + w.owner, k
                rate[touches] = loads * w.fetched_bits / t.weights[w.owner].stored_bits
                held[count + w.owner] = t.weights[w.owner].stored_bits
                decode_J[touches] = loads * w.load_J / held[count + w.owner]
                decode_ticks[touches] = loads * w.load_decode / held[count + w.owner]
                touches += 1
            for e in range(t.kernels[k].edges, t.kernels[k].edges_end):
                x = t.edges[e].source
                if x < first[s] and until[x] < s:
                    if until[x] < 0:
                        item_of[touches], at_kernel[touches], rate[touches] = x, x, 1.0
                        touches += 1
                    until[x] = s
                    item_of[touches], at_kernel[touches] = x, k
                    rate[touches] = t.edges[e].bits * t.fetches[k] / max(t.kernels[x].out_bits, 1.0)
                    touches += 1
        for k in range(first[s], end):
            start, core, sram, _, passes, loads = run_of(t, terms, first[s], k, mode[s], amount[s])
            w = t.weights[k]
            bits[k] = terms.batch * hold[k].item + hold[k].whole
            if mode[s] == WHOLE:
                early[k] = terms.batch * hold[k].item_in + hold[k].whole_in
            if mode[s] == CUT:
                bits[k] = t.blocks[amount[s], k].bits
            bits[k] += loads * w.fetched_bits
            other[k] = start + max(core, (sram + passes * w.read_bits) * terms.sram_ticks)
            other[k] = max(other[k], passes * w.pass_decode) / terms.dram_ticks
            if mode[s] == WHOLE:
                items = np.ceil(terms.batch / amount[s])
                live = max(live, hold[k].live * items + hold[k].once)
        if mode[s] == WHOLE:
            need = live
        elif mode[s] == CUT:
            need = t.blocks[amount[s], first[s]].need
        else:
            height = 0
            while (t.kernels[end - 1].rows + (1 << height) - 1) >> height > amount[s]:
                height += 1
            need += t.need[first[s], end - first[s] - 1, height]
        slack[s] -= need
    most_need = capacity - _least(slack)
    for x in range(count):
        if until[x] >= 0 and t.kernels[x].last_use < count:
            held[x] = t.kernels[x].out_bits * (terms.batch if t.kernels[x].out_each else 1)

    of_item, touches_of = _sorted_by(item_of, 2 * count, touches)
    of_kernel, touches_at = _sorted_by(at_kernel, count, touches)
    left, gain, part = np.zeros(2 * count), np.zeros(2 * count), np.zeros(2 * count)
    stale, noted, number_stale, turn = np.arange(2 * count), np.zeros(2 * count, np.int64), 2 * count, 0
    for i in range(2 * count):
        left[i] = held[i]
    while True:
        for at in range(number_stale):
            item = stale[at]
            gain[item] = 0.0
            for i in touches_of[of_item[item] : of_item[item + 1]]:
                k = at_kernel[i]
                slope = terms.dram_J
                comes = mode[segment[k]] == WHOLE and item < count and item != k
                if comes or bits[k] - early[k] > other[k] * (1 + LEAST):
                    slope += terms.dram_ticks * terms.tick_J
                gain[item] += rate[i] * slope + decode_J[i]
                decoding = decode_ticks[i] * left[item] / terms.dram_ticks
                if decoding > max(bits[k] - early[k], other[k]) * (1 + LEAST):
                    gain[item] += decode_ticks[i] * terms.tick_J
        number_stale, turn = 0, turn + 1
        best = -1
        for i in range(2 * count):
            if left[i] > 0:
                if tensors_first and i >= count and best >= 0 and best < count:
                    break
                if gain[i] > 0 and (best < 0 or gain[i] > gain[best]):
                    best = i
        if best < 0:
            break
        room = left[best]
        begin, end, free = 0, number, -1
        if best < count:
            begin, end = segment[best], until[best] + 1
        elif mode[segment[best - count]] == STRIPES:  # there, the weights are on chip anyway
            free = segment[best - count]
        for s in range(begin, end):
            if s != free:
                room = min(room, slack[s])
        step = room
        touched = touches_of[of_item[best] : of_item[best + 1] if room > 0 else of_item[best]]
        for i in touched:
            k = at_kernel[i]
            comes = mode[segment[k]] == WHOLE and best < count and best != k
            if rate[i] > 0 and not comes:
                over = bits[k] - early[k] - other[k]
                if over > other[k] * LEAST:
                    step = min(step, over / rate[i])
        for s in range(begin, end if room > 0 else begin):
            if s != free:
                slack[s] -= step
        for i in touched:
            k = at_kernel[i]
            bits[k] -= rate[i] * step
            if mode[segment[k]] == WHOLE and best < count and best != k:
                early[k] -= rate[i] * step
            for j in touches_at[of_kernel[k] : of_kernel[k + 1]]:
                item = item_of[j]
                if noted[item] < turn:
                    stale[number_stale], noted[item] = item, turn
                    number_stale += 1
        part[best] += step / held[best]
        left[best] -= step
        if step == room or left[best] <= LEAST * held[best]:
            left[best] = 0.0
    stay = joules = ticks = 0.0
    for k in range(count):
        kept[k] = min(part[k], 1.0)
        pinned[k] = min(part[count + t.weights[k].owner], 1.0)
        if t.weights[k].owner == k:
            stay += pinned[k] * t.weights[k].stored_bits
    for s in range(number):
        end = first[s + 1] if s + 1 < number else count
        spent, lasts = price(t, terms, first[s], first[s], end, mode[s], amount[s], bits, early, pinned, sums)
        joules, ticks = joules + spent, ticks + lasts
    return kept, pinned, capacity - _least(slack) - stay, most_need, (joules, ticks)


@njit(cache=True, error_model="numpy")
def _least(slack):  # type: ignore[no-untyped-def]
    least = slack[0]
    for room in slack:
        least = min(least, room)
    return least


@njit(cache=True, error_model="numpy")
def _sorted_by(keys, number, count):  # type: ignore[no-untyped-def]
    """Sort the positions of the first `count` of some keys below `number` by their keys.

    Returns where the positions of each key begin, and the positions.
    """
    begin = np.zeros(number + 1, np.int64)
    for i in range(count):
        begin[keys[i] + 1] += 1
    for key in range(number):
        begin[key + 1] += begin[key]
    positions, free = np.zeros(count, np.int64), begin.copy()
    for i in range(count):
        positions[free[keys[i]]] = i
        free[keys[i]] += 1
    return begin, positions
