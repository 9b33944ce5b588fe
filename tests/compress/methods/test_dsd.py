"""The three periods of dense-sparse-dense training."""

from __future__ import annotations

import numpy as np
import pytest
from small_network import small_problem

from compress.methods.dsd import Schedule, dense_sparse_dense
from compress.nn.config import TrainConfig
from compress.nn.train import evaluate, train
from hwsim.errors import InputError

CONFIG = TrainConfig(epochs=2, batch=20, learning_rate=0.1)


def test_the_middle_period_is_sparse_and_the_last_is_dense_again():
    network, data = small_problem(300)
    schedule = Schedule.published(CONFIG, sparsity=0.4)
    assert schedule.final.learning_rate == pytest.approx(0.01)
    periods = dense_sparse_dense(network, data, schedule, rng=np.random.default_rng(1))
    for name in ("fc1.weight", "fc2.weight"):
        kept = [np.count_nonzero(period.params[name]) for period in periods]
        size = network.params[name].size
        assert kept[1] == round(0.6 * size)
        assert kept[0] == size
        assert kept[2] > kept[1] + 0.1 * size
        smallest_kept = np.abs(periods.dense.params[name][periods.sparse.params[name] != 0]).min()
        assert (np.abs(periods.dense.params[name][periods.sparse.params[name] == 0]) <= smallest_kept).all()
    assert evaluate(periods.final, data.test) < 0.05


def test_without_sparsity_it_is_ordinary_training():
    network, data = small_problem(300)
    periods = dense_sparse_dense(
        network, data, Schedule(CONFIG, CONFIG, CONFIG, 0.0), rng=np.random.default_rng(1)
    )
    rng = np.random.default_rng(1)
    expected = network
    for _ in range(3):
        expected = train(expected, data, CONFIG, rng=rng)
    for name, value in expected.params.items():
        assert periods.final.params[name].tobytes() == value.tobytes()


def test_unusable_sparsity_is_refused():
    with pytest.raises(InputError, match=r"sparsity is 1\.5, expected 0 to 1"):
        Schedule.published(CONFIG, 1.5)
