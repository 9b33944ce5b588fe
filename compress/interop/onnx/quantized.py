"""ONNX operations on integers and their scales.

A tensor of levels is carried as its real values, which lie on `Steps`: QuantizeLinear becomes a rounding,
DequantizeLinear nothing. Weights keep their integers. A layer whose input lies on steps and whose weights
are integers computes on integers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx import layers, pointwise
from compress.interop.onnx.builder import Call, Constant, Tensor, Value, constant
from compress.interop.onnx.levels import Levels, along, centred, limits_of, steps_of
from compress.interop.onnx.pointwise import CAST_TYPES
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.interop.onnx.builder import Builder
    from compress.nn.ops.base import Array

MOVES = frozenset(
    {
        "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split", "Identity",
        "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "MaxPool", "Dropout",
    }
)  # fmt: skip
"""Operations whose outputs lie on the levels of their first input."""

PRODUCT_REACH = (-255, 255)
"""Levels of eight bits, signed or not, less any zero point."""

NARROW_CODES = {21: "uint4", 22: "int4"}
"""Element types of half a byte by their number in ONNX."""


def dequantize(
    build: Builder, value: Value, scale: Value, zero: Value | None, axis: int = 1, block: int = 0
) -> Value:
    """Return the real values of levels.

    Parameters
    ----------
    build : Builder
    value, scale : Value
    zero : Value, optional
        Zero point, 0 by default.
    axis : int
        Axis of scales that are not one.
    block : int
        Levels in a row of `axis` that share a scale, where there are several.

    Raises
    ------
    InputError
        If scales do not fit, or differ from those that the levels were made with.
    """
    if isinstance(value, Tensor) and value.integer:
        return _made_real(build, value, scale, zero)
    scales = constant(scale, "the scale").astype(np.float32)
    zeros = None if zero is None else constant(zero, "the zero point").astype(np.int32)
    if isinstance(value, Tensor) and value.rescaled and not block and (zeros is None or not np.any(zeros)):
        made = value.rescaled(along(scales, len(value.shape), axis))
        if made is not None:
            return made
    spread = _spread(scales, value.shape, axis, block)
    shift = None if zeros is None else _spread(zeros, value.shape, axis, block)
    if isinstance(value, Constant) and value.array.dtype.kind != "f":
        q = value.array.astype(np.int32)
        levels = Levels(q if shift is None else q - shift, spread)
        return Constant(levels.array(), levels)
    real = build.apply("cast", value, suffix=".real", to="float32")
    if shift is not None and np.any(shift):
        real = build.apply("sub", real, Constant(shift.astype(np.float32)), suffix=".centred")
    return build.apply("mul", real, Constant(spread))


def _spread(values: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Scales or zero points of all levels, in a shape that broadcasts to theirs."""
    if not block:
        return along(values, len(shape), axis)
    return np.repeat(values, block, axis)[tuple(slice(size) for size in shape)]


def _made_real(build: Builder, value: Tensor, scale: Value, zero: Value | None) -> Value:
    """Real values of a tensor that is carried as such."""
    if value.zero is not None:
        if zero is not value.zero:
            raise InputError("the zero point is not that of the levels, expected the same")
        return build.apply("mul", Tensor(value.name, value.shape), scale)
    zeros = None if zero is None else constant(zero, "the zero point")
    steps = steps_of(constant(scale, "the scale"), zeros, value.kind)
    if value.steps is None or (value.steps.scale, value.steps.zero) != (steps.scale, steps.zero):
        raise InputError("scale or zero point are not those of the levels, expected the same")
    return Tensor(value.name, value.shape, "float32", value.steps)


def quantize(
    build: Builder, value: Value, scale: Value, zero: Value | None, kind: str, axis: int = 1
) -> Value:
    """Round values to levels; parameters as in `dequantize`, and the element type of the levels.

    Raises
    ------
    InputError
        If the values are constant (their levels are a constant, too), or scales do not fit.
    """
    if isinstance(value, Constant):
        raise InputError("constants are not rounded as the network runs, expected a tensor")
    scales = constant(scale, "the scale").astype(np.float32)
    zeros = None if zero is None else constant(zero, "the zero point")
    real = value if value.kind == "float32" else build.apply("cast", value, suffix=".real", to="float32")
    if scales.size == 1:
        steps = steps_of(scales, zeros, kind)
        made = build.apply("round_levels", real, scale=steps.scale, range=steps.reach)
        assert isinstance(made, Tensor)
        return Tensor(made.name, made.shape, kind, steps, integer=True)
    divided = build.apply("div", real, Constant(along(scales, len(value.shape), axis)), suffix=".steps")
    rounded = build.apply("round", divided, suffix=".rounded")
    if zeros is not None and np.any(zeros):
        shift = along(zeros.astype(np.float32), len(value.shape), axis)
        rounded = build.apply("add", rounded, Constant(shift), suffix=".shifted")
    low, high = limits_of(kind)
    clipped = build.apply("clip", rounded, suffix=".clipped", min=float(low), max=float(high))
    return build.apply("cast", clipped, to=kind)


