"""Post-training quantization (PTQ) to integers, by linear scales.

Weights and activations become ``round(value / scale)`` in a few bits (Jacob et al. 2018, "Quantization
and training of neural networks for efficient integer-arithmetic-only inference"). Weights are symmetric
around zero; activations have the levels between their lowest and highest value (`ranges`). A layer
multiplies integers and adds them into 32 bits; the sums times both scales are what the next layer reads.
Scales come from calibration: of the weights themselves, and of what each layer reads on some images.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import QuantizedTensor, StoredTensor
from compress.methods.prune import other_matrices, require_weights, weights_of
from compress.methods.ranges import MSE_STEPS, PERCENTILE, Calibration, levels_of
from compress.methods.remarks import ignore
from compress.nn.distinct import shared_values
from compress.nn.network import INPUT
from compress.nn.ops.integer import INPUT_SCALE, SUM_LIMIT, levels, most_sum, top_level
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

FEWEST_BITS, MOST_BITS = 2, 8


def quantize_network(
    network: Network,
    images: Array,
    bits: int | Mapping[str, int] = 8,
    *,
    per_channel: bool = True,
    calibration: Calibration = "minmax",
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    """Quantize all weights, and fix the scales of what the layers read.

    Matrices of recurrences and transposed convolutions become integers, too; they compute on floats.

    Parameters
    ----------
    network : Network
    images : ndarray, shape (n, \\*input_shape)
        What activations are calibrated on.
    bits : int or dict of str to int
        Of weights and activations, 2 to 8; or of each named layer and what it reads. Layers that are
        not named stay in floating point.
    per_channel : bool
        One scale for each output of a layer, instead of one for the layer; shared weights have one, which
        keeps their values few.
    calibration : {"minmax", "percentile", "mse"}
        Range of a tensor: all its values, 99.9% of them, or the one of least squared error.
    extra : dict of str to ndarray, optional
        Further inputs.
    remark : callable
        Called with a sentence for each layer that reads only zeros.

    Returns
    -------
    Artifact
        Of stage ``int8`` (or ``int4``...), or ``mixed`` if widths differ or matrices stay in fp32; biases
        stay in fp32.

    Raises
    ------
    InputError
        If no layer has weights, bits or calibration cannot be used, a name is no layer, layers of the
        same weights are to have different bits, or there are no images.
    """
    if not len(images):
        raise InputError("quantization: no images to calibrate on, expected at least one")
    layers = require_weights(network)
    bits_of = dict.fromkeys(layers, bits) if isinstance(bits, int) else dict(bits)
    unknown = sorted(bits_of.keys() - layers.keys())
    if unknown:
        raise InputError(f"quantization: no layer {unknown[0]!r}, expected one of {', '.join(layers)}")
    widths: dict[str, int] = {}
    for layer, width in bits_of.items():
        if widths.setdefault(layers[layer], width) != width:
            raise InputError(
                f"quantization: layer {layer!r} has {width} bits, expected the {widths[layers[layer]]} of a "
                "layer with the same weights"
            )
    if isinstance(bits, int):
        widths |= dict.fromkeys(other_matrices(network), bits)
    tensors: dict[str, StoredTensor] = {
        name: quantize(
            network.params[name],
            width,
            per_channel=per_channel and shared_values(network.params[name]) is None,
            calibration=calibration,
        )
        for name, width in widths.items()
    }
    read = _input_levels(network, {INPUT: images, **(extra or {})}, bits_of, calibration, remark)
    nodes = (
        replace(node, attrs={**node.attrs, **read[node.name]}) if node.name in read else node
        for node in network.nodes
    )
    used = set(widths.values())
    whole = len(used) == 1 and not matrices(network) - tensors.keys()
    stage = f"int{used.pop()}" if whole else "mixed"
    return Artifact.of(replace(network, nodes=tuple(nodes)), stage, tensors)


def matrices(network: Network) -> set[str]:
    """Parameters that are multiplied with activations, or looked up in."""
    found = set(weights_of(network).values())
    for node in network.nodes:
        multiplied = node.inputs if node.op == "matmul" else node.params
        found |= {name for name in multiplied if name in network.params and network.params[name].ndim > 1}
    return found


def quantize(
    weight: Array, bits: int = 8, *, per_channel: bool = True, calibration: Calibration = "minmax"
) -> QuantizedTensor:
    """Round a weight tensor to multiples of a scale.

    Parameters
    ----------
    weight : ndarray, shape (outputs, \\*inputs)
    bits : int
        Width of a level, 2 to 8.
    per_channel : bool
        One scale for each output, instead of one for the tensor.
    calibration : {"minmax", "percentile", "mse"}
        As in `quantize_network`.

    Raises
    ------
    InputError
        If bits or calibration cannot be used.
    """
    _check(bits, calibration)
    rows = weight.reshape(len(weight), -1) if per_channel else weight.reshape(1, -1)
    scales = np.array([scale_of(row, bits, calibration) for row in rows], np.float32)
    rounded = levels(rows, scales[:, np.newaxis], bits).reshape(weight.shape)
    return QuantizedTensor(rounded.astype(np.int8), scales if per_channel else scales[0], bits)


def scale_of(values: Array, bits: int = 8, calibration: Calibration = "minmax") -> np.float32:
    """Step between two levels for `values`, at least the smallest normal number.

    Parameters
    ----------
    values : ndarray of any shape
    bits : int
        Width of a level, 2 to 8.
    calibration : {"minmax", "percentile", "mse"}
        As in `quantize_network`.

    Raises
    ------
    InputError
        If bits or calibration cannot be used.
    """
    _check(bits, calibration)
    magnitudes = np.abs(values).ravel().astype(np.float64)
    largest, top = magnitudes.max(initial=0.0), top_level(bits)
    if calibration == "percentile" and largest:
        largest = np.percentile(magnitudes, PERCENTILE) or largest
    elif calibration == "mse" and largest:
        ranges = largest * np.arange(1, MSE_STEPS + 1) / MSE_STEPS
        largest = min(ranges, key=lambda limit: _squared_error(magnitudes, limit / top, top))
    return np.float32(max(largest / top, np.finfo(np.float32).tiny))


def _input_levels(
    network: Network,
    inputs: Mapping[str, Array],
    bits_of: Mapping[str, int],
    calibration: Calibration,
    remark: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Attributes of each named layer that say the levels of what it reads."""
    readers: dict[str, list[Node]] = {}
    for node in network.nodes:
        if node.name in bits_of:
            readers.setdefault(node.inputs[0], []).append(node)
    found: dict[str, dict[str, Any]] = {}

    def measure(source: str, value: Array) -> None:
        made = {
            bits: levels_of(value, bits, calibration)
            for bits in {bits_of[reader.name] for reader in readers.get(source, ())}
        }
        for reader in readers.get(source, ()):
            bits, weight = bits_of[reader.name], network.params[weights_of(network)[reader.name]]
            attrs = {INPUT_SCALE: made[bits].scale, "range": made[bits].reach}
            if most_sum(weight[0].size, bits, attrs) >= SUM_LIMIT:
                attrs = {INPUT_SCALE: float(scale_of(value, bits, calibration))}
            found[reader.name] = attrs
            if not value.any():
                remark(f"layer {reader.name}: all its inputs are zero, so their range is unknown")

    for name, value in inputs.items():
        measure(name, value)
    further = {name: value for name, value in inputs.items() if name != INPUT}
    network.run(inputs[INPUT], extra=further, observe=measure)
    return found


def _squared_error(magnitudes: Array, scale: float, top: int) -> float:
    return float(np.square(np.minimum(np.rint(magnitudes / scale), top) * scale - magnitudes).sum())


def _check(bits: int, calibration: str) -> None:
    if not FEWEST_BITS <= bits <= MOST_BITS:
        raise InputError(f"quantization: {bits} bits, expected {FEWEST_BITS} to {MOST_BITS}")
    if calibration not in get_args(Calibration):
        known = ", ".join(get_args(Calibration))
        raise InputError(f"quantization: calibration is {calibration!r}, expected one of {known}")
