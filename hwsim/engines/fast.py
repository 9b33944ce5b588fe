"""The fast engine: one max-plus recurrence over the steps of a tile stream.

Every start is the maximum of a few earlier ends, because the service order on each resource is
fixed (see `hwsim.stream`). One pass over the steps therefore gives the whole timeline.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from hwsim.timeline import COMPUTE, DECODE, READ, WRITE, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.stream import TileStream

# State of the resources between two steps: when the channel's turn passes on, when its last
# transfer ended and in which direction, when each unit is free.
TURN, BUS, DIRECTION, UNIT = 0, 1, 2, 3
RESOURCES = 5
IDLE, READING, WRITING = 0, 1, 2

NEVER = -(1 << 60)
"""Minus infinity of the max-plus algebra; sums of durations stay far from it."""


def run_fast(stream: TileStream) -> Timeline:
    """Run `stream` from a cold start and return when everything happened."""
    n = len(stream)
    end = np.empty((4, n), np.int64)
    state = np.zeros(RESOURCES, np.int64)
    served = _advance(0, n, 0, state, end, *_arguments(stream))
    _write_back(served, n, state, end, stream.write, stream.turnaround)
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
    cycle, length = _cycle_mean(_repetition(stream.repeat(2 * times), n * times))
    return Fraction(cycle, length * times)


def _arguments(stream: TileStream) -> tuple[NDArray[np.int64] | int, ...]:
    return (
        stream.unit,
        stream.read,
        stream.decode,
        stream.compute,
        stream.write,
        stream.after,
        stream.read_after,
        stream.latency,
        stream.turnaround,
        stream.fetch_depth,
        stream.decode_depth,
    )


@njit(cache=True)
def _write_back(served, stop, state, end, write, turnaround):  # type: ignore[no-untyped-def]
    """Serve the pending write-backs of steps `served` to `stop`."""
    for step in range(served, stop):
        if write[step] > 0:
            start = max(state[TURN], end[COMPUTE, step])
            if state[DIRECTION] == READING:
                start = max(start, state[BUS] + turnaround)
            end[WRITE, step] = state[TURN] = state[BUS] = start + write[step]
            state[DIRECTION] = WRITING


@njit(cache=True)
def _advance(  # type: ignore[no-untyped-def]
    first,
    stop,
    served,
    state,
    end,
    unit,
    read,
    decode,
    compute,
    write,
    after,
    read_after,
    latency,
    turnaround,
    fetch_depth,
    decode_depth,
):
    """Run steps `first` to `stop` and return the first step whose write-back is still pending."""
    due = served - 1
    for k in range(first, stop):
        due = max(due, k - fetch_depth - decode_depth, read_after[k])
        if served <= due:
            _write_back(served, due + 1, state, end, write, turnaround)
            served = due + 1

        start = state[TURN]
        if k >= fetch_depth:
            start = max(start, end[DECODE, k - fetch_depth])
        if read_after[k] >= 0:
            start = max(start, end[WRITE, read_after[k]])
        arrival = start
        if read[k] > 0:
            if state[DIRECTION] == WRITING:
                start = max(start, state[BUS] + turnaround)
            state[DIRECTION] = READING
            state[BUS] = start + read[k]
            arrival = state[BUS] + latency
        end[READ, k] = state[TURN] = start + read[k]

        start = arrival
        if k >= 1:
            start = max(start, end[DECODE, k - 1])
        if k >= decode_depth:
            start = max(start, end[COMPUTE, k - decode_depth])
        end[DECODE, k] = start + decode[k]

        start = max(end[DECODE, k], state[UNIT + unit[k]])
        if after[k] >= 0:
            start = max(start, end[COMPUTE, after[k]])
        end[COMPUTE, k] = end[WRITE, k] = state[UNIT + unit[k]] = start + compute[k]
    return served


def _repetition(twice: TileStream, n: int) -> NDArray[np.int64]:
    """Max-plus matrix of one repetition of `n` steps, found column by column.

    Element (i, j) is how long after state j at the beginning state i at the end can be, at the
    earliest. The first half of `twice` only lends its place to the initial state.
    """
    return np.asarray(_columns(n, *_arguments(twice)))


@njit(cache=True)
def _columns(  # type: ignore[no-untyped-def]
    n,
    unit,
    read,
    decode,
    compute,
    write,
    after,
    read_after,
    latency,
    turnaround,
    fetch_depth,
    decode_depth,
):
    slots = fetch_depth + decode_depth
    clocks = np.array([TURN, BUS, UNIT, UNIT + 1])
    size = len(clocks) + fetch_depth + slots
    served = max(n - 1 - slots, read_after[:n].max()) + 1
    state, end = np.zeros(RESOURCES, np.int64), np.zeros((4, 2 * n), np.int64)
    columns = np.empty((size, size), np.int64)
    direction = IDLE
    for column in range(-1, size):  # the run before the first column finds the direction left behind
        state[:] = NEVER
        end[:, n - slots : n] = NEVER
        state[DIRECTION] = direction
        if 0 <= column < len(clocks):
            state[clocks[column]] = 0
        elif column < len(clocks) + fetch_depth:
            end[DECODE, n - 1 - (column - len(clocks))] = 0
        else:
            end[COMPUTE, n - 1 - (column - len(clocks) - fetch_depth)] = 0
        _advance(
            n,
            2 * n,
            served,
            state,
            end,
            unit,
            read,
            decode,
            compute,
            write,
            after,
            read_after,
            latency,
            turnaround,
            fetch_depth,
            decode_depth,
        )
        direction = state[DIRECTION]
        if column >= 0:
            for row in range(len(clocks)):
                columns[row, column] = state[clocks[row]]
            for slot in range(fetch_depth):
                columns[len(clocks) + slot, column] = end[DECODE, 2 * n - 1 - slot]
            for slot in range(slots):
                columns[len(clocks) + fetch_depth + slot, column] = end[COMPUTE, 2 * n - 1 - slot]
    return columns


@njit(cache=True)
def _cycle_mean(weights):  # type: ignore[no-untyped-def]
    """Greatest mean weight of a cycle, as (weight, length) (Karp, Discrete Math. 23, 1978)."""
    size = len(weights)
    walks = np.zeros((size + 1, size), np.int64)
    for length in range(1, size + 1):
        for i in range(size):
            best = NEVER
            for j in range(size):
                if weights[i, j] > NEVER // 2 and walks[length - 1, j] > NEVER // 2:
                    best = max(best, walks[length - 1, j] + weights[i, j])
            walks[length, i] = best
    cycle, period = NEVER, 1
    for i in range(size):
        if walks[size, i] <= NEVER // 2:
            continue
        least, span = np.int64(0), 0
        for length in range(size):
            if walks[length, i] > NEVER // 2:
                gain = walks[size, i] - walks[length, i]
                if span == 0 or gain * span < least * (size - length):
                    least, span = gain, size - length
        if cycle == NEVER or least * period > cycle * span:
            cycle, period = least, span
    return cycle, period
