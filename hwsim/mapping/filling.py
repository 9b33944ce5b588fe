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

    left, gain, part = np.zeros(2 * count), np.zeros(2 * count), np.zeros(2 * count)
    for i in range(2 * count):
        left[i] = held[i]
    changed = True
    while True:
        if changed:
            for i in range(2 * count):
                gain[i] = 0.0
        for i in range(touches if changed else 0):
            k = at_kernel[i]
            slope = terms.dram_J
            comes = mode[segment[k]] == WHOLE and item_of[i] < count and item_of[i] != k
            if comes or bits[k] - early[k] > other[k] * (1 + LEAST):
                slope += terms.dram_ticks * terms.tick_J
            gain[item_of[i]] += rate[i] * slope + decode_J[i]
            decoding = decode_ticks[i] * left[item_of[i]] / terms.dram_ticks
            if decoding > max(bits[k] - early[k], other[k]) * (1 + LEAST):
                gain[item_of[i]] += decode_ticks[i] * terms.tick_J
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
        step, changed = room, room > 0
        for i in range(touches if changed else 0):
            k = at_kernel[i]
            comes = mode[segment[k]] == WHOLE and best < count and best != k
            if item_of[i] == best and rate[i] > 0 and not comes:
                over = bits[k] - early[k] - other[k]
                if over > other[k] * LEAST:
                    step = min(step, over / rate[i])
        for s in range(begin, end if changed else begin):
            if s != free:
                slack[s] -= step
        for i in range(touches if changed else 0):
            k = at_kernel[i]
            if item_of[i] == best:
                bits[k] -= rate[i] * step
                if mode[segment[k]] == WHOLE and best < count and best != k:
                    early[k] -= rate[i] * step
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
