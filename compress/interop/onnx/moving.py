"""ONNX operations that move elements or make constants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import MAX_CONSTANT_ELEMENTS, Call, Constant, Value, constant, integers
from compress.nn.ops.shaping import axis_of, reshaped
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from compress.nn.ops.base import Shape


def reshape(call: Call) -> Value:
    """Convert Reshape; the dimension that counts the batch stays open."""
    target = integers(call[1], "the shape")
    if call.attrs.get("allowzero", 0) and 0 in target:
        raise InputError(f"shape is {target} with allowzero, expected a shape with elements")
    target = _open_batch(call[0].shape, reshaped(call[0].shape, target), call.builder.batch)
    return call.builder.apply("reshape", call[0], shape=target)


def _open_batch(shape: Shape, target: Shape, batch: int) -> Shape:
    """Copy the leading dimension where it stays the batch; else let it take what is left."""
    if not shape or not target:
        return target
    return (0 if shape[0] == target[0] == batch else -1, *target[1:])


def flatten(call: Call) -> Value:
    """Convert Flatten."""
    shape = call[0].shape
    axis = call.attrs.get("axis", 1)
    axis = axis if axis == len(shape) else axis_of(axis, len(shape))
    if axis == 1:
        return call.builder.apply("flatten", call[0])
    target = (1, math.prod(shape)) if axis == 0 else (-1, math.prod(shape[axis:]))
    return call.builder.apply("reshape", call[0], shape=target)


def transpose(call: Call) -> Value:
    """Convert Transpose; without an order it reverses the axes."""
    order = tuple(call.attrs.get("perm", range(len(call[0].shape))[::-1]))
    if isinstance(call[0], Constant):
        return call[0].transposed(order)
    return call.builder.apply("transpose", call[0], order=tuple(order))


def squeeze(call: Call) -> Value:
    """Convert Squeeze; without axes it drops all of size 1, of one item its batch, too."""
    axes = call.axes(13)
    if axes is None:
        axes = tuple(axis for axis, size in enumerate(call[0].shape) if size == 1)
    return call.builder.apply("squeeze", call[0], axes=axes) if axes else call[0]


def unsqueeze(call: Call) -> Value:
    """Convert Unsqueeze."""
    axes = call.axes(13)
    if axes is None:
        raise InputError("axes are missing, expected a list")
    return call.builder.apply("unsqueeze", call[0], axes=axes)


def slices(call: Call) -> Value:
    """Convert Slice, whose ranges were attributes before operator set 10."""
    if call.builder.opset < 10:
        starts, stops = tuple(call.attrs["starts"]), tuple(call.attrs["ends"])
        axes, steps = call.attrs.get("axes"), None
    else:
        starts, stops = integers(call[1], "the starts"), integers(call[2], "the ends")
        axes = None if call.get(3) is None else integers(call[3], "the axes")
        steps = None if call.get(4) is None else integers(call[4], "the steps")
    axes = range(len(starts)) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    ranges = tuple(zip(axes, starts, stops, steps, strict=True))
    return call.builder.apply("slice", call[0], ranges=ranges)


def split(call: Call) -> tuple[Value, ...]:
    """Convert Split: into given sizes, or as many equal parts as there are outputs."""
    axis = int(call.attrs.get("axis", 0))
    size = call[0].shape[axis_of(axis, len(call[0].shape))]
    if call.builder.opset < 13:
        sizes = call.attrs.get("split")
    else:
        sizes = None if call.get(1) is None else integers(call[1], "the sizes")
    if sizes is None:
        count = int(call.attrs.get("num_outputs", len(call.outputs)))
        part = ceil_div(size, count)
        sizes = (*(part,) * (count - 1), size - part * (count - 1))
    return call.builder.apply_all("split", call[0], axis=axis, sizes=tuple(sizes))


def concat(call: Call) -> Value:
    """Convert Concat."""
    return call.builder.apply("concat", *call.all(), axis=int(call.attrs["axis"]))


def expand(call: Call) -> Value:
    """Convert Expand; dimensions that stay as they are stay open."""
    shape, target = call[0].shape, integers(call[1], "the shape")
    aligned = (1,) * (len(target) - len(shape)) + shape
    padded = (1,) * (len(shape) - len(target)) + target
    kept = tuple(1 if size == wanted else wanted for size, wanted in zip(aligned, padded, strict=True))
    if set(kept) <= {1} and len(aligned) == len(shape):
        return call[0]
    return call.builder.apply("expand", call[0], shape=kept)


def pad(call: Call) -> Value:
    """Convert Pad; its pads were attributes before operator set 11."""
    rank = len(call[0].shape)
    if call.builder.opset < 11:
        pads, value = tuple(call.attrs["pads"]), call.attrs.get("value", 0.0)
    else:
        pads = integers(call[1], "the pads")
        value = 0.0 if call.get(2) is None else constant(call[2], "the value").item()
    axes = None if call.get(3) is None else integers(call[3], "the axes")
    if axes is not None:
        pads = _spread(pads, axes, rank)
    attrs = {"mode": call.attrs.get("mode", "constant"), "value": value}
    return call.builder.apply("pad", call[0], pads=pads, **attrs)


def _spread(pads: tuple[int, ...], axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Pads of all axes, given those of some."""
    full = [0] * 2 * rank
    for index, axis in enumerate(axes):
        full[axis_of(axis, rank)] = pads[index]
        full[axis_of(axis, rank) + rank] = pads[index + len(axes)]
    return tuple(full)


