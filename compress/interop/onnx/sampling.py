"""ONNX Resize and Upsample: each axis that changes is sampled at new places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.interop.onnx.builder import MAX_CONSTANT_ELEMENTS, Call, Constant, Value, constant, integers
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.nn.ops.base import Array

MODES = ("nearest", "linear", "cubic")
ROUNDING = 1e-3
"""Of a size that a scale in float32 gives."""

POLICIES = ("stretch", "not_larger", "not_smaller")


def resize(call: Call) -> Value:
    """Convert Resize and Upsample: a gather along each axis for nearest neighbours, else an interpolation."""
    mode = call.attrs.get("mode", "nearest")
    if mode not in MODES:
        raise InputError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    result, shape = call[0], call[0].shape
    sizes, scales = _target(call)
    for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True)):
        if size == shape[axis] and scale == 1:
            continue
        if not 0 < size <= MAX_CONSTANT_ELEMENTS:
            raise InputError(f"size is {size}, expected 1 to {MAX_CONSTANT_ELEMENTS}")
        suffix = f".axis{axis}"
        if mode == "nearest":
            rows = Constant(_nearest(call, shape[axis], size, scale))
            result = call.builder.apply("gather", result, rows, suffix=suffix, axis=axis)
        else:
            places, weights = _taps(call, mode, shape[axis], size, scale)
            params = {"places": places, "weights": weights}
            result = call.builder.apply("interpolate", result, params=params, suffix=suffix, axis=axis)
    return result


def _target(call: Call) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes and scales of all axes."""
    shape, opset = call[0].shape, call.builder.opset
    axes = tuple(axis_of(axis, len(shape)) for axis in call.attrs.get("axes", range(len(shape))))
    wanted = call.get(3) if opset >= 11 else None
    sizes, scales = list(shape), [1.0] * len(shape)
    if wanted is not None and wanted.shape != (0,):
        for axis, size, scale in _kept_ratio(call, axes, integers(wanted, "the sizes")):
            sizes[axis], scales[axis] = size, scale
    else:
        value = (
            call.attrs["scales"] if opset < 9 else constant(call.get(2 if opset >= 11 else 1), "the scales")
        )
        for axis, factor in zip(axes, value, strict=True):
            scales[axis] = float(factor)
            sizes[axis] = math.floor(shape[axis] * float(factor))
    return tuple(sizes), tuple(scales)


def _kept_ratio(call: Call, axes: tuple[int, ...], wanted: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Axis, size and scale of each axis with a wanted size; one scale of all if their ratio has to stay."""
    policy = call.attrs.get("keep_aspect_ratio_policy", POLICIES[0])
    if policy not in POLICIES:
        raise InputError(f"keep_aspect_ratio_policy is {policy!r}, expected one of {', '.join(POLICIES)}")
    shape = call[0].shape
    scales = [size / shape[axis] for axis, size in zip(axes, wanted, strict=True)]
    if policy == POLICIES[0]:
        return list(zip(axes, wanted, scales, strict=True))
    scale = (min if policy == "not_larger" else max)(scales)
    return [(axis, math.floor(shape[axis] * scale + 0.5), scale) for axis in axes]


def _positions(call: Call, old: int, new: int, factor: float) -> Array:
    """Place in the source of each of `new` elements (ONNX Resize, operator set 11)."""
    default = "half_pixel" if call.builder.opset >= 11 else "asymmetric"
    mode = call.attrs.get("coordinate_transformation_mode", default)
    x, scale, half = np.arange(new, dtype=np.float32), np.float32(factor), np.float32(0.5)
    adjustment = np.float32(new) / (scale * np.float32(old))
    centre = np.float32(old) / 2
    positions: dict[str, Array] = {
        "asymmetric": x / scale,
        "half_pixel": (x + half) / scale - half,
        "half_pixel_symmetric": centre * (1 - adjustment) + (x + half) / scale - half,
        "pytorch_half_pixel": (x + half) / scale - half if new > 1 else 0 * x,
        "align_corners": x * np.float32(old - 1) / np.float32(max(new - 1, 1)),
    }
    if mode not in positions:
        raise InputError(
            f"coordinate_transformation_mode is {mode!r}, expected one of {', '.join(positions)}"
        )
    return positions[mode]


def _nearest(call: Call, old: int, new: int, factor: float) -> Array:
    """Index of the source element of each of `new` elements."""
    rounding = call.attrs.get("nearest_mode", "round_prefer_floor" if call.builder.opset >= 11 else "floor")
    roundings: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda at: np.ceil(at - 0.5),
        "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    }
    if rounding not in roundings:
        raise InputError(f"nearest_mode is {rounding!r}, expected one of {', '.join(roundings)}")
    return np.clip(roundings[rounding](_positions(call, old, new, factor)), 0, old - 1).astype(np.int64)


def _taps(call: Call, mode: str, old: int, new: int, factor: float) -> tuple[Array, Array]:
    """Neighbours of each new place and their weights, both (new, taps)."""
    if (
        call.attrs.get("coordinate_transformation_mode") == "align_corners"
        and abs(old * factor - new) > ROUNDING
    ):
        raise InputError(f"{old} elements times {factor} is no whole number of corners, expected sizes")
    positions = _positions(call, old, new, factor).astype(np.float64)
    wide = max(1.0, 1 / factor) if call.attrs.get("antialias", 0) else 1.0
    reach = (1 if mode == "linear" else 2) * wide
    first = np.floor(positions - reach).astype(np.int64) + 1
    numbers = first[:, np.newaxis] + np.arange(math.ceil(2 * reach))
    distance = (numbers - positions[:, np.newaxis]) / wide
    slope = float(call.attrs.get("cubic_coeff_a", -0.75))
    weights = np.maximum(1 - np.abs(distance), 0) if mode == "linear" else _cubic(np.abs(distance), slope)
    if call.attrs.get("exclude_outside", 0) or wide > 1:
        outside = (numbers < 0) | (numbers >= old)
        weights = np.where(outside & bool(call.attrs.get("exclude_outside", 0)), 0, weights)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(numbers, 0, old - 1), weights.astype(np.float32)


def _cubic(x: Array, a: float) -> Array:
    """Weight of a neighbour at a distance, by cubic convolution (Keys 1981)."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


CONVERTERS = {"Resize": resize, "Upsample": resize}
