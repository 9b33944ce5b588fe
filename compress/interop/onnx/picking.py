"""ONNX operations that choose elements by others: indices, order, place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Value, constant, integers
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def one_integer(value: Value | None, what: str) -> int:
    """Return a constant whole number. Raises as `constant`, and if there are several."""
    numbers = integers(value, what)
    if len(numbers) != 1:
        raise InputError(f"{what} is {numbers}, expected one number")
    return numbers[0]


def along_axis(op: str, names: tuple[str, ...], call: Call) -> Value:
    """Convert an operation that becomes an operator of the same attributes."""
    attrs: dict[str, Any] = {name: call.attrs[name] for name in names if name in call.attrs}
    if "axis" in names:
        attrs["axis"] = int(attrs.get("axis", 0))
    return call.builder.apply(op, *call.all(), **attrs)


def topk(call: Call) -> tuple[Value, ...]:
    """Convert TopK, whose number was an attribute before operator set 10."""
    k = int(call.attrs["k"]) if call.builder.opset < 10 else one_integer(call[1], "the number k")
    attrs: dict[str, Any] = {
        "axis": int(call.attrs.get("axis", -1)),
        "largest": int(call.attrs.get("largest", 1)),
    }
    return call.builder.apply_all("topk", call[0], k=k, **attrs)


def cumsum(call: Call) -> Value:
    """Convert CumSum."""
    axis = one_integer(call[1], "the axis")
    attrs: dict[str, Any] = {name: int(call.attrs.get(name, 0)) for name in ("exclusive", "reverse")}
    return call.builder.apply("cumsum", call[0], axis=axis, **attrs)


def trilu(call: Call) -> Value:
    """Convert Trilu."""
    k = 0 if call.get(1) is None else one_integer(call[1], "the diagonal")
    return call.builder.apply("trilu", call[0], k=k, upper=int(call.attrs.get("upper", 1)))


def tile(call: Call) -> Value:
    """Convert Tile."""
    return call.builder.apply("tile", call[0], repeats=integers(call[1], "the repeats"))


def one_hot(call: Call) -> Value:
    """Convert OneHot to numbers; the type of its values is restored."""
    depth = one_integer(_whole(call[1]), "the depth")
    off, on = constant(call[2], "the values").reshape(-1)
    attrs: dict[str, Any] = {"axis": int(call.attrs.get("axis", -1)), "off": float(off), "on": float(on)}
    places = call.builder.apply("cast", call[0], suffix=".places", to="int64")
    result = call.builder.apply("one_hot", places, depth=depth, **attrs)
    kind = call[2].kind
    return result if kind == "float32" else call.builder.apply("cast", result, suffix=".type", to=kind)


def _whole(value: Value) -> Constant:
    array = constant(value, "the depth")
    return Constant(array.astype(np.int64))


def einsum(call: Call) -> Value:
    """Convert Einsum."""
    return call.builder.apply("einsum", *call.all(), equation=str(call.attrs["equation"]).replace(" ", ""))


def gather(call: Call) -> Value:
    """Convert Gather."""
    return call.builder.apply("gather", call[0], call[1], axis=int(call.attrs.get("axis", 0)))


def depth_to_space(call: Call) -> Value:
    """Convert DepthToSpace: blocks of channels become blocks of pixels."""
    _, channels, height, width = call[0].shape
    block = int(call.attrs["blocksize"])
    if block < 1 or channels % block**2:
        raise InputError(f"blocks of {block} x {block} do not divide {channels} channels")
    depth = channels // block**2
    rows_first = call.attrs.get("mode", "DCR") == "DCR"
    parts = (0, block, block, depth, height, width) if rows_first else (0, depth, block, block, height, width)
    order = (0, 3, 4, 1, 5, 2) if rows_first else (0, 1, 4, 2, 5, 3)
    return _regrouped(call, parts, order, (0, depth, height * block, width * block))


def space_to_depth(call: Call) -> Value:
    """Convert SpaceToDepth: blocks of pixels become blocks of channels."""
    _, channels, height, width = call[0].shape
    block = int(call.attrs["blocksize"])
    if block < 1 or height % block or width % block:
        raise InputError(f"blocks of {block} x {block} do not divide an image of {height} x {width}")
    parts = (0, channels, height // block, block, width // block, block)
    shape = (0, channels * block**2, height // block, width // block)
    rows_first = call.attrs.get("mode", "DCR") == "DCR"
    return _regrouped(call, parts, (0, 3, 5, 1, 2, 4) if rows_first else (0, 1, 3, 5, 2, 4), shape)


def _regrouped(call: Call, parts: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    split = call.builder.apply("reshape", call[0], suffix=".blocks", shape=parts)
    turned = call.builder.apply("transpose", split, suffix=".turned", order=order)
    return call.builder.apply("reshape", turned, shape=shape)


def reverse_sequence(call: Call) -> Value:
    """Convert ReverseSequence of whole sequences: the same length of all items, and known."""
    time, items = int(call.attrs.get("time_axis", 0)), int(call.attrs.get("batch_axis", 1))
    steps = call[0].shape[axis_of(time, len(call[0].shape))]
    lengths = set(integers(call[1], "the lengths"))
    if lengths != {steps} or time == items:
        raise InputError(f"lengths are {sorted(lengths)}, expected the {steps} steps of all items")
    return call.builder.apply("slice", call[0], ranges=((time, -1, -(1 << 31), -1),))


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "Gather": gather,
    "GatherElements": partial(along_axis, "gather_elements", ("axis",)),
    "GatherND": partial(along_axis, "gather_nd", ("batch_dims",)),
    "ScatterElements": partial(along_axis, "scatter_elements", ("axis", "reduction")),
    "Scatter": partial(along_axis, "scatter_elements", ("axis",)),
    "ScatterND": partial(along_axis, "scatter_nd", ("reduction",)),
    "ArgMax": partial(along_axis, "argmax", ("axis", "keepdims", "select_last_index")),
    "ArgMin": partial(along_axis, "argmin", ("axis", "keepdims", "select_last_index")),
    "TopK": topk,
    "CumSum": cumsum,
    "Trilu": trilu,
    "Tile": tile,
    "OneHot": one_hot,
    "Einsum": einsum,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "ReverseSequence": reverse_sequence,
}
