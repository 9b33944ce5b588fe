"""The LeNets have the published sizes and the initial spread that ReLU wants."""

from __future__ import annotations

import numpy as np
import pytest

from compress.nn.lenets import MODELS, build
from hwsim.errors import InputError


@pytest.mark.parametrize(("name", "count"), [("lenet300", 266_610), ("lenet5", 431_080)])
def test_published_parameter_counts_and_ten_logits(name, count):
    network = build(name, np.random.default_rng(0))
    assert network.parameter_count == count
    assert network.shapes(3)[network.outputs[0]] == (3, 10)
    assert {value.dtype for value in network.params.values()} == {np.dtype(np.float32)}


def test_lenet5_feature_maps():
    shapes = build("lenet5", np.random.default_rng(0)).shapes()
    assert [shapes[name][1:] for name in ("conv1", "pool1", "conv2", "pool2", "flatten")] == [
        (20, 24, 24), (20, 12, 12), (50, 8, 8), (50, 4, 4), (800,),
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_follow_the_seed_and_the_fan_in(name):
    first, again, other = (build(name, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for key, value in first.params.items():
        assert np.array_equal(value, again.params[key])
        if key.endswith("weight"):
            assert not np.array_equal(value, other.params[key])
            assert value.std() == pytest.approx(np.sqrt(2 / np.prod(value.shape[1:])), rel=0.1)
        else:
            assert not value.any()


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="'lenet7' is unknown, expected one of lenet300, lenet5"):
        build("lenet7", np.random.default_rng(0))
