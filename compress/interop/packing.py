"""Packed files, `.dcp`: any model file, bit for bit, in fewer bytes.

A file is ``b"DCP"``, a version byte, the size and the SHA-256 of what was packed, the places of its tensors,
all other bytes, then by kind of number the leading bits of all tensors (`compress.codecs.planes`) and their
other bits, in planes of a byte. Other bytes and planes are stored as they are, or by LZMA if that is smaller.
"""

from __future__ import annotations

import hashlib
import lzma
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.codecs import planes
from compress.codecs.bits import padded, read_fixed, write_fixed
from compress.codecs.fields import ByteReader, ByteWriter
from compress.interop.places import KINDS, Kind, Place, places_of
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"DCP"
VERSION = 1

_MANTISSA = 2
"""Bits of the mantissa among the leading bits of a floating-point number."""

_STORED, _LZMA = 0, 1
_LZMA_WORTH = 0.98
_PRESET = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}
_DICTIONARY_B, _LEAST_DICTIONARY_B = 1 << 26, 1 << 12
"""Of the preset, and the least that LZMA takes."""
_FREE_BYTES, _MOST_RATIO = 1 << 24, 1 << 14
"""A packed file may unpack to so many bytes, and to so many times its own."""


class _Split(NamedTuple):
    """Numbers in two parts: leading bits from the least exponent on, and those below with the sign on top."""

    least: int
    depth: int
    leading: NDArray[np.uint16]
    low: NDArray[np.uint32]


def pack(data: bytes) -> bytes:
    """Pack a file. The same bytes always give the same bytes.

    Raises
    ------
    InputError
        If the file holds next to nothing: a packed file unpacks to a bounded multiple of its bytes.
    """
    places = places_of(data)
    packed = min([_packed(data, places), _packed(data, [])], key=len) if places else _packed(data, [])
    if len(data) > _most_bytes(len(packed)):
        raise InputError(f"{len(data)} bytes are as good as empty, expected a model that is worth packing")
    return packed


def _packed(data: bytes, places: list[Place]) -> bytes:
    """Pack a file whose tensors are known, or as bytes."""
    writer = ByteWriter()
    writer.raw(MAGIC)
    writer.byte(VERSION)
    writer.varint(len(data))
    writer.raw(hashlib.sha256(data).digest())
    writer.varint(len(places))
    at, other = 0, bytearray()
    for place in places:
        other += data[at : place.begin]
        writer.varint(place.begin - at)
        writer.varint(place.elements)
        writer.byte(KINDS.index(place.kind))
        writer.varint(place.columns)
        at = place.end
    other += data[at:]
    _write_bytes(writer, bytes(other))
    for kind in KINDS:
        own = [place for place in places if place.kind is kind]
        if own:
            _write_numbers(writer, kind, own, data)
    return bytes(writer.data)


def unpack(data: bytes) -> bytes:
    """Return what was packed.

    Raises
    ------
    InputError
        If the bytes are no packed file, or are damaged.
    """
    reader = ByteReader(data)
    if data[: len(MAGIC)] != MAGIC:
        raise InputError("the file does not begin with DCP, expected a packed model")
    reader.raw(len(MAGIC))
    version = reader.byte()
    if version != VERSION:
        raise InputError(f"the file has version {version}, expected {VERSION}")
    size = reader.varint()
    if size > _most_bytes(len(data)):
        raise InputError(f"{size} bytes packed in {len(data)}, expected at most {_most_bytes(len(data))}")
    digest = reader.raw(hashlib.sha256().digest_size)
    places = _read_places(reader, size)
    other = _read_bytes(reader, size - sum(place.end - place.begin for place in places))
    found = np.empty(size, np.uint8)
    at = taken = 0
    for begin, end in [*((place.begin, place.end) for place in places), (size, size)]:
        found[at:begin] = np.frombuffer(other, np.uint8, begin - at, taken)
        taken += begin - at
        at = end
    for kind in KINDS:
        own = [place for place in places if place.kind is kind]
        if own:
            _read_numbers(reader, kind, own, found)
    result = found.tobytes()
    if reader.left or hashlib.sha256(result).digest() != digest:
        raise InputError("the SHA-256 of what was packed is another, the file is damaged")
    return result


