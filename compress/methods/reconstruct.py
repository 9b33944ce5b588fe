"""Compression after training, without the training set: prune, share, and repair layer by layer.

Layers are taken in the order of execution. A layer loses its least salient weights; those that are
left are fitted so that the layer, fed by the compressed layers before it, gives the outputs of the
original network on a few unlabelled inputs (least squares, as He et al. 2017 and Hubara et al. 2021 do).
Shared values are fitted in the same way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import stage_of
from compress.methods.least_squares import Problem, fit_codebook, fit_weights, problem
from compress.methods.prune import WEIGHTED_OPS, global_masks, require_weights, top_mask, weight_of
from compress.methods.remarks import ignore
from compress.methods.share import share
from compress.nn.distinct import is_half, shared_values
from compress.nn.interface import join
from compress.nn.network import INPUT, output_names
from compress.nn.ops import OPS, Context
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
    wanted = network.pieces({INPUT: x, **(extra or {})})
    given = [dict(piece) for piece in wanted]
    params = dict(network.params)
    tensors: dict[str, StoredTensor] = {}
    kept = _kept(network, density)
    last = {name: index for index, node in enumerate(network.nodes) for name in node.inputs}
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    for index, node in enumerate(network.nodes):
        for values in wanted:
            execute(node, network.params, values)
        weight = weight_of(node, params)
        if weight is not None and weight not in tensors:
            bias = next((name for name in node.params[1:] if uses[name] == 1), None)
            posed = None
            if fit and node.op in WEIGHTED_OPS and params[weight][0].size <= MAX_DEPTH:
                read, made = (together(given, node.inputs[0]), together(wanted, node.name))
                posed = problem(node, params[weight], read, made, rng, centred=bias is not None)
                for sentence in posed.remarks(kept[weight] / len(params[weight])):
                    remark(f"layer {node.name}: {sentence}")
            tensors[weight] = _compressed(node.name, params[weight], posed, kept[weight], bits, coding)
            params[weight] = tensors[weight].to_array()
            if posed is not None and bias is not None:
                params[bias] = posed.bias(params[weight])
        for values in given:
            execute(node, params, values)
        for name in node.inputs:
            if last[name] == index:
                for values in (*wanted, *given):
                    values.pop(name, None)
    return Artifact.of(network.with_params(params), stage_of(coding), tensors)


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
