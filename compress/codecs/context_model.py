"""The compiled loops of `context`: every bit of a matrix of labels, predicted and coded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.codecs.arithmetic import decode_bit, encode_bit
from compress.codecs.mixing import WEIGHT_ONE, learn, mixed, moved, opinion, slots, stretch
from compress.codecs.words import lean, lean_inline
from hwsim.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.alphabet import Alphabet
    from compress.codecs.arithmetic import Coder
    from compress.codecs.words import Scalar

_CONTEXTS = 4
_BESIDE, _ABOVE, _FULL, _AROUND, _POSITION_SLOTS = 0, 64, 192, 448, 704
_SIGN_SLOTS = 48
_SIZES = 16
_FLAG_SLOTS = 25
_MEMORY = 900
"""Bits after which a slot begins to forget."""

_FASTEST, _SLOWEST = 1415, 2
_COLUMN_PRIOR, _ROW_PRIOR, _AROUND_PRIOR = 3, 6, 10
_STRIDE = 16
"""Weights of a row between two looks at what is left."""

_EVEN = 1 << 15
"""One half, as a probability."""

Places = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


class Neighbours(NamedTuple):
    """Distances along a row at which weights are neighbours: a line of a kernel or image, a channel."""

    width: int
    area: int


class Model(NamedTuple):
    """What is learned of one tensor.

    Parameters
    ----------
    position_slots, sign_slots, rank_slots : ndarray of uint32
        Estimates in each context; see `mixing`.
    position_weights, value_weights : ndarray of int64
        Of the mixers.
    seen : ndarray of int64, shape (2,)
        Positions and values so far.
    """

    position_slots: NDArray[np.uint32]
    sign_slots: NDArray[np.uint32]
    rank_slots: NDArray[np.uint32]
    position_weights: NDArray[np.int64]
    value_weights: NDArray[np.int64]
    seen: NDArray[np.int64]


class Columns(NamedTuple):
    """What the rows so far tell of each column; the first one is at `_margin`.

    Parameters
    ----------
    history : ndarray of uint8
        Zero (0) or not (1) in the last eight rows, the latest lowest.
    full : ndarray of int64
        Number of non-zeros.
    signs, sizes : ndarray of uint8, uint16
        Of the last non-zero: 1 + sign and 1 + rank.
    """

    history: NDArray[np.uint8]
    full: NDArray[np.int64]
    signs: NDArray[np.uint8]
    sizes: NDArray[np.uint16]


@njit(cache=True)
def code_labels(
    labels: NDArray[np.uint16],
    nonzeros: int,
    alphabet: Alphabet,
    neighbours: Neighbours,
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> tuple[Coder, Scalar]:
    """Encode or decode all of `labels`; return also the coded bits, or -1 for an unknown label."""
    row_used, column_used = _used(labels, decoding)
    coder = _code_flags(row_used, Neighbours(1, 1), coder, data, decoding)
    coder = _code_flags(column_used, neighbours, coder, data, decoding)
    rows, columns = np.flatnonzero(row_used), np.flatnonzero(column_used)
    room = labels.shape[1] + 2 * _margin(neighbours)
    known = Columns(
        np.zeros(room, np.uint8),
        np.zeros(room, np.int64),
        np.zeros(room, np.uint8),
        np.zeros(room, np.uint16),
    )
    density = nonzeros * 65536 // max(len(rows) * len(columns), 1)
    model = Model(
        slots(_POSITION_SLOTS, min(max(density, 1), 65535)),
        slots(_SIGN_SLOTS, _EVEN),
        slots((3 + 2 * _SIZES) << alphabet.depth, _EVEN),
        np.full(_CONTEXTS, WEIGHT_ONE // 4, np.int64),
        np.full((alphabet.depth + 1) * _CONTEXTS, WEIGHT_ONE // 5, np.int64),
        np.zeros(2, np.int64),
    )
    reciprocals = np.zeros(len(columns), np.int64)
    for at in range(len(columns)):  # one by one: expressions of arrays compile for long
        reciprocals[at] = (1 << 32) // (at + _ROW_PRIOR)
    coder, decisions = _code_weights(
        labels,
        nonzeros,
        rows,
        columns,
        reciprocals,
        known,
        alphabet,
        neighbours,
        model,
        coder,
        data,
        decoding,
    )
    return coder, decisions + len(row_used) + len(column_used) if decisions >= 0 else decisions


@lean
def _code_weights(
    labels: NDArray[np.uint16],
    nonzeros: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    reciprocals: NDArray[np.int64],
    known: Columns,
    alphabet: Alphabet,
    neighbours: Neighbours,
    model: Model,
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> tuple[Coder, Scalar]:
    """Code the weights of the used rows and columns; return also the coded bits, or -1."""
    history, full, signs, sizes = known
    height, breadth, depth = len(rows), len(columns), alphabet.depth
    margin, one = _margin(neighbours), np.uint64(1)
    width, area = np.uint64(neighbours.width), np.uint64(neighbours.area)
    left, unknown, decisions = nonzeros, height * breadth, 0
    mean: Scalar = np.int64(0)
    base = rate = mean
    for r in range(height):
        row = rows[r]
        row_count: Scalar = np.int64(0)
        last_sign: Scalar = np.int64(0)
        column_reciprocal = (1 << 32) // (r + _COLUMN_PRIOR)
        around_reciprocal = (1 << 32) // (4 * r + _AROUND_PRIOR)
        for c in range(breadth):
            if left == 0:
                return coder, decisions
            if c % _STRIDE == 0:
                mean = left * 65536 // unknown
                base = stretch(mean)
                rate = max(_SLOWEST, 200 // (model.seen[0] // 64 + 16))
                model.seen[0] += _STRIDE
            column = columns[c]
            at = np.uint64(column + margin)
            own, beside, ahead = history[at], history[at - one], history[at + one]
            up, down = history[at - width], history[at + width]
            bit = np.int64(labels[row, column] != 0)
            row_is_due = c == breadth - 1 and row_count == 0
            column_is_due = r == height - 1 and full[at] == 0
            if left == unknown or row_is_due or column_is_due:
                bit = np.int64(1)
            else:
                around = full[at - one] + full[at + one] + full[at - width] + full[at + width]
                in_column = _fullness(full[at], _COLUMN_PRIOR, mean, column_reciprocal, base)
                in_row = _fullness(row_count, _ROW_PRIOR, mean, reciprocals[c], base)
                in_around = _fullness(around, _AROUND_PRIOR, mean, around_reciprocal, base)
                near = (beside & 1) | (history[at - one - one] & 1) << 1 | (up & 1) << 2
                near |= (history[at - width + one] & 1) << 3 | (history[at - width - one] & 1) << 4
                near |= (history[at - area] & 1) << 5
                above = (
                    (own & 3) | (ahead & 1) << 2 | (beside & 3) << 3 | (down & 1) << 5 | (up >> 1 & 1) << 6
                )
                places = (
                    np.uint64(_BESIDE + near),
                    np.uint64(_ABOVE + above),
                    np.uint64(_FULL + in_column * 16 + in_row),
                    np.uint64(_AROUND + in_around * 16 + in_column),
                )
                bit, coder = code_mixed(
                    bit,
                    base,
                    places,
                    model.position_slots,
                    model.position_weights,
                    0,
                    rate,
                    coder,
                    data,
                    decoding,
                )
                decisions += 1
            unknown -= 1
            history[at] = own << 1 | bit
            if bit:
                left -= 1
                row_count += 1
                full[at] += 1
                signs_around = (beside & 1) * signs[at - one] * 9 + (up & 1) * signs[at - width] * 3
                signs_around += (own & 1) * signs[at]
                code, coder = _code_value(
                    alphabet.code[np.int64(labels[row, column])],
                    alphabet,
                    np.int64(signs_around),
                    np.int64(signs[at]),
                    last_sign,
                    np.int64(sizes[at]),
                    np.int64((beside & 1) * sizes[at - one]),
                    model,
                    coder,
                    data,
                    decoding,
                )
                decisions += depth + alphabet.signed
                if decoding:
                    if alphabet.label[code] == 0:
                        return coder, -1
                    labels[row, column] = alphabet.label[code]
                last_sign = 1 + (code >> depth)
                signs[at] = last_sign
                sizes[at] = (code & ((1 << depth) - 1)) + 1
    return coder, decisions


@njit(cache=True)
def _used(labels: NDArray[np.uint16], decoding: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Rows and columns that hold a non-zero; still unknown to a decoder."""
    rows, columns = labels.shape
    row_used, column_used = np.zeros(rows, np.uint8), np.zeros(columns, np.uint8)
    if not decoding:
        for row in range(rows):
            for column in range(columns):
                if labels[row, column]:
                    row_used[row] = 1
                    column_used[column] = 1
    return row_used, column_used


