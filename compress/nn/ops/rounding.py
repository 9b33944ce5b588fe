"""Rounding between layers: what fewer bits do to activations, in floating point and in training.

``round_levels`` rounds to multiples of ``scale`` in ``bits`` bits or within a ``range``. ``round_float``
rounds floats to a ``format`` of 16 bits and leaves integers. Backward, gradients pass straight through
(Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons"), except where the
range of the levels clips.
"""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Gradients, Op, Shape, same_shape
from compress.nn.ops.integer import levels_within, reach_of
from hwsim.errors import InputError

FORMATS = ("fp16", "bf16")


def rounded_float(values: Array, name: str) -> Array:
    """Round every float32 to the nearest number of a 16-bit format, half to even; the result is float32.

    Raises
    ------
    InputError
        If the format is unknown.
    """
    single = np.ascontiguousarray(values, np.float32)
    if name == "fp16":
        with np.errstate(over="ignore"):
            return single.astype(np.float16).astype(np.float32)
    if name != "bf16":
        raise InputError(f"format is {name!r}, expected one of {', '.join(FORMATS)}")
    bits = single.view(np.uint32)  # bf16 is the upper half of fp32
    half = np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    cut = np.where(np.isfinite(single), bits + half, bits) & np.uint32(0xFFFF0000)
    return cut.view(np.float32)


def _infer_levels(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    if not float(attrs["scale"]) > 0:
        raise InputError(f"scale is {attrs['scale']!r}, expected a positive number")
    reach_of(attrs)
    return (shapes[0],)


def _forward_levels(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    scale = np.asarray(attrs["scale"], inputs[0].dtype)
    return np.asarray(levels_within(inputs[0], scale, reach_of(attrs)) * scale)


def _backward_levels(grad: Array, inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Gradients:
    low, high = reach_of(attrs)
    inside = ((low - 0.5) * attrs["scale"] <= inputs[0]) & (inputs[0] <= (high + 0.5) * attrs["scale"])
    return (grad * inside,), ()


def _forward_float(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    if inputs[0].dtype.kind != "f":
        return inputs[0]
    return rounded_float(inputs[0], attrs["format"]).astype(inputs[0].dtype, copy=False)


def _backward_float(grad: Array, *_: object) -> Gradients:
    return (grad,), ()


OPS = {
    "round_levels": Op(_infer_levels, _forward_levels, _backward_levels),
    "round_float": Op(same_shape, _forward_float, _backward_float),
}
