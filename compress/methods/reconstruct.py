"""Compression after training, without the training set: prune, share, and repair layer by layer.

Layers are taken in the order of execution. A layer loses its least salient weights; those that are
left are fitted so that the layer, fed by the compressed layers before it, gives the outputs of the
original network on a few unlabelled inputs (least squares, as He et al. 2017 and Hubara et al. 2021 do).
Shared values are fitted in the same way. Matrices that are not fitted (of recurrences, of transposed
convolutions) are shared and not pruned.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import stage_of
from compress.methods.least_squares import TINY, Problem, fit_codebook, fit_weights, problem, table_problem
from compress.methods.prune import (
    WEIGHTED_OPS,
    global_masks,
    other_matrices,
    require_weights,
    top_mask,
    weight_of,
    weights_of,
)
from compress.methods.remarks import ignore
from compress.methods.share import share
from compress.nn.distinct import is_half, shared_values
from compress.nn.interface import join
from compress.nn.network import INPUT, output_names
from compress.nn.ops import OPS, Context
from compress.nn.steps import forget, separate
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.format.tensors import SharedTensor, StoredTensor
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

MAX_DEPTH = 8192
"""A layer with more inputs is not fitted: its Gram matrix alone would take half a gigabyte."""


def compress_after_training(
    network: Network,
    x: Array,
    *,
    density: float,
    bits: int,
    rng: np.random.Generator,
    coding: str = "smallest",
    extra: Mapping[str, Array] | None = None,
    fit: bool = True,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    """Prune and share the weights of a trained network, keeping its outputs on a few inputs.

    Parameters
    ----------
    network : Network
        Trained, batch normalisation folded.
    x : ndarray, shape (items, \\*input_shape)
        Unlabelled inputs of the kind the network is used on.
    density : float
        Fraction of all weights that stays; how many of each layer, LAMP scores tell (Lee et al. 2021).
    bits : int
        Width of a label: a layer gets at most ``2 ** bits - 1`` values.
    rng : numpy.random.Generator
        Chooses the positions that layers are fitted on.
    coding : str
        Of the labels; one of `compress.codecs.table.codings`.
    extra : dict of str to ndarray, optional
        Further inputs.
    fit : bool
        Without it, the largest weights stay and are shared, and nothing is repaired.
    remark : callable
        Called with a sentence for each layer whose inputs say too little: they are all zero, or fewer than
        the weights of an output.

    Raises
    ------
    InputError
        If the density is not in 0..1, the width not in 1..8, or no layer is fully-connected or convolutional.
    """
    if not 1 <= bits <= 8:
        raise InputError(f"labels have {bits} bits, expected 1 to 8")
    inputs = {INPUT: x, **(extra or {})}
    wanted = network.pieces(inputs)
    given = [dict(piece) for piece in wanted]
    params = dict(network.params)
    tensors: dict[str, StoredTensor] = {}
    kept = _kept(network, density)
    released = separate(network.nodes, network.outputs).released
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    others = set(other_matrices(network))
    users = Counter(weights_of(network).values())
    fitted = {node.params[0] for node in network.nodes if fit and _is_fitted(node, params)}
    for index, node in enumerate(network.nodes):
        for values in wanted:
            execute(node, network.params, values)
        weight = weight_of(node, params)
        bias = next((name for name in node.params[1:] if uses[name] == 1), None) if weight else None
        for name in others.intersection((*node.params, *node.inputs)) - tensors.keys():
            tensors[name] = _compressed(name, params[name], None, params[name].size, bits, coding)
            params[name] = tensors[name].to_array()
        if weight is not None and weight not in tensors:
            posed, centred = None, bias is not None
            if weight in fitted and users[weight] > 1:
                posed = _tied_problem(network, params, weight, inputs, rng, centred=centred)
            elif weight in fitted:
                read, made = together(given, node.inputs[0]), together(wanted, node.name)
                posed = problem(node, params[weight], read, made, rng, centred=centred)
            for sentence in posed.remarks(kept[weight] / len(params[weight])) if posed else ():
                remark(f"layer {node.name}: {sentence}")
            tensors[weight] = _compressed(node.name, params[weight], posed, kept[weight], bits, coding)
            params[weight] = tensors[weight].to_array()
            if posed is not None and bias is not None:
                params[bias] = posed.bias(params[weight])
        for values in given:
            execute(node, params, values)
        if bias is not None and weight in fitted and users[weight] > 1:
            missing = mean_error(together(given, node.name), together(wanted, node.name), node.op)
            params[bias] = params[bias] + missing
            for values in given:
                execute(node, params, values)
        forget(released[index], wanted, given)
    return Artifact.of(network.with_params(params), stage_of(coding), tensors)


def _is_fitted(node: Node, params: Mapping[str, Array]) -> bool:
    return node.op in WEIGHTED_OPS and bool(node.params) and params[node.params[0]][0].size <= MAX_DEPTH


def _tied_problem(
    network: Network,
    params: Mapping[str, Array],
    weight: str,
    inputs: Mapping[str, Array],
    rng: np.random.Generator,
    *,
    centred: bool,
) -> Problem:
    """Problem of a weight that several nodes use: of all its uses, each relative to what it gives.

    The layers between two uses are compressed as far as `params` are. Each use reads what follows from the
    original output of the use before: errors of a weight that is not fitted yet would grow from use to use.
    """
    wanted = network.pieces(inputs)
    given = [dict(piece) for piece in wanted]
    original, found = network.params[weight], list[Problem]()
    for node in network.nodes:
        for values in wanted:
            execute(node, network.params, values)
        if weight_of(node, params) != weight:
            for values in given:
                execute(node, params, values)
            continue
        made = together(wanted, node.name)
        if node.op in WEIGHTED_OPS:
            read = together(given, node.inputs[0])
            posed = problem(node, original, read, made, rng, centred=centred)
        else:
            posed = table_problem(original)
        found.append(posed.scaled(1 / max(float(np.square(made, dtype=np.float64).mean()), TINY)))
        for values, right in zip(given, wanted, strict=True):
            values[node.name] = right[node.name]
    return reduce(Problem.with_positions_of, found)


def mean_error(found: Array, wanted: Array, op: str) -> Array:
    """What is missing in an output on average, by filter."""
    axes = (0, 2, 3) if op == "conv" else tuple(range(found.ndim - 1))
    return (wanted - found).mean(axis=axes)


def together(pieces: list[dict[str, Array]], name: str) -> Array:
    """A tensor of all pieces, one after another."""
    return join([values[name] for values in pieces], 0)


def execute(node: Node, params: Mapping[str, Array], values: dict[str, Array]) -> None:
    """Add a node's outputs to `values`."""
    inputs = tuple(params[name] if name in params else values[name] for name in node.inputs)
    result = OPS[node.op].forward(inputs, tuple(params[name] for name in node.params), node.attrs, Context())
    outputs = result if isinstance(result, tuple) else (result,)
    values.update(zip(output_names(node.name, len(outputs)), outputs, strict=True))


