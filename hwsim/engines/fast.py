"""The fast engine: one max-plus recurrence over the steps of a tile stream.

Every start is the maximum of a few earlier ends, because the service order on each resource is
fixed (see `hwsim.stream`). One pass over the steps therefore gives the whole timeline.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from hwsim.stream import MAC_ARRAY
from hwsim.timeline import COMPUTE, DECODE, READ, WRITE, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.stream import TileStream

NEVER = -(1 << 60)
"""Minus infinity of the max-plus algebra; sums of durations stay far from it."""

IDLE, READING, WRITING = 0, 1, 2


class _Steps(NamedTuple):
    """A tile stream as compiled code takes it."""

    unit: Any
    read: Any
    decode: Any
    compute: Any
    write: Any
    after: Any
    read_after: Any
    latency: int
    turnaround: int
    fetch_depth: int
    decode_depth: int


class _Resources(NamedTuple):
    """The machine between two steps.

    `turn`: when the last operation in the channel's order was done; `bus`: when its last transfer
    ended, `direction`: which way that went; `array`, `vector`: when the units are free; `served`:
    write-backs of earlier steps are done.
    """

    turn: int
    bus: int
    array: int
    vector: int
    direction: int
    served: int


CLOCKS = 4
"""The first fields of `_Resources` are times."""


def run_fast(stream: TileStream) -> Timeline:
    """Run `stream` from a cold start and return when everything happened."""
    end = np.empty((4, len(stream)), np.int64)
    _advance(0, len(stream), True, _Resources(0, 0, 0, 0, IDLE, 0), end, _steps(stream))
    return Timeline(end, (stream.read, stream.decode, stream.compute, stream.write))


def steady_period(stream: TileStream) -> Fraction:
    """Ticks per repetition in a long run of `stream` back to back, exactly.

    One repetition maps the state at its beginning (resources, buffer slots) to the state at its
    end, linearly in the max-plus algebra; the period is the eigenvalue of that map. It is what
    differences of makespans converge to, without the transient.

    Returns
    -------
    Fraction
        A rational: a pattern of the run may repeat only every few repetitions.
    """
    n = len(stream)
    if n == 0:
        return Fraction(0)
    times = -(-stream.slots // n)
    ticks, repetitions = _cycle_mean(_repetition(n * times, _steps(stream.repeat(2 * times))))
    return Fraction(ticks, repetitions * times)


def _steps(stream: TileStream) -> _Steps:
    return _Steps(*(getattr(stream, name) for name in _Steps._fields))


@njit(cache=True)
def _advance(  # type: ignore[no-untyped-def]
    first: int, stop: int, drain: bool, resources: _Resources, end: NDArray[np.int64], steps: _Steps
):
    """Run steps `first` to `stop`, and then all pending write-backs if told to `drain`."""
    read_end, decode_end, compute_end, write_end = end[READ], end[DECODE], end[COMPUTE], end[WRITE]
    turn, bus, array, vector, direction, served = resources
    fetch_depth, decode_depth, turnaround = steps.fetch_depth, steps.decode_depth, steps.turnaround
    due = served - 1
    for k in range(first, stop + drain):
        due = max(due, k - fetch_depth - decode_depth, steps.read_after[k]) if k < stop else stop - 1
        while served <= due:
            if steps.write[served] > 0:
                start = max(turn, compute_end[served])
                if direction == READING:
                    start = max(start, bus + turnaround)
                turn = bus = write_end[served] = start + steps.write[served]
                direction = WRITING
            served += 1
        if k == stop:
            break

        start = turn
        if k >= fetch_depth:
            start = max(start, decode_end[k - fetch_depth])
        if steps.read_after[k] >= 0:
            start = max(start, write_end[steps.read_after[k]])
        arrival = start
        if steps.read[k] > 0:
            if direction == WRITING:
                start = max(start, bus + turnaround)
            bus = start + steps.read[k]
            arrival = bus + steps.latency
            direction = READING
        turn = start + steps.read[k]
        read_end[k] = turn

        start = arrival
        if k >= 1:
            start = max(start, decode_end[k - 1])
        if k >= decode_depth:
            start = max(start, compute_end[k - decode_depth])
        start += steps.decode[k]
        decode_end[k] = start

        if steps.after[k] >= 0:
            start = max(start, compute_end[steps.after[k]])
        if steps.unit[k] == MAC_ARRAY:
            start = array = max(start, array) + steps.compute[k]
        else:
            start = vector = max(start, vector) + steps.compute[k]
        compute_end[k] = write_end[k] = start
    return _Resources(turn, bus, array, vector, direction, served)


@njit(cache=True)
def _repetition(n: int, twice: _Steps):  # type: ignore[no-untyped-def]
    """Max-plus matrix of one repetition of `n` steps, column by column.

    Element (i, j) is how long after clock j of the state before it clock i of the state after it
    can be at the earliest. A state is the clocks of the resources, the last decoding ends that
    fetch slots wait for, and the last compute ends that decoded slots and write-backs wait for.
    The first half of `twice` only lends its place to the state before.
    """
    slots = twice.fetch_depth + twice.decode_depth
    size = CLOCKS + twice.fetch_depth + slots
    decoded, computed = CLOCKS, CLOCKS + twice.fetch_depth
    served = max(n - slots, twice.read_after[:n].max() + 1)
    end = np.zeros((4, 2 * n), np.int64)
    matrix = np.empty((size, size), np.int64)
    direction = IDLE
    for column in range(-1, size):  # the run before the first column finds the direction left behind
        before = np.full(size, NEVER)
        if column >= 0:
            before[column] = 0
        for slot in range(slots):
            if slot < twice.fetch_depth:
                end[DECODE, n - 1 - slot] = before[decoded + slot]
            else:
                end[DECODE, n - 1 - slot] = NEVER
            end[COMPUTE, n - 1 - slot] = before[computed + slot]
        clocks = _Resources(before[0], before[1], before[2], before[3], direction, served)
        after = _advance(n, 2 * n, False, clocks, end, twice)
        direction = after.direction
        if column >= 0:
            matrix[0, column], matrix[1, column] = after.turn, after.bus
            matrix[2, column], matrix[3, column] = after.array, after.vector
            for slot in range(twice.fetch_depth):
                matrix[decoded + slot, column] = end[DECODE, 2 * n - 1 - slot]
            for slot in range(slots):
                matrix[computed + slot, column] = end[COMPUTE, 2 * n - 1 - slot]
    return matrix


@njit(cache=True)
def _cycle_mean(weights):  # type: ignore[no-untyped-def]
    """Greatest mean weight of a cycle, as (weight, length) (Karp, Discrete Math. 23, 1978)."""
    size = len(weights)
    walks = np.zeros((size + 1, size), np.int64)
    for length in range(1, size + 1):
        for i in range(size):
            best = NEVER
            for j in range(size):
                if min(weights[i, j], walks[length - 1, j]) > NEVER // 2:
                    best = max(best, walks[length - 1, j] + weights[i, j])
            walks[length, i] = best
    best_gain, best_span = np.int64(0), 1
    for i in range(size):
        if walks[size, i] <= NEVER // 2:
            continue
        least, span = np.int64(0), 0
        for length in range(size):
            if walks[length, i] > NEVER // 2:
                gain = walks[size, i] - walks[length, i]
                if span == 0 or gain * span < least * (size - length):
                    least, span = gain, size - length
        if least * best_span > best_gain * span:
            best_gain, best_span = least, span
    return best_gain, best_span
