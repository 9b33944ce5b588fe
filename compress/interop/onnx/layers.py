"""ONNX operations that become layers: convolution, products, pooling, normalisation, recurrence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Tensor, Value, constant
from compress.nn.ops.integer import INPUT_SCALE, most_sum
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.nn.ops.base import Array

ONE = np.ones((), np.float32)

SEQUENCE, VOLUME = 3, 5
"""Axes of a kernel's weights in one and in three dimensions."""

MOST_SUM = (1 << 31) - 1
"""Largest sum of products that 32 bits hold."""


def conv(call: Call) -> Value:
    """Convert Conv; a 1-D one becomes 2-D over images of one row."""
    groups = int(call.attrs.get("group", 1))
    if len(call[1].shape) == VOLUME:
        return _conv3d(call, groups)
    return _image_operator(call, "conv", call[1], **_on_integers(call[0], _weight(call[1])), groups=groups)


def _conv3d(call: Call, groups: int) -> Value:
    weight = _weight(call[1])
    geometry = _spans(call, weight.shape[2:], transposed=False)
    del geometry["kernel"]
    return call.builder.apply("conv3d", call[0], params=_with_bias(call, weight), groups=groups, **geometry)


def conv_transpose(call: Call) -> Value:
    """Convert ConvTranspose; a 1-D one becomes 2-D over images of one row."""
    attrs: dict[str, Any] = {"groups": int(call.attrs.get("group", 1))}
    longer = tuple(call.attrs.get("output_padding", ()))
    if any(longer):
        attrs["output_padding"] = longer if len(longer) == 2 else (0, *longer)
    return _image_operator(call, "conv_transpose", call[1], **attrs)


def _on_integers(value: Value, weight: Constant) -> dict[str, Any]:
    """Attributes of a layer whose input lies on steps and whose weights are integers."""
    form = weight.levels and weight.levels.stored()
    if not isinstance(value, Tensor) or not value.steps or not form:
        return {}
    attrs = {INPUT_SCALE: value.steps.scale, "range": value.steps.reach}
    fits = most_sum(math.prod(weight.shape[1:]), form.bits, attrs) <= MOST_SUM
    return attrs if fits and len(form.scale.shape) <= 1 else {}


def _weight(value: Value) -> Constant:
    if not isinstance(value, Constant):
        raise InputError("the weights depend on the data, expected a constant")
    return value


def _with_bias(call: Call, weight: Constant) -> dict[str, Array | Constant]:
    params: dict[str, Array | Constant] = {"weight": weight}
    if call.get(2) is not None:
        params["bias"] = constant(call[2], "the bias")
    return params


def _image_operator(call: Call, op: str, value: Value, **attrs: Any) -> Value:
    weight = _weight(value)
    kernel = weight.shape[2:]
    if tuple(call.attrs.get("kernel_shape", kernel)) != kernel:
        raise InputError(
            f"kernel_shape is {call.attrs['kernel_shape']}, expected that of the weights, {kernel}"
        )
    geometry = _geometry(call, kernel, transposed=op == "conv_transpose")
    del geometry["kernel"]
    if len(weight.shape) == SEQUENCE:
        weight = weight.reshaped((*weight.shape[:2], 1, weight.shape[2]))
    return _over_rows(call, op, params=_with_bias(call, weight), **geometry, **attrs)


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
    spans = _spans(call, kernel, transposed=transposed)
    if len(kernel) == 1:
        flat = {key: (1, *value) for key, value in spans.items()}
        return flat | {"pads": (0, spans["pads"][0], 0, spans["pads"][1])}
    return spans


def _spans(call: Call, kernel: Sequence[int], *, transposed: bool) -> dict[str, Any]:
    """Window attributes in as many dimensions as the kernel has."""
    rank = len(kernel)
    stride = tuple(call.attrs.get("strides", (1,) * rank))
    dilation = tuple(call.attrs.get("dilations", (1,) * rank))
    pads = _pads(call, kernel, stride, dilation, transposed=transposed)
    if not rank == len(stride) == len(dilation) == len(pads) // 2 == len(call[0].shape) - 2:
        raise InputError(
            f"kernel {tuple(kernel)}, strides {stride} and pads {pads} do not fit {call[0].shape}"
        )
    return {"kernel": tuple(kernel), "stride": stride, "pads": pads, "dilation": dilation}


def _pads(
    call: Call, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], *, transposed: bool
) -> tuple[int, ...]:
    """Pads of all axes: before, then after; the same output size is the input's over or times the stride."""
    mode = call.attrs.get("auto_pad", "NOTSET")
    wanted = call.attrs.get("output_shape") if transposed else None
    if wanted is not None:
        return _pads_for(call, tuple(wanted)[-len(kernel) :], kernel, stride, dilation)
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


