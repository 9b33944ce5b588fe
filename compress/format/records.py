"""One stored tensor in a file: form, shape, codebook or scale, then its streams.

The first byte is the form (bits 0-3), the number of the coding (bits 4-5: 0 for raw, from 1 as in
`compress.codecs.table`) and whether the shape is one axis as long as the previous tensor's first, as a
bias is (bit 6). Bit 7 says that the number, 4 or more, is in a byte of its own that follows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.codecs.base import Decoded, Labels, Streams, rows_of
from compress.codecs.bits import padded, read_fixed, write_fixed
from compress.codecs.sparse import SEGMENT_BYTES, read_sparse, write_sparse
from compress.codecs.table import CODECS, SMALLEST
from compress.codecs.word_codes import WORDS
from compress.format.fields import Writer
from compress.format.layout import HEADER, TensorLayout
from compress.format.tensors import (
    MAX_CODEBOOK,
    RAW,
    DenseTensor,
    PrunedTensor,
    QuantizedTensor,
    SharedTensor,
    StoredTensor,
    scales_of_blocks,
)
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.fields import Reader

_DENSE = ("<f4", "<f2", "|i1", "|u1", "<i2", "<i4", "<i8")
_PRUNED, _SHARED, _SHARED_HALF, _QUANTIZED, _QUANTIZED_BY_OUTPUT = range(len(_DENSE), len(_DENSE) + 5)
_QUANTIZED_BY_BLOCK = _QUANTIZED_BY_OUTPUT + 1
_QUANTIZED_IN_GROUPS = 14
_BFLOAT16 = 15
_WITH_OFFSET = 0x80
"""In the width of levels: the offsets of their groups follow."""

EXPONENT_BITS = 8
EXPONENTS = np.arange(1, 1 << EXPONENT_BITS)
"""What the labels of coded bfloat16 exponents stand for, 0 aside."""

_VECTOR = 0x40
_NUMBER_FOLLOWS = 0x80
_NUMBERS_IN_FLAGS = 4
_SAME_CODEBOOK = 0
_MAX_AXES = 8


class Known(NamedTuple):
    """What the tensors before this one make known."""

    shape: tuple[int, ...] = ()
    codebook: NDArray[Any] | None = None


def write_tensor(writer: Writer, tensor: StoredTensor, known: Known) -> Known:
    """Append a tensor.

    Raises
    ------
    InputError
        If its streams cannot be encoded with its coding.
    """
    if isinstance(tensor, (SharedTensor, QuantizedTensor)) and tensor.coding == SMALLEST:
        return _write_smallest(writer, tensor, known)
    implied = _is_vector_of(tensor.shape, known.shape)
    form, coding = _form(tensor)
    _write_flags(writer, form | _VECTOR * implied, coding)
    if not implied:
        writer.varint(len(tensor.shape))
        for size in tensor.shape:
            writer.varint(size)
    if isinstance(tensor, DenseTensor) and tensor.coding != RAW:
        _write_coded_bfloat16(writer, tensor)
    elif isinstance(tensor, DenseTensor):
        writer.raw(_dense_bytes(tensor))
    elif isinstance(tensor, PrunedTensor):
        write_sparse(
            writer,
            tensor.values.ravel().view(np.uint32),
            rows_of(tensor.shape)[0],
            1 << 32,
            entropy_coded=False,
            gap_bits=tensor.gap_bits,
        )
    elif isinstance(tensor, SharedTensor):
        _write_codebook(writer, tensor.codebook, known.codebook)
        labels = Labels(tensor.labels.ravel(), tensor.shape, tensor.codebook, tensor.segments)
        writer.raw(CODECS[coding].encode(labels, tensor.gap_bits))
    else:
        if tensor.block is not None:
            writer.varint(tensor.block)
        writer.raw(tensor.scale.astype("<f2" if form == _QUANTIZED_IN_GROUPS else "<f4").tobytes())
        writer.byte(tensor.bits | _WITH_OFFSET * (tensor.offset is not None))
        if tensor.offset is not None:
            writer.raw(tensor.offset.astype("<f2").tobytes())
        _write_levels(writer, tensor, coding)
    return _known_after(tensor, known)


def read_tensor(
    reader: Reader, name: str, known: Known, most_elements: int
) -> tuple[StoredTensor, TensorLayout, Known]:
    """Read what `write_tensor` wrote, and count its bits.

    Raises
    ------
    InputError
        If the tensor has more than `most_elements`, or the fields make no tensor.
    """
    begin = reader.at
    flags, coding = _read_flags(reader)
    form = flags & 0x0F
    shape = known.shape[:1] if flags & _VECTOR else tuple(reader.varint() for _ in range(_axes(reader)))
    size = math.prod(shape)
    if math.prod(max(axis, 1) for axis in shape) > most_elements:
        raise InputError(f"shape {shape} is too large, expected at most {most_elements} elements here")
    header = 8 * (reader.at - begin)
    bits = {HEADER: header}
    tensor: StoredTensor
    if form < len(_DENSE):
        tensor, streams = _read_dense(reader, shape, np.dtype(_DENSE[form]))
    elif form == _BFLOAT16:
        tensor, streams = _read_bfloat16(reader, shape, coding)
    elif form == _PRUNED:
        labels, streams, gap_bits = read_sparse(reader, rows_of(shape)[0], size, 1 << 32, entropy_coded=False)
        tensor = PrunedTensor(labels.view(np.float32).reshape(shape), gap_bits)
    elif form in (_SHARED, _SHARED_HALF):
        tensor, streams = _read_shared(reader, shape, coding, form == _SHARED_HALF, known.codebook)
    else:
        tensor, streams = _read_quantized(reader, shape, coding, form)
    layout = TensorLayout(
        name,
        _form_name(tensor, coding),
        size,
        tensor.nonzeros,
        streams.entries,
        streams.segment_bits,
        streams.segment_symbols,
        bits | streams.bits,
        shared=isinstance(tensor, SharedTensor),
    )
    return tensor, layout, _known_after(tensor, known)


def _write_smallest(writer: Writer, tensor: SharedTensor | QuantizedTensor, known: Known) -> Known:
    """Append a tensor in the coding that takes the fewest bytes, the simplest one of equals."""
    codings = (RAW, *CODECS) if isinstance(tensor, QuantizedTensor) else CODECS
    best: tuple[bytes, Known] | None = None
    for coding in codings:
        trial = Writer()
        after = write_tensor(trial, replace(tensor, coding=coding), known)
        if best is None or len(trial.data) < len(best[0]):
            best = bytes(trial.data), after
    assert best is not None
    writer.raw(best[0])
    return best[1]


def _write_flags(writer: Writer, flags: int, coding: str) -> None:
    number = (RAW, *CODECS).index(coding)
    if number < _NUMBERS_IN_FLAGS:
        writer.byte(flags | number << 4)
    else:
        writer.byte(flags | _NUMBER_FOLLOWS)
        writer.byte(number)


def _read_flags(reader: Reader) -> tuple[int, str]:
    """Flags of a tensor, and the name of its coding."""
    flags = reader.byte()
    number, least = flags >> 4 & 3, 0
    if flags & _NUMBER_FOLLOWS:
        number, least = reader.byte(), _NUMBERS_IN_FLAGS
    if not least <= number <= len(CODECS):
        raise InputError(f"coding {number} is unknown, expected at most {len(CODECS)}")
    return flags, (RAW, *CODECS)[number]


def _form(tensor: StoredTensor) -> tuple[int, str]:
    if isinstance(tensor, DenseTensor) and tensor.bfloat16:
        return _BFLOAT16, tensor.coding
    if isinstance(tensor, DenseTensor):
        return _DENSE.index(tensor.values.dtype.newbyteorder("<").str), RAW
    if isinstance(tensor, PrunedTensor):
        return _PRUNED, "fixed"
    if isinstance(tensor, SharedTensor):
        return (_SHARED if tensor.codebook.dtype == np.float32 else _SHARED_HALF), tensor.coding
    if tensor.scale.dtype == np.float16:
        return _QUANTIZED_IN_GROUPS, tensor.coding
    return (_QUANTIZED, _QUANTIZED_BY_OUTPUT, _QUANTIZED_BY_BLOCK)[tensor.scale.ndim], tensor.coding


def _form_name(tensor: StoredTensor, coding: str) -> str:
    if isinstance(tensor, DenseTensor):
        name = "bfloat16" if tensor.bfloat16 else tensor.values.dtype.name
        return f"dense {name}" if tensor.coding == RAW else f"dense {name} {tensor.coding}"
    if isinstance(tensor, PrunedTensor):
        return "pruned"
    if isinstance(tensor, SharedTensor):
        return f"shared {coding}"
    return f"int{tensor.bits} {coding}"


def _known_after(tensor: StoredTensor, known: Known) -> Known:
    codebook = tensor.codebook if isinstance(tensor, SharedTensor) else known.codebook
    return Known(tensor.shape, codebook)


def _is_vector_of(shape: tuple[int, ...], previous: tuple[int, ...]) -> bool:
    return len(shape) == 1 and shape == previous[:1]


def _axes(reader: Reader) -> int:
    axes = reader.varint()
    if axes > _MAX_AXES:
        raise InputError(f"a tensor has {axes} axes, expected at most {_MAX_AXES}")
    return axes


def _read_dense(reader: Reader, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[DenseTensor, Streams]:
    stored = reader.raw(math.prod(shape) * dtype.itemsize)
    values = np.frombuffer(stored, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)
    return DenseTensor(values), _dense_streams(shape, 8 * dtype.itemsize)


def _dense_bytes(tensor: DenseTensor) -> bytes:
    if tensor.bfloat16:
        return (tensor.values.view(np.uint32) >> 16).astype("<u2").tobytes()
    return tensor.values.astype(tensor.values.dtype.newbyteorder("<")).tobytes()


def _write_coded_bfloat16(writer: Writer, tensor: DenseTensor) -> None:
    """Append exponents as code words, then sign and mantissa of every value in a byte."""
    halves = (tensor.values.view(np.uint32) >> 16).astype(np.uint16).ravel()
    exponents = Labels((halves >> 7 & 0xFF).astype(np.uint8), tensor.shape, EXPONENTS)
    writer.raw(CODECS[tensor.coding].encode(exponents))
    writer.raw((halves >> 8 & 0x80 | halves & 0x7F).astype(np.uint8).tobytes())


def _read_bfloat16(reader: Reader, shape: tuple[int, ...], coding: str) -> tuple[DenseTensor, Streams]:
    if coding == RAW:
        stored = np.frombuffer(reader.raw(2 * math.prod(shape)), "<u2")
        values = (stored.astype(np.uint32) << 16).view(np.float32).reshape(shape)
        return DenseTensor(values, bfloat16=True), _dense_streams(shape, 16)
    if coding != WORDS.name:
        raise InputError(f"exponents are coded {coding}, expected {RAW} or {WORDS.name}")
    labels, streams, _ = WORDS.decode(reader, shape, EXPONENTS)
    rest = np.frombuffer(reader.raw(len(labels)), np.uint8)
    halves = (rest & 0x80).astype(np.uint32) << 8 | labels.astype(np.uint32) << 7 | rest & 0x7F
    values = (halves << 16).view(np.float32).reshape(shape)
    of_segment = streams.segment_symbols * (16 - EXPONENT_BITS)
    streams.bits["values"] += int(of_segment.sum())
    streams = replace(streams, segment_bits=streams.segment_bits + of_segment)
    return DenseTensor(values, bfloat16=True, coding=coding), streams


def _dense_streams(shape: tuple[int, ...], width: int) -> Streams:
    """Every element stored at one width: a decoder can enter at any row, at no cost."""
    rows, columns = rows_of(shape)
    bits = rows * columns * width
    segments = max(min(bits // (8 * SEGMENT_BYTES), rows), 1)
    step = max(ceil_div(rows, segments), 1)
    starts = np.arange(0, max(rows, 1), step)
    segment_bits = np.diff(np.append(starts, rows)) * columns * width
    streams = {"values": bits, "padding": -bits % 8}
    return Streams(rows * columns, segment_bits, np.zeros_like(segment_bits), streams)


def _write_codebook(writer: Writer, codebook: NDArray[Any], previous: NDArray[Any] | None) -> None:
    """Append a codebook, or that it is the previous tensor's."""
    if previous is not None and previous.dtype == codebook.dtype and previous.tobytes() == codebook.tobytes():
        writer.varint(_SAME_CODEBOOK)
        return
    writer.varint(len(codebook) + 1)
    writer.raw(codebook.astype(codebook.dtype.newbyteorder("<")).tobytes())


