"""Weight sharing: the non-zero weights of a layer take few values, which are then trained.

Han et al. 2016, "Deep Compression", section 3: k-means on each layer's weights gives the codebook;
the gradients of all weights that share a value are summed to train it. Zero is pinned: a pruned
weight keeps its own label and never joins a cluster.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from compress.format.tensors import SharedTensor
from compress.methods.cluster import LLOYD_ITERATIONS, Init, kmeans
from compress.nn.train import Constraint
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compress.nn.ops.base import Array

CodebookType = Literal["fp32", "fp16"]

CODEBOOK_DTYPES = {"fp32": np.float32, "fp16": np.float16}


def share(
    values: NDArray[np.float32],
    k: int,
    init: Init = "optimal",
    *,
    iterations: int = LLOYD_ITERATIONS,
    codebook: CodebookType = "fp32",
    rng: np.random.Generator | None = None,
) -> SharedTensor:
    """Replace the non-zero values of a tensor by those of a codebook.

    Parameters
    ----------
    values : ndarray of float32, any shape
    k : int
        Largest number of codebook values, without zero. A label of `bits` bits holds ``2 ** bits - 1``.
    init : {"optimal", "linear", "density", "random"}
        See `compress.methods.cluster.kmeans`, also for `iterations`.
    iterations : int
    codebook : {"fp32", "fp16"}
        How the shared values are stored.
    rng : numpy.random.Generator, optional
        Needed by ``random``.

    Raises
    ------
    InputError
        As `compress.methods.cluster.kmeans`, or if a value does not fit the codebook's type.
    """
    kept = values != 0
    clusters = kmeans(values[kept], k, init, iterations=iterations, rng=rng)
    labels = np.zeros(values.shape, np.intp)
    labels[kept] = clusters.assign(values[kept]) + 1
    return SharedTensor(labels, _stored(clusters.centroids, codebook))


def _stored(centroids: Array, codebook: CodebookType) -> Array:
    if codebook not in CODEBOOK_DTYPES:
        raise InputError(f"codebook is {codebook!r}, expected one of {', '.join(CODEBOOK_DTYPES)}")
    with np.errstate(over="ignore"):
        stored: Array = centroids.astype(CODEBOOK_DTYPES[codebook])
    if not np.isfinite(stored).all():
        raise InputError(f"shared value {np.abs(centroids).max():.3g} is too large for {codebook}")
    return stored


class CentroidTuning(Constraint):
    """Train the shared values: all weights of a cluster move together, by their summed gradient.

    The optimizer sees equal weights with equal gradients, so they stay equal to the bit.

    Parameters
    ----------
    shared : dict of str to SharedTensor
        Their `to_array` is what training has to start from; other parameters train as usual.
    """

    def __init__(self, shared: Mapping[str, SharedTensor]) -> None:
        self._shared = shared
        self._kept = {name: np.flatnonzero(tensor.labels) for name, tensor in shared.items()}
        self._labels = {name: shared[name].labels.ravel()[kept] for name, kept in self._kept.items()}

    def adjust(self, params: Mapping[str, Array], gradients: dict[str, Array], progress: float) -> None:
        """Replace the gradient of each weight by the sum over its cluster (section 3.3, eq. 3), in place."""
        for name, tensor in self._shared.items():
            kept = gradients[name].ravel()[self._kept[name]]
            sums = np.bincount(self._labels[name], weights=kept, minlength=len(tensor.codebook) + 1)
            gradients[name] = sums.astype(np.float32)[tensor.labels]

    def tensors(self, params: Mapping[str, Array]) -> dict[str, SharedTensor]:
        """Return the shared tensors with the values that `params` hold now."""
        return {name: _relabelled(tensor, params[name]) for name, tensor in self._shared.items()}


class MovingLabels(Constraint):
    """Train the weights beneath their shared values, so that a weight may change its value.

    Executed is the nearest shared value of each weight; its gradient goes straight to the weight
    (Bengio, Leonard and Courville 2013, the straight-through estimator), and every shared value
    follows the mean of its weights: one step of k-means per step of training.

    Parameters
    ----------
    shared : dict of str to SharedTensor
        Where to begin, codebooks in ascending order. Zeros stay zero.
    """

    def __init__(self, shared: Mapping[str, SharedTensor]) -> None:
        self._shared = shared
        self._kept = {name: np.flatnonzero(tensor.labels) for name, tensor in shared.items()}
        self._codebooks = {name: tensor.codebook.astype(np.float64) for name, tensor in shared.items()}

    def executed(self, params: Mapping[str, Array], progress: float) -> Mapping[str, Array]:
        """Return the shared values nearest to the weights."""
        return {name: tensor.to_array() for name, tensor in self.tensors(params).items()}

    def updated(self, params: Mapping[str, Array], progress: float) -> None:
        """Move every shared value to the mean of the weights that have it."""
        for name, codebook in self._codebooks.items():
            values, labels = self._labels(params, name)
            counts = np.bincount(labels, minlength=len(codebook))
            sums = np.bincount(labels, weights=values, minlength=len(codebook))
            used = counts > 0
            codebook[used] = sums[used] / counts[used]

    def tensors(self, params: Mapping[str, Array]) -> dict[str, SharedTensor]:
        """Return the shared tensors that `params` stand for now."""
        tensors = {}
        for name, tensor in self._shared.items():
            labels = np.zeros(tensor.shape, np.intp)
            labels.reshape(-1)[self._kept[name]] = 1 + self._labels(params, name)[1]
            stored = self._codebooks[name].astype(tensor.codebook.dtype)
            tensors[name] = replace(tensor, labels=labels, codebook=stored)
        return tensors

    def _labels(self, params: Mapping[str, Array], name: str) -> tuple[Array, NDArray[np.intp]]:
        """Weights that are not zero, and the index of the shared value nearest to each."""
        values, codebook = params[name].reshape(-1)[self._kept[name]], self._codebooks[name]
        return values, np.searchsorted((codebook[1:] + codebook[:-1]) / 2, values)


def _relabelled(tensor: SharedTensor, values: Array) -> SharedTensor:
    """Give each label of `tensor` the value that its weights have in `values`."""
    codebook = np.zeros(len(tensor.codebook) + 1, np.float32)
    codebook[tensor.labels.ravel()] = values.ravel()
    return replace(tensor, codebook=codebook[1:].astype(tensor.codebook.dtype))
