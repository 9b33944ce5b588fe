"""Functions that students write, and the tests each of them is given."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

CASES = 20
"""Random inputs that a function is tried on."""


@dataclass(frozen=True)
class Task:
    """A function to write.

    Parameters
    ----------
    cases : callable
        Gives the arguments of each call.
    holds : callable
        Whether a result is right: takes the result, then the arguments.
    hint : str
        What to say of a wrong one.
    """

    cases: Callable[[], Iterator[tuple[Any, ...]]]
    holds: Callable[..., bool]
    hint: str

    def passed(self, function: Callable[..., Any]) -> bool:
        """Whether a function gives the right result for every case, and raises nothing."""
        try:
            return all(bool(self.holds(function(*case), *case)) for case in self.cases())
        except Exception:  # a student's function may raise anything: it has not passed
            return False


def _matrices() -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        yield rng.normal(size=(int(rng.integers(2, 30)), int(rng.integers(2, 30))))


def _densities() -> Iterator[tuple[NDArray[np.float64], float]]:
    for index, weights in enumerate(_matrices()):
        yield weights, (index + 1) / CASES


def _is_pruned(mask: Any, weights: NDArray[np.float64], density: float) -> bool:
    """Whether the mask keeps the largest weights, as many as the density says."""
    kept = np.asarray(mask, dtype=bool)
    sizes = np.abs(weights)
    right_many = kept.shape == weights.shape and kept.sum() == round(density * weights.size)
    return bool(right_many and (kept.all() or not kept.any() or sizes[kept].min() >= sizes[~kept].max()))


def _codebooks() -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for weights in _matrices():
        yield weights, np.linspace(weights.min(), weights.max(), 4)


def _is_step_of_k_means(found: Any, weights: NDArray[np.float64], codebook: NDArray[np.float64]) -> bool:
    labels = np.abs(weights[..., None] - codebook).argmin(axis=-1)
    moved = [
        weights[labels == label].mean() if (labels == label).any() else value
        for label, value in enumerate(codebook)
    ]
    return np.allclose(found, moved)


def _counts() -> Iterator[tuple[list[int]]]:
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        yield (rng.integers(1, 100, int(rng.integers(2, 12))).tolist(),)


def _are_code_lengths(lengths: Any, counts: Sequence[int]) -> bool:
    """Whether a prefix code can have these lengths, and none needs fewer bits."""
    found = [int(length) for length in lengths]
    total = sum(length * count for length, count in zip(found, counts, strict=True))
    return min(found) >= 1 and sum(2.0**-length for length in found) <= 1 and total == _least_bits(counts)


def _least_bits(counts: Sequence[int]) -> int:
    """Bits of the best prefix code: the sum of all merged counts (Huffman, 1952)."""
    heap, bits = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        bits += merged
        heapq.heappush(heap, merged)
    return bits


def _memories() -> Iterator[tuple[list[int], list[int], int]]:
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        layers = int(rng.integers(1, 8))
        sizes = rng.integers(1, 1000, layers).tolist()
        yield sizes, rng.integers(1, 9, layers).tolist(), int(rng.integers(0, sum(sizes) + 200))


def _is_least_traffic(found: Any, sizes: list[int], fetches: list[int], capacity: int) -> bool:
    """Whether the bytes are those that are left where the bytes of most fetches are pinned first."""
    traffic, left = 0, capacity
    for times, size in sorted(zip(fetches, sizes, strict=True), reverse=True):
        pinned = min(size, left)
        left -= pinned
        traffic += times * (size - pinned)
    return bool(np.isclose(found, traffic))


def _roofs() -> Iterator[tuple[float, ...]]:
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        intensity, peak, bandwidth = 10 ** rng.uniform([-1, 11, 9], [3, 14, 12])
        yield tuple(
            map(float, (intensity, peak, bandwidth, rng.uniform(1, 300), *(1e-12 * rng.uniform(1, 200, 2))))
        )


def _is_roof(
    found: Any, intensity: float, peak: float, bandwidth: float, watts: float, mac_J: float, byte_J: float
) -> bool:
    roof = min(peak, bandwidth * intensity, watts / (mac_J + byte_J / intensity))
    return bool(np.isclose(found, roof))


TASKS: dict[str, Task] = {
    "2.5": Task(
        _densities,
        _is_pruned,
        "Keep round(density * weights.size) weights: those of largest magnitude. Return a mask of booleans.",
    ),
    "3.5": Task(
        _codebooks,
        _is_step_of_k_means,
        "Label each weight with its nearest value. A value becomes their mean, or stays without any.",
    ),
    "4.5": Task(
        _counts,
        _are_code_lengths,
        "Merge the two smallest counts again and again (heapq); each merge makes its symbols one bit longer.",
    ),
    "5.5": Task(
        _memories,
        _is_least_traffic,
        "Pin bytes of the layers that are fetched most often first; a layer may stay in part.",
    ),
    "6.6": Task(
        _roofs,
        _is_roof,
        "The least of the peak, bandwidth x intensity, and watts over the joules of a MAC and its bytes.",
    ),
}