def _read_shared(
    reader: Reader, shape: tuple[int, ...], coding: str, half: bool, previous: NDArray[Any] | None
) -> tuple[SharedTensor, Streams]:
    begin = reader.at
    dtype = np.dtype("<f2" if half else "<f4")
    count = reader.varint()
    if count == _SAME_CODEBOOK:
        if previous is None or previous.dtype != dtype.newbyteorder("="):
            raise InputError("a tensor shares the codebook of the one before, which has none of its kind")
        codebook = previous
    elif count - 1 > MAX_CODEBOOK:
        raise InputError(f"a codebook has {count - 1} entries, expected at most {MAX_CODEBOOK}")
    else:
        stored = reader.raw((count - 1) * dtype.itemsize)
        codebook = np.frombuffer(stored, dtype).astype(dtype.newbyteorder("="), copy=False)
    codebook_bits = 8 * (reader.at - begin)
    labels, streams, gap_bits = _read_labels(reader, shape, codebook, coding)
    streams.bits["codebook"] = codebook_bits
    return SharedTensor(labels.reshape(shape), codebook, coding, gap_bits, _several(streams)), streams


def _write_levels(writer: Writer, tensor: QuantizedTensor, coding: str) -> None:
    q = tensor.q.ravel()
    if coding == RAW:
        out = np.zeros(ceil_div(q.size * tensor.bits, 8) + 1, np.uint8)
        write_fixed(q.view(np.uint8) & np.uint8((1 << tensor.bits) - 1), tensor.bits, out, 0)
        writer.raw(out[:-1].tobytes())
        return
    reach = int(np.abs(q.astype(np.int16)).max(initial=0))
    writer.byte(reach)
    found = _labels_of_levels(reach)[q.astype(np.int16) + reach]
    labels = Labels(found, tensor.shape, _levels(reach), tensor.segments)
    writer.raw(CODECS[coding].encode(labels, tensor.gap_bits))


