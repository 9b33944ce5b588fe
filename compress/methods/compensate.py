"""Weights stored in fewer bits, column after column, each error made up for by the columns still to come.

With the Gram matrix H of a layer's inputs, an error e in one weight of a row is best made up for by adding
``-e / inv(H)_jj * inv(H)_j`` to the row (Hassibi and Stork 1993). Columns are taken in order, as GPTQ does
for integers (Frantar et al. 2023) and SparseGPT for pruning (Frantar and Alistarh 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.tensors import StoredTensor
    from compress.nn.ops.base import Array

DAMPING = 0.01
"""Added to the diagonal of a Gram matrix, relative to its mean: that of the GPTQ paper."""


class Target(Protocol):
    """A form that a matrix of weights is brought to, group of columns by group.

    `columns` is the number of columns of a group. `begin` sees a group, (rows, columns), before it is
    changed, and how much each column weighs; `column` gives the values that column `at` of the group can
    have nearest to the wanted ones. `tensor` is what was made of all columns.
    """

    columns: int

    def begin(self, group: Array, importance: Array) -> None:
        """Prepare for a group of columns."""

    def column(self, at: int, wanted: Array) -> Array:
        """Return the values of one column, shape (rows,)."""

    def tensor(self) -> StoredTensor:
        """Return the stored tensor."""


class Inputs(NamedTuple):
    """What is known of the inputs of a matrix.

    Parameters
    ----------
    importance : ndarray, shape (inputs,)
        Mean square of each.
    factor : ndarray, shape (inputs, inputs)
        Upper triangle U of the inverse of their Gram matrix, ``inverse = U' U``.
    """

    importance: Array
    factor: Array

    @classmethod
    def of_gram(cls, gram: Array) -> Inputs:
        """Take the mean products of two inputs, which are damped."""
        damped = gram.astype(np.float64)
        damped[np.diag_indices_from(damped)] += DAMPING * (float(np.diagonal(damped).mean()) or 1.0)
        return cls(np.diagonal(gram).copy(), np.ascontiguousarray(inverse_factor(damped), np.float32))


def inverse_factor(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper triangle U of the inverse of a positive definite matrix, ``inverse = U' U``.

    From the last column to the first, the matrix itself is ``L' L`` of a lower triangle, whose inverse is U:
    a fourth of the time of inverting the matrix.
    """
    from scipy.linalg.lapack import dtrtri  # here, because the import is slow

    turned = np.linalg.cholesky(gram[::-1, ::-1])
    return dtrtri(turned[::-1, ::-1])[0]


def stored(weight: Array, target: Target, inputs: Inputs | None = None) -> StoredTensor:
    """Bring a matrix to a form.

    Parameters
    ----------
    weight : ndarray, shape (outputs, inputs)
    target : Target
    inputs : Inputs, optional
        Without it every weight goes to the nearest value, and no error is made up for.

    Returns
    -------
    StoredTensor
    """
    columns = weight.shape[1]
    left = weight.astype(np.float32)
    factor = None if inputs is None else inputs.factor
    for first in range(0, columns, target.columns):
        end = min(first + target.columns, columns)
        group = left[:, first:end]
        if factor is None:
            target.begin(group, np.ones(end - first, np.float32))
            for at in range(end - first):
                target.column(at, group[:, at])
            continue
        inside = factor[first:end, first:end]
        target.begin(group.copy(), 1 / np.square(np.diagonal(inside)))
        errors = np.empty_like(group)
        for at in range(end - first):
            errors[:, at] = (group[:, at] - target.column(at, group[:, at])) / inside[at, at]
            group[:, at + 1 :] -= np.outer(errors[:, at], inside[at, at + 1 :])
        left[:, end:] -= errors @ factor[first:end, end:]
    return target.tensor()
