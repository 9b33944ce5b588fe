"""Layers on integers: inputs are rounded to levels, products add up exactly, one scale makes them real.

``integer_fc`` and ``integer_conv`` take weight ``levels`` (int8), their ``scale`` (one, or one per
output) and a real bias. Attributes: ``input_scale`` is the real value of one level of the input,
``bits`` the width of a level, ``range`` the lowest and highest level of the input (a symmetric one of
``bits`` where it is missing), ``accumulator`` the type that products are added in: ``int32``, or
``float64`` to emulate it.

``dynamic_levels`` rounds to 256 levels whose scale and zero follow from the data, as a runtime does that
quantizes activations when they are there. Inference only.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from compress.nn.ops import conv, fc
from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from hwsim.errors import InputError

INPUT_SCALE = "input_scale"
ACCUMULATORS = {"int32": np.int32, "float64": np.float64}

Shapes = tuple[Shape, ...]

MOST_LEVELS = 1 << 16
"""On a side of zero: inputs have 16 bits at most."""

SUM_LIMIT = 1 << 31
"""Sums of products stay below it, so that 32 bits hold them."""

UNSIGNED_TOP = 255
"""Highest level of eight bits without a sign."""

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)


def top_level(bits: int) -> int:
    """Highest level of a symmetric range: 127 for 8 bits."""
    return 2 ** (bits - 1) - 1


def levels(values: Array, scale: Array | float, bits: int) -> Array:
    """Round values to the nearest level, half to even, and clip them to a symmetric range.

    Parameters
    ----------
    values : ndarray of floats, any shape
    scale : float or ndarray that broadcasts to `values`
        Real value of one level.
    bits : int
        Width of a level: the range ends at `top_level`, on both sides of zero.

    Returns
    -------
    ndarray of the values' dtype and shape
        Whole numbers.
    """
    return levels_within(values, scale, (-top_level(bits), top_level(bits)))


def levels_within(values: Array, scale: Array | float, reach: tuple[int, int]) -> Array:
    """Round values to the nearest level, half to even, and clip them to `reach`, both ends included."""
    return np.clip(np.rint(values / np.asarray(scale, values.dtype)), *reach)


def reach_of(attrs: Attrs) -> tuple[int, int]:
    """Lowest and highest level that a node rounds to.

    Raises
    ------
    InputError
        If zero is not among them, or they are no whole numbers.
    """
    if "range" not in attrs:
        return -top_level(attrs["bits"]), top_level(attrs["bits"])
    low, high = (operator.index(level) for level in attrs["range"])
    if not -MOST_LEVELS < low <= 0 <= high < MOST_LEVELS:
        raise InputError(f"range is {(low, high)}, expected levels around 0, fewer than {MOST_LEVELS} a side")
    return low, high


def _check_scale(scale: object) -> None:
    if not isinstance(scale, float) or not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise InputError(f"{INPUT_SCALE} is {scale!r}, expected a positive number of fp32")


def _op(layer: Op, per_output: Shape) -> Op:
    """Integer form of a layer; an array with a value for each output broadcasts as `per_output`."""

    def infer(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
        weight, scale = params[:2]
        _check_scale(attrs[INPUT_SCALE])
        if scale not in ((1,), weight[:1]):
            raise InputError(f"scale has shape {scale}, expected (1,) or {weight[:1]}")
        if attrs["accumulator"] not in ACCUMULATORS:
            raise InputError(
                f"accumulator is {attrs['accumulator']!r}, expected one of {', '.join(ACCUMULATORS)}"
            )
        largest = most_sum(math.prod(weight[1:]), int(attrs["bits"]), attrs)
        if largest >= SUM_LIMIT:
            raise InputError(
                f"sums of {math.prod(weight[1:])} products may reach {largest}, expected 31 bits"
            )
        return layer.infer(shapes, (weight, *params[2:]), attrs)

    def forward(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
        dtype = ACCUMULATORS[attrs["accumulator"]]
        x = levels_within(inputs[0], attrs[INPUT_SCALE], reach_of(attrs)).astype(dtype)
        sums = np.asarray(layer.forward((x,), (params[0].astype(dtype),), attrs, ctx))
        scale = params[1] * np.float32(attrs[INPUT_SCALE])
        y = sums.astype(np.float32) * scale.reshape(per_output)
        return y + params[2].reshape(per_output) if len(params) > 2 else y

    return Op(infer, forward, params=(2, 3))


def most_sum(products: int, bits: int, attrs: Attrs) -> int:
    """Largest magnitude of a sum of so many products with weights of `bits`."""
    if "range" not in attrs:
        return products * int(2 ** (2 * bits - 2))
    return products * max(map(abs, reach_of(attrs))) << (bits - 1)


def _infer_dynamic(shapes: Shapes, _params: Shapes, _attrs: Attrs) -> Shapes:
    return (shapes[0], (), ())


def _dynamic(inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Arrays:
    """Levels less their zero, scale, zero: of a range of the data and 0 (ONNX DynamicQuantizeLinear)."""
    x = inputs[0]
    low, high = min(x.min(initial=0), x.dtype.type(0)), max(x.max(initial=0), x.dtype.type(0))
    scale = (high - low) / x.dtype.type(UNSIGNED_TOP) if high > low else x.dtype.type(1)
    zero = np.clip(np.rint(-low / scale), 0, UNSIGNED_TOP)
    q = np.clip(np.rint(x / scale) + zero, 0, UNSIGNED_TOP)
    return np.asarray(q - zero), np.asarray(scale), np.asarray(zero)


OPS = {
    "integer_fc": _op(fc.OPS["fc"], (-1,)),
    "integer_conv": _op(conv.OPS["conv"], (-1, 1, 1)),
    "dynamic_levels": Op(_infer_dynamic, _dynamic, work=5),  # minimum, maximum, scale, round, offset
}
