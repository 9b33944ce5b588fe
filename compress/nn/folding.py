"""Scales and shifts of channels go into the weights of the layer that feeds them.

At inference a batch normalisation is a scale and a shift of each channel, and so is a product or a
sum with constants. Where such a node is the only reader of a convolution, a fully-connected layer or
another scale and shift, both are one (Jacob et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.nn.distinct import has_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array, Shape

OUTPUT_AXIS = {"fc": 0, "conv": 0, "conv_transpose": 1, "affine": 0}
"""Axis of the first parameter that counts the outputs, by operator that can take a scale and a shift."""


class _Affine(NamedTuple):
    """``scale x + shift``, as arrays that broadcast to the output of `source`."""

    source: str
    scale: Array
    shift: Array


def fold(
    network: Network, integers: frozenset[str] = frozenset(), *, integers_alone: bool = False
) -> Network:
    """Return an equal network (up to rounding) without the scales and shifts that weights can take.

    Weights that several nodes share, and values that are read elsewhere or are outputs, stay. So do weights
    of few values or of 16 bits: a scale for each channel would make them many values of 32. So do the
    parameters `integers`, which are levels times a scale: their layers take no further scale, but shifts.
    With `integers_alone` no other layer takes anything.
    """
    shapes = network.shapes()
    readers = Counter(name for node in network.nodes for name in node.inputs) + Counter(network.outputs)
    uses = Counter(name for node in network.nodes for name in (*node.params, *node.inputs))
    params = dict(network.params)
    kept: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for original in network.nodes:
        node = replace(original, inputs=tuple(renamed.get(name, name) for name in original.inputs))
        affine = _affine(node, params, shapes)
        layer = kept.get(affine.source) if affine else None
        folded = None
        if (
            affine
            and layer
            and readers[layer.name] == 1
            and all(uses[name] <= 1 for name in layer.params)
            and not (integers.intersection(layer.params) and np.any(affine.scale != 1))
            and (integers.intersection(layer.params) or not integers_alone)
        ):
            folded = _scaled(layer, affine, params, shapes[layer.name])
        if folded is None or layer is None:
            kept[node.name] = node
        else:
            kept[layer.name] = folded
            renamed[node.name] = layer.name
            readers[layer.name] = readers[node.name]
    used = {name for node in kept.values() for name in (*node.params, *node.inputs)}
    return replace(
        network,
        nodes=tuple(kept.values()),
        params={name: value for name, value in params.items() if name in used},
        outputs=tuple(renamed.get(name, name) for name in network.outputs),
    )


def _affine(node: Node, params: Mapping[str, Array], shapes: Mapping[str, Shape]) -> _Affine | None:
    """Read a node as a scale and a shift, if it is one."""
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    if node.op == "affine":
        along = (-1,) + (1,) * (len(shapes[node.inputs[0]]) - 2)
        scale, shift = (params[name].reshape(along) for name in node.params)
        return _Affine(node.inputs[0], scale, shift)
    if node.op not in ("mul", "add") or len(node.inputs) != 2:
        return None
    source, other = node.inputs if node.inputs[1] in params else node.inputs[::-1]
    if other not in params or source in params or shapes[source] != shapes[node.name]:
        return None
    return _Affine(source, params[other], zero) if node.op == "mul" else _Affine(source, one, params[other])


def _scaled(layer: Node, affine: _Affine, params: dict[str, Array], shape: Shape) -> Node | None:
    """Put `affine` into the parameters of `layer`; None if it is not the same for a whole channel."""
    if layer.op not in OUTPUT_AXIS:
        return None
    axis = len(shape) - 1 if layer.op == "fc" else 1
    scale, shift = (_per_channel(values, shape, axis) for values in (affine.scale, affine.shift))
    if scale is None or shift is None:
        return None
    weight = layer.params[0]
    if np.any(scale != 1) and has_form(params[weight]):
        return None
    along = np.ones(params[weight].ndim, int)
    along[OUTPUT_AXIS[layer.op]] = -1
    params[weight] = params[weight] * scale.reshape(along)
    bias = layer.params[1] if len(layer.params) > 1 else f"{weight.removesuffix('.weight')}.bias"
    params[bias] = params[bias] * scale + shift if bias in params else shift
    return replace(layer, params=(weight, bias))


def _per_channel(values: Array, shape: Shape, axis: int) -> Array | None:
    """One number per channel, or None where `values` differ within a channel."""
    aligned = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    if any(size != 1 for place, size in enumerate(aligned.shape) if place != axis):
        return None
    return np.ascontiguousarray(np.broadcast_to(aligned.reshape(-1), shape[axis : axis + 1]))
