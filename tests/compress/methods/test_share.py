"""Weight sharing and the training of shared values."""

from __future__ import annotations

import numpy as np
import pytest
from small_network import small_problem

from compress.methods.share import CentroidTuning, MovingLabels, share
from compress.nn.config import TrainConfig
from compress.nn.train import train
from hwsim.errors import InputError


def test_share_by_hand_keeps_zero_apart():
    weight = np.array([[0, 1.0, 1.2], [-2, 0, -2.2]], np.float32)
    shared = share(weight, 2)
    np.testing.assert_array_equal(shared.labels, [[0, 2, 2], [1, 0, 1]])
    np.testing.assert_allclose(shared.codebook, [-2.1, 1.1], rtol=1e-6)
    np.testing.assert_allclose(shared.to_array(), [[0, 1.1, 1.1], [-2.1, 0, -2.1]], rtol=1e-6)


def test_share_with_fewer_values_than_codes_is_exact():
    weight = np.array([0, 0.5, -0.25, 0.5], np.float32)
    shared = share(weight, 15, codebook="fp16")
    assert shared.codebook.dtype == np.float16
    np.testing.assert_array_equal(shared.to_array(), weight)


def test_share_of_zeros_has_an_empty_codebook():
    shared = share(np.zeros((3, 2), np.float32), 7)
    assert len(shared.codebook) == 0
    np.testing.assert_array_equal(shared.to_array(), np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "expected at least 1 cluster"),
        ({"codebook": "fp8"}, "codebook is 'fp8', expected one of fp32, fp16"),
        ({"values": np.array([1e5], np.float32), "codebook": "fp16"}, "too large for fp16"),
    ],
)
def test_unusable_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        share(**{"values": np.ones(3, np.float32), "k": 3, **arguments})


def test_gradients_are_summed_over_each_cluster():
    # Han et al. 2016, figure 3: gradients are grouped by cluster and added.
    shared = share(np.array([[1.0, 1.0, 0], [-1, 1, -1]], np.float32), 2)
    gradients = {"w": np.array([[1.0, 2, 100], [3, 4, 5]], np.float32)}
    CentroidTuning({"w": shared}).adjust({}, gradients, 0.0)
    np.testing.assert_array_equal(gradients["w"], [[7, 7, 0], [8, 7, 8]])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_keeps_weights_shared_to_the_bit(optimizer):
    network, data = small_problem(hidden=21)
    params = network.params
    params["fc1.weight"][np.abs(params["fc1.weight"]) < 0.2] = 0
    shared = {"fc1.weight": share(params["fc1.weight"], 6), "fc2.weight": share(params["fc2.weight"], 3)}
    start = network.with_params({name: tensor.to_array() for name, tensor in shared.items()})
    tuning = CentroidTuning(shared)
    losses = []
    config = TrainConfig(epochs=5, batch=50, learning_rate=0.003, optimizer=optimizer)
    tuned = train(
        start,
        data,
        config,
        rng=np.random.default_rng(0),
        constraint=tuning,
        on_epoch=lambda report: losses.append(report.loss),
    )
    assert losses[-1] < 0.8 * losses[0]
    for name, tensor in tuning.tensors(tuned.params).items():
        np.testing.assert_array_equal(tensor.labels, shared[name].labels)
        assert not np.array_equal(tensor.codebook, shared[name].codebook)
        assert tensor.to_array().tobytes() == tuned.params[name].tobytes()


def test_a_weight_that_moves_takes_the_nearest_value_and_the_values_follow():
    weight = np.array([[0, 1.0, 1.2], [-2, 0, -2.2]], np.float32)
    moving = MovingLabels({"w": share(weight, 2, codebook="fp16")})
    assert (
        moving.executed({"w": weight}, 0.0)["w"].tobytes()
        == share(weight, 2, codebook="fp16").to_array().tobytes()
    )
    weight[0, 1] = -3.0
    moving.updated({"w": weight}, 0.5)
    (tensor,) = moving.tensors({"w": weight}).values()
    np.testing.assert_array_equal(tensor.labels, [[0, 1, 2], [1, 0, 1]])
    np.testing.assert_array_equal(tensor.codebook, np.array([-2.4, 1.2], np.float16))


def test_a_value_that_no_weight_has_stays():
    weight = np.array([1.0, 2.0, 9.0], np.float32)
    moving = MovingLabels({"w": share(weight, 3), "none": share(np.zeros(3, np.float32), 3)})
    params = {"w": np.array([1.0, 1.0, 9.5], np.float32), "none": np.ones(3, np.float32)}
    moving.updated(params, 0.5)
    found = moving.tensors(params)
    np.testing.assert_array_equal(found["w"].codebook, [1.0, 2.0, 9.5])
    assert not found["none"].to_array().any()
