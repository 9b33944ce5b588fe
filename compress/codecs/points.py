"""Entry points of the segments of a stream: whole numbers, one for each segment, that differ little.

Stored are the least number, a width, and in so many bits what each number has above the least one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.bits import padded, read_fixed, write_fixed
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.fields import ByteReader, ByteWriter

_MAX_BITS = 32
_FREE = 1 << 16
"""Equal entry points take no bytes of their own: so many may be declared whatever the bytes that follow."""


def write_points(writer: ByteWriter, values: NDArray[np.int64]) -> None:
    """Append one or more whole numbers.

    Parameters
    ----------
    writer : ByteWriter
    values : ndarray of int64, shape (segments,)
        From 0 to ``2**32 - 1``.
    """
    least = int(values.min())
    width = int(values.max() - least).bit_length()
    writer.varint(least)
    writer.byte(width)
    out = np.zeros(ceil_div(len(values) * width, 8) + 1, np.uint8)
    write_fixed(values - least, width, out, 0)
    writer.raw(out[:-1].tobytes())


def read_points(reader: ByteReader, count: int) -> NDArray[np.int64]:
    """Read what `write_points` wrote, shape (count,).

    Raises
    ------
    InputError
        If the numbers are too wide, or more than the bytes that are left can tell.
    """
    least, width = reader.varint(), reader.byte()
    if width > _MAX_BITS or least >> _MAX_BITS:
        raise InputError(f"entry points of {width} bits from {least} on, expected {_MAX_BITS} bits")
    if count > _FREE + 8 * reader.left or count * width > 8 * reader.left:
        raise InputError(f"{count} segments declared where {reader.left} bytes are left")
    values = np.empty(count, np.int64)
    read_fixed(padded(reader.raw(ceil_div(count * width, 8))), 0, width, values)
    return values + least
