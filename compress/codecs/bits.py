"""Fixed-width fields packed without padding, least significant bit first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs.words import load_u64
from hwsim.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

GUARD_BYTES = 16
"""Zero bytes after the last stream, so that decoders may load whole words."""


def width_for(symbols: int) -> int:
    """Bits of a fixed-width field that can hold `symbols` different symbols."""
    return max(symbols - 1, 0).bit_length()


def padded(data: bytes | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy `data` with `GUARD_BYTES` zero bytes behind it."""
    source = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    copy = np.zeros(len(source) + GUARD_BYTES, np.uint8)
    copy[: len(source)] = source
    return copy


@njit(cache=True)
def write_fixed(values: NDArray[Any], width: int, out: NDArray[np.uint8], start: int) -> int:
    """Pack fields into `out` from bit `start`; return the bit behind the last one.

    Parameters
    ----------
    values : ndarray of whole numbers, shape (fields,)
        Each at least 0 and below ``2**width``.
    width : int
        Bits of a field, 0 to 32.
    out : ndarray of uint8, shape (bytes,)
        Zero from bit `start` on, and long enough for all fields. Written to.
    start : int
    """
    at, filled = start >> 3, np.uint64(start & 7)
    pending = np.uint64(out[at]) if filled else np.uint64(0)
    for value in values:
        pending |= np.uint64(value) << filled
        filled += np.uint64(width)
        while filled >= np.uint64(8):
            out[at] = pending & np.uint64(0xFF)
            pending >>= np.uint64(8)
            filled -= np.uint64(8)
            at += 1
    if filled:
        out[at] = pending
    return at * 8 + int(filled)


@njit(cache=True)
def read_fixed(data: NDArray[np.uint8], start: int, width: int, out: NDArray[Any]) -> int:
    """Fill `out` with fields from bit `start`; return the bit behind the last one.

    Parameters
    ----------
    data : ndarray of uint8, shape (bytes,)
        As `padded` returns it; the caller has checked that the fields end within it.
    start : int
    width : int
        Bits of a field, 0 to 32.
    out : ndarray of whole numbers, shape (fields,)
        Written to; its dtype holds `width` bits.
    """
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    at = np.uint64(start)
    for index in range(len(out)):
        word = load_u64(data, at >> np.uint64(3)) >> (at & np.uint64(7))
        out[index] = word & mask
        at += np.uint64(width)
    return int(at)
