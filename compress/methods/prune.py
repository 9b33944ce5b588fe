"""Pruning: which weights stay. Scores become masks; a constraint prunes while a network trains.

A mask is True where a weight stays. Ties go to the earlier weight, so that masks do not depend on
the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compress.codecs.base import rows_of
from compress.nn.ops.base import Array
from compress.nn.train import Constraint
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compress.nn.network import Network, Node

Mask = NDArray[np.bool_]
Score = Literal["magnitude", "lamp", "rate"]

WEIGHTED_OPS = ("fc", "conv")

OTHER_MATRICES = {"conv_transpose": 1, "conv3d": 1, "lstm": 2, "gru": 2, "rnn": 2}
"""Operators with several matrices or other shapes of them: how many of their parameters, from the first."""

VALUE_BITS = 3.0
"""Bits that a value is taken to have in `rate_scores`: of seven shared ones, log2 7 = 2.8 and a bit more."""


def weight_of(node: Node, params: Mapping[str, Array]) -> str | None:
    """Weight tensor of a fully-connected or convolutional layer, or the table of an embedding; else None."""
    if node.op in WEIGHTED_OPS and node.params:
        return node.params[0]
    if node.op == "gather" and node.inputs[0] in params and node.inputs[1] not in params:
        table = params[node.inputs[0]]
        if table.ndim == 2 and table.dtype == np.float32 and int(node.attrs["axis"]) == 0:
            return node.inputs[0]
    return None


def weights_of(network: Network) -> dict[str, str]:
    """Name of the weight tensor of each fully-connected, convolutional or embedding layer, by layer."""
    found = {node.name: weight_of(node, network.params) for node in network.nodes}
    return {layer: weight for layer, weight in found.items() if weight is not None}


def other_matrices(network: Network) -> list[str]:
    """Names of other matrices: of recurrences, transposed and 3-D convolutions, and products."""
    layers = set(weights_of(network).values())
    names = [
        name
        for node in network.nodes
        for name in (node.inputs if node.op == "matmul" else node.params[: OTHER_MATRICES.get(node.op, 0)])
    ]
    return [
        name
        for name in dict.fromkeys(names)
        if name not in layers and name in network.params and network.params[name].ndim > 1
    ]


def require_weights(network: Network) -> dict[str, str]:
    """`weights_of` a network that has some, or other matrices.

    Raises
    ------
    InputError
        If no layer is fully-connected, convolutional or recurrent.
    """
    found = weights_of(network)
    if not found and not other_matrices(network):
        raise InputError(
            f"network {network.name}: no fully-connected, convolutional or recurrent layer, expected one"
        )
    return found


def kept_count(size: int, density: float) -> int:
    """Weights that stay of `size` at `density`.

    Raises
    ------
    InputError
        If the density is not between 0 and 1.
    """
    if not 0.0 <= density <= 1.0:
        raise InputError(f"density is {density}, expected 0 to 1")
    return round(size * density)


def top_mask(scores: Array, count: int) -> Mask:
    """Mask of the highest scores.

    Parameters
    ----------
    scores : ndarray of any shape
    count : int
        Scores that stay: none if below 1, all if as many as there are or more.

    Returns
    -------
    ndarray of bool, shape of `scores`
    """
    flat = scores.ravel()
    if count <= 0:
        return np.zeros(scores.shape, np.bool_)
    if count >= flat.size:
        return np.ones(scores.shape, np.bool_)
    threshold = np.partition(flat, flat.size - count)[flat.size - count]
    mask = flat > threshold
    ties = np.flatnonzero(flat == threshold)
    mask[ties[: count - np.count_nonzero(mask)]] = True
    return mask.reshape(scores.shape)


def layer_masks(weights: Mapping[str, Array], densities: Mapping[str, float]) -> dict[str, Mask]:
    """Keep the largest magnitudes of each tensor (Han et al. 2015, "Learning both weights...").

    Parameters
    ----------
    weights : dict of str to ndarray
    densities : dict of str to float
        Fraction of each tensor that stays; tensors that are not named stay whole.

    Returns
    -------
    dict of str to ndarray of bool
        A mask of each tensor's shape.

    Raises
    ------
    InputError
        If a density is not between 0 and 1, or names no tensor.
    """
    unknown = sorted(densities.keys() - weights.keys())
    if unknown:
        raise InputError(f"density of {unknown[0]!r}: expected one of {', '.join(weights)}")
    return {
        name: top_mask(np.abs(weight), kept_count(weight.size, densities.get(name, 1.0)))
        for name, weight in weights.items()
    }


def global_masks(weights: Mapping[str, Array], density: float, score: Score = "magnitude") -> dict[str, Mask]:
    """Keep the highest scores of all tensors together.

    Parameters
    ----------
    weights : dict of str to ndarray
    density : float
        Fraction of all weights that stays.
    score : {"magnitude", "lamp", "rate"}
        See `lamp_scores` and `rate_scores`.

    Returns
    -------
    dict of str to ndarray of bool
        A mask of each tensor's shape.

    Raises
    ------
    InputError
        If the density is not between 0 and 1 or the score unknown.
    """
    if score not in SCORES:
        raise InputError(f"score is {score!r}, expected one of {', '.join(SCORES)}")
    scores = [SCORES[score](weight).ravel() for weight in weights.values()]
    together = np.concatenate(scores)
    mask = top_mask(together, kept_count(together.size, density))
    parts = np.split(mask, np.cumsum([part.size for part in scores])[:-1])
    return {
        name: part.reshape(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)
    }


def lamp_scores(weight: Array) -> NDArray[np.float64]:
    """Squared weight over the sum of all squares that are not smaller (Lee et al. 2021, eq. 5).

    The largest weight of every tensor scores 1, so that no layer loses all of its weights first.

    Parameters
    ----------
    weight : ndarray of any shape

    Returns
    -------
    ndarray of float64, shape of `weight`
        From 0 to 1.
    """
    squares = np.square(weight.ravel(), dtype=np.float64)
    order = np.argsort(squares, kind="stable")
    remaining = np.cumsum(squares[order][::-1])[::-1]
    scores = np.zeros(squares.size)
    positive = remaining > 0
    scores[order[positive]] = squares[order[positive]] / remaining[positive]
    return scores.reshape(weight.shape)


def rate_scores(weight: Array) -> NDArray[np.float64]:
    """Squared weight over the bits it costs to store: loss that each bit buys off.

    The bits of a position are those of an ideal code that knows how full each row and column is,
    ``-log2(p_row p_column / p)``; a value takes `VALUE_BITS`. So weights that are alone in their row or
    column go first, and whole units with them.

    Parameters
    ----------
    weight : ndarray, shape (outputs, \\*inputs)

    Returns
    -------
    ndarray of float64, shape of `weight`
        Squared weight per bit.
    """
    kept = (weight != 0).reshape(rows_of(weight.shape))
    row, column, whole = (_fullness(kept, axis) for axis in (1, 0, None))
    bits = VALUE_BITS - np.log2(np.minimum(row * column / whole, 1.0))
    return np.square(weight, dtype=np.float64) / bits.reshape(weight.shape)


def _fullness(kept: Mask, axis: int | None) -> NDArray[np.float64]:
    """Probability that an element is kept, from how many are (Krichevsky and Trofimov 1981)."""
    count = kept.size if axis is None else kept.shape[axis]
    return (kept.sum(axis=axis, keepdims=True) + 0.5) / (count + 1)


def nm_mask(weight: Array, n: int, m: int) -> Mask:
    """Keep the `n` largest magnitudes of every `m` successive inputs of an output (N:M sparsity).

    The last group of a row is shorter where `m` does not divide the row.

    Parameters
    ----------
    weight : ndarray, shape (outputs, \\*inputs)
    n, m : int
        Weights that stay, of how many.

    Returns
    -------
    ndarray of bool, shape of `weight`

    Raises
    ------
    InputError
        Unless ``0 <= n <= m`` and ``m > 0``.
    """
    if not 0 <= n <= m or m < 1:
        raise InputError(f"N:M sparsity is {n}:{m}, expected 0 <= N <= M and M at least 1")
    rows, columns = rows_of(weight.shape)
    groups = ceil_div(columns, m)
    padded = np.full((rows, groups * m), -1.0)
    padded[:, :columns] = np.abs(weight).reshape(rows, columns)
    order = np.argsort(-padded.reshape(-1, m), axis=1, kind="stable")
    mask = np.zeros(order.shape, np.bool_)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    return mask.reshape(rows, -1)[:, :columns].reshape(weight.shape)


def gradual_density(progress: float, final: float, initial: float = 1.0) -> float:
    """Density after a fraction of the pruning period: fast at first, slow at the end.

    Zhu and Gupta 2017, "To prune, or not to prune", eq. 1: a cubic from `initial` to `final`.
    """
    remaining = 1.0 - min(max(progress, 0.0), 1.0)
    return final + (initial - final) * remaining**3


SCORES: dict[Score, Callable[[Array], Array]] = {
    "magnitude": np.abs,
    "lamp": lamp_scores,
    "rate": rate_scores,
}

MaskRule = Callable[[Mapping[str, Array], float], dict[str, Mask]]
"""Masks for the current weights at a fraction of the pruning period."""


class GradualPruning(Constraint):
    """Prune further and further while the network trains, and train what is left.

    Parameters
    ----------
    rule : callable
        ``rule(weights, ramp) -> masks`` at a fraction `ramp` of the pruning period.
    names : iterable of str
        Tensors to prune.
    until : float
        Progress of training at which the final density is reached.
    updates : int
        How often the masks are renewed on the way.
    masks : dict of str to ndarray of bool, optional
        Weights that are pruned already and stay so.

    Attributes
    ----------
    masks : dict of str to ndarray of bool
        The current masks, renewed in place: to be given to training as its masks.
    """

    def __init__(
        self,
        rule: MaskRule,
        names: Iterable[str],
        *,
        until: float = 1.0,
        updates: int = 1000,
        masks: Mapping[str, Mask] | None = None,
    ) -> None:
        if not 0.0 < until <= 1.0 or updates < 1:
            raise InputError(
                f"gradual pruning ends at {until} after {updates} updates, expected more than 0 and up "
                "to 1, and at least 1 update"
            )
        self.masks: dict[str, Mask] = dict(masks or {})
        self._rule, self._names, self._until, self._updates = rule, tuple(names), until, updates
        self._done = 0

    def updated(self, params: Mapping[str, Array], progress: float) -> None:
        """Renew the masks when it is time."""
        due = min(int(progress / self._until * self._updates), self._updates)
        if due > self._done:
            self._done = due
            weights = {name: params[name] * self.masks.get(name, True) for name in self._names}
            for name, mask in self._rule(weights, due / self._updates).items():
                self.masks[name] = mask & self.masks.get(name, True)


class SensitivityPoint(NamedTuple):
    """Error of a network with only one layer pruned."""

    layer: str
    density: float
    error: float


def sensitivity(
    network: Network, densities: Iterable[float], error_of: Callable[[Network], float]
) -> list[SensitivityPoint]:
    """Prune one layer at a time by magnitude, without retraining (Han et al. 2015, figure 6).

    Parameters
    ----------
    network : Network
    densities : iterable of float
    error_of : callable
        Error of a network, for example on the validation split.

    Raises
    ------
    InputError
        If no layer is fully-connected or convolutional.
    """
    densities = tuple(densities)
    points = []
    for layer, name in require_weights(network).items():
        weight = network.params[name]
        for density in densities:
            mask = top_mask(np.abs(weight), kept_count(weight.size, density))
            pruned = network.with_params({name: weight * mask})
            points.append(SensitivityPoint(layer, density, error_of(pruned)))
    return points
