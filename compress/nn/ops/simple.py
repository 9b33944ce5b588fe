"""Operators without weights or windows: activations, joins and changes of shape."""

from __future__ import annotations

import math

import numpy as np

from compress.nn.ops.base import MANY, Array, Arrays, Attrs, Context, Gradients, Op, Shape, same_shape
from hwsim.errors import InputError


def _relu(inputs: Arrays, _params: Arrays, _attrs: Attrs, ctx: Context) -> Array:
    y = np.maximum(inputs[0], 0, out=ctx.out)
    if ctx.training:
        ctx.saved["y"] = y
    return y


def _relu_backward(grad: Array, _inputs: Arrays, _params: Arrays, _attrs: Attrs, ctx: Context) -> Gradients:
    return (grad * (ctx.saved["y"] > 0),), ()


def _infer_flatten(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    return ((shapes[0][0], math.prod(shapes[0][1:])),)


def _flatten(inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    return inputs[0].reshape(len(inputs[0]), -1)


def _flatten_backward(
    grad: Array, inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context
) -> Gradients:
    return (grad.reshape(inputs[0].shape),), ()


def _dropout(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    """Inverted dropout: zero elements with probability `rate`, scale the rest by 1 / (1 - rate)."""
    x, rate = inputs[0], float(attrs.get("rate", 0.5))
    if not ctx.training:
        return x
    if ctx.rng is None:
        raise InputError("dropout in training draws random numbers, expected a Generator")
    scale = x.dtype.type(1 / (1 - rate))
    kept = ctx.saved["kept"] = (ctx.rng.random(x.shape, dtype=np.float32) >= rate) * scale
    return x * kept


def _dropout_backward(
    grad: Array, _inputs: Arrays, _params: Arrays, _attrs: Attrs, ctx: Context
) -> Gradients:
    return (grad * ctx.saved["kept"],), ()


def _infer_dropout(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    rate = float(attrs.get("rate", 0.5))
    if not 0.0 <= rate < 1.0:
        raise InputError(f"dropout rate is {rate}, expected at least 0 and below 1")
    return (shapes[0],)


def _infer_concat(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    first, rank = shapes[0], len(shapes[0])
    axis = int(attrs.get("axis", 1))
    if not -rank <= axis < rank:
        raise InputError(f"concat axis is {axis}, expected {-rank} to {rank - 1}")
    axis %= rank
    for shape in shapes:
        if shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
            raise InputError(f"shapes {first} and {shape} differ beside axis {axis}")
    return ((*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :]),)


def _concat(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    return np.concatenate(inputs, axis=int(attrs.get("axis", 1)))


def _concat_backward(grad: Array, inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Gradients:
    axis = int(attrs.get("axis", 1))
    ends = np.cumsum([x.shape[axis] for x in inputs])[:-1]
    return tuple(np.split(grad, ends, axis=axis)), ()


def _infer_add(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    try:
        return (np.broadcast_shapes(*shapes),)
    except ValueError:
        raise InputError(f"shapes {', '.join(map(str, shapes))} cannot be added") from None


def _add(inputs: Arrays, _params: Arrays, _attrs: Attrs, ctx: Context) -> Array:
    total = np.add(inputs[0], inputs[1], out=ctx.out)
    for further in inputs[2:]:
        total = total + further
    return total


def _unbroadcast(grad: Array, shape: Shape) -> Array:
    """Sum a gradient over the axes along which an operand of `shape` was repeated."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and grad.shape[axis] > 1)
    return grad.sum(axis=repeated, keepdims=True)


def _add_backward(grad: Array, inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Gradients:
    return tuple(_unbroadcast(grad, x.shape) for x in inputs), ()


def softmax(x: Array, axis: int = -1) -> Array:
    """Exponentials over their sum along an axis, shifted by the maximum so that they cannot overflow.

    Parameters
    ----------
    x : ndarray of floats, any shape
    axis : int

    Returns
    -------
    ndarray of the same dtype and shape
        Sums to 1 along `axis`.
    """
    y = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def _infer_softmax(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    axis, rank = int(attrs.get("axis", -1)), len(shapes[0])
    if not -rank <= axis < rank:
        raise InputError(f"softmax axis is {axis}, expected {-rank} to {rank - 1}")
    return (shapes[0],)


def _softmax(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    y = softmax(inputs[0], int(attrs.get("axis", -1)))
    if ctx.training:
        ctx.saved["y"] = y
    return y


def _softmax_backward(grad: Array, _inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Gradients:
    y, axis = ctx.saved["y"], int(attrs.get("axis", -1))
    return (y * (grad - (grad * y).sum(axis=axis, keepdims=True)),), ()


OPS = {
    "relu": Op(same_shape, _relu, _relu_backward),
    "flatten": Op(_infer_flatten, _flatten, _flatten_backward),
    "dropout": Op(_infer_dropout, _dropout, _dropout_backward),
    "concat": Op(_infer_concat, _concat, _concat_backward, inputs=(1, MANY)),
    "add": Op(_infer_add, _add, _add_backward, inputs=(2, MANY)),
    "softmax": Op(_infer_softmax, _softmax, _softmax_backward),
}
