"""The stream of a tensor that is coded by context mixing.

Stored are the number of non-zeros, which of the `neighbours_of` the shape were taken where there is
a choice, and the arithmetic code, which knows its own end. The whole tensor is one segment.
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
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.fields import ByteReader

_MOST_TRIED = 1 << 20
"""Weights up to which every kind of neighbours is tried."""

_KERNELS = range(2, 9)


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
        writer = ByteWriter()
        nonzeros = int(np.count_nonzero(tensor.labels))
        writer.varint(nonzeros)
        if nonzeros == 0:
            return bytes(writer.data)
        matrix = tensor.labels.astype(np.uint16).reshape(rows_of(tensor.shape))
        choices = neighbours_of(tensor.shape)
        tried = choices if matrix.size <= _MOST_TRIED else choices[:1]
        alphabet = alphabet_of(tensor.values)
        codes = [context.encode(matrix, alphabet, neighbours) for neighbours in tried]
        best = min(range(len(codes)), key=lambda index: len(codes[index]))
        if len(choices) > 1:
            writer.byte(best)
        writer.raw(codes[best])
        return bytes(writer.data)

    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        """Read what `encode` wrote: see `Codec`."""
        begin = reader.at
        matrix = np.zeros(rows_of(shape), np.uint16)
        nonzeros = reader.varint()
        if nonzeros > matrix.size:
            raise InputError(f"{nonzeros} non-zeros declared in {matrix.size} weights")
        code_bits = decisions = 0
        code_at = reader.at
        if nonzeros:
            choices = neighbours_of(shape)
            choice = reader.byte() if len(choices) > 1 else 0
            if choice >= len(choices):
                raise InputError(f"neighbours {choice} are unknown, expected less than {len(choices)}")
            code_at = reader.at
            data = padded(reader.data[code_at:])
            end, decisions = context.decode(data, matrix, nonzeros, alphabet_of(values), choices[choice])
            if np.count_nonzero(matrix) != nonzeros:
                raise InputError(f"{np.count_nonzero(matrix)} non-zeros decoded, expected {nonzeros}")
            code_bits = 8 * len(reader.raw(end))
        streams = {"context": code_bits, "entry_points": 8 * (code_at - begin)}
        segment = np.array([code_bits], np.int64)
        counted = Streams(nonzeros, segment, np.array([decisions], np.int64), streams)
        return Decoded(matrix.reshape(-1), counted, None)


CONTEXT = ContextCodec()
