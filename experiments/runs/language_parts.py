"""What a compressed language model stores, for the workloads of `hwsim.workload.language`.

Sizes follow from the graph. Each matrix has the bits and decoder steps of its own tensor; the forms of
blocks, embedding and output matrix are the means of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.format.tensors import DenseTensor
from compress.nn.zoo.llama import MATRICES, TABLE
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.language.forms import UNPACKED_BITS, Form, Parts
from hwsim.workload.language.shipped import model_from
from hwsim.workload.layer import StoredWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.format.container import Artifact
    from compress.format.layout import Layout, TensorLayout
    from compress.format.tensors import StoredTensor
    from compress.format.topology import Topology
    from hwsim.workload.language.forms import Coding
    from hwsim.workload.language.model import LanguageModel

LONGEST = 1 << 20
"""Tokens of a sequence, at most: a compressed file does not say how many its model was trained on."""


def reads_words(topology: Topology) -> bool:
    """Whether a graph is a decoder that `model_and_parts` describes."""
    names = {node.name: node.op for node in topology.nodes}
    return names.get("embedding") == "gather" and names.get("0.attention") == "attention"


def model_and_parts(artifact: Artifact, layout: Layout, where: str) -> tuple[LanguageModel, Parts]:
    """Describe the model of an artifact, and what its layers store.

    Parameters
    ----------
    artifact : Artifact
        As `compress.interop.gguf` imports it, compressed or not.
    layout : Layout
        Bits of its file.
    where : str
        Its file, for messages.

    Raises
    ------
    InputError
        If it is no language model.
    """
    if not reads_words(artifact.topology):
        raise InputError(f"{where}: network {artifact.topology.name} is no language model, expected one")
    nodes = {node.name: node for node in artifact.topology.nodes}
    blocks = sum(node.op == "attention" for node in artifact.topology.nodes)
    head = nodes["head"].params[0]
    attention, tensors = nodes["0.attention"].attrs, artifact.tensors
    words, features = tensors[TABLE].shape
    configuration = {
        "model_type": "llama",
        "vocab_size": words,
        "hidden_size": features,
        "intermediate_size": tensors["0.gate.weight"].shape[0],
        "num_hidden_layers": blocks,
        "num_attention_heads": attention["heads"],
        "num_key_value_heads": attention["kv_heads"],
        "max_position_embeddings": LONGEST,
        "tie_word_embeddings": head == TABLE,
    }
    model = model_from(configuration, artifact.topology.name, where)
    layouts = {tensor.name: tensor for tensor in layout.tensors}
    inner = [f"{block}.{name}.weight" for block in range(blocks) for name in MATRICES]
    own = {
        name.removesuffix(".weight"): stored_weights(artifact.stage, tensors[name], layouts[name])
        for name in inner
    }
    own["head"] = stored_weights(artifact.stage, tensors[head], layouts[head])
    weights = _form(artifact.stage, [tensors[name] for name in inner], [layouts[name] for name in inner])
    table = _form(artifact.stage, [tensors[TABLE]], [layouts[TABLE]])
    return model, Parts(weights, table, _form(artifact.stage, [tensors[head]], [layouts[head]]), own)


def stored_weights(stage: str, tensor: StoredTensor, layout: TensorLayout) -> StoredWeights:
    """Bits of a matrix, and steps of a decoder: one per code word, or one per `UNPACKED_BITS` unpacked."""
    steps = layout.segment_symbols
    if not _plain(tensor) and not steps.any():
        steps = ceil_div(layout.segment_bits, UNPACKED_BITS)
    return StoredWeights(stage, layout.nonzeros, layout.entries, layout.segment_bits, steps, layout.side_bits)


def _plain(tensor: StoredTensor) -> bool:
    """Whether values are stored as a multiplier takes them."""
    return isinstance(tensor, DenseTensor) and tensor.coding == "raw"


def _form(stage: str, tensors: Sequence[StoredTensor], layouts: Sequence[TensorLayout]) -> Form:
    """One form for some tensors: their mean bits."""
    values = sum(layout.size for layout in layouts)
    bits = sum(layout.payload_bits + layout.side_bits for layout in layouts)
    coding: Coding = "fixed"
    if all(map(_plain, tensors)):
        coding = "plain"
    elif any(np.any(layout.segment_symbols) for layout in layouts):
        coding = "entropy"
    width = bits // values
    return Form(
        stage,
        block_values=values,
        block_bits=bits,
        row_bits=0,
        density=sum(layout.nonzeros for layout in layouts) / values,
        coding=coding,
        native=("fp16", "bf16", "fp32") if width <= 16 else ("fp32",),
        table=stage,
        head=stage,
        source="bytes of the file",
    )
