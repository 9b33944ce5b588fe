"""A Huffman code word for every label of a tensor, zeros included: for tensors without many zeros.

Stored are the rows in a segment, the bytes of each segment but the last, the table of code lengths, then
segment after segment, padded to a whole byte. A segment is a number of whole rows that a decoder can
enter on its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs import huffman
from compress.codecs.base import Codec, Decoded, Labels, Limits, Streams, rows_of
from compress.codecs.bits import GUARD_BYTES, padded
from compress.codecs.fields import ByteWriter
from compress.codecs.sparse import SEGMENT_BYTES, label_dtype
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.fields import ByteReader


class WordCodec(Codec):
    """One code word for each label: see the module."""

    name = "words"
    limits = Limits(1 << 16, None)

    def encode(self, tensor: Labels, gap_bits: int | None = None) -> bytes:
        """Code a tensor: see `Codec`."""
        self.check(tensor, gap_bits)
        writer = ByteWriter()
        labels = np.ascontiguousarray(tensor.labels)
        if not labels.size:
            return b""
        counts = np.bincount(labels, minlength=tensor.alphabet)
        code = huffman.build(counts)
        rows, columns = rows_of(tensor.shape)
        segments = tensor.segments or huffman.encoded_bits(code, counts) // (8 * SEGMENT_BYTES)
        step = ceil_div(rows, min(max(segments, 1), rows))
        out = np.zeros(huffman.MAX_LENGTH * labels.size // 8 + ceil_div(rows, step) + GUARD_BYTES, np.uint8)
        at, ends = 0, []
        for first in range(0, labels.size, step * columns):
            at = huffman.encode(labels[first : first + step * columns], code, out, at)
            at += -at % 8
            ends.append(at // 8)
        writer.varint(step)
        for size in np.diff(ends, prepend=0).tolist()[:-1]:
            writer.varint(size)
        writer.raw(huffman.pack_lengths(code))
        writer.raw(out[: at // 8].tobytes())
        return bytes(writer.data)

    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        """Read what `encode` wrote: see `Codec`."""
        rows, columns = rows_of(shape)
        if not rows * columns:
            nothing = np.zeros(1, np.int64)
            return Decoded(np.zeros(0, np.uint8), Streams(0, nothing, nothing, {"values": 0}), None)
        begin, alphabet = reader.at, len(values) + 1
        step = reader.varint()
        if not 1 <= step <= rows:
            raise InputError(f"segments have {step} rows, expected 1 to {rows}")
        counts = np.diff(np.append(np.arange(0, rows, step), rows)) * columns
        if len(counts) > reader.left:
            raise InputError(f"{len(counts)} segments declared where {reader.left} bytes are left")
        sizes = np.array([reader.count() for _ in counts[1:]], np.int64)
        starts = np.append(0, np.cumsum(sizes))
        tables_at = reader.at
        code, reader.at = huffman.unpack_lengths(reader.data, reader.at, alphabet)
        payload_at = reader.at
        if starts[-1] > reader.left:
            raise InputError(f"{starts[-1]} bytes expected where {reader.left} are left")
        data = padded(reader.data[payload_at:])
        labels, ends = huffman.decode(data, 8 * starts, counts, code)
        bits = ends - 8 * starts
        stored = ceil_div(bits, 8)
        if (stored[:-1] != sizes).any():
            raise InputError("a Huffman stream does not end where its segment ends")
        reader.raw(int(starts[-1] + stored[-1]))
        streams = {
            "values": int(bits.sum()),
            "tables": 8 * (payload_at - tables_at),
            "entry_points": 8 * (tables_at - begin),
            "padding": int((8 * stored - bits).sum()),
        }
        counted = Streams(len(labels), bits, counts, streams)
        return Decoded(labels.astype(label_dtype(alphabet), copy=False), counted, None)


WORDS = WordCodec()
