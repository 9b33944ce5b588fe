"""The cap in steady state: `settle` by hand, and whole chips under any cap, impossible ones too."""

import re
from collections import Counter
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import uniform

from hwsim.arrays.base import ArrayCost
from hwsim.engine.fast import steady_period
from hwsim.engine.stream import TileStream
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.mapping.work import LayerWork
from hwsim.power.governors import (
    ClockScaling,
    Dvfs,
    FixedClock,
    RaceToIdle,
    TileGating,
    VoltageCurve,
)
from hwsim.power.steady import CapTooLow, LayerNeed, needs_of, settle
from hwsim.pricing import PriceList
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, fc, vector
from hwsim.workload.networks import load_network

CHIPS = ("edge", "reference_250w")
LEAST = re.compile(r"expected at least ([0-9.e+-]+) W")
CURVE = VoltageCurve(nominal_V=1.0, threshold_V=0.2, least_V=0.4, alpha=2.0)


def cap_of(limit_W, static_W=0.0, tick_s=1.0, scope="board"):
    """Cap by hand."""
    return Cap(chip="by hand", limit_W=limit_W, static_W=static_W, scope=scope, window_ticks=1, tick_s=tick_s)


def one_layer(governor, cap, core_J, other_J=0.0, dram_ticks=0, compute_ticks=1):
    """Where one layer of a single step settles, and its average power."""
    stream = uniform(1, read=dram_ticks, compute=compute_ticks)
    found = settle(governor, stream, [LayerNeed(0, core_J, other_J, dram_ticks, 0, compute_ticks)], cap)
    energy_J = core_J * found.core_scale.item() + other_J
    return found, cap.drawn_W(energy_J, found.period_ticks * cap.tick_s)


@pytest.mark.parametrize("passes", [1, 4])
def test_the_clock_of_one_layer_is_what_the_budget_pays_for(passes):
    """1.052 W less 0.526 W at rest pay for 10,518.8 pJ in 19.998 ns; 7 ticks at 7/20 of the clock are 20."""
    need = LayerNeed(0, passes * 278.8e-12, passes * 10_240e-12, passes * 16, 0, passes * 7)
    cap = cap_of(1.052, static_W=0.526, tick_s=1e-9)
    found = settle(ClockScaling(20), uniform(passes, read=16, compute=7), [need], cap)
    needed = 10_518.8e-12 / 0.526 / 1e-9
    assert found.clocks.tolist() == [floor(7 * 20 / needed) / 20] == [0.35]
    assert found.core_scale.tolist() == [1.0]
    assert found.stream.compute.tolist() == [20] * passes
    assert found.period_ticks == 20 * passes


@pytest.mark.parametrize(("scope", "limit_W"), [("board", 0.7), ("die", 0.02)])
def test_only_what_the_scope_counts_slows_a_layer(scope, limit_W):
    """512 DRAM bits at 20 pJ and 100 multiplies: with 7 ticks of the array and 16 of DRAM."""
    chip = load_chip("edge").replace(
        **{
            "process.clock_GHz": 1.0,
            "dram.energy_pJ_per_bit": 20.0,
            "dram.standby_W": 0.1,
            "power.board_W": 0.0,
            "power.leakage_W": 0.01,
            "power.cap_W": limit_W,
            "power.scope": scope,
            "power.clock_steps": 100,
        }
    )
    prices, cap = PriceList(chip), Cap.of(chip)
    counts = Counter({("weights", "dram", "read_bit"): 512, ("mac", "mac", "multiply_fp32"): 100})
    ticks = {"dram": 16, "decoder": 3, "sram": 2, "array": 7}
    cost = ArrayCost(7, 7, 2, 100, 100, 100)
    work = LayerWork(1, 0, 512, 512, 0, 1, cost, counts, ticks, 7)
    multiply_J = 100e-12 * prices["mac", "multiply_fp32"].pJ
    counted_J, budget_W = {
        "board": (multiply_J + 512 * 20e-12, limit_W - 0.11),
        "die": (multiply_J, limit_W - 0.01),
    }[scope]

    (need,) = needs_of([work], prices, cap)
    assert (need.core_J, need.other_J) == pytest.approx((multiply_J, counted_J - multiply_J), abs=1e-24)
    found = settle(ClockScaling.of(chip), uniform(1, read=16, decode=3, compute=7), [need], cap)
    needed = counted_J / budget_W / 1e-9
    assert needed > 16
    assert found.stream.compute.tolist() == [ceil(needed)]


