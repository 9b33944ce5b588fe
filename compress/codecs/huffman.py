"""Canonical, length-limited Huffman codes with a decoder of several symbols per look-up.

*Lengths* come from package-merge (Larmore and Hirschberg, 1990), which is optimal under a limit
on the code length; the limit is the lowest that costs next to nothing, since it sizes the
decoder's table. *Codes* follow from the lengths alone: shorter first, then by symbol. They are
written bit-reversed, so a decoder that reads the least significant bit first sees the code's
first bit first.

The decoder looks `TABLE_BITS` bits up at once. An entry holds every whole symbol in those bits:
bits 0-7 their total length, bits 8-15 their number, bits 16-63 the symbols (six of 8 bits, or
three of 16). Runs that start at known bits (the segments of a tensor) are decoded side by side,
so their chains of look-ups overlap in the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs.bits import width_for
from compress.codecs.words import load_u64, store_u64
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LENGTH = 14
"""So that four codes fit the 57 bits that one load is sure to give."""

TABLE_BITS = 11
LIMIT_COST = 1e-4
"""Fraction of the optimal size that a lower limit on code lengths may cost."""

_LANES = 4
_SLACK = np.uint64(32)
_UNUSED = 3


@dataclass(frozen=True, eq=False)
class Code:
    """A canonical code: everything follows from `lengths`.

    Parameters
    ----------
    lengths : ndarray of uint8, shape (alphabet,)
        0 for symbols that do not occur.
    """

    lengths: NDArray[np.uint8]

    @property
    def reversed_codes(self) -> NDArray[np.uint32]:
        """Codes as they are written, first bit lowest."""
        return _reversed_codes(self.lengths)


def build(counts: NDArray[np.int64]) -> Code:
    """Optimal code for symbols that occur `counts` times; a lone symbol takes one bit.

    Parameters
    ----------
    counts : ndarray of int64, shape (alphabet,)
    """
    used = np.flatnonzero(counts)
    lengths = np.zeros(len(counts), np.uint8)
    if len(used) == 1:
        lengths[used] = 1
    if len(used) > 1:
        order = used[np.argsort(counts[used], kind="stable")]
        weights = np.ascontiguousarray(counts[order], np.int64)
        best = _package_merge(weights, MAX_LENGTH)
        target = (weights @ best) * (1 + LIMIT_COST)
        limit = max((len(used) - 1).bit_length(), 1)
        while weights @ (chosen := _package_merge(weights, limit)) > target:
            limit += 1
        lengths[order] = chosen
    return Code(lengths)


def code_from_lengths(lengths: NDArray[np.uint8]) -> Code:
    """Check lengths that come from outside.

    Raises
    ------
    InputError
        If they are no complete prefix code.
    """
    used = lengths[lengths > 0].astype(np.int64)
    if len(used) and used.max() > MAX_LENGTH:
        raise InputError(f"a Huffman code has {used.max()} bits, expected at most {MAX_LENGTH}")
    kraft = int((1 << (MAX_LENGTH - used)).sum())
    if kraft != 1 << MAX_LENGTH and not (len(used) == 1 and used[0] == 1):
        raise InputError("Huffman code lengths do not form a complete prefix code")
    return Code(lengths)


def encoded_bits(code: Code, counts: NDArray[np.int64]) -> int:
    """Bits that symbols occurring `counts` times take, without the table.

    Parameters
    ----------
    code : Code
    counts : ndarray of int64, shape (alphabet,)
    """
    return int(counts @ code.lengths.astype(np.int64))


def encode(symbols: NDArray[Any], code: Code, out: NDArray[np.uint8], start: int) -> int:
    """Write `symbols` into `out` from bit `start`; return the bit behind the last one.

    Parameters
    ----------
    symbols : ndarray of whole numbers, shape (symbols,)
        Each with a code word in `code`.
    code : Code
    out : ndarray of uint8, shape (bytes,)
        Zero from bit `start` on; reaches at least 8 bytes beyond the end. Written to.
    start : int
    """
    return int(_encode(symbols, code.reversed_codes, code.lengths, out, start))


def decode(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    code: Code,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Decode runs that start at known bits.

    Parameters
    ----------
    data : ndarray of uint8
        Ending in `bits.GUARD_BYTES` zero bytes.
    starts, counts : ndarray of int64, shape (runs,)
        First bit and number of symbols of each run.

    Returns
    -------
    symbols : ndarray of uint8 (uint16 for alphabets above 256), shape (sum of counts,)
    ends : ndarray of int64, shape (runs,)
        Bit behind each run. A damaged stream may end beyond the data, which the caller checks.

    Raises
    ------
    InputError
        If there are more symbols than bits.
    """
    total = int(counts.sum())
    if total > 8 * len(data):
        raise InputError(f"{total} Huffman symbols in {8 * len(data)} bits, expected no more than bits")
    dtype = np.uint8 if len(code.lengths) <= 256 else np.uint16
    symbols = np.empty(total + 8, dtype)
    ends = np.empty(len(starts), np.int64)
    if total == 0:
        return symbols[:0], starts.copy()
    width = max(TABLE_BITS, int(code.lengths.max()))
    table, single = _tables(code.reversed_codes, code.lengths, width, 8 * symbols.itemsize)
    stops = np.cumsum(counts).astype(np.uint64)
    ats = stops - counts.astype(np.uint64)
    _decode_runs(data, starts.astype(np.uint64), ats, stops, table, single, width, symbols, ends)
    return symbols[:total], ends


