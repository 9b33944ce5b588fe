"""Steps of a pass: what they sum to is known without them, and nothing is lost between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.mapping.steps import (
    MAX_PASS_STEPS,
    MAX_STEPS,
    MAX_STREAM_STEPS,
    MAX_TICKS,
    Channel,
    Cut,
    Demand,
    busy_ticks,
    steps_of,
)
from hwsim.workload.layer import StoredWeights, fc, vector

EDGE = load_chip("edge")
CHANNEL = Channel.of(EDGE)


def coded(bits: list[int], symbols: list[int], side_bits: int = 0) -> StoredWeights:
    return StoredWeights("huffman", 1, 1, np.array(bits), np.array(symbols), side_bits)


def layer_of(weights: StoredWeights):
    return fc("fc", 64, 32, weights=weights)


def test_transfers_by_hand():
    plain = Channel(64, 1024, 2.0, 0.0, 1.0)
    assert [busy_ticks(bursts, plain) for bursts in (0, 1, 3)] == [0, 32, 96]
    slow_rows = Channel(64, 128, 1e9, 50.0, 2.0)
    assert [busy_ticks(bursts, slow_rows) for bursts in (1, 2, 3, 5)] == [1, 1, 100, 200]
    assert [slow_rows.rows(bursts) for bursts in (0, 2, 3)] == [0, 1, 2]
    assert [plain.bursts(bits) for bits in (0, 1, 512, 513)] == [0, 1, 1, 2]


def test_a_layer_of_two_and_a_half_slots_has_three_parts():
    slot_bits = 8 * EDGE.buffers.slot_B
    cut = Cut(layer_of(coded([5 * slot_bits // 2], [0], 7)), EDGE)
    steps = cut.steps(Demand(1, False, False, 0, 3, 10), CHANNEL)
    assert steps.compute.tolist() == [3, 3, 4]
    assert (steps.decode == 0).all()
    assert steps.read.sum() == busy_ticks(CHANNEL.bursts(5 * slot_bits // 2 + 7), CHANNEL)
    assert steps.read[1] == 2 * steps.read[2]


def test_what_has_no_weights_is_one_step():
    steps = Cut(vector("pool", 64, 16, 64), EDGE).steps(Demand(1, False, False, 2, 1, 5), CHANNEL)
    assert [array.tolist() for array in steps] == [
        [busy_ticks(2, CHANNEL)],
        [0],
        [5],
        [busy_ticks(1, CHANNEL)],
    ]


def test_weights_decoded_at_the_boundary_are_not_decoded_again():
    boundary = EDGE.replace(**{"decoder.place": "dram"})
    weights = coded([4000, 6000], [500, 700])
    assert Cut(layer_of(weights), EDGE).symbols(True) == 1200
    assert Cut(layer_of(weights), boundary).symbols(True) == 0
    assert Cut(layer_of(weights), boundary).symbols(False) == 1200


@given(
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 12)), min_size=1, max_size=40),
    st.integers(0, 1 << 12),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1 << 30),
)
def test_steps_sum_to_the_totals(segments, side_bits, fetches, pinned, tiled, came, went, core):
    bits, symbols = zip(*segments, strict=True)
    cut = Cut(layer_of(coded(list(bits), list(symbols), side_bits)), EDGE)
    steps = cut.steps(Demand(fetches, pinned, tiled, came, went, core), CHANNEL)
    assert all(len(array) == cut.parts * fetches and array.min() >= 0 for array in steps)
    weights = 0 if pinned else CHANNEL.bursts(fetches * (sum(bits) + side_bits))
    assert steps.read.sum() == busy_ticks(weights + came, CHANNEL)
    assert steps.write.sum() == busy_ticks(went, CHANNEL)
    assert steps.compute.sum() == core
    assert steps.decode.sum() == fetches * cut.decode_ticks(pinned)
    if sum(bits):
        assert cut.symbols(pinned) == sum(symbols)


def test_a_long_layer_takes_several_slots_a_step():
    cut = Cut(layer_of(coded([8 * EDGE.buffers.slot_B * MAX_STEPS + 1], [0])), EDGE)
    assert cut.step_bits == 16 * EDGE.buffers.slot_B
    assert cut.parts == MAX_STEPS // 2 + 1


def test_shares_of_many_ticks_do_not_overflow():
    cut = Cut(layer_of(coded([8 * EDGE.buffers.slot_B * MAX_STEPS], [0])), EDGE)
    steps = cut.steps(Demand(64, True, False, 0, 0, MAX_TICKS), CHANNEL)
    assert len(steps.compute) == 64 * MAX_STEPS
    assert set(steps.compute.tolist()) == {MAX_TICKS // (64 * MAX_STEPS)}


@given(
    bits=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
    fetches=st.integers(1, 40),
    most=st.integers(1, 200),
    tiled=st.booleans(),
    pinned=st.booleans(),
)
def test_fewer_steps_move_and_compute_as_much(bits, fetches, most, tiled, pinned):
    """A step of several parts takes what they take together: sums are cut elsewhere, and stay whole."""
    cut = Cut(layer_of(coded(bits, [size // 7 for size in bits], 99)), EDGE)
    demand = Demand(fetches, pinned, tiled, 1000, 300, 12_345)
    fine, coarse = cut.steps(demand, CHANNEL), cut.steps(demand, CHANNEL, most)
    assert len(coarse.read) <= most
    group = -(-len(fine.read) // most)
    for one, other in zip(fine, coarse, strict=True):
        ends = np.minimum(np.arange(1, len(other) + 1) * group, len(one))
        assert other.cumsum().tolist() == one.cumsum()[ends - 1].tolist()


def test_a_layer_that_is_fetched_for_ever_has_no_more_steps():
    cut = Cut(layer_of(coded([1 << 30], [0])), EDGE)
    steps = cut.steps(Demand(5000, False, True, 1 << 20, 0, MAX_TICKS), CHANNEL)
    assert len(steps.read) <= MAX_PASS_STEPS
    assert steps.compute.sum() == MAX_TICKS
    with pytest.raises(InputError, match=r"layer fc fetches its weights 1,048,576 times in 4,096 parts"):
        cut.steps(Demand(1 << 20, True, True, 0, 0, 1), CHANNEL)


def test_many_passes_share_the_steps_of_a_stream():
    cuts = [Cut(layer_of(coded([1 << 30], [0])), EDGE)] * 2
    demands = [Demand(1, False, False, 0, 0, 10)] * 2
    few, many = (steps_of(cuts, demands, [times] * 2, CHANNEL) for times in (512, 4096))
    assert [len(steps.read) for steps in few] == [MAX_STEPS] * 2
    assert [len(steps.read) for steps in many] == [MAX_STREAM_STEPS // 8192] * 2


@pytest.mark.parametrize(
    ("changes", "demand", "key"),
    [
        (
            {"dram.bandwidth_GB_per_s": 1e-6},
            Demand(1, False, False, 1 << 40, 0, 1),
            "dram.bandwidth_GB_per_s",
        ),
        ({"decoder.symbols_per_cycle": 1e-6}, Demand(1, True, False, 0, 0, 1), "decoder.symbols_per_cycle"),
        ({}, Demand(1, True, False, 0, 0, MAX_TICKS + 1), "array"),
    ],
)
def test_a_pass_too_long_to_count_is_refused_by_its_key(changes, demand, key):
    chip = EDGE.replace(**changes)
    cut = Cut(layer_of(coded([1 << 40], [1 << 30])), chip)
    with pytest.raises(InputError, match=f"chip edge: {key} makes one pass over layer fc last"):
        cut.steps(demand, Channel.of(chip))
