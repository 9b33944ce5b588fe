"""Layers whose weights lie as a product reads them: convolutions without copies of patches; inference only.

``tiled_conv`` and ``tiled_fc`` take `packed` weights and a bias for every column of all panels; ``shape`` is
that of the weights as they were. See `compress.nn.tiling`, which makes them of ``conv`` and ``fc``.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops import conv, fc
from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.tile import FLOAT_B, ROWS, WIDTH, Places, multiply
from compress.nn.ops.window import Window, channels_first
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_ELEMENTS = 1 << 16
"""Outputs that are computed before their tail is applied: they stay in cache."""

BLOCK_ROWS = 16 * ROWS
"""Rows at a time, about, where there are many columns: weights are read once per block."""

Shapes = tuple[Shape, ...]


def packed(weight: Array) -> Array:
    """Weights (filters, inner dimension...) as panels, shape (panels, inner dimension, `WIDTH`).

    Channels come last in the inner dimension; columns beyond the filters are zeros.
    """
    rows = np.moveaxis(weight, 1, -1).reshape(len(weight), -1)
    panels = np.zeros((ceil_div(len(rows), WIDTH) * WIDTH, rows.shape[1]), np.float32)
    panels[: len(rows)] = rows
    return np.ascontiguousarray(panels.reshape(-1, WIDTH, rows.shape[1]).transpose(0, 2, 1))


def padded(bias: Array | None, filters: int) -> Array:
    """Bias for every column of all panels; zeros where there is none."""
    columns = np.zeros(ceil_div(filters, WIDTH) * WIDTH, np.float32)
    if bias is not None:
        columns[:filters] = bias
    return columns


def _inferred(op: Op) -> Callable[[Shapes, Shapes, Attrs], Shapes]:
    """Infer the shape of a layer with packed weights as that of the layer `op`."""

    def infer(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
        shape = tuple(map(operator.index, attrs["shape"]))
        if min(shape, default=0) < 1:
            raise InputError(f"shape of the weights is {shape}, expected positive numbers")
        panels = ceil_div(shape[0], WIDTH)
        expected = ((panels, math.prod(shape[1:]), WIDTH), (panels * WIDTH,))
        if params != expected:
            raise InputError(f"packed weights and bias have shapes {params}, expected {expected}")
        return op.infer(shapes, (shape,), attrs)

    return infer


def _conv(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    x, (filters, depth, *kernel) = inputs[0], attrs["shape"]
    window = Window.of(attrs, (kernel[0], kernel[1]))
    image = _image(x, window)
    item, line, column, _ = (step // FLOAT_B for step in image.strides)
    out = window.output_hw((x.shape[2], x.shape[3]))
    places = Places(
        *out, item, line * window.stride[0], column * window.stride[1],
        kernel[0], kernel[1] * depth, line * window.dilation[0],
    )  # fmt: skip
    y = np.empty((len(x), *out, filters), np.float32)
    _product(image, places, params, y, ctx)
    return channels_first(y)


def _image(x: Array, window: Window) -> Array:
    """Channels-last image with its pads in place: a view if a line of a kernel lies in one piece there."""
    last = x.transpose(0, 2, 3, 1)
    batch, height, width, channels = last.shape
    if any(window.pads):
        top, left, bottom, right = window.pads
        image = np.zeros((batch, height + top + bottom, width + left + right, channels), np.float32)
        image[:, top : top + height, left : left + width] = last
        return image
    together = last.strides[3] == FLOAT_B and (window.kernel[1] == 1 or last.strides[2] == FLOAT_B * channels)
    whole = all(step % FLOAT_B == 0 for step in last.strides)
    return last if last.dtype == np.float32 and together and whole else np.ascontiguousarray(last, np.float32)


def _fc(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    x, (outputs, depth) = np.ascontiguousarray(inputs[0], np.float32), attrs["shape"]
    y = np.empty((*x.shape[:-1], outputs), np.float32)
    _product(x, Places(1, max(y.size // outputs, 1), 0, 0, depth, 1, depth, 0), params, y, ctx)
    return y


def _product(image: Array, places: Places, params: Arrays, y: Array, ctx: Context) -> None:
    """Fill `y` (..., filters), block by block, and apply the tail."""
    panels, bias = (np.ascontiguousarray(values, np.float32) for values in params)
    channels, limits = y.shape[-1], ctx.bounds(y.dtype)
    flat, rows = y.reshape(-1), y.reshape(-1, channels)
    blocks = max(round(len(rows) / max(BLOCK_ELEMENTS // channels, BLOCK_ROWS)), 1)
    step = max(ceil_div(len(rows), blocks * ROWS), 1) * ROWS
    for first in range(0, len(rows), step):
        part = slice(first, min(first + step, len(rows)))
        multiply(
            image.ctypes.data, places, first, panels.ctypes.data, bias.ctypes.data,
            flat, first * channels, part.stop - first, channels, *limits,
        )  # fmt: skip
        if ctx.tail is not None:
            ctx.tail(rows[part], part)


OPS = {
    "tiled_conv": Op(_inferred(conv.OPS["conv"]), _conv, params=(2, 2)),
    "tiled_fc": Op(_inferred(fc.OPS["fc"]), _fc, params=(2, 2)),
}
