"""Biases that take back what rounding moved on average, layer after layer.

Rounding moves the mean of what a filter gives, most of all in depthwise layers, whose filters have few
weights that all see the same channel. Means of activations after a ReLU are far from zero, so the errors of
all positions add up instead of averaging out. The mean error on a few inputs is taken off each bias (Nagel
et al. 2019, "Data-free quantization through weight equalization and bias correction", section 4.2; here
measured, their appendix D), on what the compressed layers before give.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.execution import executable
from compress.format.tensors import DenseTensor
from compress.methods.prune import WEIGHTED_OPS, weights_of
from compress.methods.reconstruct import execute, mean_error, together
from compress.nn.network import INPUT
from compress.nn.steps import forget, separate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.container import Artifact
    from compress.nn.network import Network
    from compress.nn.ops.base import Array


def with_right_means(
    network: Network, made: Artifact, x: Array, extra: Mapping[str, Array] | None = None
) -> Artifact:
    r"""Change the biases of a compressed network so that each layer's mean output is the original's.

    Layers without a bias, or with one that several nodes use, stay as they are.

    Parameters
    ----------
    network : Network
        The original.
    made : Artifact
        Of the same nodes, its biases stored in full precision.
    x : ndarray, shape (items, \*input_shape)
    extra : dict of str to ndarray, optional
        Further inputs.
    """
    inputs = {INPUT: x, **(extra or {})}
    wanted, given = network.pieces(inputs), network.pieces(inputs)
    rounded = executable(made, packed=False)
    params = dict(rounded.params)
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    released = separate(network.nodes, network.outputs).released
    layers, biases = weights_of(network), dict[str, DenseTensor]()
    for index, (node, now) in enumerate(zip(network.nodes, rounded.nodes, strict=True)):
        for values in wanted:
            execute(node, network.params, values)
        for values in given:
            execute(now, params, values)
        bias = next((name for name in node.params[1:] if uses[name] == 1), None)
        if bias is not None and node.name in layers and node.op in WEIGHTED_OPS:
            missing = mean_error(together(given, node.name), together(wanted, node.name), node.op)
            params[bias] = params[bias] + missing.astype(np.float32)
            biases[bias] = DenseTensor(params[bias])
            for values in given:
                execute(now, params, values)
        forget(released[index], wanted, given)
    return replace(made, tensors={**made.tensors, **biases})
