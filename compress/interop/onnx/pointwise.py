"""ONNX operations on single elements, and reductions over axes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Tensor, Value, constant
from compress.interop.onnx.levels import Levels
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.nn.ops.base import Array

CAST_TYPES = {
    1: "float32", 10: "float32", 11: "float32", 16: "float32",
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 12: "uint32",
    13: "uint64",
}  # fmt: skip
"""Element types of ONNX by number; floats of any width are computed in float32."""


def same(op: str, call: Call) -> Value:
    """Convert an operation that is an operator of the network under another name."""
    return call.builder.apply(op, *call.all())


def with_attrs(op: str, defaults: dict[str, float], call: Call) -> Value:
    """Convert an operation whose attributes are numbers with defaults."""
    attrs: dict[str, Any] = {name: float(call.attrs.get(name, value)) for name, value in defaults.items()}
    return call.builder.apply(op, call[0], **attrs)


def negated(op: str, call: Call) -> Value:
    """Convert an operation that is the negation of an operator."""
    return call.builder.apply("not", call.builder.apply(op, *call.all(), suffix=".opposite"))


def clip(call: Call) -> Value:
    """Convert Clip; its bounds were attributes before operator set 11, and may be computed."""
    bounds = [call.get(1), call.get(2)]
    if any(isinstance(bound, Tensor) for bound in bounds):
        result = call[0]
        for op, bound in zip(("maximum", "minimum"), bounds, strict=True):
            result = result if bound is None else call.builder.apply(op, result, bound, suffix=f".{op}")
        return result
    limits: dict[str, Any] = {}
    for name, bound in zip(("min", "max"), bounds, strict=True):
        if call.builder.opset < 11 and name in call.attrs:
            limits[name] = float(call.attrs[name])
        elif bound is not None:
            limits[name] = constant(bound, f"the bound {name}").item()
    return call.builder.apply("clip", call[0], **limits)


def softmax(op: str, call: Call) -> Value:
    """Convert Softmax or its logarithm; before operator set 13 it runs over all axes from ``axis`` on."""
    build, shape = call.builder, call[0].shape
    since_13 = build.opset >= 13
    axis = axis_of(call.attrs.get("axis", -1 if since_13 else 1), len(shape))
    if since_13 or math.prod(shape[axis + 1 :]) == 1:
        return build.apply(op, call[0], axis=axis)
    flat = build.apply("reshape", call[0], suffix=".flat", shape=(*(0,) * axis, -1))
    return build.apply("reshape", build.apply(op, flat, axis=-1), suffix=".shape", shape=_open(shape))


def _open(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *shape[1:])


def gelu(call: Call) -> Value:
    """Convert Gelu, exact or approximated by a tanh."""
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    kind = call.attrs.get("approximate", "none")
    if kind not in kinds:
        raise InputError(f"approximate is {kind!r}, expected one of {', '.join(kinds)}")
    return call.builder.apply(kinds[kind], call[0])


def selu(call: Call) -> Value:
    """Convert Selu (Klambauer et al. 2017)."""
    alpha, gamma = (float(call.attrs.get(*one)) for one in (("alpha", 1.6732632), ("gamma", 1.050701)))
    inner = call.builder.apply("elu", call[0], suffix=".elu", alpha=alpha)
    return call.builder.apply("linear", inner, alpha=gamma, beta=0.0)


def celu(call: Call) -> Value:
    """Convert Celu (Barron 2017)."""
    alpha = float(call.attrs.get("alpha", 1.0))
    inner = call.builder.apply("linear", call[0], suffix=".narrow", alpha=1 / alpha, beta=0.0)
    outer = call.builder.apply("elu", inner, suffix=".elu", alpha=1.0)
    positive = call.builder.apply("relu", call[0], suffix=".positive")
    below = call.builder.apply("clip", outer, suffix=".below", max=0.0)
    return call.builder.apply(
        "add", positive, call.builder.apply("linear", below, suffix=".wide", alpha=alpha, beta=0.0)
    )


def swish(call: Call) -> Value:
    """Convert Swish: the input times the sigmoid of the input times alpha."""
    alpha = float(call.attrs.get("alpha", 1.0))
    if alpha == 1:
        return call.builder.apply("silu", call[0])
    inner = call.builder.apply("linear", call[0], suffix=".inner", alpha=alpha, beta=0.0)
    return call.builder.apply("mul", call[0], call.builder.apply("sigmoid", inner, suffix=".gate"))


def softsign(call: Call) -> Value:
    """Convert Softsign."""
    size = call.builder.apply("abs", call[0], suffix=".abs")
    return call.builder.apply(
        "div", call[0], call.builder.apply("linear", size, suffix=".more", alpha=1.0, beta=1.0)
    )


def mish(call: Call) -> Value:
    """Convert Mish (Misra 2020)."""
    gate = call.builder.apply("softplus", call[0], suffix=".softplus")
    return call.builder.apply("mul", call[0], call.builder.apply("tanh", gate, suffix=".tanh"))


def isinf(call: Call) -> Value:
    """Convert IsInf."""
    found = tuple(int(call.attrs.get(f"detect_{sign}", 1)) for sign in ("negative", "positive"))
    signs = {(1, 1): "both", (1, 0): "negative", (0, 1): "positive"}
    if found not in signs:
        raise InputError("neither sign is detected, expected one")
    return call.builder.apply("isinf", call[0], sign=signs[found])


def mean(call: Call) -> Value:
    """Convert Mean of several tensors."""
    count = len(call.values)
    summed = call.builder.apply("add", *call.all(), suffix=".sum") if count > 1 else call[0]
    return call.builder.apply("linear", summed, alpha=1 / count, beta=0.0)


def mod(call: Call) -> Value:
    """Convert Mod."""
    return call.builder.apply("mod", *call.all(), fmod=int(call.attrs.get("fmod", 0)))


def arithmetic(op: str, call: Call) -> Value:
    """Convert a product or a difference; of a constant's levels and a scale or a zero it is levels again."""
    if op == "mul":
        made = _rescaled(*call.all())
        if made is not None:
            return made
    result = same(op, call)
    if not isinstance(result, Constant):
        return result
    return Constant(result.array, _levels_after(op, call[0], call[1]))


