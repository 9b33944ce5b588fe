"""Steps of a pass: what they sum to is known without them, and nothing is lost between them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.mapping.fusion import Kernel
from hwsim.mapping.residency import Pass
from hwsim.mapping.steps import (
    MAX_PASS_STEPS,
    MAX_STEPS,
    MAX_STREAM_STEPS,
    MAX_TICKS,
    Channel,
    Cut,
    Demand,
    busy_decoders,
    busy_ticks,
)
from hwsim.mapping.work import KernelPass
from hwsim.planning import _most_steps
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
    steps = cut.steps(Demand(1, 1, 0, False, 0, 3, 10), CHANNEL)
    assert steps.compute.tolist() == [3, 3, 4]
    assert (steps.decode == 0).all()
    assert steps.read.sum() == busy_ticks(CHANNEL.bursts(5 * slot_bits // 2 + 7), CHANNEL)
    assert steps.read[1] == 2 * steps.read[2]


def test_what_has_no_weights_is_one_step():
    steps = Cut(vector("pool", 64, 16, 64), EDGE).steps(Demand(1, 1, 0, False, 2, 1, 5), CHANNEL)
    assert [array.tolist() for array in steps] == [
        [busy_ticks(2, CHANNEL)],
        [0],
        [5],
        [busy_ticks(1, CHANNEL)],
    ]


def once(pinned_bits: int, fetches: int = 1) -> Demand:
    return Demand(fetches, fetches, pinned_bits, False, 0, 0, 1)


def test_weights_decoded_at_the_boundary_are_not_decoded_again():
    """1200 symbols in 10,000 bits, as many in any tenth of them pinned: what is pinned has been decoded."""
    layer = layer_of(coded([4000, 6000], [500, 700]))
    at_use, boundary = Cut(layer, EDGE), Cut(layer, EDGE, once=True)
    for pinned_bits in (0, 4000, 10_000):
        assert at_use.decoded(once(pinned_bits))["symbol"] == 1200
    assert boundary.decoded(once(10_000))["symbol"] == 0
    assert boundary.decoded(once(4000))["symbol"] == 720
    assert boundary.decoded(once(4000 + 3000))["symbol"] == 360
    assert boundary.decoded(once(0, fetches=3))["symbol"] == 3600


def test_look_ups_and_gaps_are_counted_where_weights_are_decoded():
    """80 values of 32 bits and 100 gaps in 1000 bits; once decoded, half of them pinned halves both."""
    weights = replace(coded([1000], [0]), entries=100, look_ups=80, gaps=100)
    at_use, boundary = (Cut(layer_of(weights), EDGE, once=place) for place in (False, True))
    assert at_use.decoded(Demand(3, 1, 500, False, 0, 0, 1)) == {
        "symbol": 0,
        "look_up_bit": 3 * 80 * 32,
        "gap": 3 * 100,
    }
    assert boundary.decoded(Demand(3, 1, 500, False, 0, 0, 1)) == {
        "symbol": 0,
        "look_up_bit": 40 * 32,
        "gap": 50,
    }
    assert at_use.on_chip_bits == 1000
    assert boundary.on_chip_bits == 32 * boundary.layer.weight_count


@given(
    counts=st.lists(
        st.lists(st.integers(0, 1 << 12), min_size=1, max_size=20).filter(any), min_size=1, max_size=4
    ),
    decoders=st.integers(1, 64),
)
def test_decoders_side_by_side_are_no_more_than_there_are_and_no_faster_than_the_longest(counts, decoders):
    chip = EDGE.replace(**{"decoder.count": decoders})
    layers = [layer_of(coded([32 * count for count in each], each)) for each in counts]
    busy = busy_decoders(layers, chip)
    total, longest = sum(map(sum, counts)), max(map(max, counts))
    assert 1 <= busy <= decoders
    assert total / busy >= longest - 1e-6
    assert busy == pytest.approx(min(decoders, total / longest))
    assert busy * (1 + 1e-12) >= max(
        busy_decoders([layer], chip) * sum(each) / total for layer, each in zip(layers, counts, strict=True)
    )


def test_as_large_a_part_of_side_information_is_pinned_as_of_the_payload():
    """99 bits of tables and 4000 of payload with 500 symbols."""
    cut = Cut(layer_of(coded([4000], [500], 99)), EDGE, once=True)
    assert [cut.decoded(once(bits))["symbol"] for bits in (0, 1025, 4099)] == [500, 374, 0]


def test_of_every_part_the_same_fraction_is_pinned():
    """64 slots, three quarters of them pinned: 16 slots come in, each beside as much of the core."""
    slot_bits = 8 * EDGE.buffers.slot_B
    cut = Cut(layer_of(coded([64 * slot_bits], [0])), EDGE)
    steps = cut.steps(once(48 * slot_bits)._replace(core_ticks=160), CHANNEL)
    assert steps.compute.tolist() == [10] * 16
    slots = [busy_ticks(CHANNEL.bursts(number * slot_bits), CHANNEL) for number in range(17)]
    assert steps.read.tolist() == [after - before for before, after in pairwise(slots)]


def test_weights_that_are_decoded_at_use_keep_their_slots():
    """Pinned or not, they go through slots of decoded weights."""
    slot_bits = 8 * EDGE.buffers.slot_B
    layer = layer_of(coded([64 * slot_bits], [640]))
    assert len(Cut(layer, EDGE).steps(once(48 * slot_bits), CHANNEL).decode) == 64
    assert len(Cut(layer, EDGE, once=True).steps(once(48 * slot_bits), CHANNEL).decode) == 16


def test_passes_after_the_last_fetch_read_nothing():
    """Four passes of a slot of weights, the first two from DRAM: a round for each."""
    slot_bits = 8 * EDGE.buffers.slot_B
    steps = Cut(layer_of(coded([slot_bits], [10])), EDGE).steps(Demand(4, 2, 0, True, 0, 0, 40), CHANNEL)
    slot_ticks = busy_ticks(CHANNEL.bursts(slot_bits), CHANNEL)
    assert steps.read.tolist() == [slot_ticks, slot_ticks, 0, 0]
    assert steps.decode.tolist() == [10, 10, 10, 10]  # one segment is one decoder's work
    assert steps.compute.tolist() == [10, 10, 10, 10]


@given(
    segments=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 12)), min_size=1, max_size=40),
    side_bits=st.integers(0, 1 << 12),
    fetches=st.integers(1, 3),
    again=st.integers(0, 20),
    pinned=st.floats(0.0, 1.0),
    tiled=st.booleans(),
    came=st.integers(0, 1000),
    went=st.integers(0, 1000),
    core=st.integers(0, 1 << 30),
    place=st.sampled_from(["array", "dram"]),
)
def test_steps_sum_to_the_totals(segments, side_bits, fetches, again, pinned, tiled, came, went, core, place):
    bits = [size for size, _ in segments]
    symbols = [min(count, size) for size, count in segments]  # a symbol takes a bit or more
    total = sum(bits) + side_bits
    cut = Cut(layer_of(coded(list(bits), list(symbols), side_bits)), EDGE, once=place == "dram")
    demand = Demand(fetches + again, fetches, int(pinned * total), tiled, came, went, core)
    steps = cut.steps(demand, CHANNEL)
    assert all(len(array) == cut.count(demand, CHANNEL) and array.min() >= 0 for array in steps)
    weights = CHANNEL.bursts(fetches * (total - demand.pinned_bits))
    assert steps.read.sum() == busy_ticks(weights + came, CHANNEL)
    assert steps.write.sum() == busy_ticks(went, CHANNEL)
    assert steps.compute.sum() == core
    assert steps.decode.sum() == cut.decode_ticks(demand)
    decoded = cut.decoded(demand).get("symbol", 0)
    if sum(bits) and place == "array":
        assert decoded == demand.passes * sum(symbols)
    if sum(bits) and place == "dram" and not demand.pinned_bits:
        assert decoded == fetches * sum(symbols)


def test_a_long_layer_takes_several_slots_a_step():
    cut = Cut(layer_of(coded([8 * EDGE.buffers.slot_B * MAX_STEPS + 1], [0])), EDGE)
    assert cut.step_bits == 16 * EDGE.buffers.slot_B
    assert cut.parts == MAX_STEPS // 2 + 1


def test_shares_of_many_ticks_do_not_overflow():
    cut = Cut(layer_of(coded([8 * EDGE.buffers.slot_B * MAX_STEPS], [0])), EDGE)
    steps = cut.steps(Demand(64, 64, 0, False, 0, 0, MAX_TICKS), CHANNEL)
    assert len(steps.compute) == 64 * MAX_STEPS
    assert set(steps.compute.tolist()) == {MAX_TICKS // (64 * MAX_STEPS)}


@given(
    bits=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
    fetches=st.integers(1, 40),
    most=st.integers(1, 200),
    tiled=st.booleans(),
    pinned_bits=st.integers(0, 99),
)
def test_fewer_steps_move_and_compute_as_much(bits, fetches, most, tiled, pinned_bits):
    """A step of several parts takes what they take together: sums are cut elsewhere, and stay whole."""
    cut = Cut(layer_of(coded(bits, [size // 7 for size in bits], 99)), EDGE)
    demand = Demand(fetches, fetches, pinned_bits, tiled, 1000, 300, 12_345)
    fine, coarse = cut.steps(demand, CHANNEL), cut.steps(demand, CHANNEL, most)
    assert len(coarse.read) <= most
    group = -(-len(fine.read) // most)
    for one, other in zip(fine, coarse, strict=True):
        ends = np.minimum(np.arange(1, len(other) + 1) * group, len(one))
        assert other.cumsum().tolist() == one.cumsum()[ends - 1].tolist()


@pytest.mark.parametrize("fetches", [5000, 1 << 20])
def test_a_layer_that_is_fetched_for_ever_has_no_more_steps(fetches):
    cut = Cut(layer_of(coded([1 << 30], [0])), EDGE)
    demand = Demand(fetches, fetches, 0, True, 1 << 20, 0, MAX_TICKS)
    steps = cut.steps(demand, CHANNEL)
    assert len(steps.read) <= MAX_PASS_STEPS
    assert steps.compute.sum() == MAX_TICKS
    assert steps.read.sum() == busy_ticks(CHANNEL.bursts(fetches << 30) + (1 << 20), CHANNEL)


def test_many_passes_share_the_steps_of_a_stream():
    """Two layers of 4096 parts: 512 passes fit the longest stream, of 4096 each has an equal share."""
    cuts = [Cut(layer_of(coded([1 << 30], [0])), EDGE)] * 2
    done = KernelPass(Demand(1, 1, 0, False, 0, 0, 10), {}, ())
    for times, expected in ((512, MAX_PASS_STEPS), (4096, MAX_STREAM_STEPS // 8192)):
        found = [(Kernel((k,)), Pass(1, times), done) for k in range(2)]
        assert _most_steps(cuts, CHANNEL, found) == expected


@pytest.mark.parametrize(
    ("changes", "demand", "key"),
    [
        (
            {"dram.bandwidth_GB_per_s": 1e-6},
            Demand(1, 1, 0, False, 1 << 40, 0, 1),
            "dram.bandwidth_GB_per_s",
        ),
        (
            {"decoder.symbols_per_cycle": 1e-6},
            Demand(1, 1, 1 << 40, False, 0, 0, 1),
            "decoder.symbols_per_cycle",
        ),
        ({}, Demand(1, 1, 1 << 40, False, 0, 0, MAX_TICKS + 1), "array"),
    ],
)
def test_a_pass_too_long_to_count_is_refused_by_its_key(changes, demand, key):
    chip = EDGE.replace(**changes)
    cut = Cut(layer_of(coded([1 << 40], [1 << 30])), chip)
    with pytest.raises(InputError, match=f"chip edge: {key} makes one pass over layer fc last"):
        cut.steps(demand, Channel.of(chip))
