"""The same weights, coded anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.tensors import SharedTensor

if TYPE_CHECKING:
    from compress.container import Artifact
    from compress.tensors import Coding


def recode(artifact: Artifact, coding: Coding) -> Artifact:
    """Code shared weights another way, bit for bit the same, without unused codebook entries.

    Parameters
    ----------
    coding : str
        See `compress.tensors.Coding`; it also names the stage.
    """
    tensors = {
        name: replace(compact(tensor), coding=coding, gap_bits=None)
        if isinstance(tensor, SharedTensor)
        else tensor
        for name, tensor in artifact.tensors.items()
    }
    return replace(artifact, tensors=tensors, stage=coding)


def compact(tensor: SharedTensor) -> SharedTensor:
    """Drop codebook entries that are zero or that no weight uses, and merge equal ones."""
    table = np.concatenate([np.zeros(1, tensor.codebook.dtype), tensor.codebook])
    used = np.unique(tensor.labels)
    values = np.unique(table[used])
    values = values[values != 0]
    positions = np.where(table == 0, 0, np.searchsorted(values, table) + 1)
    return replace(tensor, labels=positions[tensor.labels], codebook=values)
