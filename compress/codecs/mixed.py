"""The stream of a tensor that is coded by context mixing.

Stored are the number of non-zeros, which of the `neighbours_of` the shape were taken where there is
a choice, and the arithmetic code, which knows its own end. The whole tensor is one segment, or each
has as many rows, and learns anew: it is coded as a tensor of its own. Then stored are, instead of the
non-zeros, the weights of the tensor plus the rows of a segment, which no number of non-zeros can be, and
the non-zeros and the bytes of each segment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs import context
from compress.codecs.alphabet import alphabet_of
from compress.codecs.base import Codec, Decoded, Labels, Limits, Streams, rows_of
from compress.codecs.bits import padded
from compress.codecs.context import Neighbours
from compress.codecs.fields import ByteWriter
from compress.codecs.points import read_points, write_points
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.alphabet import Alphabet
    from compress.codecs.fields import ByteReader

_MOST_TRIED = 1 << 20
"""Weights up to which every kind of neighbours is tried."""

_KERNELS = range(2, 9)

LEAST_ENTRIES = 2048
"""Non-zeros of a segment: learning anew what the one before had learned then adds some 1% to its bytes."""


def neighbours_of(shape: tuple[int, ...]) -> tuple[Neighbours, ...]:
    """Which weights of a row may be neighbours: those of its kernels, or of an image it looks at.

    The row of a fully-connected layer may be a plain one, a square image, or channels of small
    square images; nothing but the number of its columns is known here.
    """
    if len(shape) == 4:
        return (Neighbours(shape[3], shape[2] * shape[3]),)
    _, columns = rows_of(shape)
    found = [Neighbours(1, max(columns, 1))]
    side = math.isqrt(columns)
    if len(shape) == 2 and side > 1 and side * side == columns:
        found.append(Neighbours(side, columns))
    if len(shape) == 2:
        found += [Neighbours(k, k * k) for k in _KERNELS if columns > k * k and columns % (k * k) == 0]
    return tuple(found)


class ContextCodec(Codec):
    """Context mixing: see `compress.codecs.context`."""

    name = "context"
    limits = Limits(1 << 16, None)

    def encode(self, tensor: Labels, gap_bits: int | None = None) -> bytes:
        """Code a tensor: see `Codec`."""
        self.check(tensor, gap_bits)
        matrix = tensor.labels.astype(np.uint16).reshape(rows_of(tensor.shape))
        alphabet, choices = alphabet_of(tensor.values), neighbours_of(tensor.shape)
        nonzeros, height = int(np.count_nonzero(matrix)), _height(matrix, tensor.segments)
        writer = ByteWriter()
        if nonzeros == 0:
            writer.varint(0)
            return bytes(writer.data)
        parts = [matrix[first : first + height] for first in range(0, len(matrix), height)]
        tried = choices if matrix.size <= _MOST_TRIED else choices[:1]
        codes = [[_coded(part, alphabet, neighbours) for part in parts] for neighbours in tried]
        best = min(range(len(codes)), key=lambda index: sum(map(len, codes[index])))
        if len(parts) == 1:
            writer.varint(nonzeros)
        else:
            writer.varint(matrix.size + height)
            write_points(writer, np.array([np.count_nonzero(part) for part in parts], np.int64))
            write_points(writer, np.array([len(code) for code in codes[best]], np.int64))
        if len(choices) > 1:
            writer.byte(best)
        for code in codes[best]:
            writer.raw(code)
        return bytes(writer.data)

    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        """Read what `encode` wrote: see `Codec`."""
        begin = reader.at
        matrix = np.zeros(rows_of(shape), np.uint16)
        height, counts, sizes = _read_segments(reader, matrix)
        choices = neighbours_of(shape)
        choice = reader.byte() if counts.any() and len(choices) > 1 else 0
        if choice >= len(choices):
            raise InputError(f"neighbours {choice} are unknown, expected less than {len(choices)}")
        code_at, alphabet = reader.at, alphabet_of(values)
        taken, decisions = np.zeros((2, len(counts)), np.int64)
        for index, nonzeros in enumerate(counts.tolist()):
            if nonzeros:
                part = matrix[index * height : (index + 1) * height]
                end = int(sizes[index]) if sizes is not None else reader.left
                if end > reader.left:
                    raise InputError(f"{end} bytes expected where {reader.left} are left")
                data = padded(reader.data[reader.at : reader.at + end])
                taken[index], decisions[index] = _decoded(data, part, nonzeros, alphabet, choices[choice])
                reader.raw(int(taken[index]))
        if sizes is not None and (taken != sizes).any():
            raise InputError("an arithmetic code does not end where its segment ends")
        streams = {"context": 8 * (reader.at - code_at), "entry_points": 8 * (code_at - begin)}
        counted = Streams(int(counts.sum()), 8 * taken, decisions, streams)
        return Decoded(matrix.reshape(-1), counted, None)


def _height(matrix: NDArray[np.uint16], segments: int | None) -> int:
    """Rows of a segment: as few as were asked for, if each is to hold `LEAST_ENTRIES`."""
    most = min(segments or 1, int(np.count_nonzero(matrix)) // LEAST_ENTRIES)
    return max(ceil_div(len(matrix), max(most, 1)), 1)


def _coded(part: NDArray[np.uint16], alphabet: Alphabet, neighbours: Neighbours) -> bytes:
    return context.encode(part, alphabet, neighbours) if part.any() else b""


def _read_segments(
    reader: ByteReader, matrix: NDArray[np.uint16]
) -> tuple[int, NDArray[np.int64], NDArray[np.int64] | None]:
    """Rows of a segment, non-zeros of each, and bytes of each if there are several."""
    rows, first = len(matrix), reader.varint()
    height = first - matrix.size
    if height <= 0:
        return rows, np.array([first], np.int64), None
    if height >= rows:
        raise InputError(f"{first} non-zeros declared in {matrix.size} weights")
    segments = ceil_div(rows, height)
    counts, sizes = read_points(reader, segments), read_points(reader, segments)
    most = height * matrix.shape[1]
    if int(counts.max()) > most:
        raise InputError(f"{counts.max()} non-zeros declared in a segment of {most} weights")
    return height, counts, sizes


def _decoded(
    data: NDArray[np.uint8],
    part: NDArray[np.uint16],
    nonzeros: int,
    alphabet: Alphabet,
    neighbours: Neighbours,
) -> tuple[int, int]:
    """Fill zeroed rows; return the bytes they took, and how many bits were decided."""
    end, decisions = context.decode(data, part, nonzeros, alphabet, neighbours)
    if np.count_nonzero(part) != nonzeros:
        raise InputError(f"{np.count_nonzero(part)} non-zeros decoded, expected {nonzeros}")
    return end, decisions


CONTEXT = ContextCodec()