def _most_bytes(packed: int) -> int:
    return _FREE_BYTES + _MOST_RATIO * packed


def _read_places(reader: ByteReader, size: int) -> list[Place]:
    places, at = [], 0
    for _ in range(reader.count(4)):
        begin, elements, number, columns = (
            at + reader.varint(),
            reader.varint(),
            reader.byte(),
            reader.varint(),
        )
        if number >= len(KINDS) or columns < 1 or columns >> 62:
            raise InputError(
                f"a tensor of kind {number} with {columns} columns, expected less than {len(KINDS)}"
            )
        place = Place(begin, elements, KINDS[number], columns)
        if place.end > size:
            raise InputError(f"a tensor ends at byte {place.end} of {size}, expected none beyond")
        places.append(place)
        at = place.end
    return places


def _write_bytes(writer: ByteWriter, data: bytes) -> None:
    coded = _lzma(data)
    method, stored = (_LZMA, coded) if len(coded) < _LZMA_WORTH * len(data) else (_STORED, data)
    writer.byte(method)
    writer.varint(len(stored))
    writer.raw(stored)


def _read_bytes(reader: ByteReader, size: int) -> bytes:
    method = reader.byte()
    stored = reader.raw(reader.count())
    if method == _LZMA:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_PRESET])
        try:
            stored = decoder.decompress(stored, size + 1)
        except lzma.LZMAError as error:
            raise InputError("an LZMA stream is damaged") from error
    elif method != _STORED:
        raise InputError(f"bytes are stored by method {method}, expected {_STORED} or {_LZMA}")
    if len(stored) != size:
        raise InputError(f"{len(stored)} bytes unpacked, expected {size}")
    return stored


def _write_numbers(writer: ByteWriter, kind: Kind, places: list[Place], data: bytes) -> None:
    numbers = np.concatenate([_numbers(np.frombuffer(data, np.uint8), place) for place in places])
    split = _split(kind, numbers)
    writer.varint(split.least)
    writer.byte(split.depth)
    code = planes.encode(split.leading, *_shapes(places), split.depth) if split.depth else b""
    writer.varint(len(code))
    writer.raw(code)
    for shift, width in _planes(kind):
        plane = ((split.low >> np.uint32(shift)) & np.uint32((1 << width) - 1)).astype(np.uint8)
        out = np.zeros(ceil_div(len(plane) * width, 8) + 1, np.uint8)
        write_fixed(plane, width, out, 0)
        fixed, coded = out[:-1].tobytes(), _maybe_lzma(plane)
        method, stored = (
            (_LZMA, coded) if coded and len(coded) < _LZMA_WORTH * len(fixed) else (_STORED, fixed)
        )
        writer.byte(method)
        writer.varint(len(stored))
        writer.raw(stored)