def pack_lengths(code: Code) -> bytes:
    """Write the code lengths, each in unary as a step from the last length in use.

    Neighbouring symbols have like counts, so most steps are short: 0, +1, -1, not used, +2, -2...
    """
    last = width_for(len(code.lengths))
    ranks = []
    for length in code.lengths.tolist():
        if length == 0:
            ranks.append(_UNUSED)
            continue
        step = length - last
        rank = 2 * step - 1 if step > 0 else -2 * step
        ranks.append(rank + (rank >= _UNUSED))
        last = length
    bits = np.zeros(sum(ranks) + len(ranks), np.uint8)
    bits[np.cumsum(np.array(ranks, np.int64) + 1) - 1] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def unpack_lengths(data: bytes, at: int, alphabet: int) -> tuple[Code, int]:
    """Read the code lengths of `alphabet` symbols from byte `at`; return also the byte behind them.

    Raises
    ------
    InputError
        If they are cut short or are no complete prefix code.
    """
    longest = alphabet * (2 * MAX_LENGTH + 2)
    field = np.frombuffer(data, np.uint8, offset=at, count=min(len(data) - at, longest // 8 + 1))
    ones = np.flatnonzero(np.unpackbits(field, bitorder="little"))[:alphabet]
    if len(ones) < alphabet:
        raise InputError(f"a Huffman table ends after {len(ones)} symbols, expected {alphabet}")
    last = width_for(alphabet)
    lengths = np.zeros(alphabet, np.uint8)
    for symbol, rank in enumerate((np.diff(ones, prepend=-1) - 1).tolist()):
        if rank == _UNUSED:
            continue
        rank -= rank > _UNUSED
        last += (rank + 1) // 2 if rank % 2 else -rank // 2
        if not 1 <= last <= MAX_LENGTH:
            raise InputError(f"a Huffman code has {last} bits, expected 1 to {MAX_LENGTH}")
        lengths[symbol] = last
    return code_from_lengths(lengths), at + int(ones[-1]) // 8 + 1 if alphabet else at


@njit(cache=True)
def _package_merge(weights: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Code lengths of ascending `weights`, none above `limit`; ties take the leaf first."""
    n = len(weights)
    is_leaf = np.zeros((limit, 2 * n), np.bool_)
    merged = np.zeros(2 * n, np.int64)
    packages = np.zeros(n, np.int64)
    package_count = 0
    for level in range(limit):
        leaf = package = 0
        for at in range(n + package_count):
            if package == package_count or (leaf < n and weights[leaf] <= packages[package]):
                merged[at] = weights[leaf]
                is_leaf[level, at] = True
                leaf += 1
            else:
                merged[at] = packages[package]
                package += 1
        package_count = (n + package_count) // 2
        for pair in range(package_count):
            packages[pair] = merged[2 * pair] + merged[2 * pair + 1]
    lengths = np.zeros(n, np.int64)
    taken = 2 * n - 2
    for level in range(limit - 1, -1, -1):
        leaves = 0
        for at in range(taken):
            leaves += is_leaf[level, at]
        for at in range(leaves):  # one by one: a slice at once compiles the check of its shape for seconds
            lengths[at] += 1
        taken = 2 * (taken - leaves)
    return lengths


@njit(cache=True)
def _reversed_codes(lengths: NDArray[np.uint8]) -> NDArray[np.uint32]:
    codes = np.zeros(len(lengths), np.uint32)
    code = 0
    for length in range(1, MAX_LENGTH + 1):
        for symbol in range(len(lengths)):
            if lengths[symbol] == length:
                for bit in range(length):
                    codes[symbol] |= np.uint32(((code >> bit) & 1) << (length - 1 - bit))
                code += 1
        code <<= 1
    return codes


@njit(cache=True)
def _encode(
    symbols: NDArray[Any],
    codes: NDArray[np.uint32],
    lengths: NDArray[np.uint8],
    out: NDArray[np.uint8],
    start: int,
) -> int:
    at, filled = start >> 3, np.uint64(start & 7)
    pending = np.uint64(out[at])
    for symbol in symbols:
        pending |= np.uint64(codes[symbol]) << filled
        filled += np.uint64(lengths[symbol])
        if filled >= np.uint64(32):
            for byte in range(4):
                out[at + byte] = (pending >> np.uint64(8 * byte)) & np.uint64(0xFF)
            pending >>= np.uint64(32)
            filled -= np.uint64(32)
            at += 4
    for byte in range(4):
        out[at + byte] = (pending >> np.uint64(8 * byte)) & np.uint64(0xFF)
    return at * 8 + int(filled)


@njit(cache=True)
def _tables(
    codes: NDArray[np.uint32], lengths: NDArray[np.uint8], width: int, symbol_bits: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Tables of `width` bits: several symbols per entry, and one (symbol << 8 | length)."""
    size = 1 << width
    single, only = np.zeros(size, np.uint32), np.uint32(0)
    for symbol in range(len(lengths)):
        if lengths[symbol]:
            entry = np.uint32(symbol << 8 | lengths[symbol])
            only = max(only, entry)
            for at in range(codes[symbol], size, 1 << lengths[symbol]):
                single[at] = entry
    for at in range(size):
        if single[at] == 0:  # the code word that a lone symbol leaves unused
            single[at] = only
    table = np.zeros(size, np.uint64)
    most = 48 // symbol_bits
    for at in range(size):
        used = count = 0
        symbols = np.uint64(0)
        while count < most:
            entry = single[at >> used]
            if used + (entry & 0xFF) > width:
                break
            symbols |= np.uint64(entry >> 8) << np.uint64(count * symbol_bits)
            used += entry & 0xFF
            count += 1
        table[at] = symbols << np.uint64(16) | np.uint64(count << 8 | used)
    return table, single


@njit(cache=True)
def _burst(
    data: NDArray[np.uint8],
    bit: np.uint64,
    table: NDArray[np.uint64],
    mask: np.uint64,
    out: NDArray[Any],
    at: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Four look-ups on one load."""
    word = load_u64(data, bit >> np.uint64(3)) >> (bit & np.uint64(7))
    for _ in range(4):
        entry = table[word & mask]
        store_u64(out, at, entry >> np.uint64(16))
        at += (entry >> np.uint64(8)) & np.uint64(0xFF)
        bit += entry & np.uint64(0xFF)
        word >>= entry & np.uint64(0xFF)
    return bit, at


@njit(cache=True)
def _decode_runs(
    data: NDArray[np.uint8],
    bits: NDArray[np.uint64],
    ats: NDArray[np.uint64],
    stops: NDArray[np.uint64],
    table: NDArray[np.uint64],
    single: NDArray[np.uint32],
    width: int,
    out: NDArray[Any],
    ends: NDArray[np.int64],
) -> None:
    """Decode `_LANES` runs side by side, then end each one on its own, symbol by symbol.

    `bits` are where they begin in `data`, `ats` and `stops` where they begin and end in `out`.
    A burst may write `_SLACK` symbols, so no run bursts closer than that to its end.
    """
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    last = np.uint64(8 * (len(data) - 8))
    for a in range(0, len(bits) - _LANES + 1, _LANES):
        b, c, d = a + 1, a + 2, a + 3
        bit_a, bit_b, bit_c, bit_d = bits[a], bits[b], bits[c], bits[d]
        at_a, at_b, at_c, at_d = ats[a], ats[b], ats[c], ats[d]
        while (
            at_a + _SLACK <= stops[a]
            and at_b + _SLACK <= stops[b]
            and at_c + _SLACK <= stops[c]
            and at_d + _SLACK <= stops[d]
            and max(bit_a, bit_b, bit_c, bit_d) <= last
        ):
            bit_a, at_a = _burst(data, bit_a, table, mask, out, at_a)
            bit_b, at_b = _burst(data, bit_b, table, mask, out, at_b)
            bit_c, at_c = _burst(data, bit_c, table, mask, out, at_c)
            bit_d, at_d = _burst(data, bit_d, table, mask, out, at_d)
        bits[a], bits[b], bits[c], bits[d] = bit_a, bit_b, bit_c, bit_d
        ats[a], ats[b], ats[c], ats[d] = at_a, at_b, at_c, at_d
    for run in range(len(bits)):
        bit, at = bits[run], ats[run]
        while at + _SLACK <= stops[run] and bit <= last:
            bit, at = _burst(data, bit, table, mask, out, at)
        while at < stops[run]:
            word = np.uint64(0)
            if bit <= last:
                word = load_u64(data, bit >> np.uint64(3)) >> (bit & np.uint64(7))
            entry = np.uint64(single[word & mask])
            out[at] = entry >> np.uint64(8)
            bit += entry & np.uint64(0xFF)
            at += np.uint64(1)
        ends[run] = bit
