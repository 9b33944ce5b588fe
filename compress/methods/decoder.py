"""Compression of a language model after training, matrix by matrix, from the text that it reads.

Matrices of the blocks are brought to one form. The embedding, which is often the output matrix, too, has
another, as it has in files that people use. Normalisations stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.format.tensors import DenseTensor
from compress.language.session import Session
from compress.methods.compensate import Inputs, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.methods.compensate import Target
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

    Brought = Callable[[Array, Array], Target]
    """Makes the target of a matrix, given the matrix and how much each of its columns weighs."""


def block_matrices(network: Network) -> dict[str, str]:
    """What each matrix of a decoder's blocks reads, by the name of its weights; the output matrix aside."""
    *body, head = network.nodes
    return {
        node.params[0]: node.inputs[0]
        for node in body
        if node.op == "fc" and node.params[0] not in head.params
    }


def inputs_of(network: Network, tokens: Sequence[int]) -> dict[str, Inputs]:
    """Read a text, and tell what the matrices of a decoder's blocks read.

    Parameters
    ----------
    network : Network
        As for `compress.language.session.Session`.
    tokens : sequence of int

    Returns
    -------
    dict of str to Inputs
        By the tensor that is read.
    """
    readers = {source: name for name, source in block_matrices(network).items()}
    grams: dict[str, Array] = {}

    def observe(node: Node, inputs: tuple[Array, ...]) -> None:
        if node.op == "fc" and readers.get(node.inputs[0]) == node.params[0]:
            product = inputs[0].T @ inputs[0] / np.float32(len(tokens))
            grams[node.inputs[0]] = grams.get(node.inputs[0], np.float32(0)) + product

    Session(network, observe).read(tokens)
    return {source: Inputs.of_gram(gram) for source, gram in grams.items()}


def compressed(
    artifact: Artifact,
    stage: str,
    brought: Brought,
    inputs: Mapping[str, Inputs] | None = None,
    *,
    beside: Mapping[str, StoredTensor] | None = None,
) -> Artifact:
    """Bring all matrices of a decoder's blocks to one form.

    Parameters
    ----------
    artifact : Artifact
    stage : str
        Name of what is made.
    brought : callable
        Makes the target of a matrix.
    inputs : dict of str to Inputs, optional
        As `inputs_of` gives them: errors of one weight are then made up for by others of its row.
    beside : dict of str to StoredTensor, optional
        Forms of other parameters.
    """
    network = artifact.to_network()
    tensors = dict(artifact.tensors)
    for name, source in block_matrices(network).items():
        known = None if inputs is None else inputs[source]
        weight = network.params[name]
        weighing = np.ones(weight.shape[1], np.float32) if known is None else known.importance
        tensors[name] = stored(weight, brought(weight, weighing), known)
    return replace(artifact, tensors=tensors | dict(beside or {}), stage=stage)


def as_bfloat16(artifact: Artifact, coding: str = "raw") -> Artifact:
    """Round every parameter to the nearest bfloat16, of two equally near the even one.

    Parameters
    ----------
    coding : str
        Of the exponents: ``raw``, or ``words`` for Huffman code words.
    """
    tensors: dict[str, StoredTensor] = {
        name: DenseTensor(_bfloat16(value), bfloat16=True, coding=coding if value.ndim > 1 else "raw")
        for name, value in artifact.arrays().items()
    }
    return replace(artifact, tensors=tensors, stage="bf16" if coding == "raw" else f"bf16 {coding}")


def _bfloat16(values: Array) -> Array:
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
