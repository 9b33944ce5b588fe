"""A network written in another way is the same network."""

from dataclasses import replace

import pytest

from hwsim.machine.chip import load_chip
from hwsim.mapping.fusion import ELEMENTWISE
from hwsim.run import simulate
from hwsim.workload.layer import Workload, dense_storage, fc
from hwsim.workload.networks import load_network

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


PIECES, LEAST_FILTERS = 16, 16
"""Smaller pieces leave columns of the array empty, so that the cut is not free."""


def piece_of(layer, number, inputs):
    """An equal part of the filters of a layer, or of the elements of one in its output path."""
    part = replace(layer, name=f"{layer.name}.{number}", inputs=inputs)
    part = replace(part, output_elements=layer.output_elements // PIECES)
    if layer.kind == "vector":
        fewer = {"input_elements": layer.input_elements, "vector_ops": layer.vector_ops}
        return replace(part, **{name: count // PIECES for name, count in fewer.items()})
    part = replace(part, filters=layer.filters // PIECES)
    side_bits = layer.weights.side_bits // PIECES
    return replace(part, weights=dense_storage(part.weight_count, layer.operand_bits, side_bits))


def in_pieces(workload):
    """Every layer of many filters, and the activation function after it, cut into equal pieces."""
    layers, pieces_of = [], {-1: (-1,)}
    for index, layer in enumerate(workload.layers):
        inputs = tuple(piece for source in layer.inputs for piece in pieces_of[source])
        divides = layer.filters % PIECES == 0 and layer.filters >= PIECES * LEAST_FILTERS
        if layer.kind in ("conv", "fc") and layer.groups == 1 and divides:
            found = [piece_of(layer, number, inputs) for number in range(PIECES)]
        elif layer.op in ELEMENTWISE and len(inputs) == PIECES:
            found = [piece_of(layer, number, (source,)) for number, source in enumerate(inputs)]
        else:
            found = [replace(layer, inputs=inputs)]
        pieces_of[index] = tuple(range(len(layers), len(layers) + len(found)))
        layers += found
    return replace(workload, layers=tuple(layers))


@pytest.mark.parametrize("chip", ["edge", "reference_250w"])
def test_alexnet_in_pieces_costs_as_much(chip):
    whole = load_network("alexnet", "dense")
    cut = in_pieces(whole)
    assert len(cut.layers) > 4 * len(whole.layers)
    assert sum(layer.macs for layer in cut.layers) == sum(layer.macs for layer in whole.layers)
    before, after = (simulate(chip, workload) for workload in (whole, cut))
    assert after.energy_per_inference_J == pytest.approx(before.energy_per_inference_J, rel=SAME)
    assert after.period_s == pytest.approx(before.period_s, rel=SAME)
