"""Stored bits of weights at each stage, computed from density and field widths.

Used where only statistics are known. The entries of a pruned layer are its non-zeros and the
fillers that bridge runs of zeros longer than the gap field counts.
"""

from __future__ import annotations

import numpy as np

from hwsim.workload.layer import StoredWeights, dense_storage

FLOAT_BITS = 32
"""Width of biases, codebook entries and scales."""

ENTRY_POINT_BITS = 32
"""Position of one segment in the stream, stored so that a decoder can start there."""

MAX_SEGMENTS = 1 << 16
"""Filters share segments where there are more of them."""

CODE_LENGTH_BITS = 8
"""Length of one code word in a canonical code table."""


def gap_entries(nonzeros: int, density: float, gap_bits: int) -> int:
    """Stored entries of a layer whose zeros fall at random: non-zeros and expected fillers.

    A filler stands for ``L = 2**gap_bits`` zeros. The run of zeros before a non-zero is at least
    ``j L`` long with probability ``(1 - density)**(j L)``, so each non-zero needs
    ``q / (1 - q)`` fillers on average, where ``q = (1 - density)**L``.
    """
    if nonzeros == 0:
        return 0
    long_run = (1.0 - density) ** (1 << gap_bits)
    return nonzeros + round(nonzeros * long_run / (1.0 - long_run))


def stored_dense(
    count: int, bits: int, filters: int, *, bias: bool = True, scales: bool = False
) -> StoredWeights:
    """Store every weight at `bits`, one segment a filter, with a bias and a scale a filter if told."""
    return dense_storage(count, bits, FLOAT_BITS * filters * (bias + scales), _segments(filters))


def stored_entries(
    form: str,
    count: int,
    filters: int,
    density: float,
    value_bits: float,
    gap_bits: int,
    *,
    bias: bool = True,
    codebook_bits: int = 0,
    coded_gap_bits: float | None = None,
) -> StoredWeights:
    """Store the non-zeros of a layer as (value, gap) entries, one seekable segment a filter.

    Parameters
    ----------
    form : str
        Name of the stage.
    count, filters : int
        Weights of the layer, zeros included, and output channels.
    density : float
        Fraction of weights that are not zero.
    value_bits : float
        Width of a value, or mean length of its code word.
    gap_bits : int
        Width of the gap field: it sets the fillers, whether gaps are coded or not.
    bias : bool
        Whether a bias a filter is stored too.
    codebook_bits : int
        Width of an index into the layer's codebook; 0 if values are stored as they are.
    coded_gap_bits : float, optional
        Mean length of a gap's code word. If given, both streams are entropy-coded: two symbols an
        entry go through the decoder.
    """
    nonzeros = round(count * density)
    entries = min(gap_entries(nonzeros, density, gap_bits), count)
    segments = _segments(filters)
    side = FLOAT_BITS * bias * filters + ENTRY_POINT_BITS * segments
    if codebook_bits:
        side += FLOAT_BITS << codebook_bits
    symbols = 0
    if coded_gap_bits is not None:
        side += CODE_LENGTH_BITS * ((1 << codebook_bits) + (1 << gap_bits))
        symbols = 2 * entries
    bits_per_entry = value_bits + (gap_bits if coded_gap_bits is None else coded_gap_bits)
    return StoredWeights(
        form,
        nonzeros,
        entries,
        evenly(round(entries * bits_per_entry), segments),
        evenly(symbols, segments),
        side,
        look_ups=entries if codebook_bits else 0,
        gaps=entries,
    )


def stored_partly_coded(
    form: str, count: int, filters: int, raw_bits: int, coded_bits: float, alphabet: int, *, bias: bool = True
) -> StoredWeights:
    """Store every weight as `raw_bits` as they are and one code word of `coded_bits` on average.

    Parameters
    ----------
    alphabet : int
        Symbols of the layer's code table.
    """
    segments = _segments(filters)
    side = FLOAT_BITS * bias * filters + ENTRY_POINT_BITS * segments + CODE_LENGTH_BITS * alphabet
    payload = round(count * (raw_bits + coded_bits))
    return StoredWeights(form, count, count, evenly(payload, segments), evenly(count, segments), side)


def stored_n_of_m(
    form: str, count: int, filters: int, n: int, m: int, value_bits: int, *, bias: bool = True
) -> StoredWeights:
    """Store `n` weights of every `m` neighbours, each with its place among them."""
    kept = count * n // m
    bits = kept * (value_bits + (m - 1).bit_length())
    return StoredWeights(
        form,
        kept,
        kept,
        evenly(bits, _segments(filters)),
        evenly(0, _segments(filters)),
        FLOAT_BITS * bias * filters,
    )


def _segments(filters: int) -> int:
    return min(filters, MAX_SEGMENTS)


def evenly(total: int, parts: int) -> np.ndarray:
    """Divide a whole number into parts that differ by at most one, shape (parts,)."""
    whole, rest = divmod(total, parts)
    return whole + np.diff(np.arange(parts + 1, dtype=np.int64) * rest // parts)
