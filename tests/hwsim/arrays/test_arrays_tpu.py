"""The weight FIFO against tiles worked out by hand, and against the roofline."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.tpu import TpuArray
from hwsim.errors import InputError
from hwsim.workload.layer import conv, fc, vector

SMALL = TpuArray(
    rows=4,
    cols=4,
    load_words_per_cycle=4,
    accumulator_rows=64,
    fifo_tiles=2,
    activation_lanes=4,
    fifo_words_per_cycle=1e9,
)
TPU = TpuArray(
    rows=256,
    cols=256,
    load_words_per_cycle=256,
    accumulator_rows=4096,
    fifo_tiles=4,
    activation_lanes=256,
    fifo_words_per_cycle=1e9,
)


def test_array_alone_by_hand():
    # 8 x 6 weights are four tiles; ten rows stream through each while 4 cycles shift the next
    cost = SMALL.cost(fc("f", 8, 6, arithmetic="int8"), batch=10)
    assert cost.cycles == 4 + 4 * 10 + 6
    assert cost.counts["weights", "array_port", "word"] == 4 * 16  # edge tiles are stored whole


def test_half_the_accumulators_collect():
    cost = SMALL.cost(fc("f", 4, 4, arithmetic="int8"), batch=40)
    assert cost.counts["weights", "array_port", "word"] == 2 * 16  # 32 rows at a time


def test_waiting_for_weights_by_hand():
    # a tile takes 16 cycles to fetch, 4 to shift in and 2 to use: the DRAM sets the pace
    spent = SMALL.cycle_breakdown([fc("f", 8, 8, arithmetic="int8")], 2, weight_words_per_cycle=1.0)
    assert spent.cycles == 4 * 16
    assert spent.active == 4 * 2
    assert spent.weight_shift == 4 * 4
    assert spent.non_matrix == 6  # the drain of the batch before
    assert spent.weight_stall == 4 * 10 - 6
    assert spent.macs == 8 * 8 * 2


def test_waiting_for_results_by_hand():
    # weights for free: two layers of one tile, each after the drain of the other
    layers = [fc("a", 4, 4, arithmetic="int8"), fc("b", 4, 4, arithmetic="int8")]
    spent = SMALL.cycle_breakdown(layers, 20, weight_words_per_cycle=1e9)
    assert spent.active == 2 * 20
    assert spent.non_matrix == 2 * 6
    assert spent.cycles == 52
    longer = SMALL.cycle_breakdown([*layers, vector("v", 4, 4, 4)], 20, weight_words_per_cycle=1e9)
    assert longer.cycles == spent.cycles + 20


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=4),
    st.integers(1, 300),
    st.floats(5, 500),
)
@settings(max_examples=50, deadline=None)
def test_every_cycle_is_accounted_for_and_no_bound_broken(sizes, batch, words_per_cycle):
    layers = [fc(f"f{i}", a, b, arithmetic="int8") for i, (a, b) in enumerate(sizes)]
    spent = TPU.cycle_breakdown(layers, batch, words_per_cycle)
    parts = spent.active + spent.weight_stall + spent.weight_shift + spent.non_matrix
    assert spent.cycles == parts
    assert min(spent[1:5]) >= 0
    tiles = sum(TPU.cost(layer, batch).counts["weights", "array_port", "word"] for layer in layers)
    assert spent.cycles >= tiles / words_per_cycle - 1
    assert spent.macs <= spent.cycles * 65536


def test_published_peak_is_reached_by_a_deep_batch():
    spent = TPU.cycle_breakdown([fc("f", 2560, 2560, arithmetic="int8")], 2048, 48.6)
    assert spent.tera_ops(0.7) == pytest.approx(92, rel=0.02)


def test_refuses_what_it_cannot_run():
    with pytest.raises(InputError, match="layer v: a vector layer cannot run on a tpu array"):
        TPU.cost(vector("v", 4, 4, 4), 1)
    with pytest.raises(InputError, match="fifo_tiles is 0"):
        replace(TPU, fifo_tiles=0)
    assert TPU.cost(conv("c", 3, (8, 8), 4, (3, 3), arithmetic="int8"), 1).cycles > 0


def test_wide_operands_are_refused():
    with pytest.raises(InputError, match="layer f: the multipliers of this tpu array do not have fp32"):
        TPU.cost(fc("f", 8, 8), 1)


def test_the_fifo_is_no_faster_than_its_own_bus():
    layers = [fc("f", 2560, 2560, arithmetic="int8")]
    narrow = replace(TPU, fifo_words_per_cycle=32.0)
    assert narrow.cycle_breakdown(layers, 8, 1e9) == TPU.cycle_breakdown(layers, 8, 32.0)
