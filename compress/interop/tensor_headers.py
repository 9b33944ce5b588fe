"""Names, shapes and types of the tensors of a model file, from its header alone: no tensor is read.

GGUF (version 2 and 3): magic, version, counts, then keys with values, then one record per tensor, all
little-endian (ggml project, ``docs/gguf.md``). Safetensors: eight bytes of length, then JSON.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

MAX_HEADER_BYTES = 100 << 20
MAX_TEXT_BYTES = 1 << 20
MAX_ITEMS = 1 << 24
"""Largest header of safetensors, text of GGUF, and number of keys, tensors or elements of a list in GGUF."""

MAGIC, VERSIONS = b"GGUF", (2, 3)
SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
"""Format of a value of GGUF by the number of its type."""
TEXT, LIST = 8, 9
EMBEDDING, HEAD = "token_embd.weight", "output.weight"
"""Names in GGUF of the matrices of a language model at its begin and its end."""

DTYPES = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8"}
"""Floating-point types of safetensors."""


class ListOf(NamedTuple):
    """A list in a header: its length alone."""

    length: int


@dataclass(frozen=True)
class TensorHeader:
    """What a header says of one tensor.

    Parameters
    ----------
    name : str
    shape : tuple of int
    type : str or int
        Of safetensors the name of its type, of GGUF the number.
    stored_B : int or None
        Bytes of its data, where the header has them.
    begin : int
        First byte of its data, counted from the first of all data.
    """

    name: str
    shape: tuple[int, ...]
    type: str | int
    stored_B: int | None
    begin: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class ModelHeader:
    """Header of a model file.

    Parameters
    ----------
    values : dict
        Keys and values; a list is a `ListOf`, if it was not read.
    tensors : tuple of TensorHeader
    size_B : int
        Bytes of the header.
    """

    values: dict[str, Any]
    tensors: tuple[TensorHeader, ...]
    size_B: int = 0

    @property
    def tied(self) -> bool:
        """Whether a language model in GGUF has no head of its own: the embedding serves as one."""
        return all(tensor.name != HEAD for tensor in self.tensors)

    def embedding(self, path: Path) -> TensorHeader:
        """The matrix of the embedding of a language model in GGUF.

        Raises
        ------
        InputError
            If there is none, or it is no matrix.
        """
        found = next((tensor for tensor in self.tensors if tensor.name == EMBEDDING), None)
        if found is None:
            raise InputError(f"{path}: no tensor {EMBEDDING}, expected a language model")
        if len(found.shape) != 2:
            raise InputError(f"{path}: tensor {EMBEDDING} has {len(found.shape)} dimensions, expected 2")
        return found


def read_gguf(path: Path, *, lists: bool = False) -> ModelHeader:
    """Read the header of a GGUF file.

    Parameters
    ----------
    path : Path
    lists : bool
        Read lists, such as the vocabulary; else their lengths alone.

    Raises
    ------
    InputError
        If it is not a GGUF file of a known version, or ends early.
    """
    with path.open("rb") as file:
        reader = _Gguf(file, path, lists)
        version, tensors, keys = reader.begin()
        if version not in VERSIONS:
            raise InputError(f"{path}: GGUF version {version}, expected {VERSIONS[0]} or {VERSIONS[1]}")
        values = {reader.text(): reader.value() for _ in range(keys)}
        found = tuple(reader.tensor() for _ in range(tensors))
        return ModelHeader(values, found, file.tell())


class _Gguf:
    """Reads one item after another."""

    def __init__(self, file: BinaryIO, path: Path, lists: bool) -> None:
        self.file, self.path, self.lists = file, path, lists
        self.size = path.stat().st_size

    def begin(self) -> tuple[int, int, int]:
        """Magic and version, number of tensors, number of keys."""
        if self.file.read(len(MAGIC)) != MAGIC:
            raise InputError(f"{self.path}: does not begin with {MAGIC.decode()}, expected a GGUF file")
        version = self.scalar("I")
        return version, self.count("tensors"), self.count("keys")

    def scalar(self, kind: str) -> Any:
        size = struct.calcsize(f"<{kind}")
        return struct.unpack(f"<{kind}", self.bytes(size))[0]

    def bytes(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) != size:
            raise InputError(f"{self.path}: ends within its header, expected a whole GGUF file")
        return data

    def count(self, what: str) -> int:
        found = self.scalar("Q")
        if found > MAX_ITEMS:
            raise InputError(f"{self.path}: {found} {what}, expected at most {MAX_ITEMS}")
        return int(found)

    def text(self) -> str:
        size = self.scalar("Q")
        if size > MAX_TEXT_BYTES:
            raise InputError(f"{self.path}: a text of {size} bytes, expected at most {MAX_TEXT_BYTES}")
        return self.bytes(size).decode("utf-8", "replace")

    def value(self) -> Any:
        kind = self.scalar("I")
        if kind == LIST:
            kind, length = self.scalar("I"), self.count("elements of a list")
            if self.lists:
                return [self.text() if kind == TEXT else self.scalar(self.known(kind)) for _ in range(length)]
            self.skip(kind, length)
            return ListOf(length)
        return self.text() if kind == TEXT else self.scalar(self.known(kind))

    def skip(self, kind: int, length: int) -> None:
        """Go to the end of a list."""
        if kind == TEXT:
            for _ in range(length):
                size = self.scalar("Q")
                self.forward(size)
        else:
            self.forward(length * struct.calcsize(f"<{self.known(kind)}"))

    def forward(self, size: int) -> None:
        if self.file.tell() + size > self.size:
            raise InputError(f"{self.path}: ends within its header, expected a whole GGUF file")
        self.file.seek(size, 1)

    def known(self, kind: int) -> str:
        if kind not in SCALARS:
            raise InputError(f"{self.path}: a value of type {kind}, expected a type of GGUF")
        return SCALARS[kind]

    def tensor(self) -> TensorHeader:
        name, dimensions = self.text(), self.scalar("I")
        if dimensions > 8:
            raise InputError(f"{self.path}: tensor {name} has {dimensions} dimensions, expected at most 8")
        shape = tuple(self.scalar("Q") for _ in range(dimensions))
        kind = self.scalar("I")
        return TensorHeader(name, shape, kind, None, self.scalar("Q"))


def read_safetensors(path: Path) -> ModelHeader:
    """Read the header of a safetensors file.

    Raises
    ------
    InputError
        If it is none.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        length = int.from_bytes(begin, "little")
        if len(begin) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
            raise InputError(f"{path}: no header of {length} bytes, expected a safetensors file")
        text = file.read(length)
    try:
        found = json.loads(text)
        values = found.pop("__metadata__", {})
        return ModelHeader(values, tuple(_tensor(name, **item) for name, item in found.items()), 8 + length)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: its header is no list of tensors, expected a safetensors file") from error


def _tensor(name: str, *, dtype: str, shape: list[int], data_offsets: tuple[int, int]) -> TensorHeader:
    begin, end = data_offsets
    if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in (*shape, begin, end - begin)):
        raise ValueError(f"tensor {name} has no shape and place")
    return TensorHeader(name, tuple(shape), dtype, end - begin, begin)