def _levels(reach: int) -> NDArray[np.int16]:
    """Levels of the labels 1, 2...: ``-reach..reach`` without 0."""
    levels = np.arange(-reach, reach + 1, dtype=np.int16)
    return levels[levels != 0]


def _labels_of_levels(reach: int) -> NDArray[np.uint16]:
    """Labels of the levels ``-reach..reach``."""
    labels = np.zeros(2 * reach + 1, np.uint16)
    labels[_levels(reach) + reach] = np.arange(1, 2 * reach + 1)
    return labels


def _read_quantized(
    reader: Reader, shape: tuple[int, ...], coding: str, form: int
) -> tuple[QuantizedTensor, Streams]:
    begin = reader.at
    block = reader.varint() if form in (_QUANTIZED_BY_BLOCK, _QUANTIZED_IN_GROUPS) else None
    scales: tuple[int, ...] = () if form == _QUANTIZED else shape[:1]
    if block is not None:
        scales = scales_of_blocks(shape, block)
    scale = _read_floats(reader, scales, "<f2" if form == _QUANTIZED_IN_GROUPS else "<f4")
    width = reader.byte()
    offset = None
    if form == _QUANTIZED_IN_GROUPS and width & _WITH_OFFSET:
        offset, width = _read_floats(reader, scales, "<f2"), width & ~_WITH_OFFSET
    if not 2 <= width <= 8:
        raise InputError(f"quantized weights have {width} bits, expected 2 to 8")
    gap_bits = segments = None
    if coding == RAW:
        codebook_bits = 8 * (reader.at - begin)
        size = math.prod(shape)
        stored = padded(reader.raw(ceil_div(size * width, 8)))
        levels = np.empty(size, np.uint8)
        read_fixed(stored, 0, width, levels)
        q = ((levels << np.uint8(8 - width)).view(np.int8) >> np.int8(8 - width)).reshape(shape)
        streams = _dense_streams(shape, width)
    else:
        reach = reader.byte()
        codebook_bits = 8 * (reader.at - begin)
        levels_of_labels = np.append(np.int16(0), _levels(reach))
        labels, streams, gap_bits = _read_labels(reader, shape, levels_of_labels[1:], coding)
        q = levels_of_labels[labels].reshape(shape)
        segments = _several(streams)
    streams.bits["codebook"] = codebook_bits
    return QuantizedTensor(q, scale, width, coding, gap_bits, block, offset, segments), streams


def _several(streams: Streams) -> int | None:
    """Segments that were read, if they are several: the same are written again."""
    return len(streams.segment_bits) if len(streams.segment_bits) > 1 else None


def _read_floats(reader: Reader, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    dtype = np.dtype(kind)
    stored = reader.raw(dtype.itemsize * math.prod(shape))
    return np.frombuffer(stored, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_labels(reader: Reader, shape: tuple[int, ...], values: NDArray[Any], coding: str) -> Decoded:
    if coding == RAW:
        raise InputError(f"labels are coded raw, expected {' or '.join(CODECS)}")
    return CODECS[coding].decode(reader, shape, values)