def _kept(network: Network, density: float) -> dict[str, int]:
    """Weights that stay in each layer: those of the highest LAMP scores in all layers together."""
    weights = {name: network.params[name] for name in require_weights(network).values()}
    if not weights:
        return {}
    return {name: int(mask.sum()) for name, mask in global_masks(weights, density, "lamp").items()}


def _compressed(
    layer: str, weight: Array, posed: Problem | None, kept: int, bits: int, coding: str
) -> SharedTensor:
    """Prune by magnitude times the root mean square of the input (Sun et al. 2023), fit, share, fit.

    Zeros stay zeros, weights of few values do not get more of them, and those of 16 bits keep them.
    """
    distinct = shared_values(weight)
    values = min(2**bits - 1, 2**bits if distinct is None else len(distinct))
    if posed is None:
        pruned = weight * top_mask(np.abs(weight), kept)
        return replace(share(pruned, values), coding=coding)
    groups, depth = posed.importance.shape
    importance = np.broadcast_to(posed.importance[:, None], (groups, len(weight) // groups, depth)).reshape(
        weight.shape
    )
    mask = top_mask(np.abs(weight) * np.sqrt(importance), kept) & (weight != 0)
    fitted = fit_weights(posed, weight, mask)
    if not np.isfinite(fitted).all():
        raise InputError(
            f"layer {layer}: fitted weights are not finite, expected inputs of a smaller magnitude"
        )
    shared = fit_codebook(posed, share(fitted, values))
    if is_half(weight):
        shared = replace(shared, codebook=shared.codebook.astype(np.float16))
    return replace(shared, coding=coding)