def _pads_for(
    call: Call, wanted: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """Pads of a transposed convolution that leave an output of the wanted size."""
    longer = call.attrs.get("output_padding", (0,) * len(kernel))
    less, more = [], []
    for size, k, s, d, extra, out in zip(
        call[0].shape[2:], kernel, stride, dilation, longer, wanted, strict=True
    ):
        total = (size - 1) * s + extra + d * (k - 1) + 1 - out
        if total < 0:
            raise InputError(f"output_shape is {tuple(wanted)}, expected no more than without pads")
        less.append(total // 2)
        more.append(total - total // 2)
    upper = call.attrs.get("auto_pad", "NOTSET") == "SAME_UPPER"
    return tuple(less + more if upper else more + less)


def max_pool(call: Call) -> Value:
    """Convert MaxPool."""
    return _pool(call, "max_pool")


def average_pool(call: Call) -> Value:
    """Convert AveragePool."""
    return _pool(call, "avg_pool", count_include_pad=int(call.attrs.get("count_include_pad", 0)))


def _pool(call: Call, op: str, **attrs: Any) -> Value:
    kernel = tuple(call.attrs["kernel_shape"])
    spans = _spans(call, kernel, transposed=False) if len(kernel) == 3 else _geometry(call, kernel)
    if set(spans.pop("dilation")) != {1}:
        raise InputError("dilated pooling is not supported, expected dilations of 1")
    attrs["ceil_mode"] = int(call.attrs.get("ceil_mode", 0))
    if len(kernel) == 3:
        return _pool3d(call, op, spans, attrs)
    return _over_rows(call, op, **spans, **attrs)


def _pool3d(call: Call, op: str, spans: dict[str, Any], attrs: dict[str, Any]) -> Value:
    """Pool the slices of a volume, then the columns of slices: both are means or maxima."""
    build = call.builder
    _, channels, depth, height, width = call[0].shape
    kernel, stride, pads = spans["kernel"], spans["stride"], spans["pads"]
    flat: dict[str, Any] = {"kernel": kernel[1:], "stride": stride[1:], "pads": (*pads[1:3], *pads[4:])}
    deep: dict[str, Any] = {
        "kernel": (kernel[0], 1),
        "stride": (stride[0], 1),
        "pads": (pads[0], 0, pads[3], 0),
    }
    slices = build.apply("reshape", call[0], suffix=".slices", shape=(0, channels * depth, height, width))
    pooled = build.apply(op, slices, suffix=".flat", **flat, **attrs)
    rows, columns = pooled.shape[2:]
    lines = build.apply("reshape", pooled, suffix=".columns", shape=(0, channels, depth, rows * columns))
    result = build.apply(op, lines, suffix=".deep", **deep, **attrs)
    return build.apply("reshape", result, shape=(0, channels, result.shape[2], rows, columns))


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
        weight = _scaled(right if attrs.get("transB") else right.transposed((1, 0)), alpha)
        rows, integers = weight.shape[0], _on_integers(call[0], weight)
        if isinstance(bias, Constant) and bias.array.size in (1, rows):
            row = Constant(np.broadcast_to(bias.array.reshape(-1), (rows,)))
            return build.apply("fc", left, params={"weight": weight, "bias": _scaled(row, beta)}, **integers)
        product = build.apply("fc", left, params={"weight": weight}, **integers)
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


def _scaled(value: Constant, factor: float) -> Constant:
    if factor == 1:
        return value
    return Constant(
        value.array * np.float32(factor), value.levels and value.levels.times(np.array(factor, np.float32))
    )


def matmul(call: Call) -> Value:
    """Convert MatMul: a fully-connected layer where its second matrix is constant."""
    left, right = call[0], call[1]
    if isinstance(right, Constant) and len(right.shape) == 2 and len(left.shape) >= 2:
        weight = right.transposed((1, 0))
        return call.builder.apply("fc", left, params={"weight": weight}, **_on_integers(left, weight))
    return call.builder.apply("matmul", *_as_matrices(call, left, right))


def _as_matrices(call: Call, left: Value, right: Value) -> tuple[Value, Value]:
    if len(left.shape) < 2 or len(right.shape) < 2:
        raise InputError(
            f"matrices {left.shape} and {right.shape} are not supported, expected two axes or more"
        )
    return left, right


CONVERTERS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "Gemm": gemm,
    "MatMul": matmul,
}
