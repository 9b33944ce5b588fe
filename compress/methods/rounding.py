"""Weights rounded to levels of their output's own, each error made good by the weights that follow.

Layers are taken in the order of execution, on what the compressed layers before them give. A weight is
rounded, and what that changes in the layer's outputs is taken back, as far as can be, by the weights of the
same output that are not rounded yet (Hassibi and Stork 1993, optimal brain surgeon; Frantar et al. 2023,
GPTQ). Levels are equally far apart in an output, and are entropy-coded afterwards, which at a given size
loses less than codebooks of equal words (Gish and Pierce 1968). How far apart follows from how much an error
of each layer changes the network's outputs: layers of few weights that matter get fine levels for few bytes.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import QuantizedTensor
from compress.methods.least_squares import problem
from compress.methods.prune import WEIGHTED_OPS, require_weights, weight_of
from compress.methods.reconstruct import MAX_DEPTH, execute, together
from compress.methods.remarks import ignore
from compress.nn.network import INPUT
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from compress.methods.least_squares import Problem
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

MOST_LEVEL = 127
"""Levels run from minus this number to this number."""

PROBE = 0.25
"""Distance of the levels on which sensitivity is measured, in root mean squares of an output's weights."""

PROBE_ITEMS = 4
"""Items that sensitivity is measured on."""

DAMPING = 0.2
"""Part of their mean that is added to the mean squares of inputs. Few positions say little of directions: on
EfficientNet-lite0 and eight photos 0.2 gives 12.0 dB on eight others where 0.01 gives 9.6; it was chosen of
the two by those others, so its gain on new photos is not known."""

TRIES = 4
"""Times that the distance of levels is set anew until the file is within its bytes."""


class Goal(NamedTuple):
    """What a file may take, and what its answers must keep.

    Parameters
    ----------
    max_bytes : int
        Of the file.
    min_snr_dB : float, optional
        Least signal-to-noise ratio of the outputs on the given items; none by default.
    """

    max_bytes: int
    min_snr_dB: float | None = None


