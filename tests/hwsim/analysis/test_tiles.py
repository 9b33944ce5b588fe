"""Tiles lit, dim, dark and starved: worked by hand on a tiny chip, and the laws every run keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.analysis.roofline import layer_roofs
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.analysis.tiles import Lighting
from hwsim.energy.cacti import write_to_read
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.power.governors import Dvfs, VoltageCurve
from hwsim.power.steady import needs_of, settle
from hwsim.run import simulate
from hwsim.workload.layer import Workload, fc, vector
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


def fc_part(stage):
    whole = load_network("alexnet", stage)
    return whole.only(["fc6", "relu6", "fc7", "relu7", "fc8"])


def test_without_a_cap_the_array_is_lit_while_it_computes_and_starved_for_the_rest():
    """DRAM is busy for 16 ticks, the array for 7 of them."""
    found = dimmed(simulate(TINY, FC_4_TO_2))
    time = found.tile_time
    assert time.lit == pytest.approx(7 / 16, rel=1e-9)
    assert time.starved == pytest.approx(9 / 16, rel=1e-9)
    assert (time.dim, time.dark, time.waiting) == (0.0, 0.0, 0.0)
    assert found.full_clock_share == pytest.approx(7 / 16, rel=1e-9)


def test_the_share_of_tiles_that_a_cap_lights_worked_by_hand():
    """What one inference costs is spread over the 20 ticks the cap asks for: 7 of them at full clock.

    526 mW pay for 10,503 pJ in 19.97 ns; of the 20 steps of the clock, 7 stretch 7 ticks to 20.
    """
    found = dimmed(simulate(TINY.replace(**{"power.cap_W": 0.526}), FC_4_TO_2))
    assert found.capped.clocks.tolist() == [0.35]
    assert found.period_s == pytest.approx(20e-9, rel=1e-9)
    assert found.full_clock_share == pytest.approx(7 / 20, rel=1e-9)
    assert found.tile_time.dim == pytest.approx(1.0, rel=1e-9)
    assert sum(found.watts.values()) == pytest.approx(ENERGY_J / 20e-9, rel=1e-9)
    assert found.headroom_W == pytest.approx(0.526 - ENERGY_J / 20e-9, rel=1e-9)
    assert found.energy_per_inference_J == pytest.approx(ENERGY_J, rel=1e-9)


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
    found = Lighting("DVFS", report, capped, np.ones(1))
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
    assert capped.clock == 0.5
    found = gated(capped)
    assert found.capped.clocks.tolist() == [1.0]
    assert found.tiles.tolist() == [0.5]
    on = 204 / found.capped.period_ticks
    assert found.tile_time.lit == pytest.approx(0.5 * on, rel=1e-9)
    assert found.tile_time.dark == pytest.approx(0.5 * on, rel=1e-9)
    assert found.tile_time.dim == 0.0


def test_a_gated_run_keeps_its_prices():
    table = EnergyTable.load("45nm_horowitz")
    report = simulate(load_chip("reference_250w"), load_network("alexnet"), 64, table=table)
    assert gated(report).report.prices.table == table


def test_an_array_that_waits_for_the_vector_unit_is_not_starved():
    """Two matrix layers with a vector layer of 16 ticks between them, and no time lost in DRAM."""
    chip = TINY.replace(**FAST_DRAM, **{"vector.lanes": 1})
    layers = (
        fc("first", 2, 2),
        vector("between", 2, 2, 16, inputs=(0,)),
        fc("second", 2, 2, inputs=(1,)),
    )
    found = dimmed(simulate(chip, Workload("sandwich", "dense", layers, "by hand")))
    period = 5 + 16 + 5  # load 2 + 1 row + fill and drain 2, the vector unit, and the same again
    assert found.capped.period_ticks == pytest.approx(period, abs=1)
    assert found.tile_time.waiting == pytest.approx(16 / found.capped.period_ticks, rel=1e-9)


def test_a_tile_that_on_chip_memory_cannot_feed_is_starved():
    """1,024 bits at 2 bytes a cycle take 64 ticks, of which the array needs 7."""
    chip = TINY.replace(**FAST_DRAM, **{"sram.bandwidth_B_per_cycle": 2})
    report = simulate(chip, FC_4_TO_2)
    ticks = report.schedule.work[0].ticks
    found = dimmed(report)
    assert ticks["sram"] > ticks["array"] == 7
    assert found.tile_time.lit == pytest.approx(7 / found.capped.period_ticks, rel=1e-9)
    assert found.tile_time.starved == pytest.approx(1 - 7 / found.capped.period_ticks, rel=1e-9)


@settings(max_examples=25)
@given(
    cap_W=st.floats(30.0, 1000.0),
    stage=st.sampled_from(["dense", "pruned", "shared", "huffman", "int8"]),
    batch=st.sampled_from([1, 3, 16, 64]),
    scope=st.sampled_from(["board", "die"]),
)
def test_the_stack_sums_to_the_cap_and_tile_time_to_one(cap_W, stage, batch, scope):
    chip = REFERENCE.replace(**{"power.cap_W": cap_W, "power.scope": scope})
    report = simulate(chip, fc_part(stage), batch)
    for found in (dimmed(report), voltage_scaled(report), gated(report)):
        outside = found.watts["dram"] + chip.static_W - chip.power.leakage_W if scope == "die" else 0.0
        stack = sum(found.watts.values()) + found.headroom_W
        assert stack == pytest.approx(cap_W + outside, rel=1e-9)
        assert found.headroom_W >= -1e-9 * cap_W
        assert sum(found.tile_time) == pytest.approx(1.0, rel=1e-9)
        assert all(-1e-12 <= share <= 1.0 + 1e-12 for share in found.tile_time)
        assert found.full_clock_share <= found.tile_time.lit + found.tile_time.dim + 1e-12
    assert dimmed(report).tile_time.dark == 0.0
    assert voltage_scaled(report).energy_per_inference_J <= dimmed(report).energy_per_inference_J * (1 + 1e-9)


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
    assert np.allclose([found.tile_time for found in strategies], strategies[0].tile_time, rtol=1e-12)


def test_an_array_without_tiles_cannot_be_gated():
    report = simulate(load_chip("eie"), Workload("fc", "dense", (fc("fc", 64, 64),), "by hand"))
    with pytest.raises(InputError, match="no tiles, expected one with tiles"):
        gated(report)
