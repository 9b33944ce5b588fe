"""Fused layers beside what AccelForge 1.0.467 finds, and a whole MobileNet in small memories.

AccelForge's figures were computed with it: 16 x 16 weight-stationary array, int8, one SRAM of 64 KiB,
every weight fetched once per inference, so weights that stay from batch to batch are added here.
"""

from functools import cache

import pytest

from hwsim.analysis.fused_peers import BOUND_PCT, against_fused_mappers
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

BUFFERS_B = 256
CHIP = load_chip("edge").replace(**{"buffers.slot_B": BUFFERS_B // 4, "dram.burst_B": 1})


def chip_of(memory_B):
    """The chip with so much memory beside its buffers; nothing else follows from the change."""
    return CHIP.model_copy(update={"sram": CHIP.sram.model_copy(update={"capacity_B": memory_B + BUFFERS_B})})


def moved_kB(report):
    """Traffic of one inference if weights come in once, whether they stay on chip or not."""
    pinned_bits = sum(run.pinned_bits for run in report.runs)
    return (report.requested_weight_bits + report.activation_bits + pinned_bits) / 8e3


@cache
def table():
    return against_fused_mappers()


def test_fused_layers_move_no_more_than_the_best_peer_finds():
    """They move the input, the output and the weights once: nothing between the layers leaves the chip."""
    fused = table()[table()["fused"]]
    assert len(fused) == 2
    assert fused["ours_kB"].tolist() == pytest.approx(fused["once_kB"].tolist(), rel=1e-3)
    assert (fused["error_pct"] <= BOUND_PCT).all()
    assert (fused["stripes"] > 1).all()


def test_without_fusion_what_passes_between_the_layers_goes_through_dram():
    """The expanded map is six times the input: written and read again, it dominates, as with the peer."""
    (row,) = table()[~table()["fused"]].to_dict("records")
    assert row["ours_kB"] >= row["once_kB"] + 144 * 56 * 56 / 1e3
    assert row["error_pct"] <= 0.0


def test_the_inverted_residual_block_by_hand():
    """6,144 weights in, 1,728 across maps, 6,144 out, and 32 maps of 28 x 28 in and out."""
    row = table().iloc[2]
    assert row["once_kB"] == (6_144 + 1_728 + 6_144 + 2 * 32 * 784) / 1e3


@pytest.mark.parametrize(("memory_KiB", "limit_MB"), [(256, 5.5), (64, 9.0)])
def test_mobilenet_in_small_memories(memory_KiB, limit_MB):
    """Layer by layer it moves 20.8 and 30.0 MB; its weights alone are 3.5 MB."""
    report = simulate(chip_of(memory_KiB * 1024), load_network("mobilenet_v2", "int8"))
    assert moved_kB(report) <= 1e3 * limit_MB
