"""Encode stored weights with another coding, without loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.table import CODECS
from compress.format.tensors import RAW, QuantizedTensor, SharedTensor, stage_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor


LEAST_ENTRIES = 128
"""Entries of a segment that is made so that more decoders are busy: its entry point adds some 2% to them."""


def codings_of(artifact: Artifact) -> tuple[str, ...]:
    """Codings that the weights of an artifact can have; none if they are neither shared nor quantized."""
    forms = {type(tensor) for tensor in artifact.tensors.values()}
    if SharedTensor in forms:
        return tuple(CODECS)
    return (RAW, *CODECS) if QuantizedTensor in forms else ()


def recode(artifact: Artifact, coding: str, *, decoders: int | None = None) -> Artifact:
    """Code shared and quantized weights another way, bit for bit the same.

    Codebook entries that no weight uses are dropped.

    Parameters
    ----------
    coding : str
        One of `compress.codecs.table.codings`, or ``raw`` for a network whose weights are quantized only; it
        also names the stage where weights are shared.
    decoders : int, optional
        Of the machine that will run it: each tensor has as many segments, or fewer where they would hold less
        than `LEAST_ENTRIES`. Segments by bytes by default.

    Raises
    ------
    InputError
        If no weights are shared or quantized.
    """
    tensors = {name: _recoded(tensor, coding, decoders) for name, tensor in artifact.tensors.items()}
    if all(tensors[name] is tensor for name, tensor in artifact.tensors.items()):
        raise InputError(
            f"network {artifact.topology.name} (stage {artifact.stage}): nothing to code, expected shared or "
            "quantized weights"
        )
    shared = any(isinstance(tensor, SharedTensor) for tensor in tensors.values())
    return replace(artifact, tensors=tensors, stage=stage_of(coding) if shared else artifact.stage)


def _recoded(tensor: StoredTensor, coding: str, decoders: int | None) -> StoredTensor:
    if not isinstance(tensor, (SharedTensor, QuantizedTensor)):
        return tensor
    tensor = compact(tensor) if isinstance(tensor, SharedTensor) else tensor
    segments = None if decoders is None else max(1, min(decoders, tensor.nonzeros // LEAST_ENTRIES))
    return replace(tensor, coding=coding, gap_bits=None, segments=segments)


def compact(tensor: SharedTensor) -> SharedTensor:
    """Drop codebook entries that are zero or that no weight uses, and merge equal ones."""
    table = np.concatenate([np.zeros(1, tensor.codebook.dtype), tensor.codebook])
    used = np.unique(tensor.labels)
    values = np.unique(table[used])
    values = values[values != 0]
    positions = np.where(table == 0, 0, np.searchsorted(values, table) + 1).astype(tensor.labels.dtype)
    return replace(tensor, labels=positions[tensor.labels], codebook=values)
