"""Pooling over windows of an image."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Gradients, Op, Shape
from compress.nn.ops.window import Window, channels_first, channels_last, image_shape
from hwsim.compiled import njit


def _infer(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, height, width = image_shape(shapes)
    return ((batch, channels, *Window.of_pool(attrs).output_hw((height, width))),)


def _infer_global(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, _, _ = image_shape(shapes)
    return ((batch, channels, 1, 1),)


@njit(cache=True)
def _max(x, kernel, stride, pads, lowest, y, winner):  # type: ignore[no-untyped-def]
    """Maximum of each window; `winner` is the place in the window of the first maximum."""
    items, height, width, channels = x.shape
    for n in range(items):
        for oy in range(y.shape[1]):
            for ox in range(y.shape[2]):
                top, left = oy * stride[0] - pads[0], ox * stride[1] - pads[1]
                best, place = y[n, oy, ox], winner[n, oy, ox]
                for c in range(channels):
                    best[c] = lowest
                    place[c] = 0
                for i in range(max(0, -top), min(kernel[0], height - top)):
                    for j in range(max(0, -left), min(kernel[1], width - left)):
                        values, here = x[n, top + i, left + j], np.int32(i * kernel[1] + j)
                        for c in range(channels):
                            better = values[c] > best[c]
                            best[c] = values[c] if better else best[c]
                            place[c] = here if better else place[c]


@njit(cache=True)
def _max_backward(grad, winner, kernel, stride, pads, d_x):  # type: ignore[no-untyped-def]
    """Add each gradient to its window's winner."""
    items, height, width, channels = d_x.shape
    for n in range(items):
        for oy in range(grad.shape[1]):
            for ox in range(grad.shape[2]):
                top, left = oy * stride[0] - pads[0], ox * stride[1] - pads[1]
                upstream, place = grad[n, oy, ox], winner[n, oy, ox]
                for i in range(max(0, -top), min(kernel[0], height - top)):
                    for j in range(max(0, -left), min(kernel[1], width - left)):
                        target, here = d_x[n, top + i, left + j], np.int32(i * kernel[1] + j)
                        for c in range(channels):
                            target[c] += upstream[c] if place[c] == here else 0


def _lowest(dtype: np.dtype) -> np.generic:
    """Return what no element of a type is below: minus infinity, or the least integer."""
    return dtype.type(-np.inf if dtype.kind == "f" else np.iinfo(dtype).min)


def _max_forward(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    window, x = Window.of_pool(attrs), channels_last(inputs[0])
    shape = (x.shape[0], *window.output_hw((x.shape[1], x.shape[2])), x.shape[3])
    y = ctx.buffer("y", shape, x.dtype)
    winner = ctx.saved["winner"] = ctx.buffer("winner", shape, np.int32)
    _max(x, window.kernel, window.stride, window.pads, _lowest(x.dtype), y, winner)
    return channels_first(y)


def _max_pool_backward(grad: Array, inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Gradients:
    window = Window.of_pool(attrs)
    batch, channels, height, width = inputs[0].shape
    d_x = ctx.buffer("dx", (batch, height, width, channels), grad.dtype)
    d_x[...] = 0
    _max_backward(channels_last(grad), ctx.saved["winner"], window.kernel, window.stride, window.pads, d_x)
    return (channels_first(d_x),), ()


@njit(cache=True)
def _divisor(top, left, kernel, pads, height, width, include_pad):  # type: ignore[no-untyped-def]
    """Elements of the window at (top, left): those inside the image, or inside its pads too."""
    if include_pad:
        return min(kernel[0], height + pads[2] - top) * min(kernel[1], width + pads[3] - left)
    return (min(kernel[0], height - top) - max(0, -top)) * (min(kernel[1], width - left) - max(0, -left))


@njit(cache=True)
def _mean(x, kernel, stride, pads, include_pad, y):  # type: ignore[no-untyped-def]
    items, height, width, channels = x.shape
    for n in range(items):
        for oy in range(y.shape[1]):
            for ox in range(y.shape[2]):
                top, left = oy * stride[0] - pads[0], ox * stride[1] - pads[1]
                total = y[n, oy, ox]
                total[:] = 0
                for i in range(max(0, -top), min(kernel[0], height - top)):
                    for j in range(max(0, -left), min(kernel[1], width - left)):
                        values = x[n, top + i, left + j]
                        for c in range(channels):
                            total[c] += values[c]
                total /= x.dtype.type(_divisor(top, left, kernel, pads, height, width, include_pad))


@njit(cache=True)
def _mean_backward(grad, kernel, stride, pads, include_pad, d_x):  # type: ignore[no-untyped-def]
    """Spread each gradient evenly over its window."""
    items, height, width, channels = d_x.shape
    for n in range(items):
        for oy in range(grad.shape[1]):
            for ox in range(grad.shape[2]):
                top, left = oy * stride[0] - pads[0], ox * stride[1] - pads[1]
                divisor = d_x.dtype.type(_divisor(top, left, kernel, pads, height, width, include_pad))
                share = grad[n, oy, ox] / divisor
                for i in range(max(0, -top), min(kernel[0], height - top)):
                    for j in range(max(0, -left), min(kernel[1], width - left)):
                        target = d_x[n, top + i, left + j]
                        for c in range(channels):
                            target[c] += share[c]


def _mean_forward(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    window, x = Window.of_pool(attrs), channels_last(inputs[0])
    shape = (x.shape[0], *window.output_hw((x.shape[1], x.shape[2])), x.shape[3])
    y = ctx.buffer("y", shape, x.dtype)
    _mean(x, window.kernel, window.stride, window.pads, bool(attrs.get("count_include_pad", 1)), y)
    return channels_first(y)


def _mean_pool_backward(
    grad: Array, inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context
) -> Gradients:
    window = Window.of_pool(attrs)
    batch, channels, height, width = inputs[0].shape
    d_x = ctx.buffer("dx", (batch, height, width, channels), grad.dtype)
    d_x[...] = 0
    include_pad = bool(attrs.get("count_include_pad", 1))
    _mean_backward(channels_last(grad), window.kernel, window.stride, window.pads, include_pad, d_x)
    return (channels_first(d_x),), ()


def _global_forward(inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    return inputs[0].mean(axis=(2, 3), keepdims=True, dtype=inputs[0].dtype)


def _global_backward(grad: Array, inputs: Arrays, _params: Arrays, _attrs: Attrs, _ctx: Context) -> Gradients:
    shape = inputs[0].shape
    return (np.broadcast_to(grad / (shape[2] * shape[3]), shape),), ()


OPS = {
    "max_pool": Op(_infer, _max_forward, _max_pool_backward),
    "avg_pool": Op(_infer, _mean_forward, _mean_pool_backward),
    "global_avg_pool": Op(_infer_global, _global_forward, _global_backward),
}
