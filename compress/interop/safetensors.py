"""Language models of the Llama family in a folder of safetensors with its ``config.json``, as Hugging Face
writes it.

Rotary positions of such a file turn elements of the two halves of a head together, ours turn neighbours
(`compress.nn.ops.attention`), so the rows of queries and keys come in another order; nothing else changes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import DenseTensor
from compress.format.topology import Topology
from compress.interop.tensor_headers import read_safetensors
from compress.language.tokenizer import KEPT, Tokenizer
from compress.nn.zoo.llama import HEAD, MATRICES, NORM, TABLE, LlamaShape
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.tensors import StoredTensor
    from compress.interop.tensor_headers import TensorHeader

CONFIGURATION, TOKENIZER = "config.json", "tokenizer.json"

FAMILIES = ("llama", "mistral")
"""Values of ``model_type`` whose graph is that of `LlamaShape`."""

EXPECTED = {
    "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "rope_scaling": None,
    "sliding_window": None,
}  # fmt: skip
"""Settings of the graph that is executed, where a configuration names them."""

TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
"""Type of the values by its name; bfloat16 is the upper half of float32."""

STAGES = {"F32": "dense", "F16": "fp16", "BF16": "bf16"}

NAMES = {
    "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj",
    "output": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}  # fmt: skip
"""Tensors of a block by our names of its matrices."""

IGNORED = ".rotary_emb.inv_freq"
"""End of the names of tensors that follow from the configuration."""

Found = tuple[Path, int, "TensorHeader"]
"""File, first byte of its data, and what the header says of a tensor."""


def is_folder_of_safetensors(path: str | Path) -> bool:
    """Whether a path is a folder with safetensors."""
    return Path(path).is_dir() and any(Path(path).glob("*.safetensors"))


def import_safetensors(folder: str | Path) -> Artifact:
    """Read a language model, with its tokenizer if that is of a kind we have.

    Parameters
    ----------
    folder : str or Path
        With ``config.json`` of a family of `FAMILIES` and one or more ``.safetensors`` files of `TYPES`.

    Returns
    -------
    Artifact
        Its stage is ``dense``, ``fp16`` or ``bf16``, the type of most weights. Without a tokenizer it takes
        numbers of words.

    Raises
    ------
    InputError
        If a file cannot be read, or has another family, setting, type or tensor.
    """
    folder = Path(folder)
    try:
        shape = _shape(_json(folder / CONFIGURATION), folder / CONFIGURATION)
        found = _tensors(folder)
        names = _names(shape)
        odd = sorted(name for name in found.keys() - set(names.values()) if not name.endswith(IGNORED))
        if odd and not (shape.tied and odd == ["lm_head.weight"]):
            raise InputError(f"{folder}: tensor {odd[0]} is unknown, expected those of a plain Llama")
        tensors: dict[str, StoredTensor] = {
            name: _tensor(folder, found, names[name], wanted, _heads(name, shape))
            for name, wanted in shape.parameters().items()
        }
        tokenizer = _tokenizer(folder)
    except OSError as error:
        raise InputError(f"cannot read {error.filename or folder}: {error.strerror}") from None
    topology = Topology(folder.resolve().name, (), shape.nodes(), ("head",), {}, shape.interface())
    beside = {} if tokenizer is None else {KEPT: tokenizer.to_bytes()}
    return Artifact(topology, tensors, _stage([header for _, _, header in found.values()]), beside)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no JSON object, expected a configuration")
    return found


def _shape(configuration: dict[str, Any], path: Path) -> LlamaShape:
    family = configuration.get("model_type")
    if family not in FAMILIES:
        raise InputError(
            f"{path}: model_type is {family!r}, expected {' or '.join(FAMILIES)} to execute it; "
            "export other models to ONNX"
        )
    positions = configuration.get("rope_parameters") or {}
    scaled = positions.get("rope_type", "default") != "default"
    for key, wanted in EXPECTED.items():
        if configuration.get(key, wanted) not in (wanted, None) or (key == "rope_scaling" and scaled):
            raise InputError(f"{path}: {key} is set to another value, expected {json.dumps(wanted)}")

    def value(key: str, default: Any = None) -> Any:
        number = configuration.get(key)
        number = default if number is None else number
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not number > 0:
            raise InputError(f"{path}: {key} is {number!r}, expected a number above 0")
        return number

    heads, features = int(value("num_attention_heads")), int(value("hidden_size"))
    kv_heads, depth = int(value("num_key_value_heads", heads)), int(value("head_dim", features // heads))
    if depth * heads != features or heads % kv_heads or depth % 2:
        raise InputError(
            f"{path}: {heads} heads of {depth}, {kv_heads} of keys and a width of {features} do not fit"
        )
    return LlamaShape(
        words=int(value("vocab_size")),
        features=features,
        blocks=int(value("num_hidden_layers")),
        heads=heads,
        kv_heads=kv_heads,
        hidden=int(value("intermediate_size")),
        base=float(value("rope_theta", positions.get("rope_theta", 10_000.0))),
        epsilon=float(np.float32(value("rms_norm_eps", 1e-6))),
        tied=bool(configuration.get("tie_word_embeddings", False)),
    )


def _tensors(folder: Path) -> dict[str, Found]:
    """Every tensor of every file by its name."""
    found: dict[str, Found] = {}
    for path in sorted(folder.glob("*.safetensors")):
        header = read_safetensors(path)
        for tensor in header.tensors:
            if tensor.name in found:
                raise InputError(f"{path}: tensor {tensor.name} is in another file, too, expected one of it")
            found[tensor.name] = (path, header.size_B, tensor)
    return found


def _names(shape: LlamaShape) -> dict[str, str]:
    """Names of the tensors of a file by our names of the parameters."""
    names = {TABLE: "model.embed_tokens.weight", NORM: "model.norm.weight"}
    if not shape.tied:
        names[HEAD] = "lm_head.weight"
    for block in range(shape.blocks):
        at = f"model.layers.{block}."
        names |= {f"{block}.norm1.scale": f"{at}input_layernorm.weight"}
        names |= {f"{block}.norm2.scale": f"{at}post_attention_layernorm.weight"}
        names |= {f"{block}.{name}.weight": f"{at}{NAMES[name]}.weight" for name in MATRICES}
    return names


def _heads(name: str, shape: LlamaShape) -> int:
    """Heads whose rows are turned by positions; 0 for other parameters."""
    return {"query": shape.heads, "key": shape.kv_heads}.get((*name.split("."), "")[1], 0)


def _tensor(
    folder: Path, found: dict[str, Found], name: str, wanted: tuple[int, ...], heads: int
) -> DenseTensor:
    """Read one tensor, its rows in our order."""
    if name not in found or found[name][2].shape != wanted:
        told = f"of shape {found[name][2].shape}" if name in found else "absent"
        raise InputError(f"{folder}: tensor {name} is {told}, expected shape {wanted}")
    path, begin, header = found[name]
    kind = TYPES.get(str(header.type))
    if kind is None:
        raise InputError(f"{path}: tensor {name} is of type {header.type}, expected {', '.join(TYPES)}")
    count = math.prod(wanted)
    size_B = count * kind.itemsize
    if header.stored_B != size_B:
        raise InputError(f"{path}: tensor {name} has {header.stored_B} bytes, expected {size_B}")
    if begin + header.begin + size_B > path.stat().st_size:
        raise InputError(f"{path}: ends within tensor {name}, expected a whole file")
    values: NDArray[Any] = np.fromfile(path, kind, count, offset=begin + header.begin).reshape(wanted)
    if heads:
        values = values.reshape(heads, 2, -1, wanted[1]).swapaxes(1, 2).reshape(wanted)
    if header.type == "BF16":
        return DenseTensor((values.astype(np.uint32) << 16).view(np.float32), bfloat16=True)
    return DenseTensor(values.astype(kind.newbyteorder("=")))


def _stage(headers: list[TensorHeader]) -> str:
    sizes: dict[str, int] = {}
    for tensor in headers:
        sizes[str(tensor.type)] = sizes.get(str(tensor.type), 0) + tensor.elements
    return STAGES.get(max(sizes, key=sizes.__getitem__), "dense")


def _tokenizer(folder: Path) -> Tokenizer | None:
    """Tokenizer of the folder; None if there is none, or one of another kind."""
    path = folder / TOKENIZER
    return Tokenizer.of_json(_json(path)) if path.exists() else None
