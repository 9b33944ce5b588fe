"""Convolution as blocks of gathered patches times the weight matrix (im2col and BLAS).

Images lie channels-last, so that a patch row is one contiguous run and the product is again an
image. Only a block of patches that stays in cache exists at a time; the backward pass gathers it
again, which is faster than reading a stored matrix back from memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from compress.ops.base import Array, Arrays, Attrs, Context, Gradients, Op, Shape
from compress.ops.window import Pair, Window, channels_first, channels_last, image_shape
from hwsim.workload import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_ELEMENTS = 1 << 17
"""Patch elements gathered at a time: half a megabyte, which an L2 cache holds."""


class _Shape(NamedTuple):
    """Sizes of one convolution, channels per group."""

    groups: int
    depth: int
    filters: int
    out_hw: Pair


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, height, width = image_shape(shapes)
    weight, groups = params[0], int(attrs.get("groups", 1))
    if len(weight) != 4:
        raise InputError(f"weights have shape {weight}, expected (filters, channels, height, width)")
    if groups < 1 or channels % groups or weight[0] % groups:
        raise InputError(f"{groups} groups must divide {channels} input and {weight[0]} output channels")
    if weight[1] * groups != channels:
        raise InputError(f"weights {weight} in {groups} groups do not fit {channels} input channels")
    if len(params) > 1 and params[1] != weight[:1]:
        raise InputError(f"bias has shape {params[1]}, expected {weight[:1]}")
    out_hw = Window.of(attrs, weight[2:]).output_hw((height, width))
    return ((batch, weight[0], *out_hw),)


@njit(cache=True)
def _gather(x, out_hw, first, channel, depth, kernel, stride, dilation, patches):  # type: ignore[no-untyped-def]
    """Fill `patches` (rows, kernel height, kernel width, depth) from output position `first` on."""
    for row in range(patches.shape[0]):
        position, column = divmod(first + row, out_hw[1])
        item, line = divmod(position, out_hw[0])
        top, left = line * stride[0], column * stride[1]
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                for c in range(depth):
                    patches[row, i, j, c] = x[
                        item, top + i * dilation[0], left + j * dilation[1], channel + c
                    ]


@njit(cache=True)
def _scatter(patches, out_hw, first, channel, depth, kernel, stride, dilation, x):  # type: ignore[no-untyped-def]
    """Add `patches` back to the places they were gathered from."""
    for row in range(patches.shape[0]):
        position, column = divmod(first + row, out_hw[1])
        item, line = divmod(position, out_hw[0])
        top, left = line * stride[0], column * stride[1]
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                for c in range(depth):
                    x[item, top + i * dilation[0], left + j * dilation[1], channel + c] += patches[
                        row, i, j, c
                    ]


def _padded(x: Array, window: Window) -> Array:
    """Channels-last image with its pads in place."""
    last = channels_last(x)
    top, left, bottom, right = window.pads
    if not any(window.pads):
        return last
    batch, height, width, channels = last.shape
    padded = np.zeros((batch, height + top + bottom, width + left + right, channels), x.dtype)
    padded[:, top : top + height, left : left + width] = last
    return padded


def _matrices(weight: Array, groups: int) -> Array:
    """Weights as (groups, filters, kernel height * kernel width * depth)."""
    return channels_last(weight).reshape(groups, len(weight) // groups, -1)


def _blocks(rows: int, depth: int) -> Iterator[slice]:
    step = max(BLOCK_ELEMENTS // depth, 16)
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def _sizes(x: Array, weight: Array, attrs: Attrs, window: Window) -> _Shape:
    groups = int(attrs.get("groups", 1))
    out_hw = window.output_hw((x.shape[2], x.shape[3]))
    return _Shape(groups, weight.shape[1], len(weight) // groups, out_hw)


def _patches(image: Array, size: _Shape, window: Window, group: int, rows: slice, out: Array) -> Array:
    """Patches of `rows` output positions as a matrix (rows, kernel height * kernel width * depth)."""
    if window.plain and size.groups == 1:
        return image.reshape(-1, size.depth)[rows]
    block = out[: rows.stop - rows.start].reshape(-1, *window.kernel, size.depth)
    _gather(
        image, size.out_hw, rows.start, group * size.depth, size.depth,
        window.kernel, window.stride, window.dilation, block,
    )  # fmt: skip
    return block.reshape(len(block), -1)


def _forward(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    x, weight = inputs[0], params[0]
    window = Window.of(attrs, weight.shape[2:])
    size = _sizes(x, weight, attrs, window)
    image, matrices = _padded(x, window), _matrices(weight, size.groups)
    y = ctx.buffer("y", (len(x), *size.out_hw, len(weight)), x.dtype)
    flat = y.reshape(-1, size.groups, size.filters)
    span = matrices.shape[2]
    scratch = ctx.buffer("patches", (max(BLOCK_ELEMENTS // span, 16), span), x.dtype)
    for rows in _blocks(len(flat), span):
        for group in range(size.groups):
            patches = _patches(image, size, window, group, rows, scratch)
            flat[rows, group] = patches @ matrices[group].T
        if len(params) > 1:
            flat[rows] += params[1].reshape(size.groups, size.filters)
    return channels_first(y)


def _backward(grad: Array, inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Gradients:
    x, weight = inputs[0], params[0]
    window = Window.of(attrs, weight.shape[2:])
    size = _sizes(x, weight, attrs, window)
    image, matrices = _padded(x, window), _matrices(weight, size.groups)
    flat = channels_last(grad).reshape(-1, size.groups, size.filters)
    span = matrices.shape[2]
    d_matrices = np.zeros_like(matrices)
    d_image = np.zeros_like(image) if ctx.needs[0] else None
    scratch = ctx.buffer("patches", (max(BLOCK_ELEMENTS // span, 16), span), x.dtype)
    for rows in _blocks(len(flat), span):
        for group in range(size.groups):
            g = np.ascontiguousarray(flat[rows, group])
            d_matrices[group] += g.T @ _patches(image, size, window, group, rows, scratch)
            if d_image is not None:
                block = (g @ matrices[group]).reshape(-1, *window.kernel, size.depth)
                _scatter(
                    block, size.out_hw, rows.start, group * size.depth, size.depth,
                    window.kernel, window.stride, window.dilation, d_image,
                )  # fmt: skip
    d_weight = channels_first(d_matrices.reshape(len(weight), *window.kernel, size.depth))
    gradients = (np.ascontiguousarray(d_weight), flat.sum(axis=0).ravel())
    return (None if d_image is None else _cropped(d_image, x.shape, window),), gradients[: len(params)]


def _cropped(image: Array, shape: Shape, window: Window) -> Array:
    top, left = window.pads[:2]
    return channels_first(image[:, top : top + shape[2], left : left + shape[3]])


OPS = {"conv": Op(_infer, _forward, _backward, params=(1, 2))}
