"""A binary arithmetic coder: each bit costs what its probability says (Rissanen 1976; Martin 1979).

The coder keeps an interval of 64 bits. A bit takes its share of the interval; when less than 32 bits
are left, the upper 32 are written. Encoding adds to the lower end, and a carry runs back through the
bytes that were written. The end is written in as many bytes as the size of the interval, which the
decoder knows too, needs. So bytes after the end do not matter, and no length is stored.

A coder is three words: the lower end (the decoder's offset from it), the size of the interval, and
the next byte. Probabilities have 16 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.words import lean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.words import Scalar

PROBABILITY_BITS = 16

_WORD_BYTES = 4
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LEAST = np.uint64(1 << 32)
_MOST_LAST_BYTES = 5

Coder = tuple[np.uint64, np.uint64, np.uint64]


@lean
def start_encoder() -> Coder:
    """Coder that writes from the first byte of its data on."""
    return np.uint64(0), _ALL, np.uint64(0)


@lean
def start_decoder(data: NDArray[np.uint8], start: int) -> Coder:
    """Coder that reads from byte `start`; beyond the end of `data` it reads zeros."""
    low, at = np.uint64(0), np.uint64(start)
    for _ in range(2):
        low = low << np.uint64(32) | _word(data, at)
        at += np.uint64(_WORD_BYTES)
    return low, _ALL, at


@lean
def encode_bit(coder: Coder, data: NDArray[np.uint8], one: Scalar, bit: Scalar) -> Coder:
    """Write a bit that is 1 with probability ``one / 65536`` (1 to 65535).

    Beyond the end of `data` nothing is written.
    """
    low, size, at = coder
    share = (size >> np.uint64(PROBABILITY_BITS)) * np.uint64(one)
    if bit:
        size = share
    else:
        size -= share
        low += share
        if low < share:
            _carry(data, at)
    if size < _LEAST:
        _write(data, at, low)
        low <<= np.uint64(32)
        size <<= np.uint64(32)
        at += np.uint64(_WORD_BYTES)
    return low, size, at


@lean
def decode_bit(coder: Coder, data: NDArray[np.uint8], one: Scalar) -> tuple[Scalar, Coder]:
    """Read a bit that is 1 with probability ``one / 65536`` (1 to 65535)."""
    low, size, at = coder
    share = (size >> np.uint64(PROBABILITY_BITS)) * np.uint64(one)
    if low < share:
        bit = 1
        size = share
    else:
        bit = 0
        size -= share
        low -= share
    if size < _LEAST:
        low = low << np.uint64(32) | _word(data, at)
        size <<= np.uint64(32)
        at += np.uint64(_WORD_BYTES)
    return bit, (low, size, at)


@lean
def end_encoder(coder: Coder, data: NDArray[np.uint8]) -> Scalar:
    """Write what is left and return the byte behind it; beyond `len(data)`, they were too short."""
    low, size, at = coder
    count = _last_bytes(size)
    mask = (np.uint64(1) << np.uint64(64 - 8 * count)) - np.uint64(1)
    rounded = (low + mask) & ~mask
    if rounded < low:
        _carry(data, at)
    _write(data, at, rounded)
    _write(data, at + np.uint64(_WORD_BYTES), rounded << np.uint64(32))
    return np.int64(at) + count


@lean
def end_decoder(coder: Coder) -> Scalar:
    """Byte behind the last one that belongs to the stream."""
    _, size, at = coder
    return np.int64(at) - 2 * _WORD_BYTES + _last_bytes(size)


@lean
def _last_bytes(size: np.uint64) -> Scalar:
    """Fewest bytes that identify a value in the interval, for any bytes that follow."""
    count = 1
    while count < _MOST_LAST_BYTES and np.uint64(1) << np.uint64(65 - 8 * count) > size:
        count += 1
    return count


@lean
def _word(data: NDArray[np.uint8], at: np.uint64) -> np.uint64:
    word = np.uint64(0)
    for offset in range(np.uint64(_WORD_BYTES)):
        word <<= np.uint64(8)
        if at + offset < np.uint64(len(data)):
            word |= np.uint64(data[at + offset])
    return word


@lean
def _write(data: NDArray[np.uint8], at: np.uint64, low: np.uint64) -> None:
    for offset in range(np.uint64(_WORD_BYTES)):
        if at + offset < np.uint64(len(data)):
            data[at + offset] = (low >> (np.uint64(56) - np.uint64(8) * offset)) & np.uint64(0xFF)


@lean
def _carry(data: NDArray[np.uint8], behind: np.uint64) -> None:
    """Add 1 to the number that the bytes before `behind` make."""
    at: Scalar = min(np.int64(behind), len(data))
    at -= 1
    while at >= 0 and data[at] == 0xFF:
        data[at] = 0
        at -= 1
    if at >= 0:
        data[at] += 1
