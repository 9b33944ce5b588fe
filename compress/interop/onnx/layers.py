"""ONNX operations that become layers: convolution, products, pooling, normalisation, recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Value, constant
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.nn.ops.base import Array

ONE = np.ones((), np.float32)


def conv(call: Call) -> Value:
    """Convert Conv; a 1-D one becomes 2-D over images of one row."""
    weight = constant(call[1], "the weights")
    return _image_operator(
        call, "conv", weight, _weights(call, weight), groups=int(call.attrs.get("group", 1))
    )


def conv_transpose(call: Call) -> Value:
    """Convert ConvTranspose of one group, whose output has the default size."""
    if call.attrs.get("group", 1) != 1 or any(call.attrs.get("output_padding", ())):
        raise InputError("groups and output padding are not supported, expected neither")
    if "output_shape" in call.attrs:
        raise InputError("output_shape is not supported, expected pads")
    weight = constant(call[1], "the weights")
    return _image_operator(call, "conv_transpose", weight, _weights(call, weight))


def _weights(call: Call, weight: Array) -> dict[str, Array]:
    params = {"weight": weight if weight.ndim == 4 else weight[:, :, None]}
    if call.get(2) is not None:
        params["bias"] = constant(call[2], "the bias")
    return params


def _image_operator(call: Call, op: str, weight: Array, params: dict[str, Array], **attrs: Any) -> Value:
    kernel = weight.shape[2:]
    if tuple(call.attrs.get("kernel_shape", kernel)) != kernel:
        raise InputError(
            f"kernel_shape is {call.attrs['kernel_shape']}, expected that of the weights, {kernel}"
        )
    geometry = _geometry(call, kernel, transposed=op == "conv_transpose")
    del geometry["kernel"]
    return _over_rows(call, op, params=params, **geometry, **attrs)


def _over_rows(call: Call, op: str, **extra: Any) -> Value:
    """Apply an operator on images to a sequence as well: as an image of one row."""
    build, rank = call.builder, len(call[0].shape)
    if rank not in (3, 4):
        raise InputError(f"input has shape {call[0].shape}, expected a sequence or an image")
    if rank == 4:
        return build.apply(op, call[0], **extra)
    image = build.apply("unsqueeze", call[0], suffix=".image", axes=(2,))
    return build.apply("squeeze", build.apply(op, image, **extra), suffix=".sequence", axes=(2,))


def _geometry(call: Call, kernel: Sequence[int], *, transposed: bool = False) -> dict[str, Any]:
    """Window attributes of the network's operators, in two dimensions."""
    rank = len(kernel)
    stride = tuple(call.attrs.get("strides", (1,) * rank))
    dilation = tuple(call.attrs.get("dilations", (1,) * rank))
    pads = _pads(call, kernel, stride, dilation, transposed=transposed)
    if not rank == len(stride) == len(dilation) == len(pads) // 2 == len(call[0].shape) - 2:
        raise InputError(
            f"kernel {tuple(kernel)}, strides {stride} and pads {pads} do not fit {call[0].shape}"
        )
    if rank == 1:
        kernel, stride, dilation, pads = (1, *kernel), (1, *stride), (1, *dilation), (0, pads[0], 0, pads[1])
    return {"kernel": tuple(kernel), "stride": stride, "pads": pads, "dilation": dilation}


