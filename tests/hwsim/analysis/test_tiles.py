"""States of tiles: worked by hand on a tiny chip, and the laws every run keeps under each strategy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.analysis.roofline import layer_roofs
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.analysis.tiles import SteadyRun
from hwsim.arrays.base import Tiled
from hwsim.energy.cacti import write_to_read
from hwsim.energy.table import EnergyTable
from hwsim.engine.fast import steady_period
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.power.governors import ClockScaling, Dvfs, FixedClock, RaceToIdle, VoltageCurve
from hwsim.power.steady import Capped, needs_of, settle, slowed
from hwsim.run import simulate
from hwsim.workload.layer import OPERAND_BITS, Workload, conv, dense_storage, fc, vector
from hwsim.workload.networks import load_network

TINY = load_chip("edge").replace(
    **{
        "process.clock_GHz": 1.0,
        "array.rows": 2,
        "array.cols": 2,
        "array.load_words_per_cycle": 2,
        "sram.bank_B": 32768,
        "sram.wire_mm": 0.0,
        "sram.capacity_B": 280,
        "sram.bandwidth_B_per_cycle": 1024,
        "scratchpad.bank_B": 8192,
        "dram.bandwidth_GB_per_s": 4.0,
        "dram.burst_B": 4,
        "dram.latency_ns": 10.0,
        "dram.turnaround_ns": 0.0,
        "dram.standby_W": 0.0,
        "buffers.slot_B": 64,
        "power.leakage_W": 0.0,
        "power.clock_steps": 20,
        "power.cap_W": 1e6,
    }
)
FC_4_TO_2 = Workload("tiny", "dense", (fc("fc", 4, 2),), "by hand")
CORE_pJ = 80 * (1 + write_to_read(32 << 10)) + 25 * (1 + write_to_read(8 << 10)) + 8.064 + 36.8
ENERGY_J = (10_240 + CORE_pJ) * 1e-12
"""Of one inference: see the same layer in the tests of `simulate`; 16 ticks of DRAM, 7 of the array."""

REFERENCE = load_chip("reference_250w")
FAST_DRAM = {"dram.bandwidth_GB_per_s": 1e6, "dram.latency_ns": 0.0, "sram.capacity_B": 1_000_000}


SANDWICH_CHIP = TINY.replace(**FAST_DRAM, **{"vector.lanes": 1})
SANDWICH = Workload(
    "sandwich",
    "dense",
    (fc("first", 2, 2), vector("between", 2, 2, 16, inputs=(0,)), fc("second", 2, 2, inputs=(1,))),
    "by hand",
)


def assert_whole(found):
    """Each share lies in 0..1, they sum to 1, and computing is the share of the peak."""
    assert sum(found.states) == pytest.approx(1.0, rel=1e-9)
    assert all(-1e-12 <= share <= 1.0 + 1e-12 for share in found.states)
    ticks = sum(run.macs / run.work.cost.peak_macs_per_cycle for run in found.report.runs if run.macs)
    peak = ticks / found.capped.period_ticks
    assert found.states.computing == pytest.approx(peak, rel=1e-9)
    assert found.peak_share == pytest.approx(peak, rel=1e-9)


def fc_part(stage):
    whole = load_network("alexnet", stage)
    return whole.only(["fc6", "relu6", "fc7", "relu7", "fc8"])


def on_all_tiles(report, governor, strategy):
    """The steady state of a run under a governor that gates no tile."""
    cap = Cap.of(report.chip)
    needs = needs_of(report.schedule.work, report.prices, cap)
    capped = settle(governor, report.schedule.stream, needs, cap)
    return SteadyRun(strategy, report, capped, np.ones(len(report.runs)))


def test_a_run_that_waits_for_dram_worked_by_hand():
    """DRAM is busy for 16 ticks, the array for 7; 8 MACs take 2 of them on 4 multipliers."""
    found = dimmed(simulate(TINY, FC_4_TO_2))
    assert found.states == pytest.approx((2 / 16, 5 / 16, 9 / 16, 0.0, 0.0), rel=1e-9)
    assert found.peak_share == pytest.approx(8 / (4 * 16), rel=1e-12)


def test_the_peak_is_that_of_the_arithmetic():
    """108 SMs multiply 1,024 pairs of fp16 a cycle, and twice as many of int8."""
    chip, rates = load_chip("a100_pcie"), {"fp16": 1024, "int8": 2048}
    for arithmetic, rate in rates.items():
        stored = dense_storage(2048 * 2048, OPERAND_BITS[arithmetic])
        layer = conv("gemm", 2048, (2048, 1), 2048, (1, 1), arithmetic=arithmetic, weights=stored)
        found = dimmed(simulate(chip, Workload("gemm", "dense", (layer,), "by hand")))
        share = 2048**3 / (108 * rate * found.capped.period_ticks)
        assert found.peak_share == pytest.approx(share, rel=1e-12)
        assert found.states.computing == pytest.approx(share, rel=1e-12)


def test_a_run_that_always_computes_worked_by_hand():
    """A fold of 2 x 2 weights loads in 2 ticks, 1,000 rows stream through it, fill and drain take 2."""
    chip = TINY.replace(**FAST_DRAM, **{"array.accumulator_rows": 1000})
    found = dimmed(simulate(chip, Workload("square", "dense", (fc("fc", 2, 2),), "by hand"), 1000))
    assert found.capped.period_ticks == 1004
    assert found.states == pytest.approx((1000 / 1004, 4 / 1004, 0.0, 0.0, 0.0), rel=1e-9)
    assert found.peak_share == pytest.approx(1000 / 1004, rel=1e-12)


def test_rows_and_columns_without_work_count_as_loading():
    """One weight of four multipliers: 1,000 MACs in 1,004 ticks are a quarter of the peak."""
    chip = TINY.replace(**FAST_DRAM, **{"array.accumulator_rows": 1000})
    found = dimmed(simulate(chip, Workload("thin", "dense", (fc("fc", 1, 1),), "by hand"), 1000))
    assert found.capped.period_ticks == 1004
    assert found.states == pytest.approx((250 / 1004, 754 / 1004, 0.0, 0.0, 0.0), rel=1e-9)


def test_a_capped_run_worked_by_hand():
    """What one inference costs is spread over the 20 ticks the cap asks for: 7 of them at full clock.

    526 mW pay for 10,494.864 pJ in 19.95 ns: a clock that stretches 7 ticks to 20 is reached by dithering.
    The array works through all 20, so that the wait for DRAM is hidden and 13 ticks are throttled.
    """
    found = dimmed(simulate(TINY.replace(**{"power.cap_W": 0.526}), FC_4_TO_2))
    assert found.capped.stream.compute.tolist() == [20]
    assert found.period_s == pytest.approx(20e-9, rel=1e-9)
    assert found.states == pytest.approx((2 / 20, 5 / 20, 0.0, 13 / 20, 0.0), rel=1e-9)
    assert found.states.dark == pytest.approx(13 / 20, rel=1e-9)
    assert sum(found.watts.values()) == pytest.approx(ENERGY_J / 20e-9, rel=1e-9)
    assert found.headroom_W == pytest.approx(0.526 - ENERGY_J / 20e-9, rel=1e-9)
    assert found.energy_per_inference_J == pytest.approx(ENERGY_J, rel=1e-9)


def test_a_run_that_pauses_worked_by_hand():
    """At full clock 16 ticks take 10,494.864 pJ, which 526 mW pay for in 19.952 ticks: 3.952 of rest."""
    report = simulate(TINY.replace(**{"power.cap_W": 0.526}), FC_4_TO_2)
    found = on_all_tiles(report, RaceToIdle(), "race-to-idle")
    period = ENERGY_J / 0.526 * 1e9
    assert found.capped.period_ticks == pytest.approx(period, rel=1e-9)
    parts = (2 / period, 5 / period, 9 / period, 1 - 16 / period, 0.0)
    assert found.states == pytest.approx(parts, rel=1e-9)


def test_a_wait_for_a_throttled_vector_unit_is_throttled():
    """Between two layers of 5 ticks on the array the vector unit takes 16: half the clock, twice the time."""
    report = simulate(SANDWICH_CHIP, SANDWICH)
    stream = slowed(report.schedule.stream, ClockScaling(levels=2), np.ones(3, np.int64))
    capped = Capped(np.full(3, 0.5), np.ones(3), stream, float(steady_period(stream)), 0.5)
    whole, slow = dimmed(report), SteadyRun("half", report, capped, np.ones(3))
    assert slow.capped.period_ticks == pytest.approx(2 * whole.capped.period_ticks, rel=1e-9)
    for state in ("computing", "loading", "stalled"):
        assert getattr(slow.states, state) == pytest.approx(getattr(whole.states, state) / 2, rel=1e-9)
    assert slow.states.throttled == pytest.approx(0.5, rel=1e-9)


def test_lower_voltage_worked_by_hand():
    """DRAM costs 10,240 pJ whatever the voltage, the core 263 pJ times its square.

    Of 20 steps the 7th takes 20 ticks, in which 526 mW are 10,520 pJ; the 8th takes 17.5, too few
    for DRAM alone. With alpha = 1 the clock is (V - 0.3) / V over 2/3 at 0.9 V: 0.35 of it needs
    0.3 / (1 - 0.35 * 2/3) = 0.3913 V.
    """
    curve = VoltageCurve(nominal_V=0.9, threshold_V=0.3, least_V=0.35, alpha=1.0)
    report = simulate(TINY.replace(**{"power.cap_W": 0.526}), FC_4_TO_2)
    cap, schedule = Cap.of(report.chip), report.schedule
    needs = needs_of(schedule.work, report.prices, cap)
    capped = settle(Dvfs(levels=20, curve=curve), schedule.stream, needs, cap)
    found = SteadyRun("DVFS", report, capped, np.ones(1))
    square = (0.3 / (1 - 0.35 * 2 / 3) / 0.9) ** 2
    assert found.capped.clocks.tolist() == [0.35]
    assert capped.core_scale.tolist() == [pytest.approx(square, rel=1e-9)]
    assert found.energy_per_inference_J == pytest.approx((10_240 + CORE_pJ * square) * 1e-12, rel=1e-9)
    assert found.watts["mac"] == pytest.approx(8 * 4.6e-12 * square / 20e-9, rel=1e-9)


def test_gated_tiles_worked_by_hand():
    """Four tiles take four blocks of columns at once; with two, each takes two, 100 rows a block.

    One block: load 2 + 100 rows + fill and drain 2 = 104 cycles; two blocks: 204.
    """
    chip = TINY.replace(**FAST_DRAM, **{"array.tiles": 4, "array.accumulator_rows": 128})
    workload = Workload("wide", "dense", (fc("fc", 2, 8),), "by hand")
    free = simulate(chip, workload, 100)
    assert free.schedule.work[0].ticks["array"] == 104
    capped = simulate(chip.replace(**{"power.cap_W": 0.53 * free.power_W}), workload, 100)
    assert 0.5 < capped.clock < 0.75
    found = gated(capped)
    assert found.capped.clocks.tolist() == [1.0]
    assert found.tiles.tolist() == [0.5]
    period = found.capped.period_ticks
    states = found.states
    assert states.power_gated == pytest.approx(0.5, rel=1e-9)
    assert states.computing == pytest.approx(100 / period, rel=1e-9)  # of 16 multipliers, 1,600 MACs
    assert states.loading == pytest.approx(0.5 * (204 - 200) / period, rel=1e-9)
    assert states.stalled == pytest.approx(0.5 * (period - 204) / period, rel=1e-9, abs=1e-12)
    assert states.throttled == 0.0


def test_a_gated_run_keeps_its_prices():
    table = EnergyTable.load("45nm_horowitz")
    report = simulate(load_chip("reference_250w"), load_network("alexnet"), 64, table=table)
    assert gated(report).report.prices.table == table


def test_an_array_that_waits_for_the_vector_unit_is_stalled():
    """Two matrix layers with a vector layer of 16 ticks between them, and no time lost in DRAM."""
    found = dimmed(simulate(SANDWICH_CHIP, SANDWICH))
    period = 5 + 16 + 5  # load 2 + 1 row + fill and drain 2, the vector unit, and the same again
    assert found.capped.period_ticks == pytest.approx(period, abs=1)
    assert found.states.stalled == pytest.approx(1 - 10 / found.capped.period_ticks, rel=1e-9)


def test_a_tile_that_on_chip_memory_cannot_feed_is_stalled():
    """1,024 bits at 2 bytes a cycle take 64 ticks, of which the array needs 7 and its MACs 2."""
    chip = TINY.replace(**FAST_DRAM, **{"sram.bandwidth_B_per_cycle": 2})
    report = simulate(chip, FC_4_TO_2)
    ticks = report.schedule.work[0].ticks
    found = dimmed(report)
    assert ticks["sram"] > ticks["array"] == 7
    period = found.capped.period_ticks
    assert found.states == pytest.approx((2 / period, 5 / period, 1 - 7 / period, 0.0, 0.0), rel=1e-9)


def test_tiles_that_load_weights_do_not_compute():
    """AlexNet's fully-connected layers, coded, at batch 1: one row streams past every fold of weights."""
    states = dimmed(simulate(REFERENCE, fc_part("huffman"))).states
    assert states.computing == pytest.approx(0.031, abs=0.001)
    assert states.loading > 0.96


