"""Weights of one layer fitted to wanted outputs: masked and shared least squares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.nn.ops.window import Window
from hwsim.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.tensors import SharedTensor
    from compress.methods.prune import Mask
    from compress.nn.network import Node
    from compress.nn.ops.base import Array

ROWS = 8192
"""Positions of an activation that a layer is fitted on."""

RIDGE = 1e-3
"""Price of leaving the original weights, relative to the mean square of an input: a choice."""

ITERATIONS = 50
TOLERANCE = 1e-6
"""Conjugate gradients stop at so many steps, or when the residual is this part of what it was."""

FEW = 3
"""With fewer positions than one for so many inputs, products with all inputs at each position take less time
than those with the mean products of any two inputs."""

TINY = 1e-30
"""Least mean square that the ridge is taken of, where all inputs are zero."""


class Problem(NamedTuple):
    """A least-squares problem: the statistics of inputs and target outputs of a layer, by group.

    Parameters
    ----------
    gram : ndarray, shape (groups, depth, depth)
        Mean products of two inputs, plus the ridge.
    cross : ndarray, shape (groups, depth, filters of a group)
        Mean products of input and wanted output, plus the ridge times the original weights.
    input_mean : ndarray, shape (groups, depth)
        Taken off the inputs; zeros where the layer has no bias.
    output_mean : ndarray, shape (filters,)
        Taken off the outputs; zeros where the layer has no bias.
    positions : int
        That the statistics are of.
    silent : bool
        Whether all inputs are zero.
    rows : ndarray, shape (groups, positions, depth), optional
        Where there are few positions, the inputs over the root of their number: their products with one
        another, plus the ridge, are `gram`.
    ridge : float
        That goes with `rows`.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    input_mean: NDArray[np.float64]
    output_mean: NDArray[np.float64]
    positions: int
    silent: bool
    rows: NDArray[np.float64] | None = None
    ridge: float = 0.0

    @property
    def importance(self) -> NDArray[np.float64]:
        """Mean square of what each weight multiplies, shape (groups, depth)."""
        return np.diagonal(self.gram, axis1=1, axis2=2)

    def remarks(self, unknowns: float) -> list[str]:
        """Say what makes a fit of so many unknown weights of an output doubtful."""
        if self.silent:
            return ["all its inputs are zero, so its weights cannot be fitted: other inputs would help"]
        if self.positions < unknowns:
            return [
                f"fitted on {self.positions} positions, fewer than the {unknowns:.0f} unknown weights of an "
                "output: it overfits, more inputs would help"
            ]
        return []

    def scaled(self, by: float) -> Problem:
        """Return the same problem with errors that count `by` times as much."""
        rows = None if self.rows is None else self.rows * np.sqrt(by)
        return self._replace(gram=self.gram * by, cross=self.cross * by, rows=rows, ridge=self.ridge * by)

    def product(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """`gram` times weights, (groups, depth, filters of a group)."""
        if self.rows is None:
            return self.gram @ weights
        products = np.matmul(self.rows.transpose(0, 2, 1), self.rows @ weights)
        products += self.ridge * weights
        return products

    def with_positions_of(self, other: Problem) -> Problem:
        """Problem of the same weights at the positions of both."""
        count = self.positions + other.positions
        mine, theirs = self.positions / count, other.positions / count
        return Problem(
            mine * self.gram + theirs * other.gram,
            mine * self.cross + theirs * other.cross,
            self.input_mean,
            self.output_mean,
            count,
            self.silent and other.silent,
        )

    def bias(self, weight: Array) -> NDArray[np.float32]:
        """Bias, shape (outputs,), that makes the mean output right, for weights (outputs, ...)."""
        rows = weight.reshape(len(self.gram), -1, self.gram.shape[1])
        mean = np.matmul(rows, self.input_mean[:, :, None]).reshape(-1)
        return (self.output_mean - mean).astype(np.float32)


def problem(
    node: Node, weight: Array, x: Array, wanted: Array, rng: np.random.Generator, *, centred: bool = True
) -> Problem:
    """Pose the least-squares problem of a convolution or fully-connected layer.

    Parameters
    ----------
    weight : ndarray, shape (outputs, ...)
        The original weights.
    x, wanted : ndarray, shapes (batch, ...)
        Input of the layer, and the output it should have.
    rng : numpy.random.Generator
        Chooses at most `ROWS` positions.
    centred : bool
        Whether the layer's bias, if it has one, takes the means.
    """
    rows, outputs = _image_rows(node, weight, x, wanted, rng) if node.op == "conv" else _rows(x, wanted, rng)
    count, depth, silent = len(rows), weight[0].size, not rows.any()
    rows = rows.reshape(count, -1, depth).transpose(1, 0, 2)
    groups = len(rows)
    input_mean, output_mean = np.zeros((groups, depth)), np.zeros(len(weight))
    if centred and len(node.params) > 1:
        input_mean, output_mean = rows.mean(axis=1, dtype=np.float64), outputs.mean(axis=0, dtype=np.float64)
    rows = rows - input_mean[:, None].astype(rows.dtype)
    outputs = (outputs - output_mean.astype(outputs.dtype)).reshape(count, groups, -1).transpose(1, 0, 2)
    turned = rows.transpose(0, 2, 1)
    gram = np.matmul(turned, rows).astype(np.float64) / count
    cross = np.matmul(turned, outputs).astype(np.float64) / count
    ridge = RIDGE * max(float(np.diagonal(gram, axis1=1, axis2=2).mean()), TINY)
    gram += ridge * np.eye(depth)
    cross += ridge * weight.reshape(groups, -1, depth).transpose(0, 2, 1)
    means = (input_mean, output_mean)
    if FEW * count > depth:
        return Problem(gram, cross, *means, count, silent)
    few = rows.astype(np.float64) / np.sqrt(count)
    return Problem(gram, cross, *means, count, silent, few, ridge)


def table_problem(weight: Array) -> Problem:
    """Problem of rows that are looked up: each value counts for itself.

    Parameters
    ----------
    weight : ndarray, shape (rows, features)
    """
    depth, rows = weight.shape[1], weight.astype(np.float64)
    means = np.zeros((1, depth)), np.zeros(len(weight))
    return Problem(np.eye(depth)[None], rows.T[None], *means, len(weight), silent=False)


def _rows(x: Array, wanted: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    flat, outputs = x.reshape(-1, x.shape[-1]), wanted.reshape(-1, wanted.shape[-1])
    chosen = _chosen(len(flat), rng)
    return flat[chosen], outputs[chosen]


def _image_rows(
    node: Node, weight: Array, x: Array, wanted: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Patches as rows of (channels, height, width), the order in which weights are stored."""
    window = Window.of(node.attrs, (weight.shape[2], weight.shape[3]))
    top, left, bottom, right = window.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    items, _, height, width = wanted.shape
    item, line, column = np.unravel_index(_chosen(items * height * width, rng), (items, height, width))
    rows = line[:, None] * window.stride[0] + np.arange(window.kernel[0]) * window.dilation[0]
    columns = column[:, None] * window.stride[1] + np.arange(window.kernel[1]) * window.dilation[1]
    patches = padded[item[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return patches.transpose(0, 3, 1, 2).reshape(len(item), -1), wanted[item, :, line, column]


def _chosen(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if count <= ROWS:
        return np.arange(count)
    return np.sort(rng.choice(count, ROWS, replace=False))


def fit_weights(problem: Problem, weight: Array, mask: Mask) -> NDArray[np.float32]:
    """Least-squares weights that are zero outside `mask`, by conjugate gradients from `weight`.

    All filters run side by side, each with its own step (Hestenes and Stiefel 1952).

    Parameters
    ----------
    problem : Problem
    weight : ndarray, shape (filters, \\*inputs of a filter)
        Where to start.
    mask : ndarray of bool, shape of `weight`
        True where a weight may differ from zero.

    Returns
    -------
    ndarray of float32, shape of `weight`
    """
    groups, depth = problem.input_mean.shape
    inside = np.ascontiguousarray(mask.reshape(groups, -1, depth).transpose(0, 2, 1))
    w = np.multiply(weight.reshape(groups, -1, depth).transpose(0, 2, 1), inside, dtype=np.float64, order="C")
    residual = (problem.cross - problem.product(w)) * inside
    scratch = np.empty_like(residual)  # large arrays made anew in every step would take most of the time
    direction, power = residual.copy(), _dots(residual, residual, scratch)
    enough = power * TOLERANCE**2
    for _ in range(ITERATIONS):
        if (power <= enough).all():
            break
        moved = problem.product(direction)
        moved *= inside
        step = _ratio(power, _dots(direction, moved, scratch))
        w += np.multiply(step, direction, out=scratch)
        residual -= np.multiply(step, moved, out=scratch)
        power, before = _dots(residual, residual, scratch), power
        direction *= _ratio(power, before)
        direction += residual
    return np.ascontiguousarray(w.transpose(0, 2, 1)).reshape(weight.shape).astype(np.float32)


def _dots(one: Array, other: Array, scratch: Array) -> NDArray[np.float64]:
    """Sum of products by filter; `scratch` holds the products."""
    return np.multiply(one, other, out=scratch).sum(axis=1, keepdims=True)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def fit_codebook(problem: Problem, shared: SharedTensor) -> SharedTensor:
    """Least-squares values of a codebook, every weight keeping its label."""
    groups, depth = problem.input_mean.shape
    labels = shared.labels.reshape(groups, -1, depth).astype(np.int64)
    size = len(shared.codebook)
    matrix, target = np.zeros((size, size)), np.zeros(size)
    if problem.rows is None:
        _accumulate(problem.gram, problem.cross, labels, matrix, target)
    else:
        columns = np.ascontiguousarray(problem.rows.transpose(0, 2, 1))
        _accumulate_few(columns, problem.ridge, problem.cross, labels, matrix, target)
    used = np.diagonal(matrix) > 0
    values = shared.codebook.astype(np.float64)
    among = matrix[np.ix_(used, used)]
    try:
        values[used] = np.linalg.solve(among, target[used])
    except np.linalg.LinAlgError:  # values that always occur together: the smallest of the best ones
        values[used] = np.linalg.lstsq(among, target[used], rcond=None)[0]
    return replace(shared, codebook=values.astype(np.float32))


@njit(cache=True)
def _accumulate(gram, cross, labels, matrix, target):  # type: ignore[no-untyped-def]
    """Normal equations of the codebook: sums of `gram` and `cross` over weights of equal label."""
    groups, filters, depth = labels.shape
    rows = np.empty((len(target), depth))
    for group in range(groups):
        for each in range(filters):
            rows[:] = 0
            for i in range(depth):
                label = labels[group, each, i] - 1
                if label >= 0:
                    rows[label] += gram[group, i]
                    target[label] += cross[group, i, each]
            for j in range(depth):
                label = labels[group, each, j] - 1
                if label >= 0:
                    matrix[:, label] += rows[:, j]


@njit(cache=True)
def _accumulate_few(columns, ridge, cross, labels, matrix, target):  # type: ignore[no-untyped-def]
    """As `_accumulate`, of `columns` (groups, depth, positions) whose products, plus ridge, are `gram`."""
    groups, filters, depth = labels.shape
    sums = np.empty((len(target), columns.shape[2]))
    for group in range(groups):
        for each in range(filters):
            sums[:] = 0
            for i in range(depth):
                label = labels[group, each, i] - 1
                if label >= 0:
                    sums[label] += columns[group, i]
                    target[label] += cross[group, i, each]
                    matrix[label, label] += ridge
            matrix += sums @ sums.T
