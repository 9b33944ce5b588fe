"""Clustering of numbers on a line: the exact k-means optimum, and Lloyd's iteration.

On a line every cluster of an optimal k-means is an interval of the sorted values, so the optimum
is found by dynamic programming (Wang & Song 2011, "Ckmeans.1d.dp"); its best split points are
monotone, which divide and conquer turns into O(k n log n). Where there are too many distinct
values for that, they are first gathered into bins much finer than the clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.compiled import njit
from hwsim.errors import InputError

Floats = NDArray[np.float64]
Init = Literal["linear", "density", "random", "optimal"]

MAX_EXACT = 1 << 14
"""Distinct values up to which the optimum is exact, and number of bins beyond."""

MAX_OPTIMAL_K = 1 << 12
"""Most clusters for which the optimum is sought: its table takes 256 MB then."""

LLOYD_ITERATIONS = 300
"""After which Lloyd's iteration has hardly anything left to gain."""


@dataclass(frozen=True)
class Clustering:
    """Clusters of numbers: each number belongs to the nearest centroid.

    Parameters
    ----------
    centroids : ndarray of float64, shape (clusters,)
        Ascending. There are no empty clusters, so there can be fewer than requested.
    inertia : float
        Sum of (weighted) squared distances to the nearest centroid.
    """

    centroids: Floats
    inertia: float

    def assign(self, values: ArrayLike) -> NDArray[np.intp]:
        """Index of the nearest centroid of each value, in their shape; the lower one of two equally near."""
        return np.searchsorted(_midpoints(self.centroids), np.asarray(values, np.float64), side="left")


@dataclass(frozen=True)
class _Line:
    """Distinct sorted points with prefix sums of weight, weighted value and weighted square.

    Values are relative to `origin`, their mean, so that the sums do not cancel.
    """

    points: Floats
    weight: Floats
    first: Floats
    second: Floats
    origin: float

    @classmethod
    def of(cls, values: Floats, weights: Floats | None) -> _Line:
        if weights is None:
            ordered = np.sort(values)
            starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
            points, mass = ordered[starts], np.diff(starts, append=len(ordered)).astype(np.float64)
        else:
            points, inverse = np.unique(values, return_inverse=True)
            mass = np.bincount(inverse, weights=weights, minlength=len(points)).astype(np.float64)
            points, mass = points[mass > 0], mass[mass > 0]
        origin = float(np.average(points, weights=mass))
        points = points - origin
        return cls(points, _sums(mass), _sums(mass * points), _sums(mass * points * points), origin)

    def merged(self, edges: NDArray[np.intp]) -> _Line:
        """Gather the points between successive `edges` into their means."""
        weight, first, second = self.weight[edges], self.first[edges], self.second[edges]
        return _Line(np.diff(first) / np.diff(weight), weight, first, second, self.origin)

    def centroids(self, edges: NDArray[np.intp]) -> Floats:
        """Means of the points between successive `edges`."""
        return np.diff(self.first[edges]) / np.diff(self.weight[edges])

    def inertia(self, centroids: Floats) -> float:
        """Sum of squared distances of all points to the nearest of the ascending `centroids`."""
        edges = self.edges(centroids)
        weight, first, second = (np.diff(sums[edges]) for sums in (self.weight, self.first, self.second))
        return max(0.0, float(np.sum(second - 2 * centroids * first + centroids**2 * weight)))

    def edges(self, centroids: Floats) -> NDArray[np.intp]:
        """Where the points of one centroid end and those of the next begin."""
        inner = np.searchsorted(self.points, _midpoints(centroids), side="right")
        return np.concatenate(([0], inner, [len(self.points)]))


def kmeans(
    values: ArrayLike,
    k: int,
    init: Init = "optimal",
    *,
    iterations: int = LLOYD_ITERATIONS,
    weights: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> Clustering:
    """Cluster numbers into at most `k` clusters of least squared distance.

    Parameters
    ----------
    values : array_like
        Any shape; empty values give no clusters.
    k : int
        Most clusters wanted.
    init : {"optimal", "linear", "density", "random"}
        The optimum, or Lloyd's iteration from centroids that are equally spaced between minimum
        and maximum, equally spaced in the cumulative distribution, or drawn from the values (Han
        et al. 2016, section 3.2).
    iterations : int
        Most of Lloyd's iterations. Few leave linear centroids almost evenly spaced, which costs
        distortion and saves bits: the labels' entropy is lower.
    weights : array_like, optional
        Importance of each value, not negative.
    rng : numpy.random.Generator, optional
        Needed by ``random``.

    Raises
    ------
    InputError
        If `k` is not positive, `init` unknown or without its generator, a value not finite, or
        the weights do not fit.
    """
    flat = np.asarray(values, np.float64).ravel()
    importance = None if weights is None else np.asarray(weights, np.float64).ravel()
    _check(flat, k, init, importance, rng)
    if not flat.size or (importance is not None and not importance.any()):
        return Clustering(np.empty(0), 0.0)
    line = _Line.of(flat, importance)
    if k >= len(line.points):
        return Clustering(line.points + line.origin, 0.0)
    start = _optimal(line, k) if init == "optimal" else _initial(line, k, init, rng)
    centroids = _lloyd(line, start, iterations)
    return Clustering(centroids + line.origin, line.inertia(centroids))


def _check(
    values: Floats, k: int, init: str, weights: Floats | None, rng: np.random.Generator | None
) -> None:
    if k < 1:
        raise InputError(f"k-means: k is {k}, expected at least 1 cluster")
    if init not in get_args(Init):
        raise InputError(f"k-means: init is {init!r}, expected one of {', '.join(get_args(Init))}")
    if init == "optimal" and k > MAX_OPTIMAL_K:
        raise InputError(f"k-means: k is {k}, expected at most {MAX_OPTIMAL_K} for the optimum")
    if init == "random" and rng is None:
        raise InputError("k-means: random initialisation draws numbers, expected a Generator")
    if not np.isfinite(values).all():
        raise InputError("k-means: values hold NaN or infinity, expected finite numbers")
    if weights is not None and (
        weights.shape != values.shape or not np.isfinite(weights).all() or (weights < 0).any()
    ):
        raise InputError("k-means: expected one finite weight of at least 0 per value")


def _sums(values: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(values)))