@settings(max_examples=25)
@given(
    cap_W=st.floats(30.0, 1000.0),
    stage=st.sampled_from(["dense", "pruned", "shared", "huffman", "int8"]),
    batch=st.sampled_from([1, 3, 16, 64]),
    scope=st.sampled_from(["board", "die"]),
)
def test_the_stack_sums_to_the_cap_and_tile_states_to_one(cap_W, stage, batch, scope):
    chip = REFERENCE.replace(**{"power.cap_W": cap_W, "power.scope": scope})
    report = simulate(chip, fc_part(stage), batch)
    paused = on_all_tiles(report, RaceToIdle(), "race-to-idle")
    for found in (dimmed(report), voltage_scaled(report), gated(report), paused):
        outside = found.watts["dram"] + chip.static_W - chip.power.leakage_W if scope == "die" else 0.0
        stack = sum(found.watts.values()) + found.headroom_W
        assert stack == pytest.approx(cap_W + outside, rel=1e-9)
        assert found.headroom_W >= -1e-9 * cap_W
        assert_whole(found)
    assert dimmed(report).states.power_gated == 0.0
    assert voltage_scaled(report).energy_per_inference_J <= dimmed(report).energy_per_inference_J * (1 + 1e-9)


@settings(max_examples=25)
@given(
    cap_share=st.floats(0.1, 1.5),
    what=st.sampled_from(
        [
            ("edge", "lenet5", "huffman"),
            ("edge", "mobilenet_v2", "dense"),
            ("phone", "squeezenet1_1", "int8"),
            ("reference_250w", "resnet18", "dense"),
            ("tpu_v1", "lenet300", "int8"),
            ("a100_pcie", "lstm_2x1500", "bf16"),
        ]
    ),
    batch=st.sampled_from([1, 4, 13]),
)
def test_tile_states_sum_to_one_on_every_chip_and_under_every_strategy(cap_share, what, batch):
    """The cap is a share of what the run draws above rest without one."""
    chip, network, stage = what
    free = simulate(load_chip(chip).replace(**{"power.cap_W": 1e6}), load_network(network, stage), batch)
    rest_W = free.chip.static_W
    capped = free.chip.replace(**{"power.cap_W": rest_W + cap_share * (free.power_W - rest_W)})
    report = simulate(capped, free.workload, batch)
    ways = [dimmed, voltage_scaled, *([gated] if isinstance(report.chip.array, Tiled) else [])]
    for found in (*(way(report) for way in ways), on_all_tiles(report, RaceToIdle(), "race-to-idle")):
        assert_whole(found)
    none = on_all_tiles(report, FixedClock(), "none")
    assert_whole(none)
    assert none.states.dark == 0.0