def _pads(
    call: Call, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], *, transposed: bool
) -> tuple[int, ...]:
    """Pads of all axes: before, then after; the same output size is the input's over or times the stride."""
    mode = call.attrs.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        zeros = (0,) * 2 * len(kernel)
        return tuple(call.attrs.get("pads", zeros)) if mode == "NOTSET" else zeros
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise InputError(f"auto_pad is {mode!r}, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    less, more = [], []
    for size, k, s, d in zip(call[0].shape[2:], kernel, stride, dilation, strict=True):
        short = 0 if transposed else -size % s
        total = max(0, short + d * (k - 1) + 1 - s)
        less.append(total // 2)
        more.append(total - total // 2)
    return tuple(less + more if mode == "SAME_UPPER" else more + less)


def max_pool(call: Call) -> Value:
    """Convert MaxPool."""
    return _pool(call, "max_pool")


def average_pool(call: Call) -> Value:
    """Convert AveragePool."""
    return _pool(call, "avg_pool", count_include_pad=int(call.attrs.get("count_include_pad", 0)))


def _pool(call: Call, op: str, **attrs: Any) -> Value:
    geometry = _geometry(call, call.attrs["kernel_shape"])
    if set(geometry.pop("dilation")) != {1}:
        raise InputError("dilated pooling is not supported, expected dilations of 1")
    return _over_rows(call, op, ceil_mode=int(call.attrs.get("ceil_mode", 0)), **geometry, **attrs)


def global_average_pool(call: Call) -> Value:
    """Convert GlobalAveragePool."""
    if len(call[0].shape) == 4:
        return call.builder.apply("global_avg_pool", call[0])
    return _global(call, "reduce_mean")


def global_max_pool(call: Call) -> Value:
    """Convert GlobalMaxPool."""
    return _global(call, "reduce_max")


def _global(call: Call, op: str) -> Value:
    return call.builder.apply(op, call[0], axes=tuple(range(2, len(call[0].shape))), keepdims=1)


def gemm(call: Call) -> Value:
    """Convert Gemm: a fully-connected layer where its second matrix is constant."""
    build, attrs = call.builder, call.attrs
    alpha, beta = attrs.get("alpha", 1.0), attrs.get("beta", 1.0)
    left = build.apply("transpose", call[0], suffix=".left", order=(1, 0)) if attrs.get("transA") else call[0]
    right, bias = call[1], call.get(2)
    if isinstance(right, Constant):
        weight = right.array if attrs.get("transB") else np.ascontiguousarray(right.array.T)
        params = {"weight": _scaled(weight, alpha)}
        if isinstance(bias, Constant) and bias.array.size in (1, len(weight)):
            row = np.broadcast_to(bias.array.reshape(-1), (len(weight),))
            return build.apply("fc", left, params=params | {"bias": _scaled(row, beta)})
        product = build.apply("fc", left, params=params)
    else:
        right = (
            build.apply("transpose", right, suffix=".right", order=(1, 0)) if attrs.get("transB") else right
        )
        product = build.apply("matmul", left, right)
        product = product if alpha == 1 else build.apply("mul", product, Constant(ONE * np.float32(alpha)))
    if bias is None:
        return product
    bias = bias if beta == 1 else build.apply("mul", bias, Constant(ONE * np.float32(beta)), suffix=".bias")
    return build.apply("add", product, bias, suffix=".sum")


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1 else array * np.float32(factor)


def matmul(call: Call) -> Value:
    """Convert MatMul: a fully-connected layer where its second matrix is constant."""
    left, right = call[0], call[1]
    if isinstance(right, Constant) and right.array.ndim == 2 and len(left.shape) >= 2:
        weight = np.ascontiguousarray(right.array.T)
        return call.builder.apply("fc", left, params={"weight": weight})
    return call.builder.apply("matmul", left, right)


def batch_normalization(call: Call) -> Value:
    """Convert BatchNormalization to a scale and a shift of each channel."""
    if call.attrs.get("training_mode", 0) or call.outputs > 1:
        raise InputError("training mode is not supported, expected inference")
    names = ("the scale", "the shift", "the mean", "the variance")
    gamma, beta, mean, variance = (
        constant(call[index + 1], what).astype(np.float64) for index, what in enumerate(names)
    )
    scale = gamma / np.sqrt(variance + call.attrs.get("epsilon", 1e-5))
    params = {"scale": scale.astype(np.float32), "shift": (beta - mean * scale).astype(np.float32)}
    return call.builder.apply("affine", call[0], params=params)


def layer_normalization(call: Call) -> Value:
    """Convert LayerNormalization."""
    params = {"scale": constant(call[1], "the scale")}
    if call.get(2) is not None:
        params["bias"] = constant(call[2], "the bias")
    axis, epsilon = int(call.attrs.get("axis", -1)), float(call.attrs.get("epsilon", 1e-5))
    return call.builder.apply("layer_norm", call[0], params=params, axis=axis, epsilon=epsilon)


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


def lstm(call: Call) -> tuple[Value, ...]:
    """Convert LSTM in one direction from a zero state."""
    if call.attrs.get("direction", "forward") != "forward" or "activations" in call.attrs:
        raise InputError("only the forward direction with its default activations is supported")
    if call.attrs.get("layout", 0) or "clip" in call.attrs or call.attrs.get("input_forget", 0):
        raise InputError("layout, clip and input_forget are not supported, expected their defaults")
    given = [call.get(index) for index in (4, 5, 6, 7)]
    if any(value is not None and np.any(constant(value, "the initial state")) for value in given):
        raise InputError("sequence lengths, initial states and peepholes are not supported, expected none")
    weight, recurrent = (constant(call[index], "the weights")[0] for index in (1, 2))
    bias = np.zeros(2 * len(weight), np.float32)
    if call.get(3) is not None:
        bias = constant(call[3], "the bias")[0]
    first, second = np.split(bias, 2)
    params = {"weight": weight, "recurrent": recurrent, "bias": first + second}
    build = call.builder
    items = build.apply("transpose", call[0], suffix=".items", order=(1, 0, 2))
    states = build.apply("lstm", items, params=params)
    steps = build.apply("transpose", states, suffix=".steps", order=(1, 0, 2))
    return (build.apply("unsqueeze", steps, suffix=".direction", axes=(1,)),)


CONVERTERS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "LRN": lrn,
    "LSTM": lstm,
}
