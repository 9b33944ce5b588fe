"""A training step as a workload: layers and bytes worked out by hand, and the laws of a run."""

from dataclasses import replace

import pytest

from hwsim.audit import audit
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network, network_names
from hwsim.workload.normalisation import unfolded
from hwsim.workload.training import OPTIMIZERS, footprint, training_step


def by_name(workload):
    return {layer.name: layer for layer in workload.layers}


def test_layers_of_lenet_5_by_hand():
    step = training_step(load_network("lenet5"))
    names = [layer.name for layer in step.layers]
    assert names[:10] == [
        "input", "conv1", "pool1", "conv2", "pool2", "fc1", "relu1", "fc2", "softmax", "loss",
    ]  # fmt: skip
    assert names[10:] == [
        "fc2.dx", "fc2.dw", "fc2.state", "fc2.update", "relu1.dx",
        "fc1.dx", "fc1.dw", "fc1.state", "fc1.update", "pool2.dx",
        "conv2.dx", "conv2.dw", "conv2.state", "conv2.update", "pool1.dx",
        "conv1.dw", "conv1.state", "conv1.update",
    ]  # fmt: skip
    layers = by_name(step)
    dx, dw = layers["conv2.dx"], layers["conv2.dw"]
    # 50 gradients of 8 x 8, padded by 4, under 20 turned kernels of 5 x 5 give 12 x 12
    assert (dx.pixels, dx.filters, dx.depth, dx.in_hw, dx.out_hw) == (144, 20, 1250, (8, 8), (12, 12))
    assert (dx.kernel, dx.pad, dx.output_elements) == ((5, 5), (4, 4), 20 * 144)
    assert (dw.kind, dw.pixels, dw.filters, dw.depth, dw.macs) == ("matmul", 500, 50, 64, 64 * 25_000)
    assert [names[i] for i in dw.inputs] == ["pool1", "pool2.dx"]
    assert [names[i] for i in layers["relu1.dx"].inputs] == ["fc2.dx", "relu1"]
    assert names[layers["fc1.dx"].like] == names[layers["fc1.update"].like] == "fc1"
    assert layers["conv1.update"].vector_ops == 2 * 520


def test_a_batch_is_summed_in_the_depth_of_one_product():
    dw = by_name(training_step(load_network("lenet5")))["conv2.dw"]
    joined, items = dw.joined(16)
    assert (items, joined.pixels, joined.filters, joined.depth) == (1, 500, 50, 16 * 64)
    assert (joined.macs, joined.outputs_of(1)) == (16 * dw.macs, 25_000)
    assert joined.input_elements == 16 * (20 * 144 + 50 * 64)


def test_bytes_of_lenet_5_by_hand():
    held = footprint(training_step(load_network("lenet5"), "adam"))
    assert held.weights_B == held.gradients_B == 4 * 431_080
    assert held.state_B == 2 * held.weights_B
    # image, both convolutions and their pooling, the hidden layer, the ten probabilities
    assert held.activations_B == 4 * (784 + 20 * 576 + 20 * 144 + 50 * 64 + 800 + 500 + 10)


def test_narrow_weights_keep_a_wide_copy():
    wide, narrow = (footprint(training_step(load_network("vgg16", stage))) for stage in ("dense", "bf16"))
    assert narrow.activations_B * 2 == wide.activations_B
    assert narrow.state_B == pytest.approx(2 * wide.state_B, rel=1e-3)