@settings(max_examples=15)
@given(stage=st.sampled_from(["dense", "pruned", "shared", "huffman"]), batch=st.sampled_from([1, 8, 64]))
def test_no_run_is_faster_than_any_of_its_roofs(stage, batch):
    report = simulate(REFERENCE, fc_part(stage), batch)
    rows = layer_roofs(report)
    assert [row["limiter"] for row in rows] == report.layers["limiter"].tolist()
    for resource in ("bandwidth_s", "decoder_s", "power_s"):
        assert sum(row[resource] for row in rows) <= 1 / report.inferences_per_s * (1 + 1e-9)


def test_when_the_cap_does_not_bind_all_strategies_are_the_same_run():
    report = simulate(REFERENCE, fc_part("huffman"), 1)
    strategies = [dimmed(report), voltage_scaled(report), gated(report)]
    assert len({found.capped.period_ticks for found in strategies}) == 1
    assert all((found.tiles == 1.0).all() and (found.capped.core_scale == 1.0).all() for found in strategies)
    assert np.allclose([found.states for found in strategies], strategies[0].states, rtol=1e-12)


def test_an_array_without_tiles_cannot_be_gated():
    report = simulate(load_chip("eie"), Workload("fc", "dense", (fc("fc", 64, 64),), "by hand"))
    with pytest.raises(InputError, match="no tiles, expected one with tiles"):
        gated(report)
