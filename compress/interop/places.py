"""Where the tensors of a model file lie, and of what kind their numbers are.

Safetensors, ONNX, npz and other zip archives say so themselves. In any other file the kind is guessed, from
how unequal the bytes are that would be the exponents of its numbers.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(NamedTuple):
    """Numbers of one kind: bytes of one, and bits of its exponent and mantissa (none: a whole number)."""

    name: str
    width: int
    exponent: int
    mantissa: int


KINDS = (Kind("fp32", 4, 8, 23), Kind("bf16", 2, 8, 7), Kind("fp16", 2, 5, 10), Kind("int8", 1, 0, 0))
"""The order is part of the format of packed files: add at the end only."""

FP32, BF16, FP16, INT8 = KINDS

_SAFETENSORS = {"F32": FP32, "BF16": BF16, "F16": FP16, "I8": INT8, "U8": INT8}
_ONNX = {1: FP32, 2: INT8, 3: INT8, 10: FP16, 16: BF16}
_NUMPY = {"<f4": FP32, "<f2": FP16, "|i1": INT8, "|u1": INT8}

_LEAST = 256
"""Bytes of a tensor worth coding by itself."""

_CHUNK = 1 << 20
"""Bytes of an unknown file that are taken to be of one kind."""

_WORTH = 0.97
"""A guess must make the entropy of the bytes so much less, than narrower numbers, too."""

_CLEARLY = 1.1
"""A guess of bf16 instead of fp16 must save so many times as much."""

_MESSAGES = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
"""Fields of ONNX that hold messages, by message and number (onnx.proto)."""

_DEEPEST = 32


class Place(NamedTuple):
    """A tensor in a file: first byte, elements, kind, and elements of one of its rows."""

    begin: int
    elements: int
    kind: Kind
    columns: int

    @property
    def end(self) -> int:
        """Byte behind it."""
        return self.begin + self.elements * self.kind.width


def places_of(data: bytes) -> list[Place]:
    """Tensors of a model file, in order, none overlapping another."""
    for known in (_safetensors, _archive, _onnx):
        try:
            found = sorted(known(data))
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
            RecursionError,
            zipfile.BadZipFile,
        ):
            continue
        if found:
            return _apart(found, len(data))
    return list(_guessed(data, 0, len(data)))


def _apart(found: list[Place], size: int) -> list[Place]:
    """Leave out what is small, overlaps what is before it, or leads out of the file."""
    kept: list[Place] = []
    for place in found:
        begin = kept[-1].end if kept else 0
        if begin <= place.begin and place.end <= size and place.end - place.begin >= _LEAST:
            kept.append(place)
    return kept


def _columns(shape: Any) -> int:
    return max(math.prod(shape[1:]), 1) if len(shape) > 1 else 1


def _safetensors(data: bytes) -> Iterator[Place]:
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        return
    for name, tensor in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and tensor["dtype"] in _SAFETENSORS:
            kind, (begin, end) = _SAFETENSORS[tensor["dtype"]], tensor["data_offsets"]
            yield Place(8 + length + begin, (end - begin) // kind.width, kind, _columns(tensor["shape"]))


def _archive(data: bytes) -> Iterator[Place]:
    """Members of a zip archive that are stored as they are: arrays of numpy, or the storages of PyTorch."""
    if data[:2] != b"PK":
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                continue
            at = member.header_offset
            name, extra = (int.from_bytes(data[at + k : at + k + 2], "little") for k in (26, 28))
            begin, end = at + 30 + name + extra, at + 30 + name + extra + member.file_size
            if data[begin : begin + 6] == b"\x93NUMPY":
                yield from _numpy(data, begin, end)
            else:
                yield from _guessed(data, begin, end)


def _numpy(data: bytes, begin: int, end: int) -> Iterator[Place]:
    stream = io.BytesIO(data[begin : begin + (1 << 16)])
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, in_columns, dtype = read(stream)
    kind = _NUMPY.get(dtype.str)
    if kind is not None:
        shape = shape[::-1] if in_columns else shape
        first = begin + stream.tell()
        yield Place(first, (end - first) // kind.width, kind, _columns(shape))


def _onnx(data: bytes) -> Iterator[Place]:
    """Raw data, and packed numbers, of the tensors of an ONNX model."""
    if data[:1] != b"\x08":  # the version of its format comes first
        return
    yield from _message(data, 0, len(data), "model", 0)


def _message(data: bytes, begin: int, end: int, message: str, depth: int) -> Iterator[Place]:
    if depth > _DEEPEST:
        raise ValueError("messages are too deep")
    if message == "tensor":
        yield from _tensor(data, begin, end)
        return
    for number, wire, first, last in _fields(data, begin, end):
        inner = _MESSAGES[message].get(number)
        if inner and wire == 2:
            yield from _message(data, first, last, inner, depth + 1)


def _tensor(data: bytes, begin: int, end: int) -> Iterator[Place]:
    shape: list[int] = []
    kind, where = None, (0, 0)
    for number, wire, first, last in _fields(data, begin, end):
        if number == 1 and wire == 0:
            shape.append(_varint(data, first)[0])
        elif number == 1:
            while first < last:
                size, first = _varint(data, first)
                shape.append(size)
        elif number == 2:
            kind = _ONNX.get(_varint(data, first)[0])
        elif number == 9 or (number == 4 and wire == 2):
            where = first, last
    if kind is not None and where[1] > where[0]:
        yield Place(where[0], (where[1] - where[0]) // kind.width, kind, _columns(shape))


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Fields of a message: number, type on the wire, first byte of the value, byte behind it."""
    while at < end:
        key, at = _varint(data, at)
        wire, first = key & 7, at
        if wire == 0:
            at = _varint(data, at)[1]
        elif wire == 2:
            length, first = _varint(data, at)
            at = first + length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError("no such type on the wire")
        if at > end:
            raise ValueError("a field leads out of its message")
        yield key >> 3, wire, first, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _guessed(data: bytes, begin: int, end: int) -> Iterator[Place]:
    """Chunks of numbers whose kind is guessed."""
    for first in range(begin, end, _CHUNK):
        last = min(first + _CHUNK, end)
        found = _guess(np.frombuffer(data, np.uint8, last - first, first))
        if found is not None:
            kind, phase = found
            yield Place(first + phase, (last - first - phase) // kind.width, kind, 1)


def _guess(chunk: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[Kind, int] | None:
    """Kind of the numbers of a chunk and its first byte; None if its bytes are as good as any."""
    if len(chunk) < _LEAST:
        return None
    best, least = None, _entropy(chunk)
    for kinds in ((BF16, FP16), (FP32,)):
        width = kinds[0].width
        planes = [_entropy(chunk[phase::width]) for phase in range(width)]
        bits = sum(planes) / width
        if bits < _WORTH * least:
            top = min(range(width), key=planes.__getitem__)
            phase = (top + 1) % width
            best, least = (_narrower(chunk[phase:], kinds), phase), bits
    return best


def _narrower(chunk: np.ndarray[Any, np.dtype[np.uint8]], kinds: tuple[Kind, ...]) -> Kind:
    """Kind whose exponents are most redundant; bf16 sees three bits of the mantissa of fp16 as exponent."""
    if len(kinds) == 1:
        return kinds[0]
    words = chunk[: len(chunk) // 2 * 2].view("<u2")

    def saved(kind: Kind) -> float:
        exponents = (words >> kind.mantissa) & ((1 << kind.exponent) - 1)
        return kind.exponent - _entropy(exponents.astype(np.uint8))

    return BF16 if saved(BF16) > saved(FP16) * _CLEARLY else FP16


def _entropy(values: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Bits of one value, all being independent."""
    counts = np.bincount(values, minlength=256)
    shares = counts[counts > 0] / max(len(values), 1)
    return float(-(shares * np.log2(shares)).sum())
