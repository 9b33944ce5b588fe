"""Compression after training, without the training set: prune, share, and repair layer by layer.

Layers are taken in the order of execution. A layer loses its least salient weights; those that are
left are fitted so that the layer, fed by the compressed layers before it, gives the outputs of the
original network on a few unlabelled inputs (least squares, as He et al. 2017 and Hubara et al. 2021 do).
Shared values are fitted in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import stage_of
from compress.methods.least_squares import Problem, fit_codebook, fit_weights, problem
from compress.methods.prune import WEIGHTED_OPS, global_masks, require_weights, top_mask
from compress.methods.share import share
from compress.nn.network import INPUT, output_names
from compress.nn.ops import OPS, Context
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.tensors import SharedTensor, StoredTensor
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

MAX_DEPTH = 8192
"""A layer with more inputs is not fitted: its Gram matrix alone would take half a gigabyte."""


@dataclass(frozen=True)
class Agreement:
    """How near one network's outputs are to another's.

    Parameters
    ----------
    top_1 : float
        Fraction of items (or positions) whose largest output is the same.
    snr_dB : float
        Mean square of the original outputs over that of the differences: infinite without differences,
        minus infinity if all original outputs are zero and others are not.
    largest_error : float
        Largest difference over the largest magnitude of the original outputs: 0 without differences,
        infinite if all original outputs are zero and others are not.
    """

    top_1: float
    snr_dB: float
    largest_error: float


def agreement(original: Array, other: Array) -> Agreement:
    """Compare outputs, shape (..., classes), of two networks on the same inputs."""
    difference = (other - original).astype(np.float64)
    power = float(np.square(original, dtype=np.float64).mean())
    noise = float(np.square(difference).mean())
    same = original.argmax(axis=-1) == other.argmax(axis=-1)
    top_1 = float(same.mean())
    if not noise:
        return Agreement(top_1, math.inf, 0.0)
    if not power:
        return Agreement(top_1, -math.inf, math.inf)
    largest = float(np.abs(difference).max() / np.abs(original).max())
    return Agreement(top_1, 10 * math.log10(power / noise), largest)


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

    Raises
    ------
    InputError
        If the density is not in 0..1, the width not in 1..8, or no layer is fully-connected or convolutional.
    """
    if not 1 <= bits <= 8:
        raise InputError(f"labels have {bits} bits, expected 1 to 8")
    wanted: dict[str, Array] = {INPUT: x, **(extra or {})}
    given = dict(wanted)
    params = dict(network.params)
    tensors: dict[str, StoredTensor] = {}
    kept = _kept(network, density)
    last = {name: index for index, node in enumerate(network.nodes) for name in node.inputs}
    for index, node in enumerate(network.nodes):
        _execute(node, network.params, wanted)
        if node.op in WEIGHTED_OPS and node.params[0] not in tensors:
            weight, *bias = node.params
            posed = None
            if fit and params[weight][0].size <= MAX_DEPTH:
                posed = problem(node, params[weight], given[node.inputs[0]], wanted[node.name], rng)
            tensors[weight] = _compressed(params[weight], posed, kept[weight], bits, coding)
            params[weight] = tensors[weight].to_array()
            if posed is not None and bias:
                params[bias[0]] = posed.bias(params[weight])
        _execute(node, params, given)
        for name in node.inputs:
            if last[name] == index:
                wanted.pop(name, None)
                given.pop(name, None)
    return Artifact.of(network.with_params(params), stage_of(coding), tensors)


def _execute(node: Node, params: Mapping[str, Array], values: dict[str, Array]) -> None:
    """Add a node's outputs to `values`."""
    inputs = tuple(params[name] if name in params else values[name] for name in node.inputs)
    result = OPS[node.op].forward(inputs, tuple(params[name] for name in node.params), node.attrs, Context())
    outputs = result if isinstance(result, tuple) else (result,)
    values.update(zip(output_names(node.name, len(outputs)), outputs, strict=True))


def _kept(network: Network, density: float) -> dict[str, int]:
    """Weights that stay in each layer: those of the highest LAMP scores in all layers together."""
    weights = {name: network.params[name] for name in require_weights(network).values()}
    return {name: int(mask.sum()) for name, mask in global_masks(weights, density, "lamp").items()}


def _compressed(weight: Array, posed: Problem | None, kept: int, bits: int, coding: str) -> SharedTensor:
    """Prune by magnitude times the root mean square of the input (Sun et al. 2023), fit, share, fit."""
    if posed is None:
        pruned = weight * top_mask(np.abs(weight), kept)
        return replace(share(pruned, 2**bits - 1), coding=coding)
    groups, depth = posed.importance.shape
    importance = np.broadcast_to(posed.importance[:, None], (groups, len(weight) // groups, depth)).reshape(
        weight.shape
    )
    mask = top_mask(np.abs(weight) * np.sqrt(importance), kept)
    fitted = fit_weights(posed, weight, mask)
    return replace(fit_codebook(posed, share(fitted, 2**bits - 1)), coding=coding)