@pytest.mark.parametrize("place", ["array", "dram"])
def test_what_the_optimizer_keeps_takes_its_place_on_chip(place):
    step = training_step(load_network("lenet300"), "adam")
    chip = load_chip("edge").replace(**{"sram.capacity_B": 600_000, "decoder.place": place})
    residency = simulate(chip, step, batch=4).schedule.residency
    owners = {index if layer.like is None else layer.like for index, layer in enumerate(step.layers)}
    kept = [residency.pinned_bits[i] // 8 for i in owners if step.layers[i].weights]
    assert 0 < residency.pinned_B == sum(kept) < 600_000
    for index, layer in enumerate(step.layers):  # whoever uses weights finds as much of them on chip
        if layer.like is not None:
            assert residency.pinned_bits[index] == residency.pinned_bits[layer.like]


@pytest.mark.parametrize("stage", ["dense", "fp16"])
def test_an_update_changes_every_weight_and_bias_once(stage):
    step = {layer.name: layer for layer in training_step(load_network("lenet300", stage)).layers}
    assert step["fc1.update"].output_elements == 784 * 300 + 300


@pytest.mark.parametrize(("optimizer", "words"), [("sgd", 2), ("momentum", 2), ("adam", 3)])
def test_an_update_reads_the_weight_and_what_the_optimizer_says_of_it(optimizer, words):
    """The gradient, the velocity, or both moments of Adam (Kingma and Ba 2015, algorithm 1)."""
    step = {layer.name: layer for layer in training_step(load_network("lenet300"), optimizer).layers}
    assert step["fc1.update"].input_elements == words * (784 * 300 + 300)


def test_same_convolutions_cost_three_times_the_forward_pass():
    """Less the first layer, whose input needs no gradient."""
    forward = load_network("vgg16")
    assert training_step(forward).macs == 3 * forward.macs - forward.layers[0].macs


def test_a_strided_convolution_costs_as_much_backward():
    forward = load_network("resnet18")
    layers, before = by_name(training_step(forward)), by_name(forward)
    for name in ("conv3_1_a", "conv3_1_shortcut"):
        assert layers[f"{name}.dx"].macs == before[name].macs
        assert layers[f"{name}.dx"].output_elements == before[name].input_elements
    # the shortcut's gradient and that of the branch meet
    assert layers["conv2_2_relu.sum1"].vector_ops == 64 * 56 * 56


def test_shared_weights_get_the_sum_of_their_gradients_once():
    step = by_name(training_step(load_network("neural_ode")))
    assert sum(name.endswith("k1_conv1.dw") or "_conv1.dw" in name for name in step) == 16 + 15
    assert [name for name in step if name.endswith("conv1.update")] == ["0.k1_conv1.update", "conv1.update"]


def test_attention_has_two_gradients_of_scores_and_of_context():
    forward, step = load_network("bert_layer"), by_name(training_step(load_network("bert_layer")))
    scores = by_name(forward)["scores"]
    for name in ("scores.da", "scores.db", "context.da", "context.db"):
        assert step[name].macs == scores.macs
    assert (step["scores.db"].pixels, step["scores.db"].filters, step["scores.db"].depth) == (64, 128, 128)


@pytest.mark.parametrize("name", [name for name in network_names() if name != "resnet1202"])
def test_every_network_can_be_trained(name):
    forward = unfolded(load_network(name))
    step = training_step(load_network(name))
    held = footprint(step)
    assert 1.9 * forward.macs < step.macs < 4 * forward.macs
    assert held.weights_B == held.state_B == forward.weight_bits // 8 or name.startswith(("lstm", "llama"))
    cached = ("key", "value") if "decode" in name else ()  # they go out to memory, and no gradient comes back
    owners = [
        layer
        for layer in forward.layers
        if layer.weights and layer.like is None and not layer.name.endswith(cached)
    ]
    assert sum(layer.name.endswith(".update") for layer in step.layers) == len(owners)


@pytest.mark.parametrize("chip", ["reference_250w", "edge"])
def test_a_step_keeps_the_laws_and_pays_for_the_update_once(chip):
    step = training_step(load_network("lenet5"))
    machine = load_chip(chip)
    changed = 32 * 400_500
    for batch in (1, 8):
        report = simulate(machine, step, batch)
        audit(report)
        work = dict(zip([layer.name for layer in step.layers], report.schedule.work, strict=True))
        counts, residency, names = work["fc1.update"].counts, report.schedule.residency, [*work]
        pinned_bits = residency.pinned_bits[names.index("fc1.update")]
        assert (pinned_bits == changed) == (chip == "reference_250w")
        burst = 8 * machine.dram.burst_B
        assert counts["activations", "dram", "write_bit"] == -(-(changed - pinned_bits) // burst) * burst
        # what the optimizer keeps comes in, as far as it has gone through DRAM
        came = changed * (1 - residency.kept[names.index("fc1.state")])
        assert counts["activations", "sram", "write_bit"] == pytest.approx(changed + came, abs=1)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match="stored dense"):
        training_step(load_network("lenet5", "huffman"))
    with pytest.raises(InputError, match="fp32, tf32, fp16, bf16"):
        training_step(load_network("lenet5", "int8"))
    with pytest.raises(InputError, match=f"one of {', '.join(OPTIMIZERS)}"):
        training_step(load_network("lenet5"), "lion")
    relu = by_name(load_network("lenet5"))["relu1"]
    bare = replace(load_network("lenet5"), layers=(replace(relu, inputs=(-1,)),))
    with pytest.raises(InputError, match="no layer has weights"):
        training_step(bare)
