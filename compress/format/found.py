"""The form that the values of a tensor have already: sparse, shared, in half precision.

A network that was pruned, shared or rounded elsewhere comes as a file of plain fp32. Its zeros, repeated
values and empty low bits are found again, and the smallest form that holds exactly these values is stored.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import Artifact
from compress.format.fields import Writer
from compress.format.records import Known, write_tensor
from compress.format.tensors import DenseTensor, PrunedTensor, QuantizedTensor, SharedTensor, stage_of
from compress.nn.distinct import is_bfloat16, is_half, shared_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

SPARSE = 0.9
"""Up to this density gaps may be fewer bits than zeros."""

MENTIONED = 0.05
"""Size of a tensor worth a word, relative to the largest."""


def found_form(values: Array) -> StoredTensor:
    """Return the smallest form that holds exactly these values (a negative zero may become a zero)."""
    dense = _dense(values)
    if values.dtype != np.float32 or values.ndim < 2 or not np.isfinite(values).all():
        return dense
    forms: list[StoredTensor] = [dense]
    if np.count_nonzero(values) <= SPARSE * values.size:
        forms.append(PrunedTensor(values))
    distinct = shared_values(values)
    if distinct is not None:
        labels = np.where(values == 0, 0, np.searchsorted(distinct, values) + 1)
        codebook = distinct.astype(np.float16) if is_half(distinct) else distinct
        forms += [SharedTensor(labels, codebook, coding) for coding in ("fixed", "huffman")]
    return min(forms, key=_size)


def _dense(values: Array) -> DenseTensor:
    """Values in bf16, fp16 or fp32, the first that holds them."""
    if values.dtype != np.float32:
        return DenseTensor(values)
    if is_bfloat16(values):
        return DenseTensor(values, bfloat16=True)
    return DenseTensor(values.astype(np.float16) if is_half(values) else values)


def _size(tensor: StoredTensor) -> int:
    writer = Writer()
    write_tensor(writer, tensor, Known())
    return len(writer.data)


def stored_as_found(network: Network, forms: Mapping[str, StoredTensor] | None = None) -> Artifact:
    """Store a network in the forms that its tensors have already; the stage says which.

    Parameters
    ----------
    network : Network
    forms : dict of str to StoredTensor, optional
        Forms that are known for some parameters.
    """
    tensors = {name: (forms or {}).get(name) or found_form(value) for name, value in network.params.items()}
    return Artifact.of(network, stage_of_forms(tensors), tensors)


def stage_of_forms(tensors: Mapping[str, StoredTensor]) -> str:
    """Stage of a network: the form of most of its weights."""
    counts: Counter[str] = Counter()
    for tensor in tensors.values():
        if len(tensor.shape) > 1:
            counts[_stage(tensor)] += math.prod(tensor.shape)
    return max(counts, key=counts.__getitem__, default="dense")


def _stage(tensor: StoredTensor) -> str:
    if isinstance(tensor, SharedTensor):
        return stage_of(tensor.coding)
    if isinstance(tensor, PrunedTensor):
        return "pruned"
    if isinstance(tensor, QuantizedTensor):
        return f"int{tensor.bits}"
    if tensor.bfloat16:
        return "bf16"
    return "fp16" if tensor.values.dtype == np.float16 else "dense"


def kept_forms(made: Artifact, original: Artifact) -> Artifact:
    """Store what a step left in fp32 as it was found, and sparse integers without their zeros.

    Parameters
    ----------
    made : Artifact
        What a step made of `original`.
    original : Artifact
    """
    tensors: dict[str, StoredTensor] = {}
    for name, tensor in made.tensors.items():
        before = original.tensors.get(name)
        if isinstance(tensor, QuantizedTensor):
            codings = {"fixed", before.coding if isinstance(before, SharedTensor) else "fixed"}
            coded = (replace(tensor, coding=coding) for coding in sorted(codings))
            tensors[name] = min([tensor, *coded], key=_size)
        elif isinstance(tensor, DenseTensor) and not _is_plain(before):
            tensors[name] = found_form(tensor.to_array())
        else:
            tensors[name] = tensor
    return replace(made, tensors=tensors)


def _is_plain(tensor: StoredTensor | None) -> bool:
    """Whether a tensor is stored in full precision, or is new."""
    return tensor is None or (isinstance(tensor, DenseTensor) and _stage(tensor) == "dense")


def descriptions(artifact: Artifact) -> list[str]:
    """Say how the weights of a network are stored: a sentence for each form that is not plain fp32."""
    groups: dict[str, list[StoredTensor]] = {}
    weights = [tensor for tensor in artifact.tensors.values() if len(tensor.shape) > 1]
    most = max((math.prod(tensor.shape) for tensor in weights), default=0)
    for tensor in weights:
        if math.prod(tensor.shape) > MENTIONED * most:
            groups.setdefault(_stage(tensor), []).append(tensor)
    return [_sentence(stage, tensors) for stage, tensors in groups.items() if stage != "dense"]


def _sentence(stage: str, tensors: list[StoredTensor]) -> str:
    weights = sum(math.prod(tensor.shape) for tensor in tensors)
    zeros = 1 - sum(tensor.nonzeros for tensor in tensors) / weights
    size = sum(map(_size, tensors))
    values = [len(tensor.codebook) for tensor in tensors if isinstance(tensor, SharedTensor)]
    labels = f"{zeros:.0%} zeros, at most {max(values, default=0)} values: stored as codebook and"
    what = {
        "pruned": f"{zeros:.0%} zeros: stored sparse",
        "shared": f"{labels} labels",
        "huffman": f"{labels} Huffman-coded labels",
        "fp16": "values of half precision: stored as fp16",
        "bf16": "values of 16 bits: stored as bf16",
    }.get(stage, f"integers with scales: stored as {stage}")
    return f"{weights:,} weights, {what}, {size:,} bytes"


def ties(artifact: Artifact) -> list[str]:
    """Say which weights several layers share."""
    readers: dict[str, list[str]] = {}
    for node in artifact.topology.nodes:
        for name in dict.fromkeys((*node.params, *node.inputs)):
            if name in artifact.tensors and len(artifact.tensors[name].shape) > 1:
                readers.setdefault(name, []).append(node.name)
    shared = {name: nodes for name, nodes in readers.items() if len(nodes) > 1}
    return [f"{name} is stored once for {len(nodes)} layers" for name, nodes in shared.items()]
