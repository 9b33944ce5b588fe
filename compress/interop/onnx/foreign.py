"""Operations of onnxruntime's own operator set, as its quantizers and exporters write them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from compress.interop.onnx import layers, moving, normalizing, pointwise, quantized, recurrent
from compress.interop.onnx.builder import Call, Constant, Value, constant
from compress.interop.onnx.levels import Levels
from hwsim.errors import InputError
from hwsim.whole import ceil_div

DOMAIN = "com.microsoft"


def matmul_nbits(call: Call) -> Value:
    """Convert MatMulNBits: weights of a few bits, with a scale for each block of a row."""
    build, attrs = call.builder, call.attrs
    rows, depth, block = int(attrs["N"]), int(attrs["K"]), int(attrs["block_size"])
    bits = int(attrs.get("bits", 4))
    if call.get(4) is not None:
        raise InputError("an order of the columns (g_idx) is not supported, expected none")
    if bits not in (2, 4, 8) or block < 1:
        raise InputError(f"weights have {bits} bits in blocks of {block}, expected 2, 4 or 8 bits")
    blocks = ceil_div(depth, block)
    q = _unpacked(constant(call[1], "the weights").reshape(rows, -1), bits, blocks * block)
    scales = constant(call[2], "the scales").astype(np.float32).reshape(rows, blocks)
    zeros = np.full((rows, blocks), 1 << (bits - 1), np.float32)
    if call.get(3) is not None:
        packed = constant(call[3], "the zero points")
        whole = packed.dtype == np.uint8
        zeros = _unpacked(packed.reshape(rows, -1), bits, blocks) if whole else packed.reshape(rows, blocks)
    if np.any(zeros != np.rint(zeros)):
        raise InputError("zero points are no whole numbers, expected levels")
    spread = np.repeat(zeros.astype(np.int32), block, axis=1)
    levels = Levels((q - spread)[:, :depth], np.repeat(scales, block, axis=1)[:, :depth])
    params: dict[str, Any] = {"weight": Constant(levels.array(), levels)}
    if call.get(5) is not None:
        params["bias"] = constant(call[5], "the bias")
    return build.apply("fc", call[0], params=params)


def _unpacked(packed: Any, bits: int, count: int) -> Any:
    """Levels of rows of bytes, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = packed[:, :, np.newaxis] >> shifts & np.uint8((1 << bits) - 1)
    return parts.reshape(len(packed), -1)[:, :count].astype(np.int32)


def matmul_integer_to_float(call: Call) -> Value:
    """Convert MatMulIntegerToFloat: A, B, their scales, their zeros, a bias."""
    build = call.builder
    sums = quantized.matmul_integer(
        Call(build, {}, (call[0], call[1], call.get(4), call.get(5)), call.outputs)
    )
    real = pointwise.cast(Call(build, {"to": 1}, (sums,), call.outputs))
    scale = build.apply("mul", call[2], call[3], suffix=".scale")
    return _biased(call, build.apply("mul", real, scale), call.get(6))


def dynamic_quantize_matmul(call: Call) -> Value:
    """Convert DynamicQuantizeMatMul: A, B, the scale and zero of B, a bias."""
    build = call.builder
    q, scale, zero = quantized.dynamic(build, call[0])
    values = (q, call[1], scale, call[2], zero, call.get(3), call.get(4))
    return matmul_integer_to_float(Call(build, {}, values, call.outputs))


def _biased(call: Call, value: Value, bias: Value | None) -> Value:
    return value if bias is None else call.builder.apply("add", value, bias, suffix=".sum")


def qgemm(call: Call) -> Value:
    """Convert QGemm: A, B and C, each with scale and zero but C; the output is real without a scale."""
    build, attrs = call.builder, call.attrs
    a = quantized.dequantize(build, call[0], call[1], call.get(2))
    b = quantized.dequantize(build, call[3], call[4], call.get(5), axis=0 if attrs.get("transB") else 1)
    values: tuple[Value | None, ...] = (a, b)
    if call.get(6) is not None:
        alpha = np.float32(attrs.get("alpha", 1.0))
        scale = alpha * constant(call[1], "the scale") * constant(call[4], "the scale")
        values += (quantized.dequantize(build, call[6], Constant(scale), None, axis=-1),)
    base = partial(_without_beta, layers.gemm)
    if call.get(7) is None:
        return base(Call(build, attrs, values, call.outputs))
    return quantized.requantized(call, base, values, call[7], call.get(8))


def _without_beta(converter: Any, call: Call) -> Value:
    made: Value = converter(Call(call.builder, {**call.attrs, "beta": 1.0}, call.values, call.outputs))
    return made


def qlinear_concat(call: Call) -> Value:
    """Convert QLinearConcat: scale and zero of the output, then each input with its own."""
    build = call.builder
    triples = [call.values[at : at + 3] for at in range(2, len(call.values), 3)]
    reals = tuple(
        quantized.dequantize(build, call[2 + 3 * at], call[3 + 3 * at], call.get(4 + 3 * at))
        for at in range(len(triples))
    )
    return quantized.requantized(call, moving.concat, reals, call[0], call.get(1))


def qlinear_global_pool(call: Call) -> Value:
    """Convert QLinearGlobalAveragePool of images whose channels come first."""
    if call.attrs.get("channels_last", 0):
        raise InputError("channels_last is not supported, expected channels first")
    return quantized.qlinear(layers.global_average_pool, 1, call)


