"""Transposed convolution: each pixel spreads its weighted kernel over the output; inference only."""

from __future__ import annotations

import operator

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.window import Window, image_shape
from hwsim.errors import InputError


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, height, width = image_shape(shapes)
    weight, groups = params[0], operator.index(attrs.get("groups", 1))
    if len(weight) != 4 or weight[0] != channels:
        raise InputError(f"weights have shape {weight}, expected ({channels}, filters, height, width)")
    if groups < 1 or channels % groups:
        raise InputError(f"{groups} groups must divide {channels} input channels")
    if len(params) > 1 and params[1] != (weight[1] * groups,):
        raise InputError(f"bias has shape {params[1]}, expected {(weight[1] * groups,)}")
    out_hw = _output_hw((height, width), Window.of(attrs, (weight[2], weight[3])), _longer(attrs))
    return ((batch, weight[1] * groups, *out_hw),)


def _longer(attrs: Attrs) -> tuple[int, int]:
    """Rows and columns that the output has beyond what its size follows from."""
    height, width = (operator.index(size) for size in attrs.get("output_padding", (0, 0)))
    if min(height, width) < 0:
        raise InputError(f"output padding is {(height, width)}, expected at least 0")
    return height, width


def _output_hw(hw: tuple[int, int], window: Window, longer: tuple[int, int]) -> tuple[int, int]:
    height, width = (
        (hw[axis] - 1) * window.stride[axis]
        + window.dilation[axis] * (window.kernel[axis] - 1)
        + 1
        + longer[axis]
        - window.pads[axis]
        - window.pads[axis + 2]
        for axis in (0, 1)
    )
    if min(height, width) < 1:
        raise InputError(f"pads {window.pads} leave nothing of the output")
    return height, width


def _forward(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Add one product of pixel and weights per kernel position; weights are (channels, filters, h, w)."""
    x, weight = inputs[0], params[0]
    window, groups = Window.of(attrs, weight.shape[2:]), int(attrs.get("groups", 1))
    batch, channels, height, width = x.shape
    bare = Window(window.kernel, window.stride, dilation=window.dilation)
    full_h, full_w = _output_hw((height, width), bare, _longer(attrs))
    y = np.zeros((groups, batch, full_h, full_w, weight.shape[1]), x.dtype)
    image = x.reshape(batch, groups, channels // groups, height, width).transpose(1, 0, 3, 4, 2)
    kernels = weight.reshape(groups, 1, 1, channels // groups, weight.shape[1], *window.kernel)
    for i, j in np.ndindex(*window.kernel):
        top, left = i * window.dilation[0], j * window.dilation[1]
        rows = slice(top, top + (height - 1) * window.stride[0] + 1, window.stride[0])
        columns = slice(left, left + (width - 1) * window.stride[1] + 1, window.stride[1])
        y[:, :, rows, columns] += image @ kernels[..., i, j]
    flat = y.transpose(1, 2, 3, 0, 4).reshape(batch, full_h, full_w, -1)
    if len(params) > 1:
        flat += params[1]
    top, left, bottom, right = window.pads
    return flat[:, top : full_h - bottom, left : full_w - right].transpose(0, 3, 1, 2)


OPS = {"conv_transpose": Op(_infer, _forward, params=(1, 2))}
