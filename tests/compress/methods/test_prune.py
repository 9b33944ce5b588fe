"""Pruning masks by hand and by property, and pruning while a network trains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_network import small_problem

from compress.methods.prune import (
    GradualPruning,
    global_masks,
    gradual_density,
    lamp_scores,
    layer_masks,
    nm_mask,
    rate_scores,
    sensitivity,
    top_mask,
    weights_of,
)
from compress.nn.config import TrainConfig
from compress.nn.train import train
from hwsim.errors import InputError

WEIGHTS = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-4, 4))


@given(WEIGHTS, st.integers(0, 40))
def test_top_mask_keeps_as_many_as_asked_and_the_highest(weight, count):
    mask = top_mask(np.abs(weight), count)
    assert mask.sum() == min(count, weight.size)
    if mask.any() and not mask.all():
        assert np.abs(weight)[mask].min() >= np.abs(weight)[~mask].max()


def test_ties_go_to_the_earlier_weight():
    np.testing.assert_array_equal(top_mask(np.array([1, 2, 1, 1]), 3), [True, True, True, False])


def test_layer_masks_by_hand():
    masks = layer_masks({"a": np.array([[1.0, -3.0], [2.0, 0.5]]), "b": np.array([[1.0]])}, {"a": 0.5})
    np.testing.assert_array_equal(masks["a"], [[False, True], [True, False]])
    np.testing.assert_array_equal(masks["b"], [[True]])


def test_global_magnitude_compares_across_layers():
    weights = {"a": np.array([[5.0, 4.0]]), "b": np.array([[1.0], [4.5]])}
    masks = global_masks(weights, 0.5)
    np.testing.assert_array_equal(masks["a"], [[True, False]])
    np.testing.assert_array_equal(masks["b"], [[False], [True]])


def test_lamp_scores_by_hand():
    # Squares 1, 4, 9: scores 1/14, 4/13, 9/9.
    np.testing.assert_allclose(lamp_scores(np.array([[-3.0, 1.0, 2.0]])), [[1, 1 / 14, 4 / 13]])


@given(WEIGHTS)
def test_lamp_scores_rank_as_magnitude_within_a_layer(weight):
    scores = lamp_scores(weight).ravel()
    order = np.argsort(np.abs(weight.ravel()), kind="stable")
    assert (np.diff(scores[order]) >= 0).all()
    if weight.any():
        assert scores.max() == 1.0


@given(WEIGHTS, st.floats(0, 1))
def test_lamp_keeps_a_weight_of_every_layer_before_a_second_of_any(weight, density):
    weights = {"small": np.array([[1e-6, 2e-6]]), "large": weight + np.float32(5)}
    masks = global_masks(weights, density, "lamp")
    if masks["large"].sum() > 1:
        assert masks["small"].any()


def test_nm_mask_by_hand():
    weight = np.array([[1.0, -2, 3, 0.5, 9, 8], [4.0, 4, 4, 4, 0, 1]])
    expected = [[0, 1, 1, 0, 1, 1], [1, 1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(nm_mask(weight, 2, 4), np.array(expected, bool))


@given(WEIGHTS, st.integers(0, 4), st.integers(1, 4))
def test_nm_mask_keeps_at_most_n_of_every_m(weight, n, m):
    if n > m:
        n, m = m, n
    mask = nm_mask(weight, n, m)
    for row in mask:
        for start in range(0, len(row), m):
            group = row[start : start + m]
            assert group.sum() == min(n, len(group))


def test_gradual_density_is_the_published_cubic():
    assert gradual_density(0.0, 0.1) == 1.0
    assert gradual_density(0.5, 0.1) == pytest.approx(0.1 + 0.9 / 8)
    assert gradual_density(1.0, 0.1) == pytest.approx(0.1)
    assert gradual_density(7.0, 0.1) == pytest.approx(0.1)


def test_gradual_pruning_reaches_its_density_and_stays_there():
    network, data = small_problem()
    names = weights_of(network).values()
    seen = []

    def rule(weights, ramp):
        assert all((weights[name][~mask] == 0).all() for name, mask in pruning.masks.items())
        seen.append(ramp)
        return global_masks(weights, gradual_density(ramp, 0.2))

    pruning = GradualPruning(rule, names, until=0.5, updates=4)
    config = TrainConfig(epochs=4, batch=50, learning_rate=0.1)
    pruned = train(
        network, data, config, rng=np.random.default_rng(1), masks=pruning.masks, constraint=pruning
    )
    assert seen == [0.25, 0.5, 0.75, 1.0]
    weights = [pruned.params[name] for name in names]
    assert sum(np.count_nonzero(weight) for weight in weights) == round(0.2 * (320 + 80))
    assert all((pruned.params[name] != 0).sum() == pruning.masks[name].sum() for name in names)


def test_sensitivity_prunes_one_layer_at_a_time():
    network, _ = small_problem()

    def zeros(pruned):
        return sum(int((pruned.params[name] == 0).sum()) for name in ("fc1.weight", "fc2.weight"))

    points = sensitivity(network, (0.5, 0.0), zeros)
    assert points == [("fc1", 0.5, 160), ("fc1", 0.0, 320), ("fc2", 0.5, 40), ("fc2", 0.0, 80)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: layer_masks(w, {"a": 1.5}), "density is 1.5, expected 0 to 1"),
        (lambda w: layer_masks(w, {"b": 0.5}), "density of 'b': expected one of a"),
        (lambda w: global_masks(w, -0.1), "density is -0.1"),
        (lambda w: global_masks(w, 0.1, "size"), "score is 'size', expected one of magnitude, lamp, rate"),
        (lambda w: nm_mask(w["a"], 3, 2), "N:M sparsity is 3:2"),
        (lambda w: GradualPruning(lambda w, r: {}, w, until=0), "ends at 0 after 1000 updates"),
    ],
)
def test_unusable_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call({"a": np.ones((2, 2))})


def test_empty_tensors_are_pruned_to_nothing():
    assert global_masks({"a": np.zeros((0, 2))}, 0.5)["a"].shape == (0, 2)
    assert lamp_scores(np.zeros((0, 3))).shape == (0, 3)
    assert nm_mask(np.zeros((2, 0)), 1, 2).shape == (2, 0)


def test_rate_scores_by_hand():
    # Of 2 x 3 weights the first row holds two and the second one: fullness (2.5, 1.5) / 4 by row,
    # (1.5, 1.5, 1.5) / 3 by column, 3.5 / 7 of all.
    scores = rate_scores(np.array([[2.0, 0.0, 2.0], [0.0, -2.0, 0.0]]))
    bits = 3 - np.log2([2.5 / 4, 1.5 / 4])
    np.testing.assert_allclose(scores, [[4 / bits[0], 0, 4 / bits[0]], [0, 4 / bits[1], 0]])


def test_rate_scores_of_a_full_matrix_rank_as_magnitude():
    weight = np.random.default_rng(0).normal(size=(5, 7))
    order = np.argsort(np.abs(weight).ravel())
    assert (np.diff(rate_scores(weight).ravel()[order]) > 0).all()