def qlinear_softmax(call: Call) -> Value:
    """Convert QLinearSoftmax."""
    if int(call.attrs.get("opset", 13)) < 13:
        raise InputError("softmax over several axes is not supported, expected operator set 13")
    return quantized.qlinear(partial(pointwise.softmax, "softmax"), 1, call)


def dynamic_quantize_lstm(call: Call) -> Any:
    """Convert DynamicQuantizeLSTM: weights are integers, and the recurrence runs on their real values."""
    scales = [constant(call[index], "the scales") for index in (8, 10)]
    zeros = [call.get(9), call.get(11)]
    both = [_gate_weights(call[1 + at], scales[at], zeros[at]) for at in range(2)]
    values = (call[0], *both, *(call.get(index) for index in range(3, 8)))
    return recurrent.recurrent(recurrent.LSTM, Call(call.builder, call.attrs, values, call.outputs))


def _gate_weights(value: Value, scale: Any, zero: Value | None) -> Constant:
    """Weights of (directions, inputs, gates) as ONNX's own LSTM has them."""
    array = constant(value, "the weights")
    shape = (-1, 1, 1) if scale.ndim < 2 else (len(scale), 1, -1)
    zeros = 0 if zero is None else constant(zero, "the zero points").astype(np.int32).reshape(shape)
    q, scales = array.astype(np.int32) - zeros, scale.astype(np.float32).reshape(shape)
    levels = Levels(
        q.transpose(0, 2, 1), np.broadcast_to(scales, (len(q), 1, scales.shape[2])).transpose(0, 2, 1)
    )
    return Constant(levels.array(), levels)


def fused_matmul(call: Call) -> Value:
    """Convert FusedMatMul: transposed operands and a factor."""
    build, operands = call.builder, [call[0], call[1]]
    if call.attrs.get("transBatchA", 0) or call.attrs.get("transBatchB", 0):
        raise InputError("transposed batches are not supported, expected none")
    for index, name in enumerate(("transA", "transB")):
        if call.attrs.get(name, 0):
            order = list(range(len(operands[index].shape)))
            order[-2:] = order[:-3:-1]
            operands[index] = moving.transpose(Call(build, {"perm": order}, (operands[index],), call.outputs))
    product = layers.matmul(Call(build, {}, tuple(operands), call.outputs))
    alpha = float(call.attrs.get("alpha", 1.0))
    return product if alpha == 1 else build.apply("linear", product, suffix=".scaled", alpha=alpha, beta=0.0)


def biased_gelu(op: str, call: Call) -> Value:
    """Convert a Gaussian error linear unit of a sum with a bias, if there is one."""
    x = call[0] if call.get(1) is None else call.builder.apply("add", call[0], call[1], suffix=".sum")
    return call.builder.apply(op, x)


def quick_gelu(call: Call) -> Value:
    """Convert QuickGelu: the input times a sigmoid of it."""
    return pointwise.swish(
        Call(call.builder, {"alpha": call.attrs.get("alpha", 1.702)}, call.values, call.outputs)
    )


def skip_normalization(converter: Any, bias_at: int, call: Call) -> tuple[Value | None, ...]:
    """Convert a normalisation of the sum of two inputs and a bias; the sum is the fourth output."""
    total = call.builder.apply("add", call[0], call[1], suffix=".skip")
    if call.get(bias_at) is not None:
        total = call.builder.apply("add", total, call[bias_at], suffix=".biased")
    rest = (call[2],) if bias_at == 3 else (call[2], call.get(3))
    made = converter(Call(call.builder, call.attrs, (total, *rest), call.outputs[:1]))
    if call.wants(1) or call.wants(2):
        raise InputError("mean and deviation as outputs are not supported, expected none")
    return made, None, None, total


_OWN: dict[str, Any] = {
    "MatMulNBits": matmul_nbits,
    "MatMulIntegerToFloat": matmul_integer_to_float,
    "DynamicQuantizeMatMul": dynamic_quantize_matmul,
    "DynamicQuantizeLSTM": dynamic_quantize_lstm,
    "QGemm": qgemm,
    "QLinearConcat": qlinear_concat,
    "QLinearGlobalAveragePool": qlinear_global_pool,
    "QLinearSoftmax": qlinear_softmax,
    "QLinearAdd": partial(quantized.qlinear, pointwise.CONVERTERS["Add"], 2),
    "QLinearMul": partial(quantized.qlinear, pointwise.CONVERTERS["Mul"], 2),
    "QLinearSigmoid": partial(quantized.qlinear, pointwise.CONVERTERS["Sigmoid"], 1),
    "QLinearLeakyRelu": partial(quantized.qlinear, pointwise.CONVERTERS["LeakyRelu"], 1),
    "QLinearAveragePool": partial(quantized.qlinear, layers.average_pool, 1),
    "QuantizeLinear": quantized.quantize_linear,
    "DequantizeLinear": quantized.dequantize_linear,
    "FusedMatMul": fused_matmul,
    "Gelu": partial(biased_gelu, "gelu"),
    "BiasGelu": partial(biased_gelu, "gelu"),
    "FastGelu": partial(biased_gelu, "gelu_tanh"),
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": partial(skip_normalization, normalizing.layer_normalization, 4),
    "SkipSimplifiedLayerNormalization": partial(skip_normalization, normalizing.rms_normalization, 3),
}
CONVERTERS: dict[str, Any] = {f"{DOMAIN}.{name}": converter for name, converter in _OWN.items()}

READS_LEVELS = frozenset(CONVERTERS)
"""All take levels as they are, or have none among their inputs."""