def integers_of(build: Builder, value: Tensor) -> Tensor:
    """Return the levels themselves of a tensor that is carried as its real values."""
    plain: Value = Tensor(value.name, value.shape)
    if value.zero is not None:
        shifted = build.apply("add", plain, value.zero, suffix=".levels")
    elif value.steps is not None:
        scaled = build.apply(
            "div", plain, Constant(np.full((), value.steps.scale, np.float32)), suffix=".steps"
        )
        whole = build.apply("round", scaled, suffix=".rounded")
        shifted = build.apply("linear", whole, suffix=".levels", alpha=1.0, beta=float(value.steps.zero))
    else:
        return value
    made = build.apply("cast", shifted, suffix=".integers", to=value.kind)
    assert isinstance(made, Tensor)
    return made


def dequantize_linear(call: Call) -> Value:
    """Convert DequantizeLinear."""
    block = int(call.attrs.get("block_size", 0))
    return dequantize(call.builder, call[0], call[1], call.get(2), int(call.attrs.get("axis", 1)), block)


def quantize_linear(call: Call) -> Value:
    """Convert QuantizeLinear."""
    zero = call.get(2)
    if int(call.attrs.get("block_size", 0)):
        raise InputError("scales of blocks of activations are not supported, expected one scale")
    declared = int(call.attrs.get("output_dtype", 0))
    kind = zero.kind if zero is not None else _kind_of(declared)
    if kind in ("float32", "bool"):
        raise InputError(f"levels are {kind}, expected integers")
    return quantize(call.builder, call[0], call[1], zero, kind, int(call.attrs.get("axis", 1)))


def _kind_of(declared: int) -> str:
    known = {**CAST_TYPES, **NARROW_CODES}
    return known.get(declared, "float32") if declared else "uint8"


def dynamic_quantize_linear(call: Call) -> tuple[Value, ...]:
    """Convert DynamicQuantizeLinear: levels, scale and zero follow from the data."""
    return dynamic(call.builder, call[0])


def dynamic(build: Builder, value: Value) -> tuple[Value, ...]:
    """Round to levels that follow from the data; return levels, scale and zero."""
    q, scale, zero = build.apply_all("dynamic_levels", value, suffix=".levels")
    if not isinstance(q, Tensor) or not isinstance(zero, Tensor):
        raise InputError("constants are not rounded as the network runs, expected a tensor")
    zero = Tensor(zero.name, zero.shape, "uint8")
    return Tensor(q.name, q.shape, "uint8", integer=True, zero=zero), scale, zero


def centred_levels(build: Builder, value: Value, zero: Value | None) -> Value:
    """Return levels less their zero point, in float32."""
    if isinstance(value, Constant):
        return Constant(
            centred(value.array, None if zero is None else constant(zero, "the zero")).astype(np.float32)
        )
    if value.zero is not None and zero is value.zero:
        return Tensor(value.name, value.shape)
    whole = integers_of(build, value)
    real = build.apply("cast", whole, suffix=".real", to="float32")
    if zero is None or (isinstance(zero, Constant) and not np.any(zero.array)):
        return real
    shift = build.apply("cast", zero, suffix=".zero", to="float32")
    return build.apply("sub", real, shift, suffix=".centred")


def weights(value: Value, zero: Value | None, axis: int, scale: Array | None = None) -> Constant:
    """Return constant levels of a layer, with a scale for each place along `axis`, 1 by default."""
    zeros = None if zero is None else constant(zero, "the zero point of the weights")
    q = centred(constant(value, "the weights"), zeros, axis)
    scales = along(np.ones(1, np.float32) if scale is None else scale, q.ndim, axis)
    levels = Levels(q, scales.astype(np.float32))
    return Constant(levels.array(), levels)


def _counted(value: Value) -> Value:
    """Mark centred levels as such, so that a layer multiplies integers."""
    if isinstance(value, Constant):
        return value
    low, high = PRODUCT_REACH
    steps = steps_of(np.ones(1, np.float32), None, "int16")._replace(low=low, high=high)
    return Tensor(value.name, value.shape, "float32", steps)


def matmul_integer(call: Call) -> Value:
    """Convert MatMulInteger: sums of products of integers."""
    return _sums(call, layers.matmul, -1)


def conv_integer(call: Call) -> Value:
    """Convert ConvInteger; what is padded is the real zero."""
    return _sums(call, layers.conv, 0)


