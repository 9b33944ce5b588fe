"""Transposed convolution: each pixel spreads its weighted kernel over the output; inference only."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.window import Window, image_shape
from hwsim.errors import InputError


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, height, width = image_shape(shapes)
    weight = params[0]
    if len(weight) != 4 or weight[0] != channels:
        raise InputError(f"weights have shape {weight}, expected ({channels}, filters, height, width)")
    if len(params) > 1 and params[1] != weight[1:2]:
        raise InputError(f"bias has shape {params[1]}, expected {weight[1:2]}")
    out_hw = _output_hw((height, width), Window.of(attrs, (weight[2], weight[3])))
    return ((batch, weight[1], *out_hw),)


def _output_hw(hw: tuple[int, int], window: Window) -> tuple[int, int]:
    height, width = (
        (hw[axis] - 1) * window.stride[axis]
        + window.dilation[axis] * (window.kernel[axis] - 1)
        + 1
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
    window = Window.of(attrs, weight.shape[2:])
    batch, _, height, width = x.shape
    full_h, full_w = _output_hw(
        (height, width), Window(window.kernel, window.stride, dilation=window.dilation)
    )
    y = np.zeros((batch, full_h, full_w, weight.shape[1]), x.dtype)
    image = x.transpose(0, 2, 3, 1)
    for i, j in np.ndindex(*window.kernel):
        top, left = i * window.dilation[0], j * window.dilation[1]
        rows = slice(top, top + (height - 1) * window.stride[0] + 1, window.stride[0])
        columns = slice(left, left + (width - 1) * window.stride[1] + 1, window.stride[1])
        y[:, rows, columns] += image @ weight[:, :, i, j]
    if len(params) > 1:
        y += params[1]
    top, left, bottom, right = window.pads
    return y[:, top : full_h - bottom, left : full_w - right].transpose(0, 3, 1, 2)


OPS = {"conv_transpose": Op(_infer, _forward, params=(1, 2))}