def test_layers_that_overlap_share_the_budget():
    """DRAM of one layer and the array of another, 10 ticks each: each fits alone, both need 20 ticks."""
    column = [np.array(values) for values in ([0, 1], [0, 0], [10, 0], [0, 0], [0, 10], [0, 0], [-1, -1])]
    stream = TileStream(*column, column[-1], latency=0, turnaround=0, fetch_depth=2, decode_depth=2)
    assert steady_period(stream) == 10
    needs = [LayerNeed(0, 0.0, 9.99, 10, 0, 0), LayerNeed(1, 9.99, 0.0, 0, 0, 10)]
    found = settle(ClockScaling(10), stream, needs, cap_of(1.0))
    assert found.clocks.tolist() == [1.0, 0.5]
    assert found.period_ticks == 20


def test_a_cap_below_the_lowest_clock_names_the_least():
    """DRAM draws 1 J in 10 s at any clock, 0.5 W are drawn at rest."""
    with pytest.raises(
        CapTooLow, match=r"chip by hand: power.cap_W is 0.55 W, expected at least 0.6 W"
    ) as no:
        one_layer(ClockScaling(10), cap_of(0.55, static_W=0.5), 0.0, 1.0, dram_ticks=10, compute_ticks=1)
    assert no.value.least_W == pytest.approx(0.6, rel=1e-9)


def test_core_power_goes_with_voltage_squared_times_clock():
    """1 J in 1 s at 1 V; at 5/12 of the clock 0.6 V will do: 0.36 J in 2.4 s, 0.15 W."""
    cap = cap_of(0.15 * (1 + 1e-12), tick_s=1 / 60)
    found, power_W = one_layer(Dvfs(12, curve=CURVE), cap, 1.0, compute_ticks=60)
    assert found.clocks.tolist() == [5 / 12]
    assert found.core_scale.tolist() == [pytest.approx(0.36, rel=1e-9)]
    assert found.period_ticks == 144
    assert power_W == pytest.approx(0.15, rel=1e-9)


def test_dram_energy_does_not_follow_the_core_voltage():
    cap = cap_of(0.3 * (1 + 1e-12), tick_s=1 / 60)
    found, power_W = one_layer(Dvfs(12, curve=CURVE), cap, 1.0, 0.36, compute_ticks=60)
    assert found.clocks.tolist() == [5 / 12]
    assert power_W == pytest.approx((0.36 + 0.36) / 2.4, rel=1e-9)


def test_tiles_lit_under_a_cap_by_hand():
    """48 tiles draw 8 W each and cause 2 W of DRAM traffic each: (250 - 15) / 10 = 23.5 tiles."""
    cap = cap_of(250.0, static_W=15.0, tick_s=1 / 23)
    found, power_W = one_layer(TileGating(48), cap, 48 * 8.0, 48 * 2.0, dram_ticks=7, compute_ticks=23)
    assert found.clocks.tolist() == [23 / 48]
    assert found.period_ticks == 48
    assert power_W == pytest.approx(245.0, rel=1e-9)


def test_gating_slows_the_arrays_and_not_the_decoder():
    need = LayerNeed(0, 30.0, 0.0, 0, 10, 10)
    found = settle(TileGating(10), uniform(1, decode=10, compute=10), [need], cap_of(1.0))
    assert found.clocks.tolist() == [0.3]
    assert (found.stream.decode.item(), found.stream.compute.item()) == (10, 34)


def test_race_to_idle_spends_the_cap_and_pauses():
    """480 J at 235 W take 480/235 s; the work itself takes one."""
    cap = cap_of(250.0, static_W=15.0, tick_s=0.1)
    found, power_W = one_layer(RaceToIdle(), cap, 384.0, 96.0, dram_ticks=3, compute_ticks=10)
    assert found.clocks.tolist() == [1.0]
    assert steady_period(found.stream) == 10
    assert found.period_ticks == pytest.approx(4800 / 235, rel=1e-9)
    assert power_W == pytest.approx(250.0, rel=1e-9)
    with pytest.raises(InputError, match="power cap is 15 W, expected more than the 15 W"):
        one_layer(RaceToIdle(), cap_of(15.0, static_W=15.0), 1.0)