def round_after_training(
    network: Network,
    x: Array,
    goal: Goal,
    *,
    rng: np.random.Generator,
    coding: str = "smallest",
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    r"""Round the weights of a trained network so that its file is within so many bytes.

    Zeros stay zeros. Activations stay in floating point.

    Parameters
    ----------
    network : Network
        Trained, batch normalisation folded.
    x : ndarray, shape (items, \*input_shape)
        Unlabelled inputs of the kind the network is used on.
    goal : Goal
    rng : numpy.random.Generator
        Chooses the positions that layers are fitted on.
    coding : str
        Of the levels; one of `compress.codecs.table.codings`, or ``raw``.
    extra : dict of str to ndarray, optional
        Further inputs.
    remark : callable
        Called with a sentence for each layer whose inputs say too little.

    Raises
    ------
    InputError
        If the file cannot be so small, or its answers are then farther off than the goal allows.
    """
    inputs = {INPUT: x, **(extra or {})}
    weights = list(dict.fromkeys(require_weights(network).values()))
    steps = relative_steps(network, weights, _few(inputs))
    bits = 8.0 * goal.max_bytes
    seeds = rng.spawn(TRIES)
    said: list[str] = []
    for one in seeds:
        factor = _factor(network, weights, steps, bits)
        said.clear()
        artifact = _rounded(
            network, inputs, {name: factor * step for name, step in steps.items()}, one, coding, said.append
        )
        size = len(artifact.to_bytes())
        if size <= goal.max_bytes:
            break
        bits *= 0.995 * goal.max_bytes / size
    else:
        raise InputError(
            f"network {network.name}: {size} bytes after {TRIES} tries, expected at most {goal.max_bytes}"
        )
    found = signal_to_noise_dB(network, artifact.to_network(), inputs)
    if goal.min_snr_dB is not None and found < goal.min_snr_dB:
        raise InputError(
            f"network {network.name}: {found:.1f} dB of signal to noise in {size} bytes, expected at least "
            f"{goal.min_snr_dB:g} dB: more bytes would help"
        )
    for sentence in said:
        remark(sentence)
    return artifact


def relative_steps(network: Network, weights: list[str], inputs: dict[str, Array]) -> dict[str, float]:
    """Distances of levels at which a bit more would take off as much error in every layer, up to a factor.

    They are in root mean squares of an output's weights. An error grows with the square of the distance and
    bits fall with its logarithm, so the square times the layer's sensitivity is as its number of weights.
    """
    outputs = _run(network, inputs)
    power = sum(float(np.square(value, dtype=np.float64).sum()) for value in outputs.values())
    found = {}
    for name in weights:
        weight = network.params[name]
        step = PROBE * _rms(weight)
        rounded = (np.rint(_rows(weight) / step) * step).reshape(weight.shape).astype(np.float32)
        moved = _run(network.with_params({name: rounded}), inputs)
        error = sum(
            float(np.square(moved[key] - value, dtype=np.float64).sum()) for key, value in outputs.items()
        )
        found[name] = math.sqrt(weight.size / max(error, 1e-9 * power, np.finfo(float).tiny))
    return found


def signal_to_noise_dB(network: Network, other: Network, inputs: dict[str, Array]) -> float:
    """Power of the outputs over that of what differs in them, in dB; infinite where nothing does."""
    outputs, found = _run(network, inputs), _run(other, inputs)
    signal = sum(float(np.square(value, dtype=np.float64).sum()) for value in outputs.values())
    noise = sum(
        float(np.square(found[key] - value, dtype=np.float64).sum()) for key, value in outputs.items()
    )
    return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else math.inf


def round_rows(
    posed: Problem, weight: Array, step: NDArray[np.float64], mask: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Round the weights of a layer with error feedback, the most active inputs first.

    Parameters
    ----------
    posed : Problem
        Least squares of the layer, on what it reads now.
    weight : ndarray, shape (outputs, ...)
        The original weights.
    step : ndarray, shape (outputs,)
        Distance of the levels of each output.
    mask : ndarray of bool, shape of `weight`
        True where a level may differ from zero.

    Returns
    -------
    ndarray of int8, shape of `weight`
    """
    groups, depth = posed.input_mean.shape
    inside = mask.reshape(groups, -1, depth)
    steps = step.reshape(groups, -1)
    levels = np.zeros(inside.shape)
    damping = DAMPING * np.diagonal(posed.gram, axis1=1, axis2=2).mean(axis=1)
    for group in range(groups):
        gram = posed.gram[group] + damping[group] * np.eye(depth)
        # damped towards the original weights, as the ridge is
        original = weight.reshape(groups, -1, depth)[group].T
        target = np.linalg.solve(gram, posed.cross[group] + damping[group] * original).T
        order = np.argsort(-np.diagonal(gram), kind="stable")
        upper = np.linalg.cholesky(np.linalg.inv(gram[np.ix_(order, order)])).T
        rounded = np.zeros((len(target), depth))
        _feed_back(
            np.ascontiguousarray(target[:, order]),
            np.ascontiguousarray(upper),
            steps[group],
            np.ascontiguousarray(inside[group][:, order]),
            rounded,
        )
        levels[group][:, order] = rounded
    return levels.reshape(weight.shape).astype(np.int8)


@njit(cache=True)
def _feed_back(target, upper, steps, inside, levels):  # type: ignore[no-untyped-def]
    """Round column after column; spread what each output misses over the columns that follow."""
    outputs, depth = target.shape
    for row in range(outputs):
        for column in range(depth):
            level = 0.0
            if inside[row, column]:
                level = min(max(np.rint(target[row, column] / steps[row]), -MOST_LEVEL), MOST_LEVEL)
            levels[row, column] = level
            error = (target[row, column] - level * steps[row]) / upper[column, column]
            for other in range(column + 1, depth):
                target[row, other] -= error * upper[column, other]


def _rounded(
    network: Network,
    inputs: dict[str, Array],
    steps: dict[str, float],
    rng: np.random.Generator,
    coding: str,
    remark: Callable[[str], None],
) -> Artifact:
    """Round layer after layer, each on what the rounded ones before it give."""
    wanted = network.pieces(inputs)
    given = [dict(piece) for piece in wanted]
    params, tensors = dict(network.params), {}
    last = {name: index for index, node in enumerate(network.nodes) for name in node.inputs}
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    for index, node in enumerate(network.nodes):
        for values in wanted:
            execute(node, network.params, values)
        name = weight_of(node, params)
        if name is not None and name not in tensors:
            weight = network.params[name]
            scale = _scale(weight, steps[name])
            bias = next((param for param in node.params[1:] if uses[param] == 1), None)
            if node.op in WEIGHTED_OPS and weight[0].size <= MAX_DEPTH:
                read, made = together(given, node.inputs[0]), together(wanted, node.name)
                posed = problem(node, weight, read, made, rng, centred=bias is not None)
                for sentence in posed.remarks(weight[0].size):
                    remark(f"layer {node.name}: {sentence}")
                levels = round_rows(posed, weight, scale.astype(np.float64), weight != 0)
            else:
                posed, levels = None, _nearest(weight, scale)
            tensors[name] = QuantizedTensor(levels, scale, 8, coding)
            params[name] = tensors[name].to_array()
            if posed is not None and bias is not None:
                params[bias] = posed.bias(params[name])
        for values in given:
            execute(node, params, values)
        for name in node.inputs:
            if last[name] == index:
                for values in (*wanted, *given):
                    values.pop(name, None)
    return Artifact.of(network.with_params(params), "rounded", tensors)


def _factor(network: Network, weights: list[str], steps: dict[str, float], bits: float) -> float:
    """Factor of all distances with which the entropy of the levels and all else take so many bits."""
    rest = sum(32 * value.size for name, value in network.params.items() if name not in weights)
    rest += sum(32 * len(network.params[name]) for name in weights)
    low, high = 1e-9, 1e9
    for _ in range(40):
        middle = math.sqrt(low * high)
        taken = rest + sum(_entropy_bits(network.params[name], middle * steps[name]) for name in weights)
        low, high = (middle, high) if taken > bits else (low, middle)
    return high


def _entropy_bits(weight: Array, step: float) -> float:
    levels = _nearest(weight, _scale(weight, step))
    counts = np.bincount(levels.reshape(-1).astype(np.int64) + MOST_LEVEL + 1)
    shares = counts[counts > 0] / max(levels.size, 1)
    return float(-(shares * np.log2(shares)).sum()) * levels.size


def _nearest(weight: Array, scale: NDArray[np.float32]) -> NDArray[np.int8]:
    levels = np.rint(_rows(weight) / scale[:, None]).clip(-MOST_LEVEL, MOST_LEVEL)
    return levels.reshape(weight.shape).astype(np.int8)


def _scale(weight: Array, step: float) -> NDArray[np.float32]:
    """Distance of the levels of each output, and no finer than its largest weight has levels."""
    finest = np.abs(_rows(weight)).max(axis=1, initial=0.0) / MOST_LEVEL
    steps = np.maximum(step * _rms(weight)[:, 0], finest)
    return np.maximum(steps, np.finfo(np.float32).tiny).astype(np.float32)


def _rms(weight: Array) -> NDArray[np.float64]:
    """Root mean square of the weights of each output, shape (outputs, 1)."""
    rms = np.sqrt(np.square(_rows(weight), dtype=np.float64).mean(axis=1, keepdims=True))
    return np.maximum(rms, np.finfo(np.float32).tiny)


def _rows(weight: Array) -> Array:
    return weight.reshape(len(weight), -1)


def _run(network: Network, inputs: dict[str, Array]) -> dict[str, Array]:
    return network.run(inputs[INPUT], extra={name: value for name, value in inputs.items() if name != INPUT})


def _few(inputs: dict[str, Array]) -> dict[str, Array]:
    return {name: value[:PROBE_ITEMS] for name, value in inputs.items()}
