"""More filters never take fewer cycles, however the count divides."""

import pytest

from hwsim.arrays.eie import EieArray
from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.nm import StructuredArray
from hwsim.arrays.row_stationary import FILTER_BLOCK
from hwsim.arrays.simd import SimdArray
from hwsim.arrays.systolic import SystolicArray
from hwsim.arrays.tpu import TpuArray
from hwsim.machine.chip import load_chip
from hwsim.workload.layer import conv, fc

FILTERS = (*range(1, 70), 97, 100, 101, 125, 127, 128, 251, 256, 362, 363, 509, 512, 997, 1000, 1001, 1024)
"""Small counts, primes and pruned layers of 125, 362 and 1,001 classes."""

ARRAYS = {
    "gemm": GemmArray(8, 16, 16, 16, 64),
    "structured": StructuredArray(4, 8, 8, 8, 64, kept=2, group=4),
    "simd": SimdArray(cores=4, lanes=8, accumulator_rows=8, port_words=16),
    "tpu": TpuArray(16, 16, 16, 64, 2, 16, 8.0),
    "os": SystolicArray(8, 8, "os"),
    "ws": SystolicArray(8, 8, "ws"),
    "is": SystolicArray(8, 8, "is"),
}


def layers(filters):
    yield conv("c", 16, (10, 10), filters, (3, 3), arithmetic="int8")
    yield fc("f", 100, filters, arithmetic="int8")


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("batch", [1, 7])
def test_more_filters_never_take_fewer_cycles(array, batch):
    for found in zip(*(layers(filters) for filters in FILTERS), strict=True):
        cycles = [array.cost(layer, batch).cycles for layer in found]
        assert cycles == sorted(cycles)


def test_more_filters_never_take_fewer_cycles_on_eie():
    # a filter is a row: PE i holds rows i, i + 4, ... of a full matrix
    eie = EieArray(4, 8, 4, 4, 64, 16, 8192, 64, 4096, 2048)
    cycles = [eie.cost(fc("f", 20, filters), 1).cycles for filters in FILTERS]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("block", [2, 4, 8])
def test_a_count_that_divides_badly_takes_no_longer_than_the_next_ones_on_eyeriss(kernel, block):
    array, pad = load_chip("eyeriss").array, (kernel // 2, kernel // 2)
    counts = range((block - 1) * FILTER_BLOCK + 1, block * FILTER_BLOCK + 1)
    cycles = [
        array.cost(conv("c", 64, (14, 14), filters, (kernel, kernel), pad=pad, arithmetic="int16"), 1).cycles
        for filters in counts
    ]
    assert cycles == sorted(cycles)


def test_empty_places_cost_cycles_and_move_no_words():
    """61 filters run as 63, whose every parameter divides; 125 as 126."""
    array = load_chip("eyeriss").array
    for filters, places in ((61, 63), (125, 126)):
        few, all_ = (conv("c", 64, (14, 14), n, (3, 3), arithmetic="int16") for n in (filters, places))
        found, full = array.mapping(few, 1), array.mapping(all_, 1)
        assert found.cycles == full.cycles
        assert found.dram_filter_words * places == full.dram_filter_words * filters
        assert found.psum_words * places == full.psum_words * filters
        assert array.dram_fetches(few, 1) == array.dram_fetches(all_, 1)
        assert array.cost(few, 1).utilisation < array.cost(all_, 1).utilisation
