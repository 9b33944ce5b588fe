"""Weights rounded to levels of their layer's own, each error made good by the weights that follow.

Layers are taken in the order of execution, on what the compressed layers before them give. A weight is
rounded, and what that changes in the layer's outputs is taken back, as far as can be, by the weights of the
same output that are not rounded yet (Hassibi and Stork 1993, optimal brain surgeon; Frantar et al. 2023,
GPTQ). Levels are equally far apart in an output, and are entropy-coded afterwards, which at a given size
loses less than codebooks of equal words (Gish and Pierce 1968). How far apart follows from how much an error
of each layer changes the network's outputs: layers of few weights that matter get fine levels for few bytes.
Outputs whose weights reach farther than 127 levels have wider ones of their own.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import DenseTensor, QuantizedTensor
from compress.methods.compensate import inverse_factor
from compress.methods.least_squares import TINY, problem
from compress.methods.prune import WEIGHTED_OPS, require_weights, weight_of
from compress.methods.reconstruct import MAX_DEPTH, execute, mean_error, together
from compress.methods.remarks import ignore
from compress.nn.network import INPUT
from compress.nn.ops.integer import top_level
from compress.nn.steps import forget, separate
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from compress.format.tensors import StoredTensor
    from compress.methods.least_squares import Problem
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

MOST_LEVEL = 127
"""Levels run from minus this number to this number."""

PROBE = 0.05
"""Distance of the levels on which sensitivity is measured, in root mean squares of a layer's weights."""

PROBE_ITEMS = 6
"""Items that sensitivity is measured on."""

DAMPING = 0.1
"""Part of their mean that is added to the mean squares of inputs: a choice."""

INDEPENDENT = 0.25
"""Positions that count, relative to the geometric mean of the positions and the items: those of an item are
alike. Chosen on EfficientNet-lite0: with more, feedback fits the given items and errs on others."""

JUDGED = 0.25
"""Part of the items that a least signal-to-noise ratio is measured on; the others are for fitting."""

BLOCK = 128
"""Columns that are rounded before their errors are spread over all that follow, in one product: a choice."""

TRIES = 4
"""Times that the distance of levels is set anew until the file is within its bytes."""


class Goal(NamedTuple):
    """What a file may take, and what its answers must keep.

    Parameters
    ----------
    max_bytes : int
        Of the file.
    min_snr_dB : float, optional
        Least signal-to-noise ratio of the outputs on items that nothing is fitted on; none by default.
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
    fitted, judged = parted_for_judging(inputs) if goal.min_snr_dB is not None else (inputs, inputs)
    weights = list(dict.fromkeys(require_weights(network).values()))
    steps = best_steps(network, weights, _few(fitted))
    bits = 8.0 * goal.max_bytes
    seeds = rng.spawn(TRIES)
    said: list[str] = []
    for one in seeds:
        factor = _factor(network, weights, steps, bits)
        said.clear()
        forms = {name: _form(network.params[name], factor * step, coding) for name, step in steps.items()}
        tensors = _rounded(network, fitted, forms, one, said.append)
        artifact = Artifact.of(network, "rounded", tensors)
        size = len(artifact.to_bytes())
        if size <= goal.max_bytes:
            break
        bits *= 0.995 * goal.max_bytes / size
    else:
        raise InputError(
            f"network {network.name}: {size} bytes after {TRIES} tries, expected at most {goal.max_bytes}"
        )
    if goal.min_snr_dB is not None:
        found = signal_to_noise_dB(network, artifact.to_network(), judged)
        if found < goal.min_snr_dB:
            raise InputError(
                f"network {network.name}: {found:.1f} dB of signal to noise in {size} bytes, expected at "
                f"least {goal.min_snr_dB:g} dB: more bytes would help"
            )
    for sentence in said:
        remark(sentence)
    return artifact


def parted_for_judging(inputs: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Items to fit on and items to judge by; a single item is for both."""
    items = len(inputs[INPUT])
    judged = max(1, round(JUDGED * items))
    if items < 2:
        return inputs, inputs
    return (
        {name: value[: items - judged] for name, value in inputs.items()},
        {name: value[items - judged :] for name, value in inputs.items()},
    )