@lean
def _margin(neighbours: Neighbours) -> Scalar:
    """Weights before and behind a row that neighbours may reach."""
    return max(neighbours.width, neighbours.area) + 2


@lean
def _fullness(count: Scalar, prior: Scalar, mean: Scalar, reciprocal: Scalar, base: Scalar) -> Scalar:
    """One of 16 steps: how much more or less full than the mean, by `count` and a `prior` at the mean."""
    one = ((count * 65536 + prior * mean) * reciprocal) >> 32
    return min(15, max(0, ((stretch(one) - base) >> 7) + 8))


@lean_inline
def _code_value(
    code: Scalar,
    alphabet: Alphabet,
    signs_around: Scalar,
    column_sign: Scalar,
    last_sign: Scalar,
    column_size: Scalar,
    beside_size: Scalar,
    model: Model,
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> tuple[Scalar, Coder]:
    """Code a non-zero: its sign, then its rank from the highest bit down."""
    depth = alphabet.depth
    seen = model.seen[1]
    model.seen[1] = seen + 1
    rate = np.int64(_SLOWEST)
    if seen < _FASTEST // _SLOWEST:
        rate = max(rate, _FASTEST // (seen + 16))
    sign = np.int64(0)
    if alphabet.signed:
        places = (
            np.uint64(0),
            np.uint64(1 + column_sign),
            np.uint64(4 + signs_around),
            np.uint64(31 + column_sign * 3 + last_sign),
        )
        sign, coder = code_mixed(
            code >> depth, 0, places, model.sign_slots, model.value_weights, 0, rate, coder, data, decoding
        )
    node = np.int64(1)
    shift = max(depth - 4, 0)
    own, beside = min(_SIZES - 1, column_size >> shift), min(_SIZES - 1, beside_size >> shift)
    for level in range(depth):
        places = (
            np.uint64(node * 3),
            np.uint64(node * 3 + 1 + sign),
            np.uint64((3 << depth) + node * _SIZES + own),
            np.uint64(((3 + _SIZES) << depth) + node * _SIZES + beside),
        )
        bit, coder = code_mixed(
            (code >> (depth - 1 - level)) & 1,
            0,
            places,
            model.rank_slots,
            model.value_weights,
            _CONTEXTS * (level + 1),
            rate,
            coder,
            data,
            decoding,
        )
        node = node * 2 + bit
    return sign << depth | (node - (1 << depth)), coder


@njit(cache=True)
def _code_flags(
    flags: NDArray[np.uint8],
    neighbours: Neighbours,
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> Coder:
    """Code which rows or columns are used."""
    width, area = neighbours.width, neighbours.area
    margin = 2 * max(width, area) + 2
    known = np.zeros(len(flags) + margin, np.uint8)
    table = slots(_FLAG_SLOTS, _EVEN)
    weights = np.full(_CONTEXTS, WEIGHT_ONE // 3, np.int64)
    for index in range(len(flags)):
        at = index + margin
        beside, above = known[at - 1], known[at - width]
        places = (
            np.uint64(0),
            np.uint64(1 + (beside | known[at - 2] << 1)),
            np.uint64(5 + (beside | above << 1 | known[at - width - 1] << 2 | known[at - width + 1] << 3)),
            np.uint64(21 + (known[at - area] | known[at - 2 * area] << 1)),
        )
        rate = max(_SLOWEST, _FASTEST // (index + 16))
        bit, coder = code_mixed(
            np.int64(flags[index]), 0, places, table, weights, 0, rate, coder, data, decoding
        )
        flags[index] = bit
        known[at] = bit
    return coder


@lean_inline
def code_mixed(
    bit: Scalar,
    base: Scalar,
    places: Places,
    table: NDArray[np.uint32],
    weights: NDArray[np.int64],
    first: Scalar,
    rate: Scalar,
    coder: Coder,
    data: NDArray[np.uint8],
    decoding: bool,
) -> tuple[Scalar, Coder]:
    """Code a bit by the slots at four places, and let slots and weights learn from it."""
    a, b, c, d = table[places[0]], table[places[1]], table[places[2]], table[places[3]]
    opinions = (opinion(a, base), opinion(b, base), opinion(c, base), opinion(d, base))
    one = mixed(base, opinions, weights, first)
    if decoding:
        bit, coder = decode_bit(coder, data, one)
    else:
        coder = encode_bit(coder, data, one, bit)
    learn(opinions, weights, first, one, bit, rate)
    table[places[0]] = moved(a, bit, _MEMORY)
    table[places[1]] = moved(b, bit, _MEMORY)
    table[places[2]] = moved(c, bit, _MEMORY)
    table[places[3]] = moved(d, bit, _MEMORY)
    return bit, coder
