"""Reductions over axes and the normalisations built on them; inference only."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.shaping import axes_of, axis_of
from compress.nn.ops.window import image_shape
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

Shapes = tuple[Shape, ...]


def _infer_reduce(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    reduced = axes_of(attrs["axes"], len(shapes[0]))
    kept = bool(attrs.get("keepdims", 1))
    sizes = ((axis in reduced, size) for axis, size in enumerate(shapes[0]))
    return (tuple(1 if gone else size for gone, size in sizes if kept or not gone),)


def _reduction(function: Callable[..., Array]) -> Op:
    def forward(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
        x = inputs[0]
        result = function(x, axis=tuple(attrs["axes"]), keepdims=bool(attrs.get("keepdims", 1)))
        return np.asarray(result, x.dtype)

    return Op(_infer_reduce, forward)


def _l2(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _infer_layer_norm(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    axis = axis_of(attrs.get("axis", -1), len(shapes[0]))
    float(attrs.get("epsilon", 0))
    if any(shape != shapes[0][axis:] for shape in params):
        raise InputError(f"scale and bias have shapes {params}, expected {shapes[0][axis:]}")
    return (shapes[0],)


def _layer_norm(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Zero mean and unit variance over the axes from ``axis`` on, scaled and shifted (Ba et al. 2016)."""
    x = inputs[0]
    axes = tuple(range(axis_of(attrs.get("axis", -1), x.ndim), x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = (centred * centred).mean(axis=axes, keepdims=True)
    y = centred / np.sqrt(variance + x.dtype.type(attrs.get("epsilon", 1e-5)))
    if params:
        y *= params[0]
    if len(params) > 1:
        y += params[1]
    return y


def _rms_norm(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Unit mean square along the last axis, scaled (Zhang and Sennrich 2019)."""
    x = inputs[0]
    mean = (x * x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(mean + x.dtype.type(attrs.get("epsilon", 1e-5))) * params[0]


def _infer_rms_norm(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    float(attrs.get("epsilon", 0))
    if params[0] != shapes[0][-1:]:
        raise InputError(f"scale has shape {params[0]}, expected {shapes[0][-1:]}")
    return (shapes[0],)


def _infer_group_norm(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    groups, channels = operator.index(attrs["groups"]), shapes[0][1:2]
    float(attrs.get("epsilon", 0))
    if len(shapes[0]) < 3 or groups < 1 or channels[0] % groups:
        raise InputError(f"{groups} groups do not divide the channels of {shapes[0]}")
    if any(shape != channels for shape in params):
        raise InputError(f"scale and bias have shapes {params}, expected {channels}")
    return (shapes[0],)


def _group_norm(inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Zero mean and unit variance of each group of channels, scaled and shifted (Wu and He 2018)."""
    x = inputs[0]
    rows = x.reshape(len(x), attrs["groups"], -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    variance = (centred * centred).mean(axis=2, keepdims=True)
    y = (centred / np.sqrt(variance + x.dtype.type(attrs.get("epsilon", 1e-5)))).reshape(x.shape)
    return _affine((y,), params, attrs, _ctx) if params else y


def _infer_affine(shapes: Shapes, params: Shapes, _attrs: Attrs) -> Shapes:
    if len(shapes[0]) < 2 or any(shape != (shapes[0][1],) for shape in params):
        raise InputError(
            f"scale and shift have shapes {params}, expected one number per channel of {shapes[0]}"
        )
    return (shapes[0],)


def _affine(inputs: Arrays, params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    """Scale and shift each channel: what is left of a batch normalisation at inference."""
    along = (-1,) + (1,) * (inputs[0].ndim - 2)
    return inputs[0] * params[0].reshape(along) + params[1].reshape(along)


def _infer_lrn(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    image_shape(shapes)
    for name in ("alpha", "beta", "bias"):
        float(attrs[name])
    if attrs["size"] < 1:
        raise InputError(f"size is {attrs['size']}, expected at least 1")
    return (shapes[0],)


def _lrn(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Local response normalisation across ``size`` neighbouring channels (Krizhevsky et al. 2012, 3.3)."""
    x, size = inputs[0], attrs["size"]
    lead = (size - 1) // 2
    squares = x * x
    channels = x.shape[1]
    total = np.zeros_like(squares)
    for offset in range(-min(lead, channels - 1), min(size - 1 - lead, channels - 1) + 1):
        total[:, max(0, -offset) : channels - max(0, offset)] += squares[
            :, max(0, offset) : channels - max(0, -offset)
        ]
    total *= x.dtype.type(attrs["alpha"]) / x.dtype.type(size)
    total += x.dtype.type(attrs["bias"])
    return x * np.power(total, x.dtype.type(-attrs["beta"]))


OPS = {
    "reduce_mean": _reduction(np.mean),
    "reduce_sum": _reduction(np.sum),
    "reduce_max": _reduction(np.max),
    "reduce_min": _reduction(np.min),
    "reduce_prod": _reduction(np.prod),
    "reduce_l2": _reduction(_l2),
    "layer_norm": Op(_infer_layer_norm, _layer_norm, params=(0, 2)),
    "rms_norm": Op(_infer_rms_norm, _rms_norm, params=(1, 1)),
    "group_norm": Op(_infer_group_norm, _group_norm, params=(0, 2)),
    "affine": Op(_infer_affine, _affine, params=(2, 2), work=2),  # scale, shift
    "lrn": Op(_infer_lrn, _lrn),
}
