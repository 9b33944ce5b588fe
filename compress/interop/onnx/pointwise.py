"""ONNX operations on single elements, and reductions over axes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from compress.interop.onnx.builder import Call, Value, constant
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

CAST_TYPES = {
    1: "float32", 10: "float32", 11: "float32", 16: "float32",
    2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool",
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
    """Convert Clip; its bounds were attributes before operator set 11."""
    limits: dict[str, Any] = {}
    for index, name in ((1, "min"), (2, "max")):
        if call.builder.opset < 11 and name in call.attrs:
            limits[name] = float(call.attrs[name])
        elif call.get(index) is not None:
            limits[name] = constant(call[index], f"the bound {name}").item()
    return call.builder.apply("clip", call[0], **limits)


def softmax(call: Call) -> Value:
    """Convert Softmax; before operator set 13 it runs over all axes from ``axis`` on."""
    build, shape = call.builder, call[0].shape
    since_13 = build.opset >= 13
    axis = axis_of(call.attrs.get("axis", -1 if since_13 else 1), len(shape))
    if since_13 or math.prod(shape[axis + 1 :]) == 1:
        return build.apply("softmax", call[0], axis=axis)
    flat = build.apply("reshape", call[0], suffix=".flat", shape=(*(0,) * axis, -1))
    return build.apply("reshape", build.apply("softmax", flat, axis=-1), suffix=".shape", shape=_open(shape))


def _open(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *shape[1:])


def gelu(call: Call) -> Value:
    """Convert Gelu."""
    if call.attrs.get("approximate", "none") != "none":
        raise InputError("the approximation by tanh is not supported, expected the exact function")
    return call.builder.apply("gelu", call[0])


def cast(call: Call) -> Value:
    """Convert Cast."""
    target = call.attrs["to"]
    if target not in CAST_TYPES:
        raise InputError(f"cast to element type {target}, expected one of {', '.join(map(str, CAST_TYPES))}")
    return call.builder.apply("cast", call[0], to=CAST_TYPES[target])


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
    "And": "and", "Or": "or", "Where": "where", "Add": "add",
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
    "Sum": total,
    "LeakyRelu": partial(with_attrs, "leaky_relu", {"alpha": 0.01}),
    "HardSigmoid": partial(with_attrs, "hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "GreaterOrEqual": partial(negated, "less"),
    "LessOrEqual": partial(negated, "greater"),
    "Clip": clip,
    "Softmax": softmax,
    "Gelu": gelu,
    "Cast": cast,
    "ReduceL1": sum_of_absolutes,
    "ReduceSumSquare": sum_of_squares,
    "ReduceLogSum": log_of_sum,
    "ReduceLogSumExp": log_of_sum_of_exponentials,
}