def best_steps(network: Network, weights: list[str], inputs: dict[str, Array]) -> dict[str, Array]:
    """Distances of levels at which a bit more would take off as much error in every layer, up to a factor.

    An error grows with the square of the distance and bits fall with its logarithm, so the square times the
    layer's sensitivity is as its number of weights. Sensitivity is measured: the layer alone is rounded, and
    its bias takes back what that changes on average, as it does in the compressed network. A layer has the
    same distance in all outputs, or distances as the sizes of their weights are, whichever is measured to
    give less error at equal bits.
    """
    values = network.pieces(inputs)
    released = separate(network.nodes, network.outputs).released
    outputs = _run(network, inputs)
    power = sum(float(np.square(value, dtype=np.float64).sum()) for value in outputs.values())
    wanted = _ends(network, [dict(piece) for piece in values], 0, network.params, released)
    chosen: dict[str, Array] = {}

    def tried(name: str, index: int, step: Array) -> tuple[float, Array]:
        """Error at equal bits, and distances at which it is as the number of weights."""
        weight = network.params[name]
        form = _form(weight, step, "raw")
        params = {**network.params, name: form.to_array()}
        found = _ends(network, [dict(piece) for piece in values], index, params, released, network.params)
        error = sum(float(np.square(one - other).sum()) for one, other in zip(found, wanted, strict=True))
        error = max(error, 1e-9 * power, np.finfo(float).tiny)
        bits = _bits(weight, step) / max(weight.size, 1)
        return error * 4.0**bits, step * math.sqrt(weight.size / error)

    for index, node in enumerate(network.nodes):
        name = weight_of(node, network.params)
        if name is not None and name in weights and name not in chosen:
            rms = _rms(network.params[name])
            even = np.full(len(rms), np.sqrt(np.square(rms).mean()))
            both = [tried(name, index, PROBE * step) for step in (even, rms)]
            chosen[name] = min(both, key=lambda one: one[0])[1]
        for piece in values:
            execute(node, network.params, piece)
        forget(released[index], values)
    return chosen


def _ends(
    network: Network,
    pieces: list[dict[str, Array]],
    first: int,
    params: Mapping[str, Array],
    released: Sequence[Sequence[str]],
    original: Mapping[str, Array] | None = None,
) -> list[NDArray[np.float64]]:
    """Outputs, executed from a node on; its bias makes its mean output that of the original parameters."""
    for index, node in enumerate(network.nodes[first:], first):
        biased = index == first and len(node.params) > 1 and node.op in WEIGHTED_OPS
        if biased and original is not None:
            tried = [dict(piece) for piece in pieces], [dict(piece) for piece in pieces]
            for piece in tried[0]:
                execute(node, params, piece)
            for piece in tried[1]:
                execute(node, original, piece)
            missing = mean_error(together(tried[0], node.name), together(tried[1], node.name), node.op)
            params = {**params, node.params[1]: params[node.params[1]] + missing}
        for piece in pieces:
            execute(node, params, piece)
        forget(released[index], pieces)
    return [piece[name].astype(np.float64) for piece in pieces for name in network.outputs]


def signal_to_noise_dB(network: Network, other: Network, inputs: dict[str, Array]) -> float:
    """Power of the outputs over that of what differs in them, in dB; infinite where nothing does."""
    outputs, found = _run(network, inputs), _run(other, inputs)
    signal = sum(float(np.square(value, dtype=np.float64).sum()) for value in outputs.values())
    noise = sum(
        float(np.square(found[key] - value, dtype=np.float64).sum()) for key, value in outputs.items()
    )
    return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else math.inf


