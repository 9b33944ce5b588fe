"""Layers executed on their stored form: sparse rows of codebook labels, or look-up by blocks of rows.

``sparse_fc`` and ``sparse_conv`` take the weights as compressed sparse rows: ``starts`` (rows + 1),
``columns`` and ``labels`` of the entries, and the ``table`` that labels look values up in; zeros are
neither stored nor multiplied. ``lookup_fc`` and ``lookup_conv`` take a label for every weight and
a ``scale`` per output (or one), and expand a few rows at a time for a dense product. Inference only.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from compress.nn.ops import conv, fc
from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.window import Window
from hwsim.compiled import njit
from hwsim.errors import InputError

ROWS = 64
"""Rows of weights that exist in full at a time."""

Shapes = tuple[Shape, ...]


def _check_sparse(params: Shapes, rows: int) -> None:
    starts, columns, labels = params[:3]
    if starts != (rows + 1,) or columns != labels:
        raise InputError(f"starts, columns and labels have shapes {params[:3]}, expected {rows + 1} starts")


def _check_entries(params: Arrays, columns: int) -> None:
    """Check what compiled loops index with: a file may hold anything.

    Raises
    ------
    InputError
        If an entry points outside its row or outside the table.
    """
    starts, places, labels, table = params[:4]
    ordered = starts[0] == 0 and starts[-1] == len(places) and (np.diff(starts) >= 0).all()
    inside = not len(places) or (
        0 <= places.min() <= places.max() < columns and 0 <= labels.min() <= labels.max() < len(table)
    )
    if not (ordered and inside):
        raise InputError(f"sparse weights point outside {columns} columns or {len(table)} values")


def _infer_sparse_fc(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    rows, columns = attrs["shape"]
    _check_sparse(params, rows)
    return fc.OPS["fc"].infer(shapes, ((rows, columns), *params[4:]), attrs)


def _infer_sparse_conv(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    _check_sparse(params, attrs["shape"][0])
    return conv.OPS["conv"].infer(shapes, (tuple(attrs["shape"]), *params[4:]), attrs)


@njit(cache=True)
def _sparse_rows(x, starts, columns, labels, table, y):  # type: ignore[no-untyped-def]
    """Product of each item (inputs,) with each sparse row, for `x` of shape (inputs, items)."""
    for row in range(len(starts) - 1):
        for item in range(y.shape[1]):
            y[row, item] = 0
        for entry in range(starts[row], starts[row + 1]):
            weight, column = table[labels[entry]], columns[entry]
            for item in range(y.shape[1]):
                y[row, item] += weight * x[column, item]


def _sparse_fc(inputs: Arrays, params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    x = inputs[0]
    _check_entries(params, x.shape[-1])
    starts, columns, labels, table = params[:4]
    items = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T)
    y = np.empty((len(starts) - 1, items.shape[1]), x.dtype)
    _sparse_rows(items, starts, columns, labels, table, y)
    y = y.T.reshape(*x.shape[:-1], len(starts) - 1)
    return y + params[4] if len(params) > 4 else y


@njit(cache=True)
def _sparse_image(x, starts, columns, labels, table, groups, kernel, stride, dilation, y):  # type: ignore[no-untyped-def]
    """Add each entry's weight times its shifted channel to its filter's image (Park et al. 2017)."""
    filters, depth = len(y), len(x) // groups
    for row in range(filters):
        first = row * groups // filters * depth
        out = y[row]
        out[:] = 0
        for entry in range(starts[row], starts[row + 1]):
            weight = table[labels[entry]]
            channel, place = divmod(columns[entry], kernel[0] * kernel[1])
            top, left = divmod(place, kernel[1])
            plane = x[first + channel]
            for line in range(out.shape[0]):
                source = plane[line * stride[0] + top * dilation[0]]
                for column in range(out.shape[1]):
                    out[line, column] += weight * source[column * stride[1] + left * dilation[1]]


def _sparse_conv(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    x = inputs[0]
    filters, depth, *kernel = attrs["shape"]
    _check_entries(params, math.prod(attrs["shape"][1:]))
    starts, columns, labels, table = params[:4]
    window = Window.of(attrs, (kernel[0], kernel[1]))
    top, left, bottom, right = window.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    groups = x.shape[1] // depth
    y = np.empty((len(x), filters, *window.output_hw((x.shape[2], x.shape[3]))), x.dtype)
    for image, out in zip(padded, y, strict=True):
        _sparse_image(
            image, starts, columns, labels, table, groups, window.kernel, window.stride, window.dilation, out
        )
    if len(params) > 4:
        y += params[4][:, None, None]
    return y


def _infer_lookup(op: Op, shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    labels, table, scale = params[:3]
    if len(table) != 1 or scale not in ((1,), labels[:1]):
        raise InputError(
            f"table and scale have shapes {table} and {scale}, expected one scale or {labels[:1]}"
        )
    return op.infer(shapes, (labels, *params[3:]), attrs)


def _lookup_fc(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    return _by_rows(fc.OPS["fc"], -1, inputs, params, attrs, ctx)


def _lookup_conv(inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    if attrs.get("groups", 1) != 1:
        weight = _expanded(params, slice(None))
        return np.asarray(conv.OPS["conv"].forward(inputs, (weight, *params[3:]), attrs, ctx))
    return _by_rows(conv.OPS["conv"], 1, inputs, params, attrs, ctx)


def _by_rows(op: Op, axis: int, inputs: Arrays, params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    parts = []
    for first in range(0, len(params[0]), ROWS):
        rows = slice(first, first + ROWS)
        block = (_expanded(params, rows), *(bias[rows] for bias in params[3:]))
        parts.append(op.forward(inputs, block, attrs, ctx))
    return np.concatenate([np.asarray(part) for part in parts], axis=axis)


def _expanded(params: Arrays, rows: slice) -> Array:
    labels, table, scale = params[:3]
    block = np.take(table, labels[rows], mode="clip")
    scale = scale if len(scale) == 1 else scale[rows]
    return block * scale.reshape(-1, *(1,) * (block.ndim - 1))


OPS = {
    "sparse_fc": Op(_infer_sparse_fc, _sparse_fc, params=(4, 5)),
    "sparse_conv": Op(_infer_sparse_conv, _sparse_conv, params=(4, 5)),
    "lookup_fc": Op(partial(_infer_lookup, fc.OPS["fc"]), _lookup_fc, params=(3, 4)),
    "lookup_conv": Op(partial(_infer_lookup, conv.OPS["conv"]), _lookup_conv, params=(3, 4)),
}
