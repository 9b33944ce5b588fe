"""Time of kernels, whole thread blocks, shares of the peak and the order of GPU libraries, by hand."""

from itertools import pairwise

import pytest

from hwsim.arrays.counting import gemm_of
from hwsim.arrays.gemm import GemmArray
from hwsim.machine.chip import load_chip
from hwsim.mapping.steps import passes_before
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, fc, vector

EDGE = load_chip("edge").replace(**{"power.cap_W": 1e6})
ARRAY = GemmArray(8, 16, 16, 16, 4096, operand_bits=16)
TICK_US = EDGE.tick_s * 1e6


def chain(*layers):
    return Workload("chain", "dense", layers, "by hand")


def latency_us(chip, workload, batch=1):
    return simulate(chip, workload, batch).latency_s * 1e6


@pytest.mark.parametrize("count", [1, 3, 7])
def test_each_kernel_takes_its_time(count):
    """Small layers that follow one another: the batch takes 50 us more for each of them."""
    layers = [fc(f"f{i}", 16, 16, inputs=(i - 1,)) for i in range(count)]
    slower = EDGE.replace(**{"kernels.time_us": 50.0})
    more = latency_us(slower, chain(*layers)) - latency_us(EDGE, chain(*layers))
    assert more == pytest.approx(50.0 * count, abs=count * TICK_US)


def test_what_is_fused_starts_once():
    layers = (fc("f", 16, 16), vector("relu", 16, 16, 16, op="relu", inputs=(0,)))
    slower = EDGE.replace(**{"kernels.time_us": 50.0})
    assert latency_us(slower, chain(*layers)) - latency_us(EDGE, chain(*layers)) == pytest.approx(50, abs=1)


def test_products_of_one_input_start_together():
    """Queries, keys and values of one input are one kernel; a product of their sum is another."""
    products = [fc(name, 16, 16, inputs=(-1,)) for name in "qkv"]
    slower = EDGE.replace(**{"kernels.time_us": 50.0})
    for layers, starts in ((products, 1), ([*products, fc("out", 16, 16, inputs=(2,))], 2)):
        more = latency_us(slower, chain(*layers)) - latency_us(EDGE, chain(*layers))
        assert more == pytest.approx(50.0 * starts, abs=1)


def test_a_lower_share_of_the_bandwidth_is_as_much_slower():
    """1 MiB of weights used once: bound by DRAM."""
    workload = chain(fc("f", 1024, 1024))
    whole = simulate(EDGE, workload)
    half = simulate(EDGE.replace(**{"dram.efficiency": 0.5}), workload)
    assert half.period_s == pytest.approx(2 * whole.period_s, rel=0.01)


def test_a_lower_share_of_the_peak_is_as_much_slower():
    """Bound by the array: 64 channels of 64 x 64 pixels."""
    workload = chain(conv("c", 64, (64, 64), 64, (3, 3), pad=(1, 1)))
    whole = simulate(EDGE, workload)
    half = simulate(EDGE.replace(**{"kernels.efficiency": 0.5}), workload)
    assert whole.limiter == "compute"
    assert half.period_s == pytest.approx(2 * whole.period_s, rel=0.02)


@pytest.mark.parametrize(("rows", "waves"), [(8 * 64, 1), (8 * 64 + 1, 2), (16 * 64, 2)])
def test_blocks_run_in_whole_waves(rows, waves):
    """Blocks of 64 x 16 on 8 tiles: the ninth block is a wave of its own, as long as a full one."""
    array = GemmArray(8, 16, 16, 16, 4096, operand_bits=32, block_rows=64, block_cols=16)
    layer = conv("c", 16, (rows, 1), 16, (1, 1))
    assert (grid := array.grid(gemm_of(layer, 1))).folds * grid.chunk == 64 * waves


@pytest.mark.parametrize(("rows", "block"), [(1, 8), (9, 16), (64, 64)])
def test_few_rows_take_a_smaller_block(rows, block):
    array = GemmArray(8, 16, 16, 16, 4096, operand_bits=32, block_rows=64, block_cols=16)
    assert array.grid(gemm_of(conv("c", 16, (rows, 1), 16, (1, 1)), 1)).chunk == block


def test_a_rate_is_so_many_rows():
    array = GemmArray(8, 16, 16, 16, 4096, operand_bits=16, rates={"fp16": 1.0, "int8": 2.0, "fp32": 0.25})
    peaks = {
        name: array.cost(fc("f", 256, 256, arithmetic=name), 64).peak_macs_per_cycle
        for name in ("fp16", "int8", "fp32")
    }
    assert peaks == {"fp16": 2048, "int8": 4096, "fp32": 512}
    assert array.at("int8").load_words_per_cycle == 32


def test_passes_begin_with_a_round_of_their_own():
    assert [passes_before(turn, 2, 6) for turn in range(7)] == [0, 1, 1, 1, 2, 2, 2]
    assert [passes_before(turn, 6, 2) for turn in range(3)] == [0, 3, 6]
    for passes in range(1, 9):
        for rounds in range(1, 9):
            begun = [passes_before(turn, passes, rounds) for turn in range(rounds + 1)]
            assert begun[0] == 0
            assert begun[-1] == passes
            assert all(low <= high for low, high in pairwise(begun))


def test_activations_that_stream_are_computed_while_they_come():
    """A convolution whose input does not fit: DRAM and the array work at the same time."""
    layer = conv("c", 64, (256, 256), 64, (3, 3), pad=(1, 1))
    run = simulate(EDGE, chain(layer))
    (busy,) = (max(run.schedule.work[0].ticks["dram"], run.schedule.work[0].core_ticks),)
    assert run.latency_ticks <= 1.1 * busy


def test_layer_by_layer_takes_the_whole_batch_through_each_kernel():
    layers = [conv(f"c{i}", 16, (32, 32), 16, (3, 3), pad=(1, 1), inputs=(i - 1,)) for i in range(3)]
    chip = EDGE.replace(**{"kernels.execution": "layer-by-layer"})
    report = simulate(chip, chain(*layers), 16)
    assert {len(segment.kernels) for segment in report.schedule.residency.segments} == {1}
    assert report.activation_bits >= simulate(EDGE, chain(*layers), 16).activation_bits
