"""Element-wise functions of one, two or three arrays, with numpy's broadcasting; inference only."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.nn.ops.base import MANY, Array, Arrays, Attrs, Context, Op, Shape, same_shape
from hwsim.errors import InputError
from hwsim.workload.operators import FUNCTION_OPS

if TYPE_CHECKING:
    from collections.abc import Callable

HARD_SIGMOID_OPS = 4
"""Scale, shift, minimum, maximum."""

BLOCK_ELEMENTS = 1 << 14
"""Elements that a long formula is computed for at a time; they stay in cache."""

ERF_STEP = 0.3275911
ERF_POLYNOMIAL = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))
"""Of the error function in Abramowitz and Stegun (1964), 7.1.26; highest power first."""

GELU_IS_LINEAR = np.float32(16)
"""From here on the Gaussian error linear unit is its argument, and below minus this zero, in fp32."""

CASTS = ("float32", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
"""Element types that `cast` may name."""


def broadcast(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    """Infer the shape that several arrays broadcast to."""
    try:
        return (np.broadcast_shapes(*shapes),)
    except ValueError:
        raise InputError(f"shapes {', '.join(map(str, shapes))} do not broadcast") from None


def _infer_cast(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    if attrs["to"] not in CASTS:
        raise InputError(f"cast to {attrs['to']!r}, expected one of {', '.join(CASTS)}")
    return same_shape(shapes, params, attrs)


def _infer_clip(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    for name in ("min", "max"):
        float(attrs.get(name, 0))
    return same_shape(shapes, params, attrs)


def unary(function: Callable[[Array, Attrs], Array], *numbers: str, work: int | None = None) -> Op:
    """Operator of one array whose attributes `numbers` have to be there."""

    def infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
        for name in numbers:
            float(attrs[name])
        return same_shape(shapes, params, attrs)

    def forward(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
        return function(inputs[0], attrs)

    return Op(infer, forward, work=work)


def _joined(function: Callable[..., Any], fewest: int, most: int, work: int | None = None) -> Op:
    def forward(inputs: Arrays, _params: Arrays, _attrs: Attrs, ctx: Context) -> Array:
        return function(*inputs) if ctx.out is None else function(*inputs, out=ctx.out)

    return Op(broadcast, forward, inputs=(fewest, most), work=work)


def _all_of(function: np.ufunc) -> Op:
    return _joined(lambda *arrays: reduce(function, arrays), 1, MANY)


def silu(x: Array) -> Array:
    """Sigmoid of every element times the element; where the exponential overflows it is 0."""
    with np.errstate(over="ignore"):
        y = np.asarray(np.exp(-x))
    y += 1
    return np.divide(x, y, out=y)


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))`` of every element; where the exponential overflows it is 0."""
    with np.errstate(over="ignore"):
        y = np.asarray(np.exp(-x))
    y += 1
    return np.reciprocal(y, out=y)


def hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    """Piecewise linear sigmoid of every element, ``clip(alpha x + beta, 0, 1)``."""
    y = x * x.dtype.type(alpha)
    y += x.dtype.type(beta)
    return np.clip(y, 0, 1, out=y)


def _hard_swish(x: Array) -> Array:
    y = hard_sigmoid(x, 1 / 6, 0.5)
    y *= x
    return y


def _leaky_relu(x: Array, attrs: Attrs) -> Array:
    return np.where(x < 0, x * x.dtype.type(attrs["alpha"]), x)


