"""ONNX operations that normalise: over channels, groups, rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Value, constant
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.nn.ops.base import Array

PER_CHANNEL_SINCE = 21
"""Operator set from which GroupNormalization has a scale for each channel, not for each group."""


def batch_normalization(call: Call) -> Value:
    """Convert BatchNormalization to a scale and a shift of each channel."""
    if call.attrs.get("training_mode", 0) or any(map(call.wants, range(1, len(call.outputs)))):
        raise InputError("training mode is not supported, expected inference")
    names = ("the scale", "the shift", "the mean", "the variance")
    gamma, beta, mean, variance = (
        constant(call[index + 1], what).astype(np.float64) for index, what in enumerate(names)
    )
    divisor = variance + call.attrs.get("epsilon", 1e-5)
    if not (divisor > 0).all():
        channel = int(np.flatnonzero(~(divisor > 0))[0])
        raise InputError(
            f"the variance plus epsilon of channel {channel} is {divisor[channel]:g}, expected more than 0"
        )
    scale = gamma / np.sqrt(divisor)
    params = {"scale": scale.astype(np.float32), "shift": (beta - mean * scale).astype(np.float32)}
    return call.builder.apply("affine", call[0], params=params)


def layer_normalization(call: Call) -> Value:
    """Convert LayerNormalization."""
    _one_output(call)
    params = {"scale": constant(call[1], "the scale")}
    if call.get(2) is not None:
        params["bias"] = constant(call[2], "the bias")
    axis, epsilon = int(call.attrs.get("axis", -1)), float(call.attrs.get("epsilon", 1e-5))
    return call.builder.apply("layer_norm", call[0], params=params, axis=axis, epsilon=epsilon)


def _one_output(call: Call) -> None:
    if any(map(call.wants, range(1, len(call.outputs)))):
        raise InputError("mean and deviation as outputs are not supported, expected the first output alone")


def rms_normalization(call: Call) -> Value:
    """Convert RMSNormalization over the last axis, and the same operator under an older name."""
    _one_output(call)
    shape, scale = call[0].shape, constant(call[1], "the scale")
    if axis_of(int(call.attrs.get("axis", -1)), len(shape)) != len(shape) - 1 or scale.shape != shape[-1:]:
        raise InputError(f"a scale of shape {scale.shape} over other axes than the last is not supported")
    epsilon = float(call.attrs.get("epsilon", 1e-5))
    return call.builder.apply("rms_norm", call[0], params={"scale": scale}, epsilon=epsilon)


def group_normalization(call: Call) -> Value:
    """Convert GroupNormalization."""
    groups, channels = int(call.attrs["num_groups"]), call[0].shape[1]
    params = {name: constant(call[index], f"the {name}") for index, name in ((1, "scale"), (2, "bias"))}
    if call.builder.opset < PER_CHANNEL_SINCE:
        params = {name: np.repeat(array, channels // groups) for name, array in params.items()}
    return _grouped(call, groups, params)


def instance_normalization(call: Call) -> Value:
    """Convert InstanceNormalization: every channel is a group of its own."""
    params = {name: constant(call[index], f"the {name}") for index, name in ((1, "scale"), (2, "bias"))}
    return _grouped(call, call[0].shape[1], params)


def _grouped(call: Call, groups: int, params: dict[str, Array]) -> Value:
    epsilon = float(call.attrs.get("epsilon", 1e-5))
    return call.builder.apply("group_norm", call[0], params=params, groups=groups, epsilon=epsilon)


def lp_normalization(call: Call) -> Value:
    """Convert LpNormalization of the first or second power; a row of zeros stays one."""
    power, axis = int(call.attrs.get("p", 2)), int(call.attrs.get("axis", -1))
    build, x = call.builder, call[0]
    if power not in (1, 2):
        raise InputError(f"p is {power}, expected 1 or 2")
    size: Value
    if power == 2:
        size = build.apply("reduce_l2", x, suffix=".length", axes=(axis,), keepdims=1)
    else:
        size = build.apply(
            "reduce_sum", build.apply("abs", x, suffix=".abs"), suffix=".length", axes=(axis,), keepdims=1
        )
    zero = build.apply("equal", size, Constant(np.zeros((), np.float32)), suffix=".zero")
    safe = build.apply("where", zero, Constant(np.ones((), np.float32)), size, suffix=".safe")
    return build.apply("div", x, safe)


def lrn(call: Call) -> Value:
    """Convert LRN."""
    attrs = call.attrs
    return call.builder.apply(
        "lrn",
        call[0],
        size=int(attrs["size"]),
        alpha=float(attrs.get("alpha", 1e-4)),
        beta=float(attrs.get("beta", 0.75)),
        bias=float(attrs.get("bias", 1.0)),
    )


CONVERTERS: dict[str, Any] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "SimplifiedLayerNormalization": rms_normalization,
    "GroupNormalization": group_normalization,
    "InstanceNormalization": instance_normalization,
    "LpNormalization": lp_normalization,
    "LRN": lrn,
}
