"""1-D k-means: the optimum against brute force, Lloyd's iteration, edge cases."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.methods import cluster
from compress.methods.cluster import kmeans
from hwsim.errors import InputError

VALUES = st.lists(st.integers(-40, 40).map(lambda i: i / 8), min_size=1, max_size=9)


def brute_force(values: list[float], weights: list[float], k: int) -> float:
    """Least inertia over all splits of the sorted values into at most k intervals."""
    order = np.argsort(values)
    x, w = np.array(values)[order], np.array(weights)[order]
    best = np.inf
    for cuts in combinations(range(1, len(x)), min(k, len(x)) - 1):
        cost = 0.0
        for low, high in zip((0, *cuts), (*cuts, len(x)), strict=True):
            mass = w[low:high].sum()
            mean = (w[low:high] * x[low:high]).sum() / mass
            cost += (w[low:high] * (x[low:high] - mean) ** 2).sum()
        best = min(best, cost)
    return best


def inertia_of(values, centroids):
    return float((np.abs(np.subtract.outer(np.ravel(values), centroids)).min(axis=1) ** 2).sum())


@given(VALUES, st.integers(1, 5))
def test_optimum_equals_brute_force(values, k):
    result = kmeans(values, k)
    assert result.inertia == pytest.approx(brute_force(values, [1] * len(values), k), abs=1e-9)
    assert inertia_of(values, result.centroids) == pytest.approx(result.inertia, abs=1e-9)


@given(VALUES, st.data(), st.integers(1, 4))
def test_weighted_optimum_equals_brute_force(values, data, k):
    weights = data.draw(st.lists(st.integers(1, 6), min_size=len(values), max_size=len(values)))
    result = kmeans(values, k, weights=weights)
    assert result.inertia == pytest.approx(brute_force(values, weights, k), abs=1e-9)


@given(VALUES, st.data())
def test_integer_weights_are_repetitions(values, data):
    weights = data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)))
    weighted = kmeans(values, 3, weights=weights)
    repeated = kmeans(np.repeat(values, weights), 3)
    assert weighted.inertia == pytest.approx(repeated.inertia, abs=1e-9)


@given(VALUES, st.sampled_from(["linear", "density", "random"]), st.integers(1, 5))
def test_lloyd_is_a_fixed_point_no_better_than_the_optimum(values, init, k):
    result = kmeans(values, k, init, rng=np.random.default_rng(0))
    assert result.inertia >= kmeans(values, k).inertia - 1e-9
    assert len(result.centroids) <= k
    labels = result.assign(values)
    means = [np.mean(np.array(values)[labels == i]) for i in range(len(result.centroids))]
    np.testing.assert_allclose(result.centroids, means, atol=1e-9)


@given(VALUES)
def test_inertia_falls_with_k_down_to_zero(values):
    inertias = [kmeans(values, k).inertia for k in range(1, len(set(values)) + 1)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(inertias))
    assert inertias[-1] == 0.0


def test_linear_init_by_hand():
    # Linear centroids 0, 5, 10: clusters {0, 1}, {4}, {9, 10} with means 0.5, 4, 9.5.
    result = kmeans([0, 1, 4, 9, 10], 3, "linear")
    np.testing.assert_allclose(result.centroids, [0.5, 4, 9.5])
    assert result.inertia == pytest.approx(1.0)


def test_linear_init_drops_clusters_that_stay_empty():
    # Linear centroids 0, 5, 10: nothing is nearest to 5.
    np.testing.assert_allclose(kmeans([0, 0.2, 0.3, 10], 3, "linear").centroids, [0.5 / 3, 10])


def test_lloyd_never_raises_the_inertia():
    values = np.random.default_rng(2).laplace(size=3000)
    inertias = [kmeans(values, 24, "linear", iterations=count).inertia for count in range(40)]
    assert all(later <= earlier for earlier, later in pairwise(inertias))
    assert inertias[-1] < 0.6 * inertias[0]


def test_equally_near_values_go_to_the_lower_centroid():
    np.testing.assert_array_equal(kmeans([0, 2], 2).assign([0, 1, 1.5, 2]), [0, 0, 1, 1])


@pytest.mark.parametrize("init", ["optimal", "linear", "density", "random"])
def test_degenerate_input(init):
    rng = np.random.default_rng(0)
    assert kmeans([], 3, init, rng=rng).centroids.shape == (0,)
    assert kmeans([1.0, 2.0], 3, init, weights=[0, 0], rng=rng).centroids.shape == (0,)
    np.testing.assert_array_equal(kmeans([2.5] * 7, 3, init, rng=rng).centroids, [2.5])
    np.testing.assert_array_equal(kmeans([[3.0, 1.0]], 9, init, rng=rng).centroids, [1, 3])


def test_far_from_zero_the_sums_do_not_cancel():
    values = 1e6 + np.array([0, 0.001, 1, 1.001])
    np.testing.assert_allclose(kmeans(values, 2).centroids - 1e6, [0.0005, 1.0005], atol=1e-9)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=20_000),
        lambda rng: rng.standard_cauchy(20_000),
        lambda rng: np.append(rng.normal(size=19_999), 1e6),
        lambda rng: np.concatenate((rng.normal(size=10_000), rng.normal(scale=1e-4, size=10_000))),
    ],
    ids=["normal", "heavy tails", "outlier", "two scales"],
)
def test_binned_optimum_is_close_to_the_exact_one(draw, monkeypatch):
    values = draw(np.random.default_rng(5))
    monkeypatch.setattr(cluster, "MAX_EXACT", 1 << 12)
    binned = {k: kmeans(values, k).inertia for k in (16, 64)}
    monkeypatch.setattr(cluster, "MAX_EXACT", 1 << 20)
    for k, inertia in binned.items():
        optimum = kmeans(values, k).inertia
        assert optimum * (1 - 1e-9) <= inertia <= optimum * 1.001


def test_same_values_in_another_order_give_the_same_bits():
    values = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
    first, second = kmeans(values, 32), kmeans(values[::-1], 32)
    assert first.centroids.tobytes() == second.centroids.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k is 0, expected at least 1"),
        ({"k": 5000}, "expected at most 4096"),
        ({"init": "best"}, "expected one of linear, density, random, optimal"),
        ({"init": "random"}, "expected a Generator"),
        ({"values": [1, np.nan]}, "expected finite numbers"),
        ({"weights": [1]}, "one finite weight of at least 0 per value"),
        ({"weights": [1, -1]}, "one finite weight of at least 0 per value"),
    ],
)
def test_unusable_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        kmeans(**{"values": [1.0, 2.0], "k": 2, **arguments})