def round_rows(posed: Problem, weight: Array, form: QuantizedTensor, items: int) -> QuantizedTensor:
    """Round the weights of a layer with error feedback, the most active inputs first.

    Parameters
    ----------
    posed : Problem
        Least squares of the layer, on what it reads now.
    weight : ndarray, shape (outputs, ...)
        The original weights. Zeros stay zeros.
    form : QuantizedTensor, shape of `weight`
        Scales and bits of the levels.
    items : int
        That the positions are of. The fewer there are, the less is believed of products of two inputs.

    Returns
    -------
    QuantizedTensor
        `form` with other levels.
    """
    groups, depth = posed.input_mean.shape
    inside = (weight != 0).reshape(groups, -1, depth)
    steps = np.broadcast_to(form.scale, len(weight)).astype(np.float64).reshape(groups, -1)
    levels = np.zeros(inside.shape)
    independent = INDEPENDENT * math.sqrt(posed.positions * items)
    believed = independent / (independent + depth)
    power = np.diagonal(posed.gram, axis1=1, axis2=2)
    for group in range(groups):
        gram = believed * posed.gram[group]
        gram[np.diag_indices(depth)] += (1 - believed) * power[group] + DAMPING * power[group].mean()
        order = np.argsort(-np.diagonal(gram), kind="stable")
        upper = inverse_factor(gram[np.ix_(order, order)])
        original = weight.reshape(groups, -1, depth)[group].T.astype(np.float64)
        missing = (posed.cross[group] - posed.gram[group] @ original)[order]
        target = (original[order] + believed * (upper.T @ (upper @ missing))).T
        levels[group][:, order] = _fed_back(
            target, upper, steps[group], inside[group][:, order], top_level(form.bits)
        )
    return replace(form, q=levels.reshape(weight.shape).astype(np.int8))


def _fed_back(
    target: NDArray[np.float64],
    upper: NDArray[np.float64],
    steps: NDArray[np.float64],
    inside: NDArray[np.bool_],
    top: int,
) -> NDArray[np.float64]:
    """Levels of an output each row: columns of a block one by one, those that follow a block at a time."""
    left, levels = target.copy(), np.zeros(target.shape)
    for first in range(0, left.shape[1], BLOCK):
        block = slice(first, first + BLOCK)
        wanted, corner = np.ascontiguousarray(left[:, block]), np.ascontiguousarray(upper[block, block])
        levels[:, block], errors = _feed_back(
            wanted, corner, steps, np.ascontiguousarray(inside[:, block]), top
        )
        left[:, first + BLOCK :] -= errors @ upper[block, first + BLOCK :]
    return levels


@njit(cache=True)
def _feed_back(target, upper, steps, inside, top):  # type: ignore[no-untyped-def]
    """Levels column after column, and errors: what each output misses goes to the columns that follow."""
    outputs, depth = target.shape
    levels, errors = np.zeros((outputs, depth)), np.zeros((outputs, depth))
    for row in range(outputs):
        for column in range(depth):
            level = 0.0
            if inside[row, column]:
                level = min(max(np.rint(target[row, column] / steps[row]), -top), top)
            levels[row, column] = level
            error = (target[row, column] - level * steps[row]) / upper[column, column]
            errors[row, column] = error
            for other in range(column + 1, depth):
                target[row, other] -= error * upper[column, other]
    return levels, errors


