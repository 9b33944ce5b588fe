"""Layers on integers: inputs are rounded to levels, products add up exactly, one scale makes them real.

``integer_fc`` and ``integer_conv`` take weight ``levels`` (int8), their ``scale`` (one, or one per
output) and a real bias. Attributes: ``input_scale`` is the real value of one level of the input,
``bits`` the width of a level, ``accumulator`` the type that products are added in: ``int32``, or
``float64`` to emulate it. Inference only.
"""

from __future__ import annotations

import math

import numpy as np

from compress.nn.ops import conv, fc
from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from hwsim.errors import InputError

INPUT_SCALE = "input_scale"
ACCUMULATORS = {"int32": np.int32, "float64": np.float64}

Shapes = tuple[Shape, ...]

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)


def top_level(bits: int) -> int:
    """Highest level of a symmetric range: 127 for 8 bits."""
    return 2 ** (bits - 1) - 1


def levels(values: Array, scale: Array | float, bits: int) -> Array:
    """Round values to the nearest level, half to even, and clip them to the range.

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
    top = top_level(bits)
    return np.clip(np.rint(values / np.asarray(scale, values.dtype)), -top, top)


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
        largest = math.prod(weight[1:]) * 2 ** (2 * int(attrs["bits"]) - 2)
        if largest >= 2**31:
            raise InputError(
                f"sums of {math.prod(weight[1:])} products may reach {largest}, expected 31 bits"
            )
        return layer.infer(shapes, (weight, *params[2:]), attrs)

    def forward(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
        dtype = ACCUMULATORS[attrs["accumulator"]]
        x = levels(inputs[0], attrs[INPUT_SCALE], attrs["bits"]).astype(dtype)
        sums = np.asarray(layer.forward((x,), (params[0].astype(dtype),), attrs, ctx))
        scale = params[1] * np.float32(attrs[INPUT_SCALE])
        y = sums.astype(np.float32) * scale.reshape(per_output)
        return y + params[2].reshape(per_output) if len(params) > 2 else y

    return Op(infer, forward, params=(2, 3))


OPS = {"integer_fc": _op(fc.OPS["fc"], (-1,)), "integer_conv": _op(conv.OPS["conv"], (-1, 1, 1))}
