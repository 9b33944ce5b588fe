"""Lossless coding of numbers by their leading bits: exponents in context, the bits below as they are.

A trained weight's sign and the low bits of its mantissa are noise. Its exponent is not: it has some 2.6
bits of entropy in a field of 8, less where its neighbours are known. So the leading bits of each number (the
exponent and the first bits of the mantissa, or a whole small integer) go down a binary tree of adaptive bits.
Four contexts estimate each bit and a mixer joins them (`mixing`): the tree alone; the number before; the one
above, a row before; and the mean of both with the ones before them. One tensor learns from those before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.arithmetic import end_decoder, end_encoder, start_decoder, start_encoder
from compress.codecs.context_model import code_mixed
from compress.codecs.mixing import WEIGHT_ONE, slots
from compress.codecs.words import lean_inline
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.arithmetic import Coder
    from compress.codecs.words import Scalar

MAX_DEPTH = 12
"""Leading bits of a number, at most."""

_CLASS_BITS = 5
_CLASSES = 1 << _CLASS_BITS
_CONTEXTS = 4
_EVEN = 1 << 15
_RATE = 2
"""Of the mixer, in 1 / 1024: there are numbers enough to learn slowly."""


def encode(
    leading: NDArray[np.uint16], lengths: NDArray[np.int64], columns: NDArray[np.int64], depth: int
) -> bytes:
    """Code the leading bits of tensors, one after another.

    Parameters
    ----------
    leading : ndarray of uint16, shape (n,)
        Each below ``2**depth``.
    lengths, columns : ndarray of int64, shape (tensors,)
        Numbers of each tensor, which add up to n, and of one of its rows (1 or more).
    depth : int
        1 to `MAX_DEPTH`.
    """
    room = len(leading) * depth // 6 + 64
    while True:
        data = np.zeros(room, np.uint8)
        end = int(_code(leading, lengths, columns, depth, data, False))
        if end <= room:
            return data[:end].tobytes()
        room = end + 64


def decode(
    data: NDArray[np.uint8], lengths: NDArray[np.int64], columns: NDArray[np.int64], depth: int
) -> NDArray[np.uint16]:
    """Read what `encode` wrote.

    Parameters
    ----------
    data : ndarray of uint8
        All of the code.
    lengths, columns, depth
        As they were given to `encode`.

    Raises
    ------
    InputError
        If the code ends elsewhere than the data.
    """
    leading = np.zeros(int(lengths.sum()), np.uint16)
    end = int(_code(leading, lengths, columns, depth, data, True))
    if end != len(data):
        raise InputError(f"an arithmetic code ends at byte {end} of {len(data)}, expected the last one")
    return leading


@njit(cache=True)
def _code(
    leading: NDArray[np.uint16],
    lengths: NDArray[np.int64],
    columns: NDArray[np.int64],
    depth: int,
    data: NDArray[np.uint8],
    decoding: bool,
) -> Scalar:
    """Write or read `data`; return the byte behind the code."""
    coder = start_decoder(data, 0) if decoding else start_encoder()
    table = slots((1 + (_CONTEXTS - 1) * _CLASSES) << depth, _EVEN)
    weights = np.full(depth * _CONTEXTS, WEIGHT_ONE // 3, np.int64)
    coder = _code_all(leading, lengths, columns, depth, table, weights, coder, data, decoding)
    return end_decoder(coder) if decoding else end_encoder(coder, data)


@lean_inline
def _code_all(
    leading: NDArray[np.uint16],
    lengths: NDArray[np.int64],
    columns: NDArray[np.int64],
    depth: int,
    table: NDArray[np.uint32],
    weights: NDArray[np.int64],
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> Coder:
    shift = np.uint64(max(depth - _CLASS_BITS, 0))
    nodes = np.uint64(1 << depth)
    begin = np.int64(0)
    for tensor in range(len(lengths)):
        row = columns[tensor]
        for index in range(begin, begin + lengths[tensor]):
            at = index - begin
            left = np.uint64(leading[np.uint64(index - 1)]) >> shift if at >= 1 else np.uint64(0)
            before = np.uint64(leading[np.uint64(index - 2)]) >> shift if at >= 2 else left
            above = np.uint64(leading[np.uint64(index - row)]) >> shift if at >= row else left
            beyond = np.uint64(leading[np.uint64(index - row - 1)]) >> shift if at > row else above
            mean = (left + before + above + beyond + np.uint64(2)) >> np.uint64(2)
            by_left = nodes * (np.uint64(1) + left)
            by_above = nodes * (np.uint64(1 + _CLASSES) + above)
            by_mean = nodes * (np.uint64(1 + 2 * _CLASSES) + mean)
            value, node = np.int64(leading[np.uint64(index)]), np.uint64(1)
            for level in range(depth):
                places = (node, by_left + node, by_above + node, by_mean + node)
                bit, coder = code_mixed(
                    (value >> (depth - 1 - level)) & 1,
                    0,
                    places,
                    table,
                    weights,
                    _CONTEXTS * level,
                    _RATE,
                    coder,
                    data,
                    decoding,
                )
                node = (node << np.uint64(1)) | np.uint64(bit)
            if decoding:
                leading[np.uint64(index)] = np.int64(node) - (1 << depth)
        begin += lengths[tensor]
    return coder
