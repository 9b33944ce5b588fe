"""A network written in another way is the same network."""

import pytest

from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Workload, fc

EDGE = load_chip("edge")
SAME = 0.02


def network(pieces):
    """Three fully-connected layers, the middle one (4 MiB of weights) cut into equal rows of filters."""
    width = 1024 // pieces
    middle = [fc(f"b{piece}", 1024, width, inputs=(0,)) for piece in range(pieces)]
    last = fc("c", 1024, 256, inputs=tuple(range(1, pieces + 1)))
    return Workload("cut", "dense", (fc("a", 256, 1024), *middle, last), "by hand")


@pytest.mark.parametrize("memory_KiB", [128, 512, 1024, 8192])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_layer_cut_into_sixteen_costs_as_much(memory_KiB, batch):
    """The cut is free: pieces share their input, which is on chip, and their folds are as full."""
    sram = EDGE.sram.model_copy(update={"capacity_B": memory_KiB * 1024})
    chip = EDGE.model_copy(update={"sram": sram})
    whole, cut = (simulate(chip, network(pieces), batch) for pieces in (1, 16))
    assert cut.energy_per_inference_J == pytest.approx(whole.energy_per_inference_J, rel=SAME)
    assert cut.period_s == pytest.approx(whole.period_s, rel=SAME)
