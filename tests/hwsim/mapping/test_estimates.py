"""What the search expects of a plan is what the plan then takes."""

import pytest

from hwsim.engine.fast import steady_period
from hwsim.machine.chip import load_chip
from hwsim.mapping.choice import choose
from hwsim.mapping.law import CUT
from hwsim.mapping.steps import Channel
from hwsim.mapping.work import KernelPasses
from hwsim.planning import _cost, _streamed
from hwsim.pricing import PriceList
from hwsim.workload.networks import load_network

CHIP = load_chip("reference_250w")


def taken(chip, workload, plan, prices):
    """Joules of actions of a batch, and its ticks."""
    stream, found = _streamed(KernelPasses(chip, workload, plan.costs.cuts, Channel.of(chip)), plan.residency)
    return _cost(stream, found, prices, 0.0), float(steady_period(stream))


@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v2"])
def test_the_second_input_of_a_residual_addition_comes_in_where_its_convolution_runs_in_blocks(network):
    chip, workload = CHIP.replace(**{"sram.capacity_B": 17 << 20}), load_network(network)
    prices = PriceList(chip)
    plans = choose(chip, workload, 2, prices)
    in_blocks = [plan for plan in plans if sum(mode == CUT for mode in plan.found.division.mode) > 5][:4]
    assert in_blocks
    for plan in in_blocks:
        joules, _ = taken(chip, workload, plan, prices)
        assert joules == pytest.approx(plan.found.outlay.joules, rel=0.02)


@pytest.mark.parametrize(
    ("network", "MiB"), [("bert_layer", 17), ("resnet18", 40), ("alexnet", 12), ("alexnet", 32)]
)
def test_weights_that_are_pinned_in_part_come_in_beside_all_of_the_computing(network, MiB):
    chip, workload = CHIP.replace(**{"sram.capacity_B": MiB << 20}), load_network(network)
    prices = PriceList(chip)
    best = choose(chip, workload, 1, prices)[0]
    joules, ticks = taken(chip, workload, best, prices)
    assert any(0 < part < 1 for part in best.found.pinned)
    assert ticks < 1.03 * best.found.outlay.ticks
    assert joules == pytest.approx(best.found.outlay.joules, rel=0.01)
