"""The streams of a sparse tensor: entries and gaps, fixed-width or Huffman, in seekable segments.

Stored are one byte (gap width, and whether there are several segments), the entry points, the
Huffman tables, then segment after segment, bit after bit: its entries, then its gaps. A segment is a
run of weights that a decoder can enter on its own: a number of whole rows, or a part of one. Its entry
point is the number of its entries, and, of several Huffman-coded ones, the bits that it takes. Where
there are several, the weights in a segment are stored too, and entry points as a least number, a width,
and what each has above the least one.

Files of version 1 have whole rows in a segment, each padded to a whole byte, and entry points of whole bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs import gaps, huffman
from compress.codecs.base import Codec, Decoded, Labels, Limits, Streams, rows_of
from compress.codecs.bits import GUARD_BYTES, padded, read_fixed, width_for, write_fixed
from compress.codecs.fields import ByteWriter
from compress.codecs.points import read_points, write_points
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.fields import ByteReader

SEGMENT_BYTES = 32 * 1024
MAX_GAP_BITS = 12
MAX_HUFFMAN_GAP_BITS = 10

_ALIGNED, _SEVERAL = 0x10, 0x20
"""Several segments: as in version 1, and as they are written now."""

_WHOLE_VALUES = 1 << 32


def write_sparse(
    writer: ByteWriter,
    labels: NDArray[Any],
    rows: int,
    alphabet: int,
    *,
    entropy_coded: bool,
    gap_bits: int | None,
    segments: int | None = None,
) -> None:
    """Append the streams of a tensor.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Scanned row by row; 0 is not stored.
    rows : int
        Equal rows that `labels` consist of.
    alphabet : int
        Number of labels, 0 included: a fixed-width entry has ``width_for(alphabet)`` bits.
    entropy_coded : bool
        Huffman on entries and gaps, instead of fixed widths.
    gap_bits : int or None
        Width of a gap; None takes the one that gives the fewest bits.
    segments : int, optional
        Parts that a decoder can enter, as nearly as whole rows (or weights, if there are more parts than
        rows) allow; one for each `SEGMENT_BYTES` by default.
    """
    width, estimate = _gap_width(labels, alphabet, entropy_coded, gap_bits)
    parts = segments or min(estimate // (8 * SEGMENT_BYTES), rows)
    length = _length_of(len(labels), rows, parts)
    distances, entries, counts = gaps.encode(labels, width, length)
    several = len(counts) > 1
    writer.byte(width | _SEVERAL * several)
    if several:
        writer.varint(length)
        write_points(writer, counts)
    else:
        writer.varint(int(counts[0]))
    if not counts.any():
        return
    if entropy_coded:
        _write_huffman(writer, entries, distances, counts, alphabet, 1 << width)
    else:
        _write_fixed(writer, entries, distances, counts, width_for(alphabet), width)


def read_sparse(reader: ByteReader, rows: int, size: int, alphabet: int, *, entropy_coded: bool) -> Decoded:
    """Read what `write_sparse` wrote.

    Raises
    ------
    InputError
        If the streams are cut short or lead out of the tensor or its alphabet.
    """
    begin = reader.at
    flags = reader.byte()
    gap_bits, several, aligned = flags & 0x0F, bool(flags & (_SEVERAL | _ALIGNED)), bool(flags & _ALIGNED)
    widest = MAX_HUFFMAN_GAP_BITS if entropy_coded else MAX_GAP_BITS
    if not 1 <= gap_bits <= widest or flags > (_SEVERAL | 0x0F) or (aligned and flags & _SEVERAL):
        raise InputError(f"gaps have the flags {flags:#x}, expected a width of 1 to {widest} bits")
    length = max(size, 1)
    if several:
        length = reader.varint() * (max(size // rows, 1) if aligned and rows else 1)
        if not 1 <= length <= max(size, 1):
            raise InputError(f"segments have {length} weights, expected 1 to {size}")
    segments = max(ceil_div(size, length), 1)
    if several and not aligned:
        counts = read_points(reader, segments)
    elif segments > reader.left:
        raise InputError(f"{segments} segments declared where {reader.left} bytes are left")
    else:
        # none is more than a segment has, nor than 64 bits hold
        counts = np.array([min(reader.varint(), length + 1) for _ in range(segments)], np.int64)
    if int(counts.max()) > length:
        raise InputError(f"a segment of {length} weights has {counts.max()} entries, expected no more")
    entry_points = 8 * (reader.at - begin)
    dtype = label_dtype(alphabet)
    if not counts.any():
        nothing = np.zeros(segments, np.int64)
        streams = Streams(0, nothing, nothing, {"values": 0, "gaps": 0, "entry_points": entry_points})
        return Decoded(np.zeros(size, dtype), streams, gap_bits)
    read = _read_huffman if entropy_coded else _read_fixed
    entries, distances, streams = read(reader, counts, alphabet, gap_bits, aligned)
    streams.bits["entry_points"] += entry_points
    if alphabet < _WHOLE_VALUES and int(entries.max()) >= alphabet:
        raise InputError(f"a label is {entries.max()}, expected less than {alphabet}")
    labels = gaps.decode(distances, entries.astype(dtype, copy=False), counts, length, size)
    return Decoded(labels, streams, gap_bits)


def label_dtype(alphabet: int) -> type[np.unsignedinteger[Any]]:
    """Return the narrowest type for `alphabet` labels."""
    if alphabet <= 1 << 8:
        return np.uint8
    return np.uint16 if alphabet <= 1 << 16 else np.uint32


def _gap_width(
    labels: NDArray[Any], alphabet: int, entropy_coded: bool, gap_bits: int | None
) -> tuple[int, int]:
    """Width of a gap and the payload bits that come of it, tables included."""
    runs = gaps.zero_runs(labels)
    if entropy_coded:
        used = np.bincount(labels[labels != 0], minlength=alphabet)
        costs = {w: _huffman_bits(runs, used, w) for w in _widths(gap_bits, MAX_HUFFMAN_GAP_BITS)}
    else:
        value_bits = width_for(alphabet)
        costs = {
            w: (len(runs) + gaps.fillers(runs, w)) * (value_bits + w) for w in _widths(gap_bits, MAX_GAP_BITS)
        }
    best = min(costs, key=lambda width: (costs[width], width))
    return best, costs[best]


def _widths(gap_bits: int | None, widest: int) -> range:
    return range(1, widest + 1) if gap_bits is None else range(gap_bits, gap_bits + 1)


def _huffman_bits(runs: NDArray[np.int64], used: NDArray[np.int64], gap_bits: int) -> int:
    values = used.copy()
    values[0] = gaps.fillers(runs, gap_bits)
    total = 0
    for counts in (values, gaps.gap_counts(runs, gap_bits)):
        code = huffman.build(counts)
        total += huffman.encoded_bits(code, counts) + 8 * len(huffman.pack_lengths(code))
    return total


def _length_of(size: int, rows: int, segments: int) -> int:
    """Weights in a segment: whole rows, or a part of one where there are more segments than rows."""
    segments = max(segments, 1)
    if segments <= rows:
        return max(ceil_div(rows, segments) * (size // rows), 1)
    return max(ceil_div(size, segments), 1)


def _write_fixed(
    writer: ByteWriter,
    entries: NDArray[Any],
    distances: NDArray[Any],
    counts: NDArray[np.int64],
    value_bits: int,
    gap_bits: int,
) -> None:
    stops = np.cumsum(counts)
    out = np.zeros(ceil_div(int(stops[-1]) * (value_bits + gap_bits), 8) + 1, np.uint8)
    at = 0
    for start, stop in zip(stops - counts, stops, strict=True):
        at = write_fixed(entries[start:stop], value_bits, out, at)
        at = write_fixed(distances[start:stop], gap_bits, out, at)
    writer.raw(out[: ceil_div(at, 8)].tobytes())


def _read_fixed(
    reader: ByteReader, counts: NDArray[np.int64], alphabet: int, gap_bits: int, aligned: bool
) -> tuple[NDArray[Any], NDArray[Any], Streams]:
    value_bits = width_for(alphabet)
    bits = counts * (value_bits + gap_bits)
    taken = 8 * ceil_div(bits, 8) if aligned else bits
    stored = ceil_div(int(taken.sum()), 8)
    data = padded(reader.raw(stored))
    entries = np.empty(int(counts.sum()), label_dtype(alphabet))
    distances = np.empty(len(entries), np.uint16)
    stops = np.cumsum(counts)
    for start, stop, at in zip(stops - counts, stops, np.cumsum(taken) - taken, strict=True):
        gaps_at = read_fixed(data, int(at), value_bits, entries[start:stop])
        read_fixed(data, gaps_at, gap_bits, distances[start:stop])
    total = len(entries)
    streams = {
        "values": total * value_bits,
        "gaps": total * gap_bits,
        "entry_points": 0,
        "padding": 8 * stored - int(bits.sum()),
    }
    return entries, distances, Streams(total, bits, np.zeros_like(counts), streams)


def _write_huffman(
    writer: ByteWriter,
    entries: NDArray[Any],
    distances: NDArray[Any],
    counts: NDArray[np.int64],
    alphabet: int,
    gap_alphabet: int,
) -> None:
    value_code = huffman.build(np.bincount(entries, minlength=alphabet))
    gap_code = huffman.build(np.bincount(distances, minlength=gap_alphabet))
    stops = np.cumsum(counts)
    out = np.zeros(2 * huffman.MAX_LENGTH * len(entries) // 8 + GUARD_BYTES, np.uint8)
    at, ends = 0, [0]
    for start, stop in zip(stops - counts, stops, strict=True):
        at = huffman.encode(entries[start:stop], value_code, out, at)
        at = huffman.encode(distances[start:stop], gap_code, out, at)
        ends.append(at)
    if len(counts) > 1:
        write_points(writer, np.diff(ends))
    writer.raw(huffman.pack_lengths(value_code))
    writer.raw(huffman.pack_lengths(gap_code))
    writer.raw(out[: ceil_div(at, 8)].tobytes())


def _read_huffman(
    reader: ByteReader, counts: NDArray[np.int64], alphabet: int, gap_bits: int, aligned: bool
) -> tuple[NDArray[Any], NDArray[Any], Streams]:
    several = len(counts) > 1
    begin = reader.at
    sizes = np.zeros(1, np.int64)
    if several and aligned:
        sizes = 8 * np.array([reader.count() for _ in counts], np.int64)
    elif several:
        sizes = read_points(reader, len(counts))
    tables_at = reader.at
    value_code, reader.at = huffman.unpack_lengths(reader.data, reader.at, alphabet)
    gap_code, reader.at = huffman.unpack_lengths(reader.data, reader.at, 1 << gap_bits)
    payload_at = reader.at
    if not several:
        sizes[0] = 8 * reader.left
    starts = np.cumsum(sizes) - sizes
    data = padded(reader.raw(ceil_div(int(sizes.sum()), 8)))
    entries, middles = huffman.decode(data, starts, counts, value_code)
    distances, ends = huffman.decode(data, middles, counts, gap_code)
    bits = ends - starts
    taken = 8 * ceil_div(bits, 8) if aligned else bits
    if (several and (taken != sizes).any()) or taken[0] > sizes[0]:
        raise InputError("a Huffman stream does not end where its segment ends")
    stored = ceil_div(int(taken.sum()), 8)
    reader.at = payload_at + stored
    streams = {
        "values": int((middles - starts).sum()),
        "gaps": int((ends - middles).sum()),
        "tables": 8 * (payload_at - tables_at),
        "entry_points": 8 * (tables_at - begin),
        "padding": 8 * stored - int(bits.sum()),
    }
    return entries, distances, Streams(len(entries), bits, 2 * counts, streams)


@dataclass(frozen=True)
class SparseCodec(Codec):
    """Entries and gaps, of fixed widths or Huffman-coded.

    Parameters
    ----------
    name : str
    limits : Limits
    entropy_coded : bool
        Huffman on entries and gaps, instead of fixed widths.
    """

    name: str
    limits: Limits
    entropy_coded: bool

    def encode(self, tensor: Labels, gap_bits: int | None = None) -> bytes:
        """Code a tensor: see `Codec`."""
        self.check(tensor, gap_bits)
        writer = ByteWriter()
        write_sparse(
            writer,
            tensor.labels,
            rows_of(tensor.shape)[0],
            tensor.alphabet,
            entropy_coded=self.entropy_coded,
            gap_bits=gap_bits,
            segments=tensor.segments,
        )
        return bytes(writer.data)

    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        """Read what `encode` wrote: see `Codec`."""
        rows, columns = rows_of(shape)
        return read_sparse(reader, rows, rows * columns, len(values) + 1, entropy_coded=self.entropy_coded)


FIXED = SparseCodec("fixed", Limits(_WHOLE_VALUES, MAX_GAP_BITS), entropy_coded=False)
"""Gaps and labels of fixed widths (Han et al., Deep Compression, section 2)."""

HUFFMAN = SparseCodec("huffman", Limits(1 << 16, MAX_HUFFMAN_GAP_BITS), entropy_coded=True)
"""The same, both Huffman-coded (section 4)."""
