"""Language models of the Llama family in GGUF files, as the ggml project describes them (``docs/gguf.md``).

Integers in groups stay integers in groups: a tensor of type Q4_0, Q4_1 or Q8_0 takes as many bits per
block as in the file. Its blocks are 32 values of one row, with a float16 scale and, in Q4_1, the float16
value of the lowest level.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import DenseTensor, QuantizedTensor
from compress.format.topology import Topology
from compress.interop.tensor_headers import read_gguf
from compress.language.tokenizer import KEPT, Tokenizer
from compress.nn.zoo.llama import HEAD, MATRICES, NORM, TABLE, LlamaShape
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.tensors import StoredTensor
    from compress.interop.tensor_headers import ModelHeader, TensorHeader

ARCHITECTURE = "llama"
BLOCK = 32
"""Values of a block of integers."""
ALIGNMENT = 32
"""Of the data of tensors, where a file does not say."""

PLAIN: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 30: np.dtype("<u2")}
"""Type of the values by the number of a floating-point type; bfloat16 is the upper half of float32."""
BFLOAT16 = 30


class Blocks(NamedTuple):
    """A type of integers in blocks.

    Parameters
    ----------
    name : str
    bits : int
        Of a level.
    offset : bool
        Whether a block has the value of its lowest level.
    """

    name: str
    bits: int
    offset: bool

    @property
    def stored_B(self) -> int:
        """Bytes of a block."""
        return 2 + 2 * self.offset + BLOCK * self.bits // 8


INTEGERS = {2: Blocks("Q4_0", 4, False), 3: Blocks("Q4_1", 4, True), 8: Blocks("Q8_0", 8, False)}
"""Integers in blocks by the number of their type."""

NAMES = {
    "query": "attn_q", "key": "attn_k", "value": "attn_v", "output": "attn_output", "gate": "ffn_gate",
    "up": "ffn_up", "down": "ffn_down",
}  # fmt: skip
"""Tensors of a block by our names of its matrices."""


def import_gguf(path: str | Path) -> Artifact:
    """Read a language model with its tokenizer.

    Parameters
    ----------
    path : str or Path
        Of architecture ``llama``, in types of `PLAIN` and `INTEGERS`.

    Returns
    -------
    Artifact
        Its stage is the type of most weights, as ``q4_1``.

    Raises
    ------
    InputError
        If the file cannot be read, or has another architecture, type, tensor or tokenizer.
    """
    path = Path(path)
    try:
        header = read_gguf(path, lists=True)
        shape = _shape(header, path)
        begin = _data_at(header, path)
        if begin >= path.stat().st_size:
            raise InputError(f"{path}: ends after its header, expected a whole GGUF file")
        data = np.memmap(path, np.uint8, "r", offset=begin)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    found = {tensor.name: tensor for tensor in header.tensors}
    names = _names(shape)
    odd = sorted(found.keys() - set(names.values()))
    if odd:
        raise InputError(f"{path}: tensor {odd[0]} is unknown, expected those of a plain Llama")
    tensors: dict[str, StoredTensor] = {}
    for name, wanted in shape.parameters().items():
        tensor = found.get(names[name])
        if tensor is None or tensor.shape[::-1] != wanted:
            told = "absent" if tensor is None else f"of shape {tensor.shape[::-1]}"
            raise InputError(f"{path}: tensor {names[name]} is {told}, expected shape {wanted}")
        try:
            tensors[name] = _tensor(data, tensor, wanted)
        except InputError as error:
            raise InputError(f"{path}: tensor {tensor.name}: {error}") from None
    tokenizer = Tokenizer.of_gguf(header.values, str(path))
    topology = Topology(path.stem, (), shape.nodes(), ("head",), {}, shape.interface())
    return Artifact(topology, tensors, _stage(header), {KEPT: tokenizer.to_bytes()})


def _shape(header: ModelHeader, path: Path) -> LlamaShape:
    architecture = header.values.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise InputError(
            f"{path}: general.architecture is {architecture!r}, expected {ARCHITECTURE} to execute it"
        )
    odd = [key for key in header.values if key.startswith(f"{ARCHITECTURE}.rope.scaling")]
    if odd:
        raise InputError(f"{path}: {odd[0]} is set, expected positions without scaling")

    def whole(key: str, default: int | None = None) -> int:
        return _whole(header, f"{ARCHITECTURE}.{key}", default, path)

    def number(key: str, default: float | None = None) -> float:
        return float(_number(header, f"{ARCHITECTURE}.{key}", default, path))

    heads, features, blocks = whole("attention.head_count"), whole("embedding_length"), whole("block_count")
    if blocks > len(header.tensors):  # before work is done for each of them
        raise InputError(
            f"{path}: {blocks} blocks of {len(header.tensors)} tensors, expected several of each"
        )
    if whole("rope.dimension_count", features // heads) * heads != features:
        raise InputError(
            f"{path}: {ARCHITECTURE}.rope.dimension_count is no whole head of {features // heads}"
        )
    return LlamaShape(
        words=header.embedding(path).shape[-1],
        features=features,
        blocks=blocks,
        heads=heads,
        kv_heads=whole("attention.head_count_kv", heads),
        hidden=whole("feed_forward_length"),
        base=number("rope.freq_base", 10_000.0),
        epsilon=float(np.float32(number("attention.layer_norm_rms_epsilon"))),
        tied=header.tied,
    )


def _number(header: ModelHeader, key: str, default: float | None, path: Path) -> int | float:
    found = header.values.get(key, default)
    if not isinstance(found, (int, float)) or not 0 < found < math.inf:
        raise InputError(f"{path}: {key} is {found!r}, expected a number above 0")
    return found


def _whole(header: ModelHeader, key: str, default: int | None, path: Path) -> int:
    found = _number(header, key, default, path)
    if found != int(found):
        raise InputError(f"{path}: {key} is {found!r}, expected a whole number")
    return int(found)


def _names(shape: LlamaShape) -> dict[str, str]:
    """Names of the tensors of a file by our names of the parameters."""
    names = {TABLE: "token_embd.weight", NORM: "output_norm.weight", HEAD: "output.weight"}
    for block in range(shape.blocks):
        names |= {f"{block}.norm1.scale": f"blk.{block}.attn_norm.weight"}
        names |= {f"{block}.norm2.scale": f"blk.{block}.ffn_norm.weight"}
        names |= {f"{block}.{name}.weight": f"blk.{block}.{NAMES[name]}.weight" for name in MATRICES}
    return names


def _data_at(header: ModelHeader, path: Path) -> int:
    alignment = _whole(header, "general.alignment", ALIGNMENT, path)
    return ceil_div(header.size_B, alignment) * alignment


def _tensor(data: NDArray[np.uint8], tensor: TensorHeader, shape: tuple[int, ...]) -> StoredTensor:
    """Read one tensor, in its form."""
    kind, count = int(tensor.type), math.prod(shape)
    if kind in PLAIN:
        return _plain(_bytes(data, tensor.begin, count * PLAIN[kind].itemsize), kind, shape)
    if kind not in INTEGERS:
        known = ", ".join(blocks.name for blocks in INTEGERS.values())
        raise InputError(f"type {kind} of GGUF cannot be executed, expected F32, F16, BF16, {known}")
    blocks = INTEGERS[kind]
    if len(shape) == 1:
        raise InputError(f"{shape[0]} values of a vector in {blocks.name}, expected F32, F16 or BF16")
    if shape[-1] % BLOCK:
        raise InputError(f"rows of {shape[-1]} values, expected whole blocks of {BLOCK}")
    stored = _bytes(data, tensor.begin, count // BLOCK * blocks.stored_B).reshape(-1, blocks.stored_B)
    of_blocks = (shape[0], -1)
    scale = np.ascontiguousarray(stored[:, :2]).view("<f2").astype(np.float16).reshape(of_blocks)
    offset = None
    if blocks.offset:
        offset = np.ascontiguousarray(stored[:, 2:4]).view("<f2").astype(np.float16).reshape(of_blocks)
    levels: NDArray[Any] = np.ascontiguousarray(stored[:, 2 + 2 * blocks.offset :])
    if blocks.bits == 4:  # the low halves of bytes are the first half of the block
        levels = np.concatenate([levels & 0x0F, levels >> 4], axis=1).view(np.int8) - np.int8(8)
    return QuantizedTensor(
        levels.view(np.int8).reshape(shape), scale, blocks.bits, block=BLOCK, offset=offset
    )


def _plain(stored: NDArray[np.uint8], kind: int, shape: tuple[int, ...]) -> DenseTensor:
    values = stored.view(PLAIN[kind])
    if kind == BFLOAT16:
        return DenseTensor((values.astype(np.uint32) << 16).view(np.float32).reshape(shape), bfloat16=True)
    return DenseTensor(values.astype(values.dtype.newbyteorder("=")).reshape(shape))


def _bytes(data: NDArray[np.uint8], begin: int, count: int) -> NDArray[np.uint8]:
    if begin + count > len(data):
        raise InputError(f"{count} bytes expected where {max(len(data) - begin, 0)} are left")
    return np.array(data[begin : begin + count])


def _stage(header: ModelHeader) -> str:
    sizes: dict[int, int] = {}
    for tensor in header.tensors:
        sizes[int(tensor.type)] = sizes.get(int(tensor.type), 0) + tensor.elements
    most = max(sizes, key=sizes.__getitem__)
    if most in INTEGERS:
        return INTEGERS[most].name.lower()
    return {0: "dense", 1: "fp16", BFLOAT16: "bf16"}[most]