def with_feedback(
    network: Network,
    made: Artifact,
    x: Array,
    *,
    rng: np.random.Generator,
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    r"""Round the weights of a quantized network again, to the levels that it has, with error feedback.

    Parameters
    ----------
    network : Network
        The original, in floating point.
    made : Artifact
        `network`, its weights quantized by tensor or by output.
    x : ndarray, shape (items, \*input_shape)
    rng : numpy.random.Generator
        Chooses the positions that layers are fitted on.
    extra : dict of str to ndarray, optional
        Further inputs.
    remark : callable
        As in `round_after_training`.
    """
    weights = require_weights(network).values()
    forms = {
        name: tensor
        for name, tensor in made.tensors.items()
        if name in weights and isinstance(tensor, QuantizedTensor) and tensor.block is None
    }
    found = _rounded(network, {INPUT: x, **(extra or {})}, forms, rng, remark)
    levels = {name: tensor for name, tensor in found.items() if name in forms}
    return replace(made, tensors={**made.tensors, **levels})


def _form(weight: Array, step: Array, coding: str) -> QuantizedTensor:
    scale = _scale(weight, step)
    return QuantizedTensor(_nearest(weight, scale), _least(scale), 8, coding)


def _rounded(
    network: Network,
    inputs: dict[str, Array],
    forms: Mapping[str, QuantizedTensor],
    rng: np.random.Generator,
    remark: Callable[[str], None],
) -> dict[str, StoredTensor]:
    """Round layer after layer to the levels of `forms`, each on what the rounded ones before it give."""
    wanted = network.pieces(inputs)
    given = [dict(piece) for piece in wanted]
    params: dict[str, Array] = dict(network.params)
    tensors: dict[str, StoredTensor] = {}
    released = separate(network.nodes, network.outputs).released
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    for index, node in enumerate(network.nodes):
        for values in wanted:
            execute(node, network.params, values)
        name = weight_of(node, params)
        if name is not None and name in forms and name not in tensors:
            weight, form = network.params[name], forms[name]
            bias = next((param for param in node.params[1:] if uses[param] == 1), None)
            if node.op in WEIGHTED_OPS and weight[0].size <= MAX_DEPTH:
                read, made = together(given, node.inputs[0]), together(wanted, node.name)
                posed = problem(node, weight, read, made, rng, centred=bias is not None)
                for sentence in posed.remarks(weight[0].size):
                    remark(f"layer {node.name}: {sentence}")
                tensors[name] = round_rows(posed, weight, form, len(inputs[INPUT]))
            else:
                posed, tensors[name] = None, form
            params[name] = tensors[name].to_array()
            if posed is not None and bias is not None:
                tensors[bias] = _halved(posed.bias(params[name]))
                params[bias] = tensors[bias].to_array()
        for values in given:
            execute(node, params, values)
        forget(released[index], wanted, given)
    return tensors


def _least(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """One scale for all outputs if they have the same."""
    return scale[0] if (scale == scale[0]).all() else scale


def _halved(bias: NDArray[np.float32]) -> DenseTensor:
    """Biases in fp16, if that has their range: it errs by far less than rounded weights do."""
    with np.errstate(over="ignore"):
        half = bias.astype(np.float16)
    return DenseTensor(half if np.isfinite(half).all() else bias)


def _factor(network: Network, weights: list[str], steps: dict[str, Array], bits: float) -> float:
    """Factor of all distances with which the entropy of the levels and all else take so many bits."""
    rest = sum(16 * value.size for name, value in network.params.items() if name not in weights)
    low, high = 1e-9, 1e9
    for _ in range(40):
        middle = math.sqrt(low * high)
        taken = rest + sum(_bits(network.params[name], middle * steps[name]) for name in weights)
        low, high = (middle, high) if taken > bits else (low, middle)
    return high


def _bits(weight: Array, step: Array) -> float:
    """Entropy of the levels of a layer, and its scales."""
    scale = _scale(weight, step)
    levels = _nearest(weight, scale)
    counts = np.bincount(levels.reshape(-1).astype(np.int64) + MOST_LEVEL + 1)
    shares = counts[counts > 0] / max(levels.size, 1)
    return float(-(shares * np.log2(shares)).sum()) * levels.size + 32 * _least(scale).size


def _nearest(weight: Array, scale: NDArray[np.float32]) -> NDArray[np.int8]:
    levels = np.rint(_rows(weight) / scale[:, None]).clip(-MOST_LEVEL, MOST_LEVEL)
    return levels.reshape(weight.shape).astype(np.int8)


def _scale(weight: Array, step: Array) -> NDArray[np.float32]:
    """Distance of the levels of each output, and no finer than its largest weight has levels."""
    finest = np.abs(_rows(weight)).max(axis=1, initial=0.0) / MOST_LEVEL
    return np.maximum(np.maximum(finest, step), np.finfo(np.float32).tiny).astype(np.float32)


def _rms(weight: Array) -> NDArray[np.float64]:
    """Root mean square of the weights of each output."""
    return np.maximum(np.sqrt(np.square(_rows(weight), dtype=np.float64).mean(axis=1)), TINY)


def _rows(weight: Array) -> Array:
    return weight.reshape(len(weight), -1)


def _run(network: Network, inputs: dict[str, Array]) -> dict[str, Array]:
    return network.run(inputs[INPUT], extra={name: value for name, value in inputs.items() if name != INPUT})


def _few(inputs: dict[str, Array]) -> dict[str, Array]:
    return {name: value[:PROBE_ITEMS] for name, value in inputs.items()}
