"""Convolution as blocks of gathered patches times the weight matrix (im2col and BLAS).

Images lie channels-last, so that a patch row is one contiguous run and the product is again an
image. Only a block of patches that stays in cache exists at a time; the backward pass gathers it
again, which is faster than reading a stored matrix back from memory.
"""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.nn.ops.base import NO_LIMITS, Array, Arrays, Attrs, Context, Gradients, Op, Shape
from compress.nn.ops.window import Window, channels_first, channels_last, image_shape
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_ELEMENTS = 1 << 17
"""Patch elements gathered at a time: half a megabyte, which an L2 cache holds."""

BLOCK_ROWS = 256
"""Fewest patches at a time: a deep layer's weights are read once per block."""


class _Route(NamedTuple):
    """How patches lie in a channels-last image whose lines are flat.

    A patch is `patch_shape` = (kernel height, runs, run): elements of one run lie side by side. A whole
    kernel row is a single run unless dilation or groups leave gaps.

    Parameters
    ----------
    out_h, out_w : int
        Positions of the kernel.
    stride_h, stride_w : int
        Lines, and elements, between neighbouring positions.
    dilation_h, gap : int
        Lines between kernel rows, and elements between the starts of runs.
    """

    out_h: int
    out_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    gap: int


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    batch, channels, height, width = image_shape(shapes)
    weight, groups = params[0], operator.index(attrs.get("groups", 1))
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
def _gather(lines, route, first, offset, patches):  # type: ignore[no-untyped-def]
    """Fill `patches` (rows, *patch_shape) from output position `first` on.

    Slices, not sums of indices, let the compiler prove that no index is negative and use SIMD.
    """
    item, place = divmod(first, route.out_h * route.out_w)
    line, column = divmod(place, route.out_w)
    _, kernel_h, runs, run = patches.shape
    for row in range(len(patches)):
        for i in range(kernel_h):
            for j in range(runs):
                start = offset + column * route.stride_w + j * route.gap
                source = lines[item, line * route.stride_h + i * route.dilation_h, start : start + run]
                target = patches[row, i, j]
                for c in range(run):
                    target[c] = source[c]
        column += 1
        if column == route.out_w:
            line, column = line + 1, 0
        if line == route.out_h:
            item, line = item + 1, 0


@njit(cache=True)
def _gather_columns(lines, route, first, offset, columns):  # type: ignore[no-untyped-def]
    """Fill `columns` (kernel height, run, rows), the transpose of what `_gather` fills.

    For neighbouring positions that are neighbouring elements: each copy is a whole line of the output,
    longer than a run.
    """
    kernel_h, run, rows = columns.shape
    first_item, place = divmod(first, route.out_h * route.out_w)
    for i in range(kernel_h):
        for j in range(run):
            target, item, row = columns[i, j], first_item, 0
            line, column = divmod(place, route.out_w)
            while row < rows:
                source = lines[item, line * route.stride_h + i * route.dilation_h, offset + j :]
                count = min(route.out_w - column, rows - row)
                part, moved = target[row : row + count], source[column : column + count]
                for c in range(count):
                    part[c] = moved[c]
                row += count
                line, column = line + 1, 0
                if line == route.out_h:
                    item, line = item + 1, 0


@njit(cache=True)
def _scatter(patches, route, first, offset, lines):  # type: ignore[no-untyped-def]
    """Add `patches` back to the places they were gathered from."""
    item, place = divmod(first, route.out_h * route.out_w)
    line, column = divmod(place, route.out_w)
    _, kernel_h, runs, run = patches.shape
    for row in range(len(patches)):
        for i in range(kernel_h):
            for j in range(runs):
                start = offset + column * route.stride_w + j * route.gap
                target = lines[item, line * route.stride_h + i * route.dilation_h, start : start + run]
                source = patches[row, i, j]
                for c in range(run):
                    target[c] += source[c]
        column += 1
        if column == route.out_w:
            line, column = line + 1, 0
        if line == route.out_h:
            item, line = item + 1, 0


