"""Elements between elements: an axis sampled at other places (linear, cubic); inference only."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

Shapes = tuple[Shape, ...]


def _infer(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    axis = axis_of(attrs["axis"], len(shapes[0]))
    places, weights = params
    if len(places) != 2 or places != weights:
        raise InputError(f"places and weights have shapes {params}, expected (size, taps) of both")
    return ((*shapes[0][:axis], places[0], *shapes[0][axis + 1 :]),)


def _forward(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Sum of the weighted neighbours of each new place; a layer of taps at a time."""
    x, (places, weights) = inputs[0], params
    axis = axis_of(attrs["axis"], x.ndim)
    if places.size and not 0 <= places.min() <= places.max() < x.shape[axis]:
        raise InputError(f"interpolate: a place is outside the {x.shape[axis]} elements of axis {axis}")
    along = tuple(-1 if at == axis else 1 for at in range(x.ndim))
    total = np.take(x, places[:, 0], axis=axis) * weights[:, 0].astype(x.dtype).reshape(along)
    for tap in range(1, places.shape[1]):
        total += np.take(x, places[:, tap], axis=axis) * weights[:, tap].astype(x.dtype).reshape(along)
    return np.asarray(total)


OPS = {"interpolate": Op(_infer, _forward, params=(2, 2))}
