"""Energy placed on operations is the energy that was priced."""

import numpy as np
import pytest

from hwsim.engine.timeline import DECODE, READ
from hwsim.machine.chip import load_chip
from hwsim.power.operations import operation_energy
from hwsim.run import simulate
from hwsim.workload.networks import load_network


@pytest.mark.parametrize("stage", ["dense", "huffman"])
@pytest.mark.parametrize("batch", [1, 4])
def test_placed_energy_sums_to_the_priced_energy_of_each_component(stage, batch):
    report = simulate(load_chip("edge"), load_network("lenet300", stage), batch)
    placed = operation_energy(report.schedule, report.prices)
    by_component = dict(zip(placed.components, placed.pJ.sum(axis=(0, 1)), strict=True))
    for component, joules in report.energy_by("component").drop("static").items():
        assert by_component[component] == pytest.approx(1e12 * joules * batch, rel=1e-9)


def test_each_component_spends_where_it_works():
    report = simulate(load_chip("edge"), load_network("lenet300", "huffman"))
    placed = operation_energy(report.schedule, report.prices)
    dram, decoder = (placed.components.index(name) for name in ("dram", "decoder"))
    assert placed.pJ[DECODE, :, dram].sum() == 0
    assert np.count_nonzero(placed.pJ[DECODE, :, decoder]) == np.count_nonzero(report.schedule.stream.decode)
    assert placed.pJ[READ, report.schedule.stream.read > 0, dram].min() > 0
