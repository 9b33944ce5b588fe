"""Operators that only move elements: reshape, transpose, slice, gather, split, pad; inference only.

Shapes in attributes count the batch; a leading 0 of `reshape` means "as many items as come in".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.window import channels_first
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Shapes = tuple[Shape, ...]

PAD_MODES = ("constant", "reflect", "edge", "wrap")


def axis_of(axis: int, rank: int) -> int:
    """Return `axis` counted from the front.

    Raises
    ------
    InputError
        If an array of `rank` dimensions has no such axis.
    """
    if not -rank <= axis < rank:
        raise InputError(f"axis is {axis}, expected {-rank} to {rank - 1}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> set[int]:
    """Return several axes counted from the front.

    Raises
    ------
    InputError
        If there is no such axis, or one is named twice.
    """
    found = {axis_of(axis, rank) for axis in axes}
    if len(found) != len(axes):
        raise InputError(f"axes are {tuple(axes)}, expected each once")
    return found


def reshaped(shape: Shape, target: Shape) -> Shape:
    """Shape that `reshape` gives: 0 copies a dimension, one -1 takes what is left.

    Raises
    ------
    InputError
        If the elements do not fit.
    """
    if any(size == 0 and axis >= len(shape) for axis, size in enumerate(target)):
        raise InputError(f"shape {shape} cannot become {target}: a 0 copies a dimension that is not there")
    sizes = [shape[axis] if size == 0 else size for axis, size in enumerate(target)]
    count = math.prod(shape)
    if sizes.count(-1) == 1:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = count // known if known else 0
    if min(sizes, default=1) < 0 or math.prod(sizes) != count:
        raise InputError(f"shape {shape} cannot become {target}: the elements do not fit")
    return tuple(sizes)


def _reshape(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    return inputs[0].reshape(reshaped(inputs[0].shape, tuple(attrs["shape"])))


def _infer_reshape(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    return (reshaped(shapes[0], tuple(attrs["shape"])),)


def _infer_transpose(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    order = tuple(attrs["order"])
    if sorted(order) != list(range(len(shapes[0]))):
        raise InputError(f"order is {order}, expected the {len(shapes[0])} axes, each once")
    return (tuple(shapes[0][axis] for axis in order),)


def _infer_squeeze(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    dropped = axes_of(attrs["axes"], len(shapes[0]))
    if any(shapes[0][axis] != 1 for axis in dropped):
        raise InputError(f"axes {tuple(attrs['axes'])} of {shapes[0]} cannot be dropped, expected sizes of 1")
    return (tuple(size for axis, size in enumerate(shapes[0]) if axis not in dropped),)


def _infer_unsqueeze(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    rank = len(shapes[0]) + len(attrs["axes"])
    added = axes_of(attrs["axes"], rank)
    sizes = iter(shapes[0])
    return (tuple(1 if axis in added else next(sizes) for axis in range(rank)),)


def _slices(shape: Shape, attrs: Attrs) -> tuple[slice, ...]:
    """Index of a `slice`: ``ranges`` lists (axis, start, stop, step) as in ONNX, which clamps both ends."""
    index = [slice(None)] * len(shape)
    for axis, start, stop, step in attrs["ranges"]:
        at = axis_of(axis, len(shape))
        index[at] = _clamped(start, stop, step, shape[at])
    return tuple(index)


def _clamped(start: int, stop: int, step: int, size: int) -> slice:
    """Range within `size` elements; backwards, a start before the first element is the first element."""
    first, last = (place + size if place < 0 else place for place in (start, stop))
    if step > 0:
        return slice(min(max(first, 0), size), min(max(last, 0), size), step)
    first, last = min(max(first, 0), size - 1), min(max(last, -1), size - 1)
    return slice(first, None if last < 0 else last, step) if size else slice(0, 0, step)


def _infer_slice(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    index = _slices(shapes[0], attrs)
    return (tuple(len(range(*one.indices(size))) for one, size in zip(index, shapes[0], strict=True)),)


def _slice(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    return inputs[0][_slices(inputs[0].shape, attrs)]


def _infer_gather(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis = axis_of(attrs["axis"], len(shapes[0]))
    return ((*shapes[0][:axis], *shapes[1], *shapes[0][axis + 1 :]),)


def _gather(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Take the elements that the second input numbers along ``axis``."""
    x, indices, axis = inputs[0], inputs[1], attrs["axis"]
    try:
        if x.ndim == 4 and indices.ndim == 1 and axis > 1:  # an image stays channels-last if it is so
            return channels_first(np.take(x.transpose(0, 2, 3, 1), indices, axis=axis - 1))
        return np.take(x, indices, axis=axis)
    except IndexError:
        size = inputs[0].shape[attrs["axis"]]
        raise InputError(f"gather: an index is outside the {size} elements of axis {attrs['axis']}") from None


