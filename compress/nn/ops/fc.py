"""Fully-connected layer along the last axis, ``y = x W^T + b``."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Gradients, Op, Shape
from hwsim.errors import InputError


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    weight = params[0]
    if len(shapes[0]) < 2 or len(weight) != 2 or shapes[0][-1] != weight[1]:
        raise InputError(
            f"input {shapes[0]} does not fit weights {weight}, expected (batch, ..., {weight[-1]})"
        )
    if len(params) > 1 and params[1] != weight[:1]:
        raise InputError(f"bias has shape {params[1]}, expected {weight[:1]}")
    return ((*shapes[0][:-1], weight[0]),)


def _forward(inputs: Arrays, params: Arrays, _attrs: Attrs, ctx: Context) -> Array:
    x, weight = inputs[0], params[0]
    y = np.matmul(x, weight.T, out=ctx.buffer("y", (*x.shape[:-1], len(weight)), x.dtype))
    if len(params) > 1:
        y += params[1]
    return y


def _backward(grad: Array, inputs: Arrays, params: Arrays, _attrs: Attrs, ctx: Context) -> Gradients:
    x, weight = inputs[0], params[0]
    rows, g = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
    d_weight = np.matmul(g.T, rows, out=ctx.buffer("dw", weight.shape, x.dtype))
    d_x = np.matmul(grad, weight, out=ctx.buffer("dx", x.shape, x.dtype)) if ctx.needs[0] else None
    return (d_x,), (d_weight, g.sum(axis=0))[: len(params)]


OPS = {"fc": Op(_infer, _forward, _backward, params=(1, 2))}