def shape_of(call: Call) -> Value:
    """Convert Shape: known when the shapes are inferred, for the batch they are inferred with."""
    dims = call[0].shape[call.attrs.get("start", 0) : call.attrs.get("end")]
    return Constant(np.array(dims, np.int64))


def size_of(call: Call) -> Value:
    """Convert Size: known as Shape is."""
    return Constant(np.array(math.prod(call[0].shape), np.int64))


def constant_node(call: Call) -> Value:
    """Convert Constant."""
    if len(call.attrs) != 1:
        raise InputError(f"attributes are {', '.join(call.attrs)}, expected one value")
    name, value = next(iter(call.attrs.items()))
    types: dict[str, Any] = {"value_float": np.float32, "value_floats": np.float32}
    types |= {"value_int": np.int64, "value_ints": np.int64}
    if name != "value" and name not in types:
        raise InputError(f"attribute is {name}, expected value, {', '.join(types)}")
    return Constant(np.asarray(value, types.get(name)))


def constant_of_shape(call: Call) -> Value:
    """Convert ConstantOfShape without the memory it asks for."""
    shape = integers(call[0], "the shape")
    if min(shape, default=0) < 0 or math.prod(shape) > MAX_CONSTANT_ELEMENTS:
        raise InputError(f"shape is {shape}, expected at most {MAX_CONSTANT_ELEMENTS} elements")
    value = np.asarray(call.attrs.get("value", np.zeros(1, np.float32)))
    if value.size != 1:
        raise InputError(f"value has shape {value.shape}, expected one element")
    return Constant(np.broadcast_to(value.reshape(()), shape))


def sequence(call: Call) -> Value:
    """Convert Range."""
    start, limit, step = (constant(call[index], "a limit").item() for index in range(3))
    if step == 0 or abs((limit - start) / step) > MAX_CONSTANT_ELEMENTS:
        raise InputError(f"range {start} to {limit} by {step} is too long, expected {MAX_CONSTANT_ELEMENTS}")
    return Constant(np.arange(start, limit, step).astype(constant(call[0], "the start").dtype))


def identity(call: Call) -> Value:
    """Convert Identity, and Dropout, which does nothing at inference."""
    return call[0]


CONVERTERS = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Slice": slices,
    "Split": split,
    "Concat": concat,
    "Expand": expand,
    "Pad": pad,
    "Shape": shape_of,
    "Size": size_of,
    "Constant": constant_node,
    "ConstantOfShape": constant_of_shape,
    "Range": sequence,
    "Identity": identity,
    "Dropout": identity,
}