def _rescaled(left: Value, right: Value) -> Value | None:
    """Sums of integers times a constant scale, computed by the layer that adds them, if it can."""
    sums, scale = (left, right) if isinstance(right, Constant) else (right, left)
    if not isinstance(sums, Tensor) or not isinstance(scale, Constant) or sums.rescaled is None:
        return None
    shape = (1,) * (len(sums.shape) - scale.array.ndim) + scale.shape
    return sums.rescaled(scale.array) if max(shape, default=1) == scale.array.size else None


def _levels_after(op: str, left: Value, right: Value) -> Levels | None:
    if op == "mul" and isinstance(right, Constant) and right.levels is not None and left.kind == "float32":
        left, right = right, left
    if not isinstance(left, Constant) or not isinstance(right, Constant) or left.levels is None:
        return None
    if op == "mul":
        return left.levels.times(right.array)
    return left.levels.minus(right.array) if op == "sub" else None


def cast(call: Call) -> Value:
    """Convert Cast."""
    target = call.attrs["to"]
    if target not in CAST_TYPES:
        raise InputError(f"cast to element type {target}, expected one of {', '.join(map(str, CAST_TYPES))}")
    if isinstance(call[0], Tensor) and call[0].real is not None and CAST_TYPES[target] == "float32":
        return call[0].real
    result = call.builder.apply("cast", call[0], to=CAST_TYPES[target])
    if isinstance(result, Constant) and isinstance(call[0], Constant):
        return Constant(result.array, _levels_of(call[0].array, CAST_TYPES[target]))
    return result


def _levels_of(array: Array, target: str) -> Levels | None:
    """Integers that become real numbers are levels of scale 1."""
    if target != "float32" or array.dtype.kind not in "iu":
        return None
    return Levels(array.astype(np.int32), np.ones((1,) * array.ndim, np.float32))


