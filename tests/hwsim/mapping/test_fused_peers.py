"""Fused layers beside what AccelForge 1.0.467 finds, and a whole MobileNet in small memories.

AccelForge's figures were computed with it: 16 x 16 weight-stationary array, int8, one SRAM of 64 KiB,
every weight fetched once per inference, so weights that stay from batch to batch are added here.
"""

from dataclasses import replace

import pytest

from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, dense_storage
from hwsim.workload.networks import load_network

BUFFERS_B = 256
CHIP = load_chip("edge").replace(**{"buffers.slot_B": BUFFERS_B // 4, "dram.burst_B": 1})


def chip_of(memory_B):
    """The chip with so much memory beside its buffers; nothing else follows from the change."""
    return CHIP.model_copy(update={"sram": CHIP.sram.model_copy(update={"capacity_B": memory_B + BUFFERS_B})})


def int8(name, *geometry, **extra):
    layer = conv(name, *geometry, arithmetic="int8", **extra)
    return replace(layer, weights=dense_storage(layer.weight_count, 8))


def moved_kB(report):
    """Traffic of one inference if weights come in once, whether they stay on chip or not."""
    pinned_bits = sum(run.pinned_bits for run in report.runs)
    return (report.requested_weight_bits + report.activation_bits + pinned_bits) / 8e3


PAIR = (
    int8("expand", 24, (56, 56), 144, (1, 1)),
    int8("project", 144, (56, 56), 24, (1, 1), inputs=(0,)),
)
BLOCK = (
    int8("expand", 32, (28, 28), 192, (1, 1)),
    int8("depthwise", 192, (28, 28), 192, (3, 3), (1, 1), (1, 1), 192, inputs=(0,)),
    int8("project", 192, (28, 28), 32, (1, 1), inputs=(1,)),
)


@pytest.mark.parametrize(("layers", "accelforge_kB"), [(PAIR, 157.4), (BLOCK, 67.9)])
def test_fused_layers_move_no_more_than_the_best_peer_finds(layers, accelforge_kB):
    """Both move the input, the output and the weights once: nothing between the layers leaves the chip."""
    report = simulate(chip_of(65_536), Workload("fused", "int8", layers, "by hand"))
    first, last = layers[0], layers[-1]
    once = first.input_elements + last.output_elements + sum(layer.weight_count for layer in layers)
    assert moved_kB(report) == pytest.approx(once / 1e3, rel=1e-3)
    assert moved_kB(report) <= 1.15 * accelforge_kB
    assert {segment.mode for segment in report.schedule.residency.segments} == {"stripes"}


def test_without_fusion_what_passes_between_the_layers_goes_through_dram():
    """The expanded map is six times the input: written and read again, it dominates."""
    chip = chip_of(65_536).model_copy(update={"fusion": "none"})
    report = simulate(chip, Workload("unfused", "int8", PAIR, "by hand"))
    assert moved_kB(report) >= 5 * 157.4


@pytest.mark.parametrize(("memory_KiB", "limit_MB"), [(256, 5.5), (64, 9.0)])
def test_mobilenet_in_small_memories(memory_KiB, limit_MB):
    """Layer by layer it moves 20.8 and 30.0 MB; its weights alone are 3.5 MB."""
    report = simulate(chip_of(memory_KiB * 1024), load_network("mobilenet_v2", "int8"))
    assert moved_kB(report) <= 1e3 * limit_MB