def _midpoints(centroids: Floats) -> Floats:
    return centroids[:-1] + np.diff(centroids) / 2


def _initial(line: _Line, k: int, init: str, rng: np.random.Generator | None) -> Floats:
    if init == "linear":
        return np.linspace(line.points[0], line.points[-1], k)
    total = line.weight[-1]
    if init == "density":
        quantiles = (np.arange(k) + 0.5) / k
    else:
        assert rng is not None
        quantiles = np.sort(rng.random(k))
    return np.unique(line.points[np.searchsorted(line.weight[1:], quantiles * total)])


def _lloyd(line: _Line, centroids: Floats, iterations: int) -> Floats:
    """Move centroids to the means of their points until no point changes its cluster."""
    previous = None
    for _ in range(iterations):
        edges = line.edges(centroids)
        if previous is not None and np.array_equal(edges, previous):
            break
        filled = np.diff(edges) > 0
        centroids = centroids.copy()
        centroids[filled] = line.centroids(np.unique(edges))
        previous = edges
    return centroids[np.diff(line.edges(centroids)) > 0]


def _optimal(line: _Line, k: int) -> Floats:
    """Centroids of least inertia: exact up to `MAX_EXACT` distinct values, nearly so beyond."""
    if len(line.points) <= MAX_EXACT:
        return line.centroids(_best_edges(line.weight, line.first, line.second, k))
    position = _companded(line)
    for _ in range(2):
        fine = line.merged(_fine_edges(position))
        centroids = fine.centroids(_best_edges(fine.weight, fine.first, fine.second, k))
        edges = line.edges(centroids)
        ends = np.stack((line.points[edges[:-1]], line.points[edges[1:] - 1]), axis=1)
        steps = np.stack((np.arange(k) / k, np.arange(1, k + 1) / k - 1 / MAX_EXACT), axis=1)
        position = np.interp(line.points, ends.ravel(), steps.ravel())
    return centroids


def _companded(line: _Line) -> Floats:
    """Map the points to 0..1 so that equal steps are about equal shares of a cluster.

    The best clusters' density is the cube root of the values' density (Panter & Dite 1951), here
    estimated between quantiles; it is mixed with the distribution itself, which an outlier cannot
    crowd into one corner.
    """
    knots = np.linspace(0, len(line.points) - 1, MAX_EXACT // 8).astype(np.intp)
    at_knots = line.points[knots]
    shares = np.cbrt(np.diff(line.weight[knots]) * np.diff(at_knots) ** 2)
    companded = np.interp(line.points, at_knots, np.append(0.0, np.cumsum(shares)) / shares.sum())
    return (companded + line.weight[1:] / line.weight[-1]) / 2


def _fine_edges(position: Floats) -> NDArray[np.intp]:
    """Edges of at most `MAX_EXACT` bins of equal width in the ascending `position`, none empty."""
    inner = np.searchsorted(position, np.arange(1, MAX_EXACT) / MAX_EXACT, side="left")
    return np.unique(np.concatenate(([0], inner, [len(position)])))


@njit(cache=True)
def _best_edges(weight: Floats, first: Floats, second: Floats, k: int) -> Any:
    """Split points into `k` intervals of least inertia, given their prefix sums.

    ``best[i]`` is the least inertia of the first i points in j intervals, ``split[j, i]`` where the
    last of them begins. As ``split`` grows with i, every second i is solved between its neighbours.
    """
    n = len(weight) - 1
    best = np.empty(n + 1)
    best[0] = 0.0
    for i in range(1, n + 1):
        best[i] = second[i] - first[i] * first[i] / weight[i]
    split = np.zeros((k, n + 1), np.int32)
    top = 1
    while top <= n:
        top *= 2
    for j in range(1, k):
        previous = best
        best = np.full(n + 1, np.inf)
        stride = top
        while stride:
            for i in range(stride, n + 1, 2 * stride):
                if i <= j:
                    best[i] = 0.0
                    split[j, i] = min(i, j)
                    continue
                low = max(j, split[j, i - stride] if i - stride > j else j)
                high = min(i - 1, split[j, i + stride] if i + stride <= n else i - 1)
                for start in range(low, high + 1):
                    mass = weight[i] - weight[start]
                    moment = first[i] - first[start]
                    cost = previous[start] + second[i] - second[start] - moment * moment / mass
                    if cost < best[i]:
                        best[i] = cost
                        split[j, i] = start
            stride //= 2
    edges = np.empty(k + 1, np.intp)
    edges[k] = n
    for j in range(k - 1, -1, -1):
        edges[j] = split[j, edges[j + 1]]
    return edges