@njit(cache=True, fastmath={"contract", "reassoc"})
def _depthwise(image, weight, bias, window, first, low, high, y):  # type: ignore[no-untyped-def]
    """Convolve each channel with its own kernel of `weight` (height, width, channels).

    `y` has the lines of the output from `first` on, `window` the stride, dilation and leading pads of both
    axes. Numbers below `low` and above `high` become these.
    """
    height, width, channels = image.shape
    (down, along), (apart_h, apart_w), (pad_h, pad_w) = window
    small = weight.shape[:2] == (3, 3)
    for line in range(y.shape[0]):
        top = (first + line) * down - pad_h
        for column in range(y.shape[1]):
            left, out = column * along - pad_w, y[line, column]
            if small and min(top, left) >= 0 and top + 2 * apart_h < height and left + 2 * apart_w < width:
                middle, right = left + apart_w, left + 2 * apart_w  # the usual case: `out` is written once
                pixels = image[top]
                a0, a1, a2 = pixels[left], pixels[middle], pixels[right]
                pixels = image[top + apart_h]
                b0, b1, b2 = pixels[left], pixels[middle], pixels[right]
                pixels = image[top + 2 * apart_h]
                c0, c1, c2 = pixels[left], pixels[middle], pixels[right]
                u0, u1, u2 = weight[0, 0], weight[0, 1], weight[0, 2]
                v0, v1, v2 = weight[1, 0], weight[1, 1], weight[1, 2]
                w0, w1, w2 = weight[2, 0], weight[2, 1], weight[2, 2]
                for c in range(channels):
                    upper = a0[c] * u0[c] + a1[c] * u1[c] + a2[c] * u2[c]
                    centre = b0[c] * v0[c] + b1[c] * v1[c] + b2[c] * v2[c]
                    lower = c0[c] * w0[c] + c1[c] * w1[c] + c2[c] * w2[c]
                    total = bias[c] + upper + centre + lower
                    total = low if total < low else total
                    out[c] = high if total > high else total
                continue
            out[:] = bias
            for i in range(weight.shape[0]):
                at = top + i * apart_h
                for j in range(weight.shape[1] if 0 <= at < height else 0):
                    place = left + j * apart_w
                    if 0 <= place < width:
                        pixel, kernel = image[at, place], weight[i, j]
                        for c in range(channels):
                            out[c] += pixel[c] * kernel[c]
            for c in range(channels):
                total = low if out[c] < low else out[c]
                out[c] = high if total > high else total


@njit(cache=True)
def _add_bias(rows, bias):  # type: ignore[no-untyped-def]
    """Add to every row; numpy is slow where rows are short."""
    for at in range(len(rows)):
        row = rows[at]
        for c in range(len(bias)):
            row[c] += bias[c]


