"""Rounding in training: by hand, and that what is trained is what the integers execute."""

from __future__ import annotations

import numpy as np
import pytest

from compress.format.container import parse
from compress.format.execution import executable
from compress.methods.aware import QuantizationAware
from compress.methods.quantize import quantize_network
from compress.nn.config import TrainConfig
from compress.nn.datasets import Dataset, Split
from compress.nn.lenets import lenet_300_100
from compress.nn.network import Network, Node
from compress.nn.ops.rounding import rounded_float
from compress.nn.train import train
from compress.pipeline.recipe import QuantizeStep
from compress.pipeline.state import State
from compress.pipeline.steps import KINDS, Workbench
from hwsim.errors import InputError


def rounding(op: str, **attrs: object) -> Network:
    return Network("round", (4,), (Node("r", op, attrs=attrs),), {})


def test_levels_by_hand_and_gradients_that_stop_where_it_clips():
    network = rounding("round_levels", scale=0.5, bits=3)  # levels -3 to 3: up to 1.5
    x = np.array([[0.2, -0.3, 1.6, 9.0]], np.float32)
    assert network.forward(x, training=True).tolist() == [[0.0, -0.5, 1.5, 1.5]]
    nodes = (Node("fc", "fc", params=("w",)), Node("r", "round_levels", ("fc",), {"scale": 0.5, "bits": 3}))
    trained = Network("grad", (4,), nodes, {"w": np.eye(4, dtype=np.float32)})
    trained.forward(x, training=True)
    gradient = trained.backward(np.ones((1, 4), np.float32))["w"]
    np.testing.assert_array_equal(gradient, np.array([[1], [1], [1], [0]], np.float32) * x)


def test_16_bit_formats_by_hand():
    ulp = 2.0**-8  # of bf16 at 1 is 2**-7: one and a half steps round to even
    values = np.array([1 + ulp, 1 + 3 * ulp, 1 + ulp * 1.01, -np.inf, 1e38], np.float32)
    expected = np.array([1, 1 + 4 * ulp, 1 + 2 * ulp, -np.inf], np.float32)
    np.testing.assert_array_equal(rounded_float(values, "bf16")[:4], expected)
    assert rounded_float(values, "bf16")[4] == pytest.approx(1e38, rel=2**-8)
    assert np.isnan(rounded_float(np.array([np.nan], np.float32), "bf16")[0])
    assert rounded_float(np.array([1 + 2.0**-11, 7e4], np.float32), "fp16").tolist() == [1.0, np.inf]
    with pytest.raises(InputError, match="format is 'fp8', expected one of fp16, bf16"):
        rounding("round_float", format="fp8").forward(np.zeros((1, 4), np.float32))


def problem(seed: int = 0) -> tuple[Network, Dataset]:
    """Ten bright spots to tell apart in noise, and a small network that can."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, 400)
    x = rng.random((400, 1, 28, 28), dtype=np.float32) * 0.2
    x[np.arange(400), 0, y, y] += 1
    split = Split(x, y)
    data = Dataset("spots", split[:300], split[300:], split[300:], "none")
    network = lenet_300_100(rng, (16, 12))
    return train(network, data, TrainConfig(epochs=20, batch=20), rng=rng), data


def test_what_training_saw_is_what_the_integers_compute():
    network, data = problem()
    start = quantize_network(network, data.train.x, 3, calibration="mse")
    aware = QuantizationAware(start)
    learner = aware.learner(network)
    rounded = learner.with_params(aware.executed(network.params, 0.0))
    x = data.test.x
    expected = executable(aware.artifact(network.params)).forward(x)
    np.testing.assert_allclose(rounded.forward(x), expected, rtol=1e-4, atol=1e-4)
    assert aware.artifact(network.params).to_bytes() == start.to_bytes()


def test_fine_tuning_wins_back_what_three_bits_lose():
    network, data = problem()
    bench = Workbench(data, np.random.default_rng(1))
    errors = []
    for epochs in (0, 10):
        step = QuantizeStep(kind="quantize", bits=3, epochs=epochs, batch=20, learning_rate=0.02)
        artifact = parse(KINDS["quantize"].artifact(step, State(network), bench).to_bytes())[0]
        assert artifact.stage == "int3"
        logits = executable(artifact).forward(data.test.x)
        errors.append(np.mean(logits.argmax(axis=1) != data.test.y))
    assert errors[1] < 0.05 < 0.2 < errors[0]