def _sums(call: Call, layer: Callable[[Call], Value], axis: int) -> Value:
    build, left, right = call.builder, call[0], call[1]

    def applied(x: Value, w: Value) -> Value:
        return layer(Call(build, call.attrs, (x, w), call.outputs[:1]))

    def rescaled(scale: Array) -> Value | None:
        """Sums times a scale, as the layer computes it whose weights have their part of it."""
        real = _real_levels(left, call.get(2))
        factors = (
            None if real is None or real.steps is None else _part_of(scale.reshape(-1), real.steps.scale)
        )
        if real is None or factors is None or not isinstance(right, Constant):
            return None
        return applied(real, weights(right, call.get(3), axis, factors))

    x = _counted(centred_levels(build, left, call.get(2)))
    constant_weights = isinstance(right, Constant)
    w = weights(right, call.get(3), axis) if constant_weights else centred_levels(build, right, call.get(3))
    sums = applied(x, w)
    if isinstance(sums, Constant):
        return Constant(sums.array.astype(np.int32))
    made = build.apply("cast", sums, suffix=".integers", to="int32")
    assert isinstance(made, Tensor)
    return Tensor(made.name, made.shape, "int32", real=replace(sums, rescaled=rescaled), rescaled=rescaled)


def _real_levels(value: Value, zero: Value | None) -> Tensor | None:
    """Real values of levels with a known scale, if `zero` is the zero point that they were made with."""
    if not isinstance(value, Tensor) or not value.integer or value.steps is None:
        return None
    point = 0 if zero is None else int(constant(zero, "the zero point").reshape(-1)[0])
    return Tensor(value.name, value.shape, "float32", value.steps) if point == value.steps.zero else None


def _part_of(scale: Array, step: float) -> Array | None:
    """Factors that give `scale` when they are multiplied by `step` in float32; None where there are none."""
    near = (scale / np.float32(step)).astype(np.float32)
    ways = np.stack([near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(np.inf))])
    exact = ways * np.float32(step) == scale
    return ways[exact.argmax(axis=0), np.arange(scale.size)] if exact.any(axis=0).all() else None


def clip(call: Call) -> Value:
    """Convert Clip; of levels it narrows their range."""
    value = call[0]
    if not isinstance(value, Tensor) or not value.integer:
        return pointwise.clip(call)
    if value.steps is None:
        return pointwise.clip(
            Call(call.builder, call.attrs, (integers_of(call.builder, value), *call.values[1:]), call.outputs)
        )
    bounds = [call.get(index) for index in (1, 2)]
    low, high = (None if one is None else int(constant(one, "a bound").item()) for one in bounds)
    steps = value.steps._replace(
        low=max(value.steps.low, value.steps.low if low is None else low),
        high=min(value.steps.high, value.steps.high if high is None else high),
    )
    before = call.builder.node(value.name)
    source = Tensor(value.name, value.shape)
    if before.op == "round_levels" and before.attrs["range"] == value.steps.reach:
        source = Tensor(before.inputs[0], value.shape)
    made = call.builder.apply("round_levels", source, scale=steps.scale, range=steps.reach)
    assert isinstance(made, Tensor)
    return Tensor(made.name, made.shape, value.kind, steps, integer=True)


def qlinear_conv(call: Call) -> Value:
    """Convert QLinearConv."""
    build = call.builder
    x = dequantize(build, call[0], call[1], call[2])
    w = dequantize(build, call[3], call[4], call[5], axis=0)
    values: tuple[Value | None, ...] = (x, w)
    if call.get(8) is not None:
        scale = constant(call[1], "the scale") * constant(call[4], "the scale")
        values += (dequantize(build, call[8], Constant(scale), None, axis=0),)
    y = layers.conv(Call(build, call.attrs, values, call.outputs))
    return quantize(build, y, call[6], call[7], call[7].kind)


def qlinear_matmul(call: Call) -> Value:
    """Convert QLinearMatMul."""
    build = call.builder
    left = dequantize(build, call[0], call[1], call[2])
    right = dequantize(build, call[3], call[4], call[5], axis=-1)
    y = layers.matmul(Call(build, {}, (left, right), call.outputs))
    return quantize(build, y, call[6], call[7], call[7].kind)


def qlinear(base: Callable[[Call], Any], inputs: int, call: Call) -> Value:
    """Convert an operation on levels that is `base` on their real values; each input has scale and zero."""
    build = call.builder
    triples = [(call[3 * at], call[3 * at + 1], call.get(3 * at + 2)) for at in range(inputs)]
    reals = tuple(dequantize(build, *triple) for triple in triples)
    scale, zero = call[3 * inputs], call.get(3 * inputs + 1)
    return requantized(call, base, reals, scale, zero)


def requantized(
    call: Call, base: Callable[[Call], Any], reals: tuple[Value | None, ...], scale: Value, zero: Value | None
) -> Value:
    """Apply `base` to real values, and round what it gives."""
    y = base(Call(call.builder, call.attrs, reals, call.outputs))
    return quantize(call.builder, y, scale, zero, "uint8" if zero is None else zero.kind)


CONVERTERS = {
    "Clip": clip,
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "DynamicQuantizeLinear": dynamic_quantize_linear,
    "MatMulInteger": matmul_integer,
    "ConvInteger": conv_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
}

READS_LEVELS = frozenset(CONVERTERS)
"""Operations that know what to do with a tensor of levels."""
