"""The governor of a board by hand: dithered clocks, one clock a window, power of a waiting die."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import uniform

from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.power.governors import DITHER, ClockScaling, Dvfs, VoltageCurve
from hwsim.power.steady import LayerNeed, groups_of, settle
from hwsim.run import simulate

CURVE = VoltageCurve(nominal_V=1.0, threshold_V=0.2, least_V=0.4, alpha=2.0)
STEPS = 4
CLOCK = ClockScaling(STEPS * DITHER, DITHER)
DVFS = Dvfs(STEPS * DITHER, DITHER, curve=CURVE)
PART = 1 / (STEPS * DITHER)


def cap_of(limit_W, window_ticks=10**6, clock_W=0.0):
    """A cap in a machine of 1 s a tick, so that joules a tick are watts."""
    return Cap(
        chip="by hand",
        limit_W=limit_W,
        static_W=0.0,
        scope="board",
        window_ticks=window_ticks,
        tick_s=1.0,
        clock_W=clock_W,
    )


def settled(governor, cap, *joules, ticks=6400):
    """Clocks of layers of one step each, as long as each other."""
    stream = uniform(len(joules), compute=ticks)
    stream.layer[:] = range(len(joules))
    needs = [LayerNeed(index, energy_J, 0.0, 0, 0, ticks) for index, energy_J in enumerate(joules)]
    return settle(governor, stream, needs, cap)


@pytest.mark.parametrize("watts", [0.9, 0.3, 0.26, 0.1, 0.02])
def test_clocks_between_and_below_the_steps_are_reached(watts):
    """1 W at the nominal clock: the clock is the cap in watts, to a part of a step, also below the first."""
    found = settled(CLOCK, cap_of(watts), 6400.0)
    assert watts - PART < found.clocks.item() <= watts


def test_a_dithered_clock_costs_what_its_two_clocks_do():
    """At 80/256 = 0.3125 of the nominal clock 0.4 of the work is done at 0.5 and the rest at 0.25.

    Then a unit of work takes 0.4 / 0.5 + 0.6 / 0.25 = 3.2 = 1 / 0.3125.
    """
    slower, faster = (CURVE.voltage_V(speed) ** 2 for speed in (0.25, 0.5))
    assert DVFS.core_scale(80) == pytest.approx(0.4 * faster + 0.6 * slower, rel=1e-12)
    assert DVFS.core_scale(64) == slower
    assert DVFS.core_scale(128) == faster
    assert DVFS.core_scale(10) == slower  # the clock of the first step, stopped most of the time


@given(st.integers(1, STEPS * DITHER - 1))
def test_energy_of_an_action_rises_with_the_clock(level):
    assert DVFS.core_scale(level) <= DVFS.core_scale(level + 1) <= 1.0


@pytest.mark.parametrize("governor", [CLOCK, DVFS])
def test_power_of_a_waiting_die_falls_with_v_squared_f(governor):
    """2 W of clock tree at the nominal clock and no work worth speaking of, under 1 W."""
    found = settled(governor, cap_of(1.0, clock_W=2.0), 0.0)
    level = round(found.clocks.item() * governor.levels)
    drawn = [2.0 * x / governor.levels * governor.core_scale(x) for x in (level, level + 1)]
    assert found.clock_factor == pytest.approx(drawn[0] / 2.0, rel=1e-12)
    assert drawn[0] <= 1.0 < drawn[1]


def test_the_clock_without_voltage_halves_the_power_of_a_waiting_die():
    assert settled(CLOCK, cap_of(1.0, clock_W=2.0), 0.0).clocks.item() == 0.5


def test_light_layers_lend_to_heavy_ones_within_a_window():
    """0.25 W and 1.75 W at the nominal clock are 1 W together: over one window nothing has to slow down."""
    together = settled(CLOCK, cap_of(1.0, window_ticks=12_800), 1600.0, 11_200.0)
    assert together.clocks.tolist() == [1.0, 1.0]
    apart = settled(CLOCK, cap_of(1.0, window_ticks=6400), 1600.0, 11_200.0)
    assert apart.clocks.tolist() == [1.0, pytest.approx(1 / 1.75, abs=PART)]


def test_groups_of_layers_last_a_window():
    needs = [LayerNeed(index, 1.0, 0.0, 0, 0, ticks) for index, ticks in enumerate((30, 30, 50, 100, 10))]
    assert groups_of(needs, 1000) == [range(5)]
    assert groups_of(needs, 100) == [range(3), range(3, 4), range(4, 5)]
    assert groups_of(needs, 1) == [range(index, index + 1) for index in range(5)]


def test_a_layer_stays_in_the_group_of_the_one_it_runs_with():
    first, second = (LayerNeed(index, 1.0, 0.0, 0, 0, ticks) for index, ticks in ((0, 100), (2, 9)))
    needs = [first, LayerNeed(0, 0.0, 0.0, 0, 0, 0), second]
    assert groups_of(needs, 50) == [range(2), range(2, 3)]


@settings(max_examples=25)
@given(st.floats(0.12, 0.6), st.sampled_from(["lenet5", "resnet18"]), st.booleans())
def test_a_capped_run_draws_its_cap(cap_W, network, dvfs):
    """Where power is the limiter, over one window, at least 97% of it; never more."""
    changes = {"power.cap_W": cap_W, "power.window_us": 1e9, "power.governor": "dvfs" if dvfs else "clock"}
    report = simulate(load_chip("edge").replace(**changes), network)
    assert report.power_W <= cap_W * (1 + 1e-9)
    if report.limiter == "power":
        assert report.power_W >= 0.97 * cap_W


def test_a_lower_cap_is_never_faster_nor_does_it_draw_more():
    chip = load_chip("edge").replace(**{"power.window_us": 50_000.0})
    reports = [
        simulate(chip.replace(**{"power.cap_W": 0.05 * 1.02**step}), "lenet5") for step in range(0, 120, 3)
    ]
    assert all(low.inferences_per_s <= high.inferences_per_s for low, high in pairwise(reports))
    assert all(low.power_W <= high.power_W * (1 + 1e-9) for low, high in pairwise(reports))
