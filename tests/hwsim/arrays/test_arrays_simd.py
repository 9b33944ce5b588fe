"""SIMD cores: cycles and counts by hand, the contract of arrays on any shape, prices."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.simd import SimdArray
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList
from hwsim.workload.layer import Layer, fc, vector

ARRAY = SimdArray(cores=2, lanes=4, accumulator_rows=8, port_words=8)
STATE = settings(max_examples=60, deadline=None)


def test_a_product_that_fills_the_cores_by_hand():
    """16 columns are 4 blocks, 2 a core; a step of the depth is 8 multiply-adds and a load."""
    cost = ARRAY.cost(fc("fc", 10, 16), 8)
    assert cost.cycles == 2 * 10 * (8 + 1)
    assert cost.compute_cycles == 2 * 10 * 8
    assert cost.load_cycles == 2 * 10
    assert cost.utilisation == pytest.approx(8 / 9)
    assert cost.counts["mac", "control", "issue"] == 2 * cost.cycles
    assert cost.counts["weights", "array_port", "word"] == 10 * 16
    assert cost.counts["psums", "register", "access_bit"] == 2 * 10 * 16 * 8 * 32
    assert cost.counts["activations", "scratchpad", "read_bit"] == 4 * 8 * 10 * 32


def test_a_depth_cut_in_two_by_hand():
    """One block for two cores: 500 steps each, and 4 sums written and read through 8 words a cycle."""
    cost = ARRAY.cost(fc("fc", 1000, 4), 1)
    assert cost.cycles == 500 * 2 + 1
    assert cost.counts["psums", "sram", "write_bit"] == 4 * 32
    assert cost.counts["mac", "mac", "add_fp32"] == 4000 + 4


def test_one_row_gets_half_of_the_peak():
    assert ARRAY.cost(fc("fc", 1000, 800), 1).utilisation == pytest.approx(0.5)


@STATE
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from(["conv", "matmul"]),
    st.builds(SimdArray, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 64)),
)  # fmt: skip
def test_the_contract_of_arrays(pixels, filters, depth, groups, batch, kind, array):
    layer = Layer("layer", kind, pixels, filters, depth, pixels * depth, pixels * filters, groups)
    cost = array.cost(layer, batch)
    assert cost.macs == layer.macs * batch
    assert 0 < cost.utilisation <= 1
    assert cost.cycles >= max(cost.compute_cycles, cost.load_cycles)
    assert all(isinstance(count, int) and count > 0 for count in cost.counts.values())
    multiplies = cost.counts["mac", "mac", "multiply_fp32"]
    assert multiplies == cost.macs
    issued = cost.counts["mac", "control", "issue"]
    assert issued * array.lanes >= multiplies
    assert issued <= array.cores * cost.cycles + cost.macs  # edge blocks issue for empty lanes


def test_an_instruction_costs_what_is_not_its_registers_and_its_add():
    prices = PriceList(load_chip("reference_250w"), EnergyTable.load("45nm_horowitz"))
    price = prices["control", "issue"]
    assert price.pJ == pytest.approx(70 - 6 - 0.1, rel=1e-12)
    assert price.low_confidence
    with pytest.raises(InputError, match="no constant for 'instruction_add_total'"):
        PriceList(load_chip("reference_250w"))["control", "issue"]
    with pytest.raises(InputError, match="control unit has no action 'halt'"):
        prices["control", "halt"]


def test_refused():
    with pytest.raises(InputError, match="lanes is 0"):
        SimdArray(1, 0, 1, 1)
    with pytest.raises(InputError, match="cannot run on a simd array"):
        ARRAY.cost(vector("pool", 4, 4, 4), 1)
