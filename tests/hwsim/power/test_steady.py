"""The cap in steady state on whole chips: random layers, caps from 1 W to 1 kW, and impossible ones."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.mapping.residency import candidates
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, fc, vector
from hwsim.workload.networks import load_network

CHIPS = ("edge", "reference_250w")
LEAST = re.compile(r"expected at least ([0-9.e+-]+) W")


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
        if len(candidates(chip, workload, batch)) == 1:  # else another cap may cut the batch in another way
            assert report.power_W > least_W * (1 - 1.1e-3), "four digits, rounded up"
        return
    assert report.power_W <= cap_W * (1 + 1e-9)
    assert report.actions["energy_J"].sum() == pytest.approx(report.power_W * report.period_s, rel=1e-9)
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
