"""The fast engine: one max-plus recurrence over the steps of a tile stream.

Every start is the maximum of a few earlier ends, because the service order on each resource is
fixed (see `hwsim.engine.stream`). One pass over the steps therefore gives the whole timeline.

Compiled code loops over elements, because array expressions take seconds longer to compile.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwsim.compiled import njit, tiered
from hwsim.engine.stream import MAC_ARRAY
from hwsim.engine.timeline import COMPUTE, DECODE, READ, WRITE, Timeline
from hwsim.same import Same
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.engine.stream import TileStream

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

REPETITIONS = 8
"""How many are simulated in search of a state that comes back."""


def run_fast(stream: TileStream) -> Timeline:
    """Run `stream` from a cold start and return when everything happened."""
    end = np.empty((4, stream.slots + len(stream)), np.int64)
    end[:, : stream.slots] = 0
    _advance(True, _Resources(0, 0, 0, 0, IDLE, 0), end, _steps(stream))
    return Timeline(end[:, stream.slots :], (stream.read, stream.decode, stream.compute, stream.write))


def steady_period(stream: TileStream) -> Fraction:
    """Ticks per repetition in a long run of `stream` back to back, exactly.

    A run is periodic for good once the state of the machine between two repetitions is an earlier
    one, only later in time. Most streams get there in a few repetitions. Where they do not, the
    period is found without the transient: a repetition maps the state before it to the state
    after it, linearly in the max-plus algebra, and the period is the eigenvalue of that map.

    Returns
    -------
    Fraction
        A rational: a pattern of the run may repeat only every few repetitions.
    """
    return _period(Same(stream))


@lru_cache(maxsize=8)
def _period(same: Same[TileStream]) -> Fraction:
    stream = same.thing
    n = len(stream)
    if n == 0:
        return Fraction(0)
    times = ceil_div(stream.slots, n)
    steps = _steps(stream.repeat(times) if times > 1 else stream)
    ticks, repetitions = _recurrence(steps)
    if repetitions == 0:
        ticks, repetitions = _cycle_mean(_repetition_matrix(steps))
    return Fraction(int(ticks), int(repetitions) * times)


def _steps(stream: TileStream) -> _Steps:
    return _Steps(*(getattr(stream, name) for name in _Steps._fields))


@tiered(turns=lambda _drain, _resources, _end, steps: len(steps.read))
@njit(cache=True)
def _advance(drain: bool, resources: _Resources, end, steps: _Steps):  # type: ignore[no-untyped-def]
    """Run all steps, and then all pending write-backs if `drain` is true.

    Column k + slots of `end` is step k; the columns before it are the last steps of an earlier
    repetition. Their write-backs may be pending; `served` is then negative, and indexes `write` from its end.
    """
    n, turnaround = len(steps.read), steps.turnaround
    slots = steps.fetch_depth + steps.decode_depth
    read_end, decode_end, compute_end, write_end = end[READ], end[DECODE], end[COMPUTE], end[WRITE]
    turn, bus, array, vector, direction, served = resources
    due = served - 1
    for k in range(n + drain):
        due = max(due, k - slots) if k < n else n - 1
        if k < n and steps.read_after[k] >= 0:
            due = max(due, steps.read_after[k])
        while served <= due:
            if steps.write[served] > 0:
                start = max(turn, compute_end[served + slots])
                if direction == READING:
                    start = max(start, bus + turnaround)
                turn = bus = write_end[served + slots] = start + steps.write[served]
                direction = WRITING
            served += 1
        if k == n:
            break

        here = k + slots
        start = max(turn, decode_end[here - steps.fetch_depth])
        if steps.read_after[k] >= 0:
            start = max(start, write_end[steps.read_after[k] + slots])
        arrival = start
        if steps.read[k] > 0:
            if direction == WRITING:
                start = max(start, bus + turnaround)
            bus = start + steps.read[k]
            arrival = bus + steps.latency
            direction = READING
        turn = read_end[here] = start + steps.read[k]

        start = max(arrival, decode_end[here - 1], compute_end[here - steps.decode_depth])
        start += steps.decode[k]
        decode_end[here] = start

        if steps.after[k] >= 0:
            start = max(start, compute_end[steps.after[k] + slots])
        if steps.unit[k] == MAC_ARRAY:
            start = array = max(start, array) + steps.compute[k]
        else:
            start = vector = max(start, vector) + steps.compute[k]
        compute_end[here] = write_end[here] = start
    return _Resources(turn, bus, array, vector, direction, served)


@njit(cache=True)
def _repeat(state, direction, end, steps):  # type: ignore[no-untyped-def]
    """Take the machine through one repetition; `state` is changed, the bus direction returned.

    The state is the clocks of the resources, the last decoding ends, which fetch slots wait for,
    and the last compute ends, which decoded slots and pending write-backs wait for.
    """
    n, fetch_depth = len(steps.read), steps.fetch_depth
    slots = fetch_depth + steps.decode_depth
    decoded, computed = CLOCKS, CLOCKS + fetch_depth
    for slot in range(fetch_depth):
        end[DECODE, steps.decode_depth + slot] = state[decoded + slot]
    for slot in range(slots):
        end[COMPUTE, slot] = state[computed + slot]
    last_needed = -1
    for k in range(n):
        last_needed = max(last_needed, steps.read_after[k])
    served = max(-slots, last_needed + 1 - n) if last_needed >= 0 else -slots
    before = _Resources(state[0], state[1], state[2], state[3], direction, served)
    after = _advance(False, before, end, steps)
    state[0], state[1], state[2], state[3] = after.turn, after.bus, after.array, after.vector
    for slot in range(fetch_depth):
        state[decoded + slot] = end[DECODE, n + steps.decode_depth + slot]
    for slot in range(slots):
        state[computed + slot] = end[COMPUTE, n + slot]
    return after.direction


@njit(cache=True)
def _state_size(steps):  # type: ignore[no-untyped-def]
    return CLOCKS + 2 * steps.fetch_depth + steps.decode_depth


@tiered(turns=lambda steps: REPETITIONS * len(steps.read))
@njit(cache=True)
def _recurrence(steps):  # type: ignore[no-untyped-def]
    """How much later a state comes back, after how many repetitions; (0, 0) if none soon does."""
    size = _state_size(steps)
    states, directions = np.zeros((REPETITIONS, size), np.int64), np.zeros(REPETITIONS, np.int64)
    end = np.zeros((4, len(steps.read) + steps.fetch_depth + steps.decode_depth), np.int64)
    for last in range(1, REPETITIONS):
        for clock in range(size):
            states[last, clock] = states[last - 1, clock]
        directions[last] = _repeat(states[last], directions[last - 1], end, steps)
        for earlier in range(last - 1, 0, -1):
            later = states[last, 0] - states[earlier, 0]
            same = directions[last] == directions[earlier]
            for clock in range(size):
                unused = states[last, clock] == 0  # a resource no step uses
                same = same and (states[last, clock] - states[earlier, clock] == later or unused)
            if same:
                return later, last - earlier
    return 0, 0


@tiered(turns=lambda steps: _state_size.py_func(steps) * len(steps.read))
@njit(cache=True)
def _repetition_matrix(steps):  # type: ignore[no-untyped-def]
    """Max-plus matrix of one repetition: the state after it, for each clock of the state before."""
    size = _state_size(steps)
    end = np.zeros((4, len(steps.read) + steps.fetch_depth + steps.decode_depth), np.int64)
    matrix = np.empty((size, size), np.int64)
    direction = _repeat(np.full(size, NEVER), IDLE, end, steps)
    for column in range(size):
        state = np.full(size, NEVER)
        state[column] = 0
        _repeat(state, direction, end, steps)
        for row in range(size):
            matrix[row, column] = state[row]
    return matrix


@tiered(turns=lambda weights: len(weights) ** 3)
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