def test_the_fixed_clock_ignores_the_cap():
    found, power_W = one_layer(FixedClock(), cap_of(20.0, static_W=15.0), 384.0, 96.0)
    assert (found.period_ticks, power_W) == (1.0, 495.0)


@pytest.mark.parametrize(
    "governor", [RaceToIdle(), ClockScaling(), TileGating(), Dvfs(curve=VoltageCurve.default(0.9))]
)
def test_a_cap_that_does_not_bind_leaves_the_nominal_level(governor):
    found, power_W = one_layer(governor, cap_of(600.0, static_W=15.0, tick_s=0.1), 384.0, 96.0, 3, 10)
    assert (found.clocks.item(), found.core_scale.item(), found.period_ticks) == (1.0, 1.0, 10.0)
    assert power_W == pytest.approx(495.0, rel=1e-12)


def test_dimming_beats_gating():
    """At one cap: a lower voltage pays for more work than fewer tiles do."""
    cap = cap_of(250.0, static_W=15.0, tick_s=1e-3)
    dim, dark = (
        one_layer(governor, cap, 390.0, 0.0, dram_ticks=100, compute_ticks=1000)[0].period_ticks
        for governor in (Dvfs(curve=VoltageCurve.default(0.9)), TileGating(100))
    )
    assert 1.2 < dark / dim < 1.6


@st.composite
def workloads(draw):
    """A convolution, a pooling layer and up to three fully-connected ones, of random sizes and densities."""
    size, channels, filters = draw(st.integers(3, 24)), draw(st.integers(1, 32)), draw(st.integers(1, 64))
    density = st.floats(0.05, 1.0)
    first = conv("conv", channels, (size, size), filters, (3, 3), weight_density=draw(density))
    pooled = first.output_elements // 4 + 1
    layers = [first, vector("pool", first.output_elements, pooled, first.output_elements, inputs=(0,))]
    width = pooled
    for index in range(draw(st.integers(0, 3))):
        wide = draw(st.integers(1, 2000))
        layers.append(fc(f"fc{index}", width, wide, weight_density=draw(density), inputs=(len(layers) - 1,)))
        width = wide
    return Workload("random", "dense", tuple(layers), "random sizes")


@settings(max_examples=60)
@given(workloads(), st.floats(1.0, 1000.0), st.integers(1, 70), st.sampled_from(CHIPS))
def test_average_power_keeps_to_any_cap_and_an_impossible_one_names_the_least(workload, cap_W, batch, name):
    chip = load_chip(name)
    capped = chip.replace(**{"power.cap_W": cap_W})
    free = simulate(chip.replace(**{"power.cap_W": 1e9}), workload, batch)
    try:
        report = simulate(capped, workload, batch)
    except InputError as error:
        least_W = float(LEAST.search(str(error)).group(1))
        assert cap_W < least_W
        report = simulate(chip.replace(**{"power.cap_W": least_W}), workload, batch)
        assert report.power_W <= least_W * (1 + 1e-9)
        assert report.power_W > least_W * (1 - 1.1e-3), "four digits, rounded up"
        return
    assert report.power_W <= cap_W * (1 + 1e-9)
    assert report.actions["energy_per_batch_J"].sum() == pytest.approx(
        report.power_W * report.period_s, rel=1e-9
    )
    if (report.capped.clocks == 1).all() and free.schedule.residency == report.schedule.residency:
        assert report.latency_ticks == free.latency_ticks


def test_a_cap_that_never_binds_changes_no_cycle():
    chip, workload = load_chip("edge"), load_network("lenet5")
    free, capped = (simulate(chip.replace(**{"power.cap_W": watts}), workload, 4) for watts in (1e9, 1e3))
    assert (capped.latency_ticks, capped.capped.period_ticks) == (
        free.latency_ticks,
        free.capped.period_ticks,
    )
    assert capped.actions.equals(free.actions)
