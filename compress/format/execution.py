"""Execution of what a file stores: on integers, on labels and codebooks, or on decoded weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from compress.format.container import opened
from compress.format.tensors import DenseTensor, QuantizedTensor, SharedTensor
from compress.nn.narrow import narrowed
from compress.nn.ops.conv import arranged
from compress.nn.ops.integer import INPUT_SCALE
from compress.nn.tiling import tiled
from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from pathlib import Path

    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

Accumulator = Literal["int32", "float64"]
Arithmetic = Literal["fp32", "fp16", "bf16"]
Executed = tuple["Node", dict[str, "Array"]]
"""A node, and the parameters that it has got."""

FORMS = ("fc", "conv")
"""Layers that execute on what is stored."""

SPARSE = 0.5
"""Up to this density a sparse product is cheaper than a dense one."""


def executable(
    artifact: Artifact | str | Path,
    *,
    stored: bool = False,
    accumulator: Accumulator = "float64",
    arithmetic: str = "fp32",
    packed: bool = True,
) -> Network:
    """Return the network that executes an artifact.

    Quantized layers run on integers where the scale of what they read is stored, as
    `compress.methods.quantize.quantize_network` does. All others run on their decoded weights.

    Parameters
    ----------
    artifact : Artifact, str or Path
        An artifact, or the path of a ``.dcz`` file.
    stored : bool
        Run the others as they are stored, in memory that shrinks with the file: pruned weights as sparse
        rows, and shared ones up to half full; fuller ones and quantized ones through a look-up. That
        computes the same up to the order of summation.
    accumulator : {"int32", "float64"}
        What products of integers are added in. Both add without rounding and give the same outputs
        bit for bit; float64 has the faster libraries.
    arithmetic : {"fp32", "fp16", "bf16"}
        Of layers that do not run on integers, see `compress.nn.narrow`.
    packed : bool
        Lay weights as products read them, see `compress.nn.tiling`. Without it, parameters keep their names,
        and may be changed.

    Raises
    ------
    InputError
        If the network cannot be executed, the sums of an integer layer could overflow 32 bits, or the
        arithmetic is unknown or not that of stored weights.
    """
    require_type(arithmetic, str, "arithmetic", f"one of {', '.join(get_args(Arithmetic))}")
    if arithmetic not in get_args(Arithmetic):
        raise InputError(f"arithmetic is {arithmetic!r}, expected one of {', '.join(get_args(Arithmetic))}")
    if stored and arithmetic != "fp32":
        raise InputError(f"arithmetic is {arithmetic}, expected fp32 to compute from stored weights")
    artifact = opened(artifact)
    params: dict[str, Array] = {}
    nodes = []
    for node in artifact.topology.nodes:
        made, arrays = _executed(node, artifact, stored, accumulator)
        nodes.append(made)
        params |= arrays
    used = {name for node in nodes for name in (*node.params, *node.inputs)}
    params |= {name: tensor.to_array() for name, tensor in artifact.tensors.items() if name in used}
    kernels = {name for node in nodes if node.op == "conv" for name in node.params[:1]}
    params |= {name: arranged(params[name]) for name in kernels & params.keys() if params[name].ndim == 4}
    network = replace(artifact.topology, nodes=tuple(nodes)).network(params)
    if arithmetic != "fp32":
        network = narrowed(network, arithmetic)
    return tiled(network) if packed else network


def require_floating(artifact: Artifact) -> None:
    """Refuse an artifact with layers that run on integers.

    Raises
    ------
    InputError
        If there is one.
    """
    for node in artifact.topology.nodes:
        if INPUT_SCALE in node.attrs:
            raise InputError(
                f"network {artifact.topology.name} (stage {artifact.stage}): layer {node.name} is quantized, "
                "expected a network in floating point"
            )


def _executed(node: Node, artifact: Artifact, stored: bool, accumulator: Accumulator) -> Executed:
    tensor = artifact.tensors[node.params[0]] if node.op in FORMS and node.params else None
    if isinstance(tensor, QuantizedTensor) and tensor.block is not None:
        return node, {}
    if isinstance(tensor, QuantizedTensor) and INPUT_SCALE in node.attrs:
        attrs = {"bits": tensor.bits, "accumulator": accumulator}
        arrays: dict[str, Array] = {"levels": tensor.q, "scale": tensor.scale.reshape(-1)}
        return _with(node, artifact, "integer", arrays, attrs)
    if not stored or tensor is None or isinstance(tensor, DenseTensor):
        return node, {}
    if len(tensor.shape) < 2 or 0 in tensor.shape:  # no layer's: the network itself says what is wrong
        return node, {}
    if isinstance(tensor, QuantizedTensor) or (
        isinstance(tensor, SharedTensor) and tensor.nonzeros > SPARSE * math.prod(tensor.shape)
    ):
        return _with(node, artifact, "lookup", _lookup(tensor), {})
    return _with(node, artifact, "sparse", _sparse(tensor), {"shape": tensor.shape})


def _with(
    node: Node, artifact: Artifact, form: str, arrays: dict[str, Array], attrs: dict[str, Any]
) -> Executed:
    """Node in another form, whose weight is several arrays, of names that no tensor has."""
    weight, *bias = node.params
    while any(f"{weight}.{key}" in artifact.tensors for key in arrays):
        weight += "."
    named = {f"{weight}.{key}": array for key, array in arrays.items()}
    return replace(node, op=f"{form}_{node.op}", attrs={**node.attrs, **attrs}, params=(*named, *bias)), named


def _sparse(tensor: StoredTensor) -> dict[str, Array]:
    """Compressed sparse rows of labels, and the table they point into."""
    values = tensor.labels if isinstance(tensor, SharedTensor) else tensor.to_array()
    mask = values.reshape(len(values), math.prod(tensor.shape[1:])) != 0
    entries = values[values != 0]
    if isinstance(tensor, SharedTensor):
        labels, table = entries - 1, tensor.codebook.astype(np.float32)
    else:
        labels, table = np.arange(len(entries), dtype=np.uint32), entries
    starts = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    columns = np.nonzero(mask)[1].astype(np.int32)
    return {"starts": starts, "columns": columns, "labels": labels, "table": table}


def _lookup(tensor: SharedTensor | QuantizedTensor) -> dict[str, Array]:
    """A label for every weight, the table of values, and a scale for each output or all."""
    if isinstance(tensor, SharedTensor):
        table = np.concatenate([[0], tensor.codebook]).astype(np.float32)
        return {"labels": tensor.labels, "table": table, "scale": np.ones(1, np.float32)}
    low = 1 << (tensor.bits - 1)
    labels = (tensor.q.astype(np.int16) + low).astype(np.uint8)
    table = np.arange(-low, low, dtype=np.float32)
    return {"labels": labels, "table": table, "scale": tensor.scale.reshape(-1)}
