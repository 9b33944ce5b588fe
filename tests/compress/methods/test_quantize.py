"""Linear quantization by hand, and integer execution against its emulation in floating point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compress.format.container import parse
from compress.format.execution import executable
from compress.methods.quantize import quantize, quantize_network, scale_of
from compress.methods.rounding import signal_to_noise_dB
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.network import INPUT, Network, Node
from compress.nn.train import evaluate
from compress.pipeline.recipe import TrainStep
from compress.pipeline.state import State
from experiments.studies.training import follow
from hwsim.errors import InputError

VALUES = arrays(np.float32, st.integers(1, 30), elements=st.floats(-8, 8, width=32))


def test_quantize_by_hand():
    # Largest magnitude 15.875 over 127 levels: steps of 1/8. Halves go to the even level.
    tensor = quantize(np.array([[15.875, -0.3125], [0.0625, 0.1875]], np.float32), per_channel=False)
    assert tensor.scale == 0.125
    np.testing.assert_array_equal(tensor.q, [[127, -2], [0, 2]])
    each = quantize(np.array([[12.7, 0], [0.7, -0.1]], np.float32), 4)
    np.testing.assert_allclose(each.scale, [12.7 / 7, 0.1], rtol=1e-6)
    np.testing.assert_array_equal(each.q, [[7, 0], [7, -1]])


@given(VALUES, st.integers(2, 8))
def test_minmax_errs_by_half_a_step_at_most(values, bits):
    tensor = quantize(values[np.newaxis], bits)
    assert np.abs(tensor.to_array() - values).max() <= 0.5001 * tensor.scale[0]


@given(VALUES, st.integers(2, 8))
def test_mse_calibration_is_no_worse_than_minmax(values, bits):
    errors = [
        float(np.square(quantize(values[np.newaxis], bits, calibration=name).to_array() - values).sum())
        for name in ("mse", "minmax")
    ]
    assert errors[0] <= errors[1] * (1 + 1e-5) + 1e-12


def test_percentile_clips_outliers():
    values = np.append(np.full(9999, 1.0), 100.0)
    assert scale_of(values, calibration="percentile") == np.float32(1 / 127)
    assert scale_of(values) == np.float32(100 / 127)


def test_zeros_quantize_to_zeros():
    for calibration in ("minmax", "percentile", "mse"):
        tensor = quantize(np.zeros((2, 3), np.float32), calibration=calibration)
        np.testing.assert_array_equal(tensor.to_array(), np.zeros((2, 3)))


def lenet(name: str) -> Network:
    return build(name, np.random.default_rng(0))


def images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 1, 28, 28), dtype=np.float32)


@pytest.mark.parametrize("name", ["lenet300", "lenet5"])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [8, 4])
def test_integers_give_the_bits_of_the_emulation(name, per_channel, bits):
    artifact = quantize_network(lenet(name), images(8), bits, per_channel=per_channel, calibration="mse")
    assert artifact.stage == f"int{bits}"
    integers, emulated = (executable(artifact, accumulator=kind) for kind in ("int32", "float64"))
    assert integers.params["fc1.weight.levels"].dtype == np.int8
    x = images(12, seed=2)
    assert integers.forward(x).tobytes() == emulated.forward(x).tobytes()


@given(st.data())
def test_any_convolution_in_integers_equals_its_emulation(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    groups = data.draw(st.sampled_from([1, 2]))
    attrs = {
        "groups": groups,
        "pads": (data.draw(st.integers(0, 2)),) * 4,
        "stride": (data.draw(st.integers(1, 2)),) * 2,
    }
    nodes = (Node("conv", "conv", attrs=attrs, params=("w", "b")),)
    params = {
        "w": rng.normal(size=(4, 4 // groups, 3, 3)).astype(np.float32),
        "b": rng.normal(size=4).astype(np.float32),
    }
    network = Network("one", (4, 5, 5), nodes, params)
    x = rng.normal(size=(3, 4, 5, 5)).astype(np.float32)
    artifact = quantize_network(network, x, data.draw(st.integers(2, 8)))
    integers, emulated = (executable(artifact, accumulator=kind).forward(x) for kind in ("int32", "float64"))
    assert integers.tobytes() == emulated.tobytes()


def test_one_layer_in_integers_by_hand():
    # Inputs from -8 to 23.875 have 255 steps of 1/8, the 64th of which is zero, weights have steps of 1/4:
    # levels (191, -40) by (127, 8) add up to 24257 - 320.
    nodes = (Node("fc", "fc", params=("w", "b")),)
    params = {"w": np.array([[31.75, 2.0]], np.float32), "b": np.array([0.5], np.float32)}
    network = Network("one", (2,), nodes, params)
    artifact = quantize_network(network, np.array([[23.875, -8]], np.float32))
    assert artifact.topology.nodes[0].attrs["range"] == (-64, 191)
    for accumulator in ("int32", "float64"):
        executed = executable(artifact, accumulator=accumulator)
        assert executed.forward(np.array([[99.0, -5.0]], np.float32))[0, 0] == 23937 / 32 + 0.5


def test_every_part_of_a_split_is_rounded():
    """Channels are split, each half has a layer, and they are joined and mixed, as in ShuffleNet v2."""
    rng = np.random.default_rng(5)
    shapes = {"w": (4, 4, 3, 3), "depth": (4, 1, 3, 3), "out": (6, 8, 1, 1)}
    params = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    pads = {"pads": (1, 1, 1, 1)}
    nodes = (
        Node("halves", "split", attrs={"axis": 1, "sizes": (4, 4)}),
        Node("first", "conv", ("halves",), pads, ("w",)),
        Node("second", "conv", ("halves:1",), {**pads, "groups": 4}, ("depth",)),
        Node("both", "concat", ("first", "second"), {"axis": 1}),
        Node("mixed", "conv", ("both",), params=("out",)),
    )
    network = Network("split", (8, 5, 5), nodes, params)
    x = rng.normal(size=(6, 8, 5, 5)).astype(np.float32)
    x[:, 4:] *= 10
    artifact = quantize_network(network, x)
    read = {node.name: node.attrs for node in artifact.topology.nodes}
    assert artifact.stage == "int8"
    assert read["second"]["input_scale"] == pytest.approx(np.ptp(x[:, 4:]) / 255, rel=0.02)
    assert read["first"]["input_scale"] == pytest.approx(np.ptp(x[:, :4]) / 255, rel=0.02)
    y = executable(artifact).forward(x)
    assert y.tobytes() == executable(artifact, accumulator="float64").forward(x).tobytes()
    assert signal_to_noise_dB(network, executable(artifact), {INPUT: x}) > 30


def test_eight_bits_hardly_change_the_outputs_and_survive_the_file():
    network, x = lenet("lenet5"), images(20)
    artifact = quantize_network(network, x)
    read = parse(artifact.to_bytes())[0]
    y = executable(read).forward(x)
    assert y.tobytes() == executable(artifact).forward(x).tobytes()
    expected = network.forward(x)
    assert np.abs(y - expected).max() < 0.05 * np.abs(expected).max()


def test_sums_that_would_overflow_take_symmetric_levels():
    """255 x 128 x 70,000 is more than 31 bits hold, 128 x 128 x 70,000 is not."""
    nodes = (Node("fc", "fc", params=("w",)),)
    network = Network("wide", (70_000,), nodes, {"w": np.ones((1, 70_000), np.float32)})
    artifact = quantize_network(network, np.ones((1, 70_000), np.float32))
    assert "range" not in artifact.topology.nodes[0].attrs
    assert executable(artifact).forward(np.ones((1, 70_000), np.float32))[0, 0] == pytest.approx(70_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_trained_lenet5_errs_alike_in_eight_bits(seed):
    """Within 0.1 points of floating point, nothing trained for it, on all test images."""
    dataset = load_dataset("mnist", validation=10_000)
    start = State(build("lenet5", np.random.default_rng(seed)))
    state, _ = follow(start, [TrainStep(kind="train", epochs=4, learning_rate=0.02)], dataset, seed)
    artifact = quantize_network(state.network, dataset.train.x[:1000], calibration="mse")
    errors = [evaluate(network, dataset.test) for network in (state.network, executable(artifact))]
    assert abs(errors[1] - errors[0]) <= 0.001


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_network(lenet("lenet300"), images(0)), "no images to calibrate on"),
        (lambda: quantize_network(lenet("lenet300"), images(1), 9), "9 bits, expected 2 to 8"),
        (lambda: scale_of(np.ones(2), 8, "max"), "calibration is 'max', expected one of minmax"),
    ],
)
def test_unusable_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e39, 1e-40, "1", 1])
def test_scales_that_are_no_step_are_refused(scale):
    artifact = quantize_network(lenet("lenet300"), images(2))
    nodes = tuple(
        replace(node, attrs={**node.attrs, "input_scale": scale}) for node in artifact.topology.nodes
    )
    with pytest.raises(InputError, match=r"input_scale is .*, expected a positive number of fp32"):
        executable(replace(artifact, topology=replace(artifact.topology, nodes=nodes)))


def test_sums_that_could_overflow_are_refused():
    nodes = (Node("fc", "fc", params=("w",)),)
    network = Network("wide", (140_000,), nodes, {"w": np.ones((1, 140_000), np.float32)})
    artifact = quantize_network(network, np.ones((1, 140_000), np.float32))
    with pytest.raises(InputError, match=r"sums of 140000 products may reach \d+, expected 31 bits"):
        executable(artifact)
