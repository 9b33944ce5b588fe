"""Convolution of volumes, as a sum of convolutions of their slices; inference only."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from compress.nn.ops import conv
from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from hwsim.errors import InputError

AXES = 3
"""Depth, height, width."""


def _split(attrs: Attrs) -> tuple[tuple[int, int, int, int], dict[str, Any]]:
    """Stride, dilation and two pads along the depth; attributes of the convolution of a slice."""
    stride, dilation = (_numbers(attrs, key, 1, AXES) for key in ("stride", "dilation"))
    pads = _numbers(attrs, "pads", 0, 2 * AXES)
    flat = {"stride": stride[1:], "dilation": dilation[1:], "pads": (*pads[1:3], *pads[4:])}
    return (stride[0], dilation[0], pads[0], pads[3]), flat | {
        "groups": operator.index(attrs.get("groups", 1))
    }


def _numbers(attrs: Attrs, key: str, default: int, count: int) -> tuple[int, ...]:
    found = tuple(operator.index(value) for value in attrs.get(key, (default,) * count))
    if len(found) != count or min(found) < default:
        raise InputError(f"{key} is {found}, expected {count} numbers of at least {default}")
    return found


def _depth(size: int, kernel: int, along: tuple[int, int, int, int]) -> int:
    stride, dilation, before, after = along
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    if len(shapes[0]) != 2 + AXES or len(params[0]) != 2 + AXES:
        raise InputError(f"input {shapes[0]} and weights {params[0]} are not volumes, expected 5 axes each")
    batch, channels, depth, *hw = shapes[0]
    along, flat = _split(attrs)
    out = _depth(depth, params[0][2], along)
    if out < 1:
        raise InputError(f"kernel of depth {params[0][2]} does not fit the depth {depth}")
    kernel = (*params[0][:2], *params[0][3:])
    ((_, filters, *out_hw),) = conv.OPS["conv"].infer(((batch, channels, *hw),), (kernel, *params[1:]), flat)
    return ((batch, filters, out, *out_hw),)


def _forward(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    x, weight = inputs[0], params[0]
    along, flat = _split(attrs)
    stride, dilation, before, after = along
    batch, out = len(x), _depth(x.shape[2], weight.shape[2], along)
    slices = np.pad(x, ((0, 0), (0, 0), (before, after), (0, 0), (0, 0))).transpose(0, 2, 1, 3, 4)
    total: Array | None = None
    for place in range(weight.shape[2]):
        first = place * dilation
        part = slices[:, first : first + (out - 1) * stride + 1 : stride]
        bias = params[1:] if place == 0 else ()
        image = part.reshape(batch * out, *part.shape[2:])
        y = np.asarray(conv.OPS["conv"].forward((image,), (weight[:, :, place], *bias), flat, ctx))
        total = y if total is None else total + y
    assert total is not None
    return total.reshape(batch, out, *total.shape[1:]).transpose(0, 2, 1, 3, 4)


OPS = {"conv3d": Op(_infer, _forward, params=(1, 2))}
