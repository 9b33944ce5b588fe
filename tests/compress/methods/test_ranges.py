"""Levels of activations: worked by hand, and what each calibration promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.format.execution import executable
from compress.methods.quantize import quantize_network
from compress.methods.ranges import levels_of, rounding_before
from compress.methods.rounding import signal_to_noise_dB
from compress.methods.spare import spare
from compress.nn.network import INPUT, Network, Node

VALUES = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32))
CALIBRATIONS = ("minmax", "percentile", "mse")


def rounded(values: np.ndarray, bits: int, calibration: str) -> np.ndarray:
    scale, (low, high) = levels_of(values, bits, calibration)
    return np.clip(np.rint(values / scale), low, high) * scale


def test_by_hand():
    """After a ReLU all 256 levels are used; a range from -1 to 3 has its zero at a quarter."""
    assert levels_of(np.array([0, 51.0]), 8) == (pytest.approx(0.2), (0, 255))
    assert levels_of(np.array([-1.0, 3.0]), 2) == (pytest.approx(4 / 3), (-1, 2))
    assert levels_of(np.array([-3.0, -1.0]), 2) == (1.0, (-3, 0))


@given(VALUES, st.integers(2, 8), st.sampled_from(CALIBRATIONS))
def test_zero_stays_zero_and_levels_have_their_bits(values, bits, calibration):
    scale, (low, high) = levels_of(values, bits, calibration)
    assert scale > 0
    assert low <= 0 <= high
    assert high - low == 2**bits - 1


@given(VALUES, st.integers(2, 8))
def test_minmax_errs_by_a_step_at_most(values, bits):
    """Half a step by rounding, half by the zero that is moved to a level."""
    scale, _ = levels_of(values, bits)
    assert np.abs(rounded(values, bits, "minmax") - values).max() <= 1.001 * scale


@given(VALUES, st.integers(2, 8))
def test_mse_is_hardly_worse_than_minmax(values, bits):
    errors = [float(np.square(rounded(values, bits, name) - values).sum()) for name in ("mse", "minmax")]
    assert errors[0] <= errors[1] * 1.05 + 1e-9


def test_percentile_leaves_an_outlier_out():
    values = np.append(np.full(9999, 1.0), 100.0)
    assert levels_of(values, 8, "percentile").scale == pytest.approx(1 / 255)
    assert levels_of(values, 8).scale == pytest.approx(100 / 255)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_zeros_have_levels(calibration):
    assert levels_of(np.zeros(3), 8, calibration).reach == (0, 255)


def test_half_of_the_levels_is_not_left_unused_after_a_relu():
    """Twice as many levels have 6 dB less noise."""
    values = np.random.default_rng(0).random(10_000)
    noise = [np.square(np.clip(np.rint(values / s), 0, top) * s - values).mean()
             for s, top in ((1 / 127, 127), (levels_of(values, 8).scale, 255))]  # fmt: skip
    assert 10 * np.log10(noise[0] / noise[1]) == pytest.approx(6.0, abs=0.3)


def powers() -> tuple[Network, np.ndarray]:
    """A layer whose inputs span eight orders of magnitude, before a logarithm, and one of usual inputs."""
    rng = np.random.default_rng(0)
    nodes = (
        Node("usual", "fc", (INPUT,), params=("u",)),
        Node("square", "mul", ("usual", "usual")),
        Node("wide", "fc", ("square",), params=("w",)),
        Node("floor", "clip", ("wide",), {"min": 1e-9, "max": float("inf")}),
        Node("log", "log", ("floor",)),
    )
    weights = np.diag(np.logspace(-4, 0, 16)).astype(np.float32)
    params = {"u": weights, "w": np.eye(16, dtype=np.float32) + 1e-10}
    return Network("powers", (16,), nodes, params), (0.5 + rng.random((12, 16))).astype(np.float32)


def test_a_layer_that_rounding_would_ruin_reads_values_as_they_are():
    network, x = powers()
    said: list[str] = []
    made = quantize_network(network, x)
    better = spare(network, made, x, remark=said.append)
    assert [node.name for node in better.topology.nodes if "input_scale" in node.attrs] == ["usual"]
    assert better.stage == "mixed"
    assert said
    assert said[0].endswith("less than 10 dB: wide")
    near = [signal_to_noise_dB(network, executable(one), {INPUT: x}) for one in (made, better)]
    assert near[0] < 10 < 30 < near[1]


def test_a_network_that_rounding_does_not_ruin_stays_as_it_is():
    network = Network("fc", (16,), (Node("fc", "fc", params=("w",)),), {"w": np.eye(16, dtype=np.float32)})
    x = np.random.default_rng(0).random((4, 16), dtype=np.float32)
    made = quantize_network(network, x)
    assert spare(network, made, x) is made


def test_rounding_before_a_layer_rounds_as_the_layer_does():
    network = Network("fc", (16,), (Node("fc", "fc", params=("w",)),), {"w": np.eye(16, dtype=np.float32)})
    x = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    made = quantize_network(network, x)
    layer = made.topology.nodes[0]
    plain = Network(
        "two", (16,), (rounding_before(layer, 8), Node("fc", "fc", ("fc.round",), params=("w",))),
        {"w": made.tensors["w"].to_array()},
    )  # fmt: skip
    np.testing.assert_allclose(executable(made).forward(x), plain.forward(x), rtol=1e-6)
