"""Batch normalisation of a training step, by hand: 2 maps of 4 x 4 under 3 filters."""

import pytest

from hwsim.audit import audit
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network
from hwsim.workload.normalisation import unfolded
from hwsim.workload.table import load_csv
from hwsim.workload.training import footprint, training_step

SIZE, CHANNELS = 3 * 16, 3


@pytest.fixture
def folded(tmp_path):
    table = tmp_path / "net.csv"
    table.write_text(
        "name,kind,channels,height,width,filters,kernel,pad,norm\n"
        "conv,conv,2,4,4,3,3,1,batch\nrelu,relu,,,,,,,\nfc,fc,,,,5,,,\n"
    )
    return load_csv(table)


def by_name(workload):
    return {layer.name: layer for layer in workload.layers}


def test_a_folded_normalisation_becomes_statistics_and_a_pass_over_all_elements(folded):
    layers = by_name(unfolded(folded))
    assert list(layers) == ["conv", "conv_statistics", "conv_norm", "relu", "fc"]
    conv, statistics, norm = (layers[name] for name in ("conv", "conv_statistics", "conv_norm"))
    assert conv.weights.total_bits == 32 * 2 * 9 * 3  # the offset of the normalisation is its bias
    assert (statistics.input_elements, statistics.output_elements) == (SIZE, 2 * CHANNELS)
    assert (statistics.over_batch, statistics.outputs_of(16)) == ("sum", 2 * CHANNELS)
    assert (norm.input_elements, norm.output_elements) == (SIZE + 2 * CHANNELS, SIZE)
    assert (norm.inputs, layers["relu"].inputs) == ((0, 1), (2,))
    assert norm.weights.total_bits == 32 * 2 * CHANNELS


def test_backward_sums_come_before_the_gradient_that_needs_them(folded):
    step = training_step(folded, "sgd")
    names = [layer.name for layer in step.layers]
    sums, back = (by_name(step)[f"conv_norm.{what}"] for what in ("dw", "dx"))
    assert [names[i] for i in sums.inputs] == ["relu.dx", "conv"]
    assert [names[i] for i in back.inputs] == ["relu.dx", "conv", "conv_norm.dw"]
    assert (sums.output_elements, sums.over_batch) == (2 * CHANNELS, "sum")
    assert (back.input_elements, back.output_elements) == (2 * SIZE + 2 * CHANNELS, SIZE)
    assert [names[i] for i in by_name(step)["conv.dw"].inputs][-1] == "conv_norm.dx"
    assert by_name(step)["conv_norm.update"].output_elements == 2 * CHANNELS
    # kept for the backward passes: the image, what the convolution, the ReLU and the last layer make
    assert footprint(step).activations_B == 4 * (32 + SIZE + SIZE + 5)


def test_inference_keeps_it_folded(folded):
    assert [layer.name for layer in folded.layers] == ["conv", "relu", "fc"]
    assert folded.layers[0].weights.total_bits == 32 * (2 * 9 * 3 + CHANNELS)


def test_without_fusion_each_pass_moves_what_it_reads_and_makes(folded):
    chip = load_chip("a100_sxm").replace(fusion="none", **{"sram.capacity_B": 1_000_000})
    step = training_step(load_network("resnet18", "fp16"))
    report = simulate(chip, step, batch=64)
    audit(report)
    moved = {run.layer.name: run.work for run in report.runs}
    made = 16 * 64 * 64 * 112 * 112  # bits of the first convolution's output
    for name, times in (
        ("conv1_statistics", 1),
        ("conv1_norm", 2),
        ("conv1_norm.dw", 2),
        ("conv1_norm.dx", 3),
    ):
        counts = moved[name].counts
        bits = sum(n for (tensor, part, _), n in counts.items() if (tensor, part) == ("activations", "dram"))
        assert bits == pytest.approx(times * made, rel=0.05)


@pytest.mark.parametrize(("kind", "norm"), [("relu", "batch"), ("conv", "layer")])
def test_where_it_cannot_be_folded_is_refused(tmp_path, kind, norm):
    table = tmp_path / "net.csv"
    table.write_text(
        f"name,kind,channels,height,width,filters,kernel,norm\nfirst,{kind},2,4,4,"
        f"{3 if kind == 'conv' else ''},{1 if kind == 'conv' else ''},{norm}\n"
    )
    with pytest.raises(InputError, match="norm"):
        load_csv(table)
