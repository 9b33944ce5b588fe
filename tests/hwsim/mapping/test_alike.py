"""Layers that cost the same are worked out once, and only they."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.analysis.strategies import GatedTiles
from hwsim.machine.chip import load_chip
from hwsim.mapping import costs
from hwsim.mapping.alike import first_alike
from hwsim.mapping.choice import choose
from hwsim.pricing import PriceList
from hwsim.same import Same
from hwsim.workload.layer import Workload, dense_storage, fc
from hwsim.workload.networks import load_network

CHIP = load_chip("reference_250w")


def layers_of(*layers):
    return Workload("by hand", "dense", layers, "by hand")


FIRST = fc("a", 512, 512)
SECOND = replace(FIRST, name="b")
OTHERS = {
    "shape": fc("b", 512, 256),
    "weights": replace(SECOND, weights=dense_storage(512 * 512, 8)),
    "segments": replace(SECOND, weights=replace(FIRST.weights, segment_bits=FIRST.weights.segment_bits + 1)),
    "pattern": replace(SECOND, pattern=np.eye(512, dtype=bool)),
    "arithmetic": replace(SECOND, arithmetic="fp16"),
}


def test_names_and_inputs_make_no_difference():
    workload = layers_of(FIRST, fc("b", 512, 512, inputs=(0,)), fc("c", 512, 512, inputs=(1,)))
    assert all(same.thing is FIRST for same in first_alike(workload))


@pytest.mark.parametrize("other", OTHERS)
def test_any_other_figure_makes_a_difference(other):
    workload = layers_of(FIRST, OTHERS[other])
    assert first_alike(workload) == tuple(map(Same, workload.layers))


@pytest.mark.parametrize("batch", [1, 6])
def test_plans_are_those_of_layers_worked_out_one_by_one(monkeypatch, batch):
    together = choose(CHIP, load_network("resnet18"), batch, PriceList(CHIP))
    monkeypatch.setattr(costs, "first_alike", lambda workload: tuple(map(Same, workload.layers)))
    apart = choose(CHIP, load_network("resnet18"), batch, PriceList(CHIP))
    assert [plan.found.division for plan in together] == [plan.found.division for plan in apart]
    assert [plan.cost for plan in together] == [plan.cost for plan in apart]


def test_equal_layers_on_other_tiles_cost_differently():
    array = GatedTiles(CHIP.array, (("a", 1), ("b", CHIP.array.tiles)))
    gated = CHIP.model_copy(update={"array": array})
    plan, *_ = choose(gated, layers_of(FIRST, fc("b", 512, 512, inputs=(0,))), 64, PriceList(gated))
    slow, fast = plan.costs.tables.works["core"][0]
    assert slow > 2 * fast
