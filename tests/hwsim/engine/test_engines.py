"""Both engines against hand-worked streams, each other, and the rules of the tile stream."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import streams, uniform

from hwsim.engine import fast
from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast, steady_period
from hwsim.engine.stream import channel_order
from hwsim.engine.timeline import COMPUTE, DECODE, READ, WRITE
from hwsim.errors import InputError

ENGINES = pytest.mark.parametrize("run", [run_fast, run_event])


@ENGINES
def test_one_step_takes_the_sum_of_its_parts(run):
    timeline = run(uniform(1, read=5, decode=3, compute=7, write=2, latency=10))
    assert timeline.end[:, 0].tolist() == [5, 18, 25, 27]
    assert timeline.start[:, 0].tolist() == [0, 15, 18, 25]
    assert timeline.makespan == 27


@ENGINES
def test_a_spill_worked_by_hand(run):
    """Step 2 reads back what step 1 wrote; the bus turns around twice.

    Reads 0..4 and 4..8 (latency 3). Decoding 7..9 and 11..13, compute 9..19 and 19..29. Write-back
    of step 1 at 29 (the bus has long turned), 29..32. Read 2 turns the bus: 32 + 5 = 37..41, its
    data at 44, decoded at 46, computed at 56. It has nothing to write.
    """
    stream = replace(
        uniform(3, read=4, decode=2, compute=10, latency=3, turnaround=5),
        write=np.array([0, 3, 0]),
        read_after=np.array([-1, -1, 1]),
    )
    timeline = run(stream)
    assert timeline.end[READ].tolist() == [4, 8, 41]
    assert timeline.end[DECODE].tolist() == [9, 13, 46]
    assert timeline.end[COMPUTE].tolist() == [19, 29, 56]
    assert timeline.end[WRITE].tolist() == [19, 32, 56]


@ENGINES
def test_a_full_buffer_stops_the_channel(run):
    """One fetch slot, slow decoder: each read waits until the decoding before it has ended."""
    timeline = run(uniform(3, read=2, decode=10, fetch_depth=1))
    assert timeline.start[READ].tolist() == [0, 12, 24]


@ENGINES
def test_units_work_side_by_side_unless_one_needs_the_other(run):
    stream = replace(uniform(2, compute=10), unit=np.array([0, 1]))
    assert run(stream).makespan == 10
    assert run(replace(stream, after=np.array([-1, 0]))).makespan == 20


@ENGINES
def test_an_empty_stream_takes_no_time(run):
    assert run(uniform(0)).makespan == 0


@given(streams())
def test_the_kernel_stays_within_its_arrays(stream):
    """Compiled code does not check its indices; interpreted, numpy does."""
    with pytest.MonkeyPatch.context() as patch:
        kernel = fast._advance
        patch.setattr(fast, "_advance", kernel.compiled)
        compiled = run_fast(stream)
        patch.setattr(fast, "_advance", kernel.py_func)
        interpreted = run_fast(stream)
    np.testing.assert_array_equal(interpreted.end, compiled.end)


@settings(max_examples=2000)
@given(streams(most=24))
def test_engines_agree_to_the_tick(stream):
    fast, event = run_fast(stream), run_event(stream)
    np.testing.assert_array_equal(fast.end, event.end)
    np.testing.assert_array_equal(fast.start, event.start)


@pytest.mark.slow
@settings(max_examples=3000)
@given(streams(most=200))
def test_engines_agree_to_the_tick_on_long_streams(stream):
    np.testing.assert_array_equal(run_fast(stream).end, run_event(stream).end)


@settings(max_examples=200)
@given(streams(most=30))
def test_every_rule_of_the_stream_holds(stream):
    """The five rules, checked on the result; nothing starts before it may."""
    timeline = run_fast(stream)
    start, end = timeline.start, timeline.end
    n = len(stream)
    served = [(WRITE if op % 2 else READ, op // 2) for op in channel_order(stream)]
    for before, after in pairwise(served):
        assert end[before] <= start[after]
    moved = [op for op in served if timeline.ticks[op[0]][op[1]]]
    for before, after in pairwise(moved):
        assert start[after] - end[before] >= (stream.turnaround if before[0] != after[0] else 0)
    for k in range(n):
        arrival = end[READ, k] + (stream.latency if stream.read[k] else 0)
        assert start[DECODE, k] >= max(arrival, end[DECODE, k - 1] if k else 0)
        assert start[COMPUTE, k] >= end[DECODE, k]
        assert start[WRITE, k] >= end[COMPUTE, k]
        if k >= stream.fetch_depth:
            assert start[READ, k] >= end[DECODE, k - stream.fetch_depth]
        if k >= stream.decode_depth:
            assert start[DECODE, k] >= end[COMPUTE, k - stream.decode_depth]
        if stream.after[k] >= 0:
            assert start[COMPUTE, k] >= end[COMPUTE, stream.after[k]]
        if stream.read_after[k] >= 0:
            assert start[READ, k] >= end[WRITE, stream.read_after[k]]
    for unit in (0, 1):
        mine = np.flatnonzero(stream.unit == unit)
        assert (start[COMPUTE, mine[1:]] >= end[COMPUTE, mine[:-1]]).all()


@given(streams())
def test_the_channel_serves_every_transfer_once(stream):
    order = channel_order(stream).tolist()
    reads = [2 * k for k in range(len(stream))]
    writes = [2 * k + 1 for k in np.flatnonzero(stream.write)]
    assert [op for op in order if op % 2 == 0] == reads
    assert [op for op in order if op % 2] == writes


@pytest.mark.parametrize(
    ("stream", "period"),
    [
        (uniform(1, read=9, decode=5, compute=7), 9),
        (uniform(1, read=5, decode=9, compute=7), 9),
        (uniform(3, read=5, decode=7, compute=9), 27),
        (uniform(1, read=6, write=4, turnaround=3), 6 + 3 + 4 + 3),
        (uniform(1, read=2, decode=3, latency=10, fetch_depth=2), Fraction(2 + 10 + 3, 2)),
        (uniform(1, read=1, decode=2, latency=7, fetch_depth=4), Fraction(1 + 7 + 2, 4)),
        (uniform(1, decode=5, compute=7, decode_depth=1), 12),
        (uniform(1, read=100, compute=101, fetch_depth=4, decode_depth=4), 101),
        (uniform(3, read=1000, decode=1001, compute=1002, fetch_depth=4), 3006),
        (uniform(0), 0),
        (uniform(2), 0),
    ],
)
def test_steady_period_of_uniform_steps(stream, period):
    """The busiest resource, or one slot's round trip over the number of slots.

    Where resources are nearly as busy, buffers take thousands of ticks to fill before the run is
    periodic.
    """
    assert steady_period(stream) == period


@settings(max_examples=150)
@given(streams(most=8, least=1))
def test_steady_period_is_what_long_runs_converge_to(stream):
    period = steady_period(stream)
    cycles = 840  # a multiple of the lengths 1 to 8 of a repeating pattern
    first, second = (run_fast(stream.repeat(200 + more)).makespan for more in (0, cycles))
    assert second - first == period * cycles


@settings(max_examples=50)
@given(streams(most=10, least=1), st.integers(2, 4))
def test_a_repeated_stream_has_a_repeated_period(stream, times):
    assert steady_period(stream.repeat(times)) == times * steady_period(stream)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read": np.array([1, 2])}, "read has shape"),
        ({"write": np.array([1, -2, 3])}, "write has a negative duration"),
        ({"after": np.array([-1, 1, 0])}, "after must name an earlier step"),
        ({"read_after": np.array([-1, -2, 0])}, "read_after must name an earlier step"),
        ({"unit": np.array([0, 2, 0])}, "unit must be"),
        ({"fetch_depth": 0}, "fetch_depth is 0, expected at least 1"),
        ({"latency": -1}, "latency is -1, expected at least 0"),
    ],
)
def test_a_stream_that_cannot_run_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(uniform(3), **change)