def _maybe_lzma(plane: NDArray[np.uint8]) -> bytes:
    """LZMA of a plane of bytes; nothing where a sample of them is noise."""
    sample = np.concatenate(
        [plane[at : at + 4096] for at in range(0, len(plane), max(len(plane) // 16, 4096))]
    )
    return b"" if len(_lzma(sample.tobytes())) > len(sample) else _lzma(plane.tobytes())


def _lzma(data: bytes) -> bytes:
    """LZMA of bytes; a dictionary of their size finds what a larger one does, and is cleared sooner."""
    size = min(max(len(data), _LEAST_DICTIONARY_B), _DICTIONARY_B)
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[_PRESET | {"dict_size": size}])


def _read_numbers(reader: ByteReader, kind: Kind, places: list[Place], found: NDArray[np.uint8]) -> None:
    count = sum(place.elements for place in places)
    least, depth = reader.varint(), reader.byte()
    if depth > planes.MAX_DEPTH or least >> kind.exponent:
        raise InputError(
            f"{kind.name} from exponent {least} on in {depth} bits, expected {planes.MAX_DEPTH} at most"
        )
    code = np.frombuffer(reader.raw(reader.count()), np.uint8).copy()
    leading = planes.decode(code, *_shapes(places), depth) if depth else np.zeros(count, np.uint16)
    low = np.zeros(count, np.uint32)
    for shift, width in _planes(kind):
        method = reader.byte()
        stored = reader.raw(reader.count())
        plane = np.empty(count, np.uint8)
        if method == _STORED:
            if len(stored) != ceil_div(count * width, 8):
                raise InputError(f"a plane of {count} numbers has {len(stored)} bytes")
            read_fixed(padded(stored), 0, width, plane)
        else:
            whole = ByteWriter()
            whole.byte(method)
            whole.varint(len(stored))
            whole.raw(stored)
            plane = np.frombuffer(_read_bytes(ByteReader(bytes(whole.data)), count), np.uint8)
        low |= plane.astype(np.uint32) << np.uint32(shift)
    numbers = _joined(kind, _Split(least, depth, leading, low))
    at = 0
    for place in places:
        own = numbers[at : at + place.elements]
        found[place.begin : place.end] = own.astype(f"<u{kind.width}").view(np.uint8)
        at += place.elements


def _shapes(places: list[Place]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return (
        np.array([place.elements for place in places], np.int64),
        np.array([place.columns for place in places], np.int64),
    )


def _numbers(data: NDArray[np.uint8], place: Place) -> NDArray[np.uint32]:
    return data[place.begin : place.end].view(f"<u{place.kind.width}").astype(np.uint32)


def _planes(kind: Kind) -> list[tuple[int, int]]:
    """Shift and width of each plane of the bits below, the highest first."""
    if not kind.exponent:
        return []
    left = 1 + kind.mantissa - _MANTISSA
    found = []
    while left > 0:
        width = min(left, 8)
        left -= width
        found.append((left, width))
    return found


def _split(kind: Kind, numbers: NDArray[np.uint32]) -> _Split:
    """Take numbers apart. An exponent of zero stays; the others count from the least one on."""
    if not kind.exponent:
        return _Split(0, 8, (numbers ^ 0x80).astype(np.uint16), np.zeros(0, np.uint32))
    rest = kind.mantissa - _MANTISSA
    exponent = (numbers >> np.uint32(kind.mantissa)) & np.uint32((1 << kind.exponent) - 1)
    least = max(int(exponent.min(where=exponent > 0, initial=(1 << kind.exponent) - 1)) - 1, 0)
    moved = np.where(exponent > 0, exponent - least, 0)
    leading = moved << _MANTISSA | (numbers >> np.uint32(rest)) & np.uint32((1 << _MANTISSA) - 1)
    sign = numbers >> np.uint32(kind.exponent + kind.mantissa)
    low = sign << np.uint32(rest) | numbers & np.uint32((1 << rest) - 1)
    depth = int(leading.max(initial=0)).bit_length()
    return _Split(least, depth, leading.astype(np.uint16), low.astype(np.uint32))


def _joined(kind: Kind, split: _Split) -> NDArray[np.uint32]:
    """Put numbers together again."""
    leading = split.leading.astype(np.uint32)
    if not kind.exponent:
        return leading ^ np.uint32(0x80)
    rest = kind.mantissa - _MANTISSA
    moved = leading >> np.uint32(_MANTISSA)
    exponent = np.where(moved > 0, moved + np.uint32(split.least), 0).astype(np.uint32)
    exponent &= np.uint32((1 << kind.exponent) - 1)
    top = (split.low >> np.uint32(rest)) << np.uint32(kind.exponent + kind.mantissa)
    middle = (leading & np.uint32((1 << _MANTISSA) - 1)) << np.uint32(rest)
    below = split.low & np.uint32((1 << rest) - 1)
    joined: NDArray[np.uint32] = top | exponent << np.uint32(kind.mantissa) | middle | below
    return joined