def _infer_split(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis, sizes = axis_of(attrs["axis"], len(shapes[0])), tuple(attrs["sizes"])
    if min(sizes, default=-1) < 0 or sum(sizes) != shapes[0][axis]:
        raise InputError(
            f"sizes are {sizes}, expected parts of the {shapes[0][axis]} elements of axis {axis}"
        )
    return tuple((*shapes[0][:axis], size, *shapes[0][axis + 1 :]) for size in sizes)


def _split(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Arrays:
    ends = np.cumsum(attrs["sizes"])[:-1]
    return tuple(np.split(inputs[0], ends, axis=attrs["axis"]))


def _infer_expand(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    try:
        return (np.broadcast_shapes(shapes[0], tuple(attrs["shape"])),)
    except ValueError:
        raise InputError(f"shape {shapes[0]} does not broadcast to {tuple(attrs['shape'])}") from None


def _expand(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(attrs["shape"]))
    return np.broadcast_to(inputs[0], shape)


def _infer_per_item(shapes: Shapes, _params: Shapes, _attrs: Attrs) -> Shapes:
    if shapes[0][:1] != (1,) or not shapes[1]:
        raise InputError(f"shapes are {shapes}, expected one row and a tensor of items")
    return ((shapes[1][0], *shapes[0][1:]),)


def _per_item(inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    """Repeat one row for each item of the second input."""
    return np.broadcast_to(inputs[0], (len(inputs[1]), *inputs[0].shape[1:]))


def _infer_pad(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    rank, pads, mode = len(shapes[0]), tuple(attrs["pads"]), attrs.get("mode", "constant")
    if len(pads) != 2 * rank or any(not isinstance(pad, int) for pad in pads):
        raise InputError(f"pads are {pads}, expected {2 * rank} whole numbers")
    float(attrs.get("value", 0))
    if mode not in PAD_MODES:
        raise InputError(f"pad mode is {mode!r}, expected one of {', '.join(PAD_MODES)}")
    sizes = tuple(size + pads[axis] + pads[axis + rank] for axis, size in enumerate(shapes[0]))
    if min(sizes, default=1) < 0:
        raise InputError(f"pads {pads} take more from {shapes[0]} than there is")
    return (sizes,)


def _pad(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    x, pads = inputs[0], attrs["pads"]
    widths = [(pads[axis], pads[axis + x.ndim]) for axis in range(x.ndim)]
    kept = tuple(
        slice(max(0, -before), size - max(0, -after))
        for size, (before, after) in zip(x.shape, widths, strict=True)
    )
    x, widths = x[kept], [(max(0, before), max(0, after)) for before, after in widths]
    mode = attrs.get("mode", "constant")
    value = {"constant_values": x.dtype.type(attrs.get("value", 0))} if mode == "constant" else {}
    return np.pad(x, widths, mode, **value)


OPS = {
    "reshape": Op(_infer_reshape, _reshape),
    "transpose": Op(_infer_transpose, lambda inputs, _p, attrs, _c: inputs[0].transpose(attrs["order"])),
    "squeeze": Op(_infer_squeeze, lambda inputs, _p, attrs, _c: inputs[0].squeeze(tuple(attrs["axes"]))),
    "unsqueeze": Op(
        _infer_unsqueeze, lambda inputs, _p, attrs, _c: np.expand_dims(inputs[0], tuple(attrs["axes"]))
    ),
    "slice": Op(_infer_slice, _slice),
    "gather": Op(_infer_gather, _gather, inputs=(2, 2)),
    "split": Op(_infer_split, _split),
    "expand": Op(_infer_expand, _expand),
    "per_item": Op(_infer_per_item, _per_item, inputs=(2, 2)),
    "pad": Op(_infer_pad, _pad),
}
