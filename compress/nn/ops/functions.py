"""Functions of one element: trigonometry, and activations beside the common ones; inference only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.elementwise import broadcast, silu, unary
from compress.nn.ops.simple import OPS as SIMPLE
from hwsim.errors import InputError
from hwsim.workload.operators import FUNCTION_OPS

SIGNS = ("both", "negative", "positive")
"""Infinities that `isinf` finds."""

GELU_CUBIC = 0.044715
"""Factor of the cube in the approximation of the Gaussian error linear unit (Hendrycks and Gimpel 2016)."""


def softplus(x: Array) -> Array:
    """``log(1 + exp(x))`` of every element, without overflow (Glorot et al. 2011)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu_tanh(x: Array) -> Array:
    """Approximate the Gaussian error linear unit of every element by a tanh (Hendrycks and Gimpel 2016)."""
    kind = x.dtype.type
    inner = kind(math.sqrt(2 / math.pi)) * (x + kind(GELU_CUBIC) * x * x * x)
    return kind(0.5) * x * (kind(1) + np.tanh(inner))


def _elu(x: Array, attrs: Attrs) -> Array:
    """``alpha (exp(x) - 1)`` below zero (Clevert et al. 2016)."""
    return np.where(x < 0, x.dtype.type(attrs["alpha"]) * np.expm1(np.minimum(x, 0)), x)


def _log_softmax(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    axis = int(attrs.get("axis", -1))
    shifted = inputs[0] - inputs[0].max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _infer_isinf(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    if attrs.get("sign", SIGNS[0]) not in SIGNS:
        raise InputError(f"sign is {attrs['sign']!r}, expected one of {', '.join(SIGNS)}")
    return (shapes[0],)


def _isinf(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    tests: dict[str, Any] = {"both": np.isinf, "negative": np.isneginf, "positive": np.isposinf}
    return np.asarray(tests[attrs.get("sign", SIGNS[0])](inputs[0]))


def _infer_mod(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    if attrs.get("fmod", 0) not in (0, 1):
        raise InputError(f"fmod is {attrs['fmod']!r}, expected 0 or 1")
    return broadcast(shapes, params, attrs)


def _mod(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Remainder with the divisor's sign, or with the dividend's where ``fmod`` is 1."""
    return np.asarray((np.fmod if attrs.get("fmod", 0) else np.mod)(*inputs))


def _prelu(inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    """Leaky rectifier whose slopes are given (He et al. 2015)."""
    x, slope = inputs
    return np.where(x < 0, x * slope, x)


OPS = {
    **{
        name: unary(lambda x, _, function=function: function(x), work=FUNCTION_OPS)  # type: ignore[misc]
        for name, function in (
            ("sin", np.sin), ("cos", np.cos), ("tan", np.tan), ("asin", np.arcsin), ("acos", np.arccos),
            ("atan", np.arctan), ("sinh", np.sinh), ("cosh", np.cosh), ("asinh", np.arcsinh),
            ("acosh", np.arccosh), ("atanh", np.arctanh), ("softplus", softplus),
        )
    },
    "ceil": unary(lambda x, _: np.ceil(x)),
    "sign": unary(lambda x, _: np.sign(x)),
    "isnan": unary(lambda x, _: np.isnan(x)),
    "isinf": Op(_infer_isinf, _isinf),
    "silu": unary(lambda x, _: silu(x)),
    "gelu_tanh": unary(lambda x, _: gelu_tanh(x), work=9),  # as gelu: tanh of a cubic
    "elu": unary(_elu, "alpha", work=FUNCTION_OPS + 1),
    # maximum, difference, sum, exponential
    "log_softmax": Op(SIMPLE["softmax"].infer, _log_softmax, work=FUNCTION_OPS + 3),
    "mod": Op(_infer_mod, _mod, inputs=(2, 2)),
    "xor": Op(broadcast, lambda inputs, _params, _attrs, _ctx: np.logical_xor(*inputs), inputs=(2, 2)),
    "prelu": Op(broadcast, _prelu, inputs=(2, 2), work=2),
}  # fmt: skip
