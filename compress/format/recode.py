"""Encode stored weights with another coding, without loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.tensors import QuantizedTensor, SharedTensor, stage_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor


def recode(artifact: Artifact, coding: str) -> Artifact:
    """Code shared and quantized weights another way, bit for bit the same.

    Codebook entries that no weight uses are dropped.

    Parameters
    ----------
    coding : str
        One of `compress.codecs.table.codings`; it also names the stage where weights are shared.

    Raises
    ------
    InputError
        If no weights are shared or quantized.
    """
    tensors = {name: _recoded(tensor, coding) for name, tensor in artifact.tensors.items()}
    if all(tensors[name] is tensor for name, tensor in artifact.tensors.items()):
        raise InputError(
            f"network {artifact.topology.name} (stage {artifact.stage}): nothing to code, expected shared or "
            "quantized weights"
        )
    shared = any(isinstance(tensor, SharedTensor) for tensor in tensors.values())
    return replace(artifact, tensors=tensors, stage=stage_of(coding) if shared else artifact.stage)


def _recoded(tensor: StoredTensor, coding: str) -> StoredTensor:
    if isinstance(tensor, SharedTensor):
        return replace(compact(tensor), coding=coding, gap_bits=None)
    if isinstance(tensor, QuantizedTensor):
        return replace(tensor, coding=coding, gap_bits=None)
    return tensor


def compact(tensor: SharedTensor) -> SharedTensor:
    """Drop codebook entries that are zero or that no weight uses, and merge equal ones."""
    table = np.concatenate([np.zeros(1, tensor.codebook.dtype), tensor.codebook])
    used = np.unique(tensor.labels)
    values = np.unique(table[used])
    values = values[values != 0]
    positions = np.where(table == 0, 0, np.searchsorted(values, table) + 1)
    return replace(tensor, labels=positions[tensor.labels], codebook=values)
