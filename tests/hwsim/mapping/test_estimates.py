"""What the search expects of a plan is what the plan then takes."""

import numpy as np
import pytest

from hwsim.engine.fast import steady_period
from hwsim.machine.chip import load_chip
from hwsim.mapping.choice import choose
from hwsim.mapping.law import CUT, SUM, WHOLE, price
from hwsim.mapping.room import HOLD, enter
from hwsim.mapping.segments import WAYS, divide
from hwsim.mapping.steps import Channel
from hwsim.mapping.work import KernelPasses
from hwsim.planning import _cost, _streamed
from hwsim.pricing import PriceList
from hwsim.workload.networks import load_network

CHIP, EDGE = load_chip("reference_250w"), load_chip("edge")


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


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("network", ["resnet18", "squeezenet1_1"])
def test_a_division_costs_what_its_segments_cost_one_by_one(network, batch):
    """The search prices a segment that grows by what is new in it; here each is priced whole."""
    workload = load_network(network)
    costs = choose(EDGE, workload, batch, PriceList(EDGE))[0].costs
    tables, terms, count = costs.tables, costs.terms, len(costs.kernels)
    hold, sums = np.zeros(count, HOLD), np.zeros((WAYS, count), SUM)
    nothing, capacity = np.zeros(count), float(costs.spaces[0])
    unknown = np.empty((count, 0, 0))
    for at in (0, 8):
        fixed = float(costs.spaces[at]), capacity, nothing, nothing, True, True, unknown
        how, least = divide.compiled(tables, terms, at, *fixed, hold, sums)
        total, end = 0.0, count
        while end:
            first, mode, amount = how[end - 1].tolist()
            total += priced(tables, terms, first, end, mode, amount, hold, sums[0])
            end = first
        assert total == pytest.approx(least, rel=1e-12)


def priced(t, terms, first, end, mode, amount, hold, sums):
    """Joules of a segment, time included, with nothing on chip but what it works on."""
    nothing, loads, here = np.zeros(end), float(amount), slice(first, end)
    hold["seen"] = -1
    for k in range(first, end):
        enter(t.kernels, t.edges, t.fetches, nothing, first, k, hold)
    bits = terms.batch * hold["item"] + hold["whole"]
    early = terms.batch * hold["item_in"] + hold["whole_in"]
    if mode != WHOLE:
        early, loads = np.zeros(len(bits)), 1.0
    if mode == CUT:
        (block,) = t.blocks[amount, here]
        bits[first], loads = block["bits"], block["passes"] * block["fetches"]
    bits[here] += loads * t.weights["fetched_bits"][here]
    joules, ticks = price(t, terms, first, first, end, mode, amount, bits, early, nothing, sums)
    return joules + ticks * terms.tick_J