def _clip(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    return np.clip(inputs[0], attrs.get("min"), attrs.get("max"), out=ctx.out)


def _linear(x: Array, attrs: Attrs) -> Array:
    """``alpha x + beta``."""
    return x * x.dtype.type(attrs["alpha"]) + x.dtype.type(attrs["beta"])


def _erf(x: Array, out: Array | None = None) -> Array:
    from scipy.special import erf  # here, because the import is slow and few networks need it

    return erf(x, out=out)


def gelu(x: Array) -> Array:
    """``x/2 (1 + erf(x / sqrt 2))`` of every element (Hendrycks and Gimpel 2016)."""
    if x.dtype == np.float32:
        flat = x.reshape(-1)
        y = np.empty_like(flat)
        for first in range(0, len(flat), BLOCK_ELEMENTS):
            part = slice(first, first + BLOCK_ELEMENTS)
            _gelu_block(flat[part], y[part])
        return y.reshape(x.shape)
    y = x * x.dtype.type(math.sqrt(0.5))
    _erf(y, out=y)
    y += 1
    y *= x
    y *= x.dtype.type(0.5)
    return y


def _gelu_block(x: Array, y: Array) -> None:
    """Fill `y` with ``max(x, 0) - |x|/2 (1 - erf(|x| / sqrt 2))``, which is the same.

    The error of what is in parentheses is at most 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
    """
    size = np.minimum(np.abs(x), GELU_IS_LINEAR)
    t = size * np.float32(ERF_STEP * math.sqrt(0.5))
    t += 1
    np.reciprocal(t, out=t)
    np.multiply(t, ERF_POLYNOMIAL[0], out=y)
    for coefficient in ERF_POLYNOMIAL[1:]:
        y += coefficient
        y *= t
    np.multiply(size, size, out=t)
    t *= np.float32(-0.5)
    y *= np.exp(t, out=t)
    y *= size
    y *= np.float32(-0.5)
    y += np.maximum(x, 0, out=t)


def _divide(dividend: Array, divisor: Array) -> Array:
    """Quotient; of integers, rounded toward zero."""
    if np.issubdtype(dividend.dtype, np.integer):
        quotient = np.abs(dividend) // np.abs(divisor)
        return (quotient * np.sign(dividend) * np.sign(divisor)).astype(dividend.dtype)
    return dividend / divisor


def _power(base: Array, exponent: Array) -> Array:
    """Power in the type of the base; a square, which is what normalisations need, exactly."""
    if exponent.size == 1 and exponent.item() == 2:
        return base * base
    return np.power(base, exponent).astype(base.dtype)


OPS = {
    "linear": unary(_linear, "alpha", "beta"),
    "gelu": unary(lambda x, _: gelu(x)),
    "leaky_relu": unary(_leaky_relu, "alpha"),
    "clip": Op(_infer_clip, _clip),
    "sigmoid": unary(lambda x, _: sigmoid(x)),
    "hard_sigmoid": unary(
        lambda x, attrs: hard_sigmoid(x, attrs["alpha"], attrs["beta"]),
        "alpha",
        "beta",
        work=HARD_SIGMOID_OPS,
    ),
    "hard_swish": unary(lambda x, _: _hard_swish(x), work=HARD_SIGMOID_OPS + 1),
    "tanh": unary(lambda x, _: np.tanh(x)),
    "erf": unary(lambda x, _: _erf(x), work=FUNCTION_OPS),
    "exp": unary(lambda x, _: np.exp(x), work=FUNCTION_OPS),
    "log": unary(lambda x, _: np.log(x), work=FUNCTION_OPS),
    "sqrt": unary(lambda x, _: np.sqrt(x), work=FUNCTION_OPS),
    "abs": unary(lambda x, _: np.abs(x)),
    "neg": unary(lambda x, _: np.negative(x)),
    "reciprocal": unary(lambda x, _: np.reciprocal(x), work=FUNCTION_OPS),
    "floor": unary(lambda x, _: np.floor(x)),
    "round": unary(lambda x, _: np.rint(x)),
    "not": unary(lambda x, _: np.logical_not(x)),
    "cast": Op(_infer_cast, lambda inputs, _params, attrs, _ctx: inputs[0].astype(attrs["to"])),
    "sub": _joined(np.subtract, 2, 2),
    "mul": _joined(np.multiply, 2, 2),
    "div": _joined(_divide, 2, 2),
    "pow": _joined(_power, 2, 2, FUNCTION_OPS),
    "maximum": _all_of(np.maximum),
    "minimum": _all_of(np.minimum),
    "equal": _joined(np.equal, 2, 2),
    "greater": _joined(np.greater, 2, 2),
    "less": _joined(np.less, 2, 2),
    "and": _joined(np.logical_and, 2, 2),
    "or": _joined(np.logical_or, 2, 2),
    "where": _joined(np.where, 3, 3),
}