def reduction(op: str, since: int, call: Call) -> Value:
    """Convert a reduction; `since` is the operator set that made its axes an input."""
    return _reduced(op, since, call, call[0])


def _reduced(op: str, since: int, call: Call, x: Value) -> Value:
    axes = call.axes(since)
    if not axes:
        if call.attrs.get("noop_with_empty_axes", 0):
            return x
        axes = tuple(range(len(x.shape)))
    return call.builder.apply(op, x, axes=axes, keepdims=int(call.attrs.get("keepdims", 1)))


def sum_of_absolutes(call: Call) -> Value:
    """Convert ReduceL1."""
    return _reduced("reduce_sum", 18, call, call.builder.apply("abs", call[0], suffix=".abs"))


def sum_of_squares(call: Call) -> Value:
    """Convert ReduceSumSquare."""
    return _reduced("reduce_sum", 18, call, call.builder.apply("mul", call[0], call[0], suffix=".square"))


def log_of_sum(call: Call) -> Value:
    """Convert ReduceLogSum."""
    return call.builder.apply("log", _reduced("reduce_sum", 18, call, call[0]), suffix=".log")


def log_of_sum_of_exponentials(call: Call) -> Value:
    """Convert ReduceLogSumExp."""
    exponentials = call.builder.apply("exp", call[0], suffix=".exp")
    return call.builder.apply("log", _reduced("reduce_sum", 18, call, exponentials), suffix=".log")


NAMES = {
    "Relu": "relu", "Sigmoid": "sigmoid", "HardSwish": "hard_swish", "Tanh": "tanh", "Erf": "erf",
    "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Abs": "abs", "Neg": "neg", "Reciprocal": "reciprocal",
    "Floor": "floor", "Round": "round", "Not": "not", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow",
    "Max": "maximum", "Min": "minimum", "Equal": "equal", "Greater": "greater", "Less": "less",
    "And": "and", "Or": "or", "Xor": "xor", "Where": "where", "Add": "add", "PRelu": "prelu",
    "IsNaN": "isnan",
    "Ceil": "ceil", "Sign": "sign", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Asin": "asin", "Acos": "acos",
    "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh",
    "Softplus": "softplus",
}  # fmt: skip

REDUCTIONS = {
    "ReduceMean": ("reduce_mean", 18), "ReduceSum": ("reduce_sum", 13), "ReduceMax": ("reduce_max", 18),
    "ReduceMin": ("reduce_min", 18), "ReduceProd": ("reduce_prod", 18), "ReduceL2": ("reduce_l2", 18),
}  # fmt: skip


def total(call: Call) -> Value:
    """Convert Sum, which may have a single input."""
    return same("add", call) if len(call.values) > 1 else call[0]


CONVERTERS: dict[str, Callable[[Call], Value]] = {
    **{name: partial(same, op) for name, op in NAMES.items()},
    **{name: partial(reduction, *arguments) for name, arguments in REDUCTIONS.items()},
    **{name: partial(arithmetic, op) for name, op in (("Mul", "mul"), ("Sub", "sub"))},
    "Sum": total,
    "Mean": mean,
    "Mod": mod,
    "IsInf": isinf,
    "Elu": partial(with_attrs, "elu", {"alpha": 1.0}),
    "Selu": selu,
    "Celu": celu,
    "Swish": swish,
    "Softsign": softsign,
    "Mish": mish,
    "LeakyRelu": partial(with_attrs, "leaky_relu", {"alpha": 0.01}),
    "HardSigmoid": partial(with_attrs, "hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "GreaterOrEqual": partial(negated, "less"),
    "LessOrEqual": partial(negated, "greater"),
    "Clip": clip,
    "Softmax": partial(softmax, "softmax"),
    "LogSoftmax": partial(softmax, "log_softmax"),
    "Gelu": gelu,
    "Cast": cast,
    "ReduceL1": sum_of_absolutes,
    "ReduceSumSquare": sum_of_squares,
    "ReduceLogSum": log_of_sum,
    "ReduceLogSumExp": log_of_sum_of_exponentials,
}
