"""The study of training and inference: parts of a step add up, and fall where their layers are."""

import pytest

from experiments.studies.training_watts import OPTIMIZER, phase_of, phases, rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network
from hwsim.workload.training import training_step


@pytest.mark.parametrize(
    ("layer", "phase"),
    [
        ("fc1", "forward"),
        ("loss", "forward"),
        ("3.query", "forward"),
        ("fc1.dx", "input gradients"),
        ("scores.db", "input gradients"),
        ("conv2_2_relu.sum1", "input gradients"),
        ("0.k1_conv1.dw", "weight gradients"),
        ("0.k1_conv1.dw_sum3", "weight gradients"),
        ("fc1.state", "update"),
        ("fc1.update", "update"),
        ("-", "static"),
    ],
)
def test_phase_of_a_layer(layer, phase):
    assert phase_of(layer) == phase


def test_parts_add_up_and_the_update_is_shared_by_the_batch():
    step = training_step(load_network("lenet300"), OPTIMIZER)
    one, many = (simulate(load_chip("reference_250w"), step, batch) for batch in (1, 32))
    for report in (one, many):
        assert sum(phases(report).values()) == pytest.approx(report.energy_per_inference_J)
    assert phases(one)["update"] == pytest.approx(32 * phases(many)["update"])


def test_a_chip_above_250_W_is_held_to_them():
    inference, training = rows("tpu_v2", "lenet5", 1)
    assert training["energy_per_item_J"] > 2 * inference["energy_per_item_J"]
    assert max(inference["power_W"], training["power_W"]) <= 250
    assert (inference["activations_B"], training["weights_B"]) == (0, 2 * 431_080 + 2 * 580)