class _Convolution:
    """One call: the padded image as lines, the weights as matrices, and the way patches are taken."""

    def __init__(self, inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> None:
        x, weight = inputs[0], params[0]
        self.window = window = Window.of(attrs, weight.shape[2:])
        self.groups = operator.index(attrs.get("groups", 1))
        self.filters, self.depth = len(weight) // self.groups, weight.shape[1]
        self.image = _padded(x, window)
        batch, height, width, channels = self.image.shape
        self.lines = self.image.reshape(batch, height, width * channels)
        self.out_hw = window.output_hw((x.shape[2], x.shape[3]))
        self.positions = batch * self.out_hw[0] * self.out_hw[1]
        together = self.groups == 1 and window.dilation[1] == 1
        runs = 1 if together else window.kernel[1]
        self.patch_shape = (window.kernel[0], runs, window.kernel[1] // runs * self.depth)
        self.route = _Route(
            *self.out_hw, window.stride[0], window.stride[1] * channels,
            window.dilation[0], window.dilation[1] * channels,
        )  # fmt: skip
        self.matrices = channels_last(weight).reshape(self.groups, self.filters, -1)
        self.span = self.matrices.shape[2]
        self.step = max(BLOCK_ELEMENTS // self.span, BLOCK_ROWS)
        self.scratch = ctx.buffer("patches", (min(self.step, self.positions), self.span), x.dtype)

    def blocks(self) -> Iterator[slice]:
        """Blocks of output positions."""
        for first in range(0, self.positions, self.step):
            yield slice(first, min(first + self.step, self.positions))

    def gather(self, rows: slice, group: int) -> Array:
        """Patches of a block as a matrix; valid until the next block."""
        if self.window.plain and self.groups == 1:
            return self.image.reshape(-1, self.depth)[rows]
        matrix = self.scratch[: rows.stop - rows.start]
        if self.patch_shape[1] == self.route.stride_w == 1:
            columns = matrix.reshape(*self.patch_shape[::2], -1)
            _gather_columns(self.lines, self.route, rows.start, group * self.depth, columns)
            return columns.reshape(self.span, -1).T
        patches = matrix.reshape(-1, *self.patch_shape)
        _gather(self.lines, self.route, rows.start, group * self.depth, patches)
        return matrix

    def scatter(self, matrix: Array, rows: slice, group: int, lines: Array) -> None:
        """Add patches to where `gather` takes them from."""
        patches = matrix.reshape(-1, *self.patch_shape)
        _scatter(patches, self.route, rows.start, group * self.depth, lines)


def _by_channel(x: Array, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    """Convolve each channel with a kernel of its own, some lines at a time."""
    image, weight = channels_last(x), params[0]
    kernels = np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0))
    bias = params[1] if len(params) > 1 else np.zeros(len(weight), x.dtype)
    window = Window.of(attrs, weight.shape[2:])
    height, width = window.output_hw((x.shape[2], x.shape[3]))
    y = ctx.buffer("y", (len(x), height, width, len(weight)), x.dtype)
    low, high = ctx.bounds(x.dtype)
    geometry = window.stride, window.dilation, (window.pads[0], window.pads[1])
    step = max(BLOCK_ELEMENTS // (2 * width * len(weight)), 1)
    for item, first in product(range(len(x)), range(0, height, step)):
        lines = y[item, first : first + step]
        _depthwise(image[item], kernels, bias, geometry, first, low, high, lines)
        if ctx.tail is not None:
            begin = (item * height + first) * width
            ctx.tail(lines.reshape(-1, len(weight)), slice(begin, begin + len(lines) * width))
    return channels_first(y)


def _forward(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    x, weight = inputs[0], params[0]
    if weight.shape[1] == 1 and len(weight) == x.shape[1]:
        return _by_channel(x, params, attrs, ctx)
    conv = _Convolution(inputs, params, attrs, ctx)
    y = ctx.buffer("y", (len(x), *conv.out_hw, len(weight)), x.dtype)
    flat = y.reshape(-1, len(weight))
    for rows in conv.blocks():
        block = flat[rows]
        for group in range(conv.groups):
            part = block[:, group * conv.filters : (group + 1) * conv.filters]
            np.matmul(conv.gather(rows, group), conv.matrices[group].T, out=part)
        if len(params) > 1:
            _add_bias(block, params[1])
        if ctx.limits != NO_LIMITS:
            np.clip(block, *ctx.bounds(block.dtype), out=block)
        if ctx.tail is not None:
            ctx.tail(block, rows)
    return channels_first(y)


def arranged(weight: Array) -> Array:
    """Weights (filters, channels, height, width) in the order of memory that a product reads.

    The values are the same; without it every call copies them into that order.
    """
    return channels_first(channels_last(weight))


def _backward(grad: Array, inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Gradients:
    conv = _Convolution(inputs, params, attrs, ctx)
    flat = channels_last(grad).reshape(-1, conv.groups, conv.filters)
    d_matrices = np.zeros_like(conv.matrices)
    d_lines = np.zeros_like(conv.lines) if ctx.needs[0] else None
    for rows, group in product(conv.blocks(), range(conv.groups)):
        upstream = flat[rows, group]
        d_matrices[group] += upstream.T @ conv.gather(rows, group)
        if d_lines is not None:
            patches = conv.scratch[: len(upstream)]
            np.matmul(upstream, conv.matrices[group], out=patches)
            conv.scatter(patches, rows, group, d_lines)
    d_weight = channels_first(d_matrices.reshape(-1, *conv.window.kernel, conv.depth))
    d_bias = np.ones(len(flat), flat.dtype) @ flat.reshape(len(flat), -1)
    gradients = (np.ascontiguousarray(d_weight), d_bias)[: len(params)]
    if d_lines is None:
        return (None,), gradients
    return (_cropped(d_lines.reshape(conv.image.shape), inputs[0].shape, conv.window),), gradients


def _padded(x: Array, window: Window) -> Array:
    """Channels-last image with its pads in place."""
    last = channels_last(x)
    if not any(window.pads):
        return last
    top, left, bottom, right = window.pads
    batch, height, width, channels = last.shape
    padded = np.zeros((batch, height + top + bottom, width + left + right, channels), x.dtype)
    padded[:, top : top + height, left : left + width] = last
    return padded


def _cropped(image: Array, shape: Shape, window: Window) -> Array:
    top, left = window.pads[:2]
    return channels_first(image[:, top : top + shape[2], left : left + shape[3]])


OPS = {"conv": Op(_infer, _forward, _backward, params=(1, 2))}
