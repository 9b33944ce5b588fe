"""A run that is costed again: the same run with the same chip, a new run's figures with another."""

from functools import cache

import pytest

from hwsim.analysis.recosting import recosted
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

CHIP, NETWORK, BATCH = load_chip("a30"), "resnet18", 64

CHANGES = {
    "kernels.time_us": 2.0,
    "kernels.efficiency": 1.0,
    "dram.efficiency": 0.5,
    "power.clock_W": 10.0,
    "dram.energy_pJ_per_bit": 9.0,
}


@cache
def run():
    return simulate(CHIP, NETWORK, BATCH, stage="int8")


def test_with_the_same_constants_it_is_the_same_run():
    again = recosted(run(), CHIP)
    assert again.period_s == run().period_s
    assert again.latency_s == run().latency_s
    assert again.energy_per_inference_J == run().energy_per_inference_J


@pytest.mark.parametrize("key", CHANGES)
def test_with_another_constant_it_is_near_a_new_run(key):
    chip = CHIP.replace(**{key: CHANGES[key]})
    again, new = recosted(run(), chip), simulate(chip, NETWORK, BATCH, stage="int8")
    assert again.period_s == pytest.approx(new.period_s, rel=0.02)
    assert again.energy_per_inference_J == pytest.approx(new.energy_per_inference_J, rel=0.02)
    assert (again.period_s, again.energy_per_inference_J) != (run().period_s, run().energy_per_inference_J)


def test_its_stream_adds_up_to_its_work_but_for_rounding():
    again = recosted(run(), CHIP.replace(**{"dram.efficiency": 1.0, "kernels.time_us": 1.0}))
    stream, work = again.schedule.stream, again.schedule.work
    moved = (stream.read + stream.write).sum()
    assert moved == pytest.approx(sum(each.ticks["dram"] for each in work), rel=1e-3)
    assert stream.compute.sum() == pytest.approx(sum(each.unit_ticks for each in work), rel=1e-3)
