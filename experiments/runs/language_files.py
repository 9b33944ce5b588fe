"""Language models in files: GGUF, compressed files, and folders of safetensors with their ``config.json``.

Sizes and types come from headers alone, except of compressed files. The weights are taken as they are
stored there: in one form if all matrices have it, else in the mean of their forms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compress.format.container import read
from compress.interop.tensor_headers import DTYPES, HEAD, ModelHeader, read_gguf, read_safetensors
from experiments.runs.language_parts import model_and_parts
from hwsim.errors import InputError
from hwsim.workload.language.forms import Form, Parts, form_of, form_of_gguf
from hwsim.workload.language.shipped import model_from, model_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from compress.interop.tensor_headers import TensorHeader
    from hwsim.workload.language.model import LanguageModel

GGUF_ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma", "gemma2", "phi3")
"""Architectures of GGUF files that are read: they have the names of families."""

GGUF_KEYS = {
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "context_length": "max_position_embeddings",
}
GGUF_OTHER_KEYS = {
    "attention.sliding_window": ("sliding_window", ("gemma2", "phi3")),
    "expert_count": ("num_local_experts", ("mixtral",)),
    "expert_used_count": ("num_experts_per_tok", ("mixtral",)),
}
"""Keys of a GGUF file after its architecture, and of a configuration; the latter of some families alone."""

TOLERANCE = 0.01
"""Part of the weights that a file may have more or fewer than its configuration says: small tables."""


def open_parts(path: Path) -> tuple[LanguageModel, Parts]:
    """Describe the model of a ``.gguf`` or ``.dcz`` file or of a folder; raises as the function of each."""
    if path.suffix == ".gguf":
        return open_gguf(path)
    if path.suffix == ".dcz":
        return model_and_parts(*read(path), str(path))
    return open_safetensors(path)


def open_gguf(path: Path) -> tuple[LanguageModel, Parts]:
    """Describe the model of a GGUF file, and how its parts are stored.

    Raises
    ------
    InputError
        If the file cannot be read, its architecture is not known, or a type of its tensors is not.
    """
    header = read_gguf(path)
    embedding = header.embedding(path)
    model = model_from(_configuration(header, embedding, path), path.stem, str(path))
    forms = {tensor.name: _gguf_form(tensor, path) for tensor in header.tensors if len(tensor.shape) > 1}
    inner = [tensor for tensor in header.tensors if tensor.name.startswith("blk.") and len(tensor.shape) > 1]
    _require_elements(path, sum(tensor.elements for tensor in inner), _matrix_weights(model))
    table = forms[embedding.name]
    weights = _joined([(forms[tensor.name], tensor.elements) for tensor in inner])
    return model, Parts(weights, table, forms.get(HEAD, table))


def open_safetensors(folder: Path) -> tuple[LanguageModel, Parts]:
    """Describe the model of a folder of safetensors, and how its parts are stored.

    Raises
    ------
    InputError
        If there is no configuration, or a file cannot be read.
    """
    model = model_of(folder)
    tensors = [
        tensor for file in sorted(folder.glob("*.safetensors")) for tensor in read_safetensors(file).tensors
    ]
    words = [tensor for tensor in tensors if len(tensor.shape) == 2 and model.vocabulary in tensor.shape]
    inner = [tensor for tensor in tensors if len(tensor.shape) > 1 and tensor not in words]
    if not words or not inner:
        raise InputError(f"{folder}: no matrices and no embedding of {model.vocabulary} words, expected both")
    expected = _matrix_weights(model) + (model.positions + model.token_types) * model.features
    if all(tensor.type in DTYPES for tensor in inner):
        _require_elements(folder, sum(tensor.elements for tensor in inner), expected)
    weights = _stored_as(inner, expected)
    table = _stored_as(words, sum(tensor.elements for tensor in words))
    return model, Parts(weights, table, table)


def _configuration(header: ModelHeader, embedding: TensorHeader, path: Path) -> dict[str, Any]:
    architecture = header.values.get("general.architecture")
    if architecture not in GGUF_ARCHITECTURES:
        raise InputError(
            f"{path}: general.architecture is {architecture!r}, expected one of "
            f"{', '.join(GGUF_ARCHITECTURES)}"
        )
    values = {
        key.removeprefix(f"{architecture}."): value
        for key, value in header.values.items()
        if key.startswith(f"{architecture}.")
    }
    family = "mixtral" if values.get("expert_count") else str(architecture)
    found = {theirs: values[ours] for ours, theirs in GGUF_KEYS.items() if ours in values}
    for ours, (theirs, families) in GGUF_OTHER_KEYS.items():
        if family in families and ours in values:
            found[theirs] = values[ours]
    return found | {
        "model_type": family,
        "vocab_size": embedding.shape[-1],
        "tie_word_embeddings": header.tied,
    }


def _gguf_form(tensor: TensorHeader, path: Path) -> Form:
    form = form_of_gguf(int(tensor.type))
    if form is None:
        raise InputError(f"{path}: tensor {tensor.name} is of type {tensor.type}, expected one of known size")
    return form


def _stored_as(tensors: list[TensorHeader], values: int) -> Form:
    """Form of some tensors of safetensors that store so many values."""
    kinds = {DTYPES.get(str(tensor.type), "") for tensor in tensors}
    if len(kinds) == 1 and "" not in kinds:
        return form_of(kinds.pop())
    stored_B = sum(tensor.stored_B or 0 for tensor in tensors)
    return _mean_of(" + ".join(sorted({str(tensor.type) for tensor in tensors})), values, 8 * stored_B)


def _joined(forms: Iterable[tuple[Form, int]]) -> Form:
    """One form for matrices of several: their mean bits."""
    values: dict[Form, int] = {}
    for form, count in forms:
        values[form] = values.get(form, 0) + count
    if len(values) == 1:
        return next(iter(values))
    name = " + ".join(sorted(form.name for form in values))
    total = sum(values.values())
    bits = sum(form.bits(count, 0) for form, count in values.items())
    return _mean_of(name, total, bits)


def _mean_of(name: str, values: int, bits: int) -> Form:
    return Form(
        name,
        block_values=values,
        block_bits=bits,
        row_bits=0,
        density=1.0,
        coding="fixed",
        native=(),
        table=name,
        head=name,
        source="bytes of the file",
    )


def _matrix_weights(model: LanguageModel) -> int:
    return model.inner.total - model.inner.vectors


def _require_elements(path: Path, found: int, expected: int) -> None:
    if abs(found - expected) > TOLERANCE * expected:
        raise InputError(
            f"{path}: {found} weights in matrices of blocks, expected {expected} by its configuration"
        )
