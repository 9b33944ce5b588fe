"""Relative indices: each stored entry says how many zeros precede it (Han et al., section 2).

A gap of `b` bits counts up to ``2**b - 1`` zeros. Before a longer run of zeros a *filler* is
stored: the largest gap and a zero value, standing for ``2**b`` zeros. So the position of an entry
is the running sum of ``gap + 1``, less one. Zeros after the last entry are not stored. The count
starts anew in each segment of `length` weights, so a decoder can enter there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.compiled import njit
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode(
    labels: NDArray[Any], gap_bits: int, length: int
) -> tuple[NDArray[np.uint16], NDArray[Any], NDArray[np.int64]]:
    """Turn a flat tensor into gaps and entries.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Zero where nothing is stored.
    gap_bits : int
        Width of a gap, 1 to 12.
    length : int
        Weights in a segment; the last one may be shorter.

    Returns
    -------
    gaps : ndarray of uint16, shape (entries,)
    entries : ndarray of the labels' dtype, shape (entries,)
        Zero for fillers.
    counts : ndarray of int64, shape (segments,)
        Entries in each segment.
    """
    counts = np.zeros(max(ceil_div(len(labels), length), 1), np.int64)
    _count(labels, gap_bits, length, counts)
    total = int(counts.sum())
    gaps, entries = np.empty(total, np.uint16), np.empty(total, labels.dtype)
    _encode(labels, gap_bits, length, gaps, entries)
    return gaps, entries, counts


def decode(
    gaps: NDArray[Any], entries: NDArray[Any], counts: NDArray[np.int64], length: int, size: int
) -> NDArray[Any]:
    """Rebuild the flat tensor; the inverse of `encode`.

    Parameters
    ----------
    gaps, entries : ndarray, shape (entries,)
        Zeros before each entry, and its label; zero for fillers.
    counts : ndarray of int64, shape (segments,)
        Entries in each segment; they sum to the length of `gaps`.
    length, size : int
        Weights in a segment, and in all.

    Returns
    -------
    ndarray of the entries' dtype, shape (size,)

    Raises
    ------
    InputError
        If a gap leads out of its segment.
    """
    labels = np.zeros(size, entries.dtype)
    if not _decode(gaps, entries, counts, length, labels):
        raise InputError("a gap leads out of its segment, expected every entry inside the tensor")
    return labels


def zero_runs(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Zeros before each non-zero, in one segment."""
    return np.diff(np.flatnonzero(labels), prepend=-1) - 1


def fillers(runs: NDArray[np.int64], gap_bits: int) -> int:
    """Fillers that gaps of `gap_bits` need to bridge `runs` of zeros."""
    return int((runs >> gap_bits).sum())


def gap_counts(runs: NDArray[np.int64], gap_bits: int) -> NDArray[np.int64]:
    """How often each gap of `gap_bits` occurs, fillers included."""
    widest = (1 << gap_bits) - 1
    counts = np.bincount(runs & widest, minlength=widest + 1)
    counts[widest] += fillers(runs, gap_bits)
    return counts


@njit(cache=True)
def _count(labels: NDArray[Any], gap_bits: int, length: int, counts: NDArray[np.int64]) -> None:
    for segment in range(len(counts)):
        stop = min((segment + 1) * length, len(labels))
        next_free = segment * length
        total = 0
        for at in range(segment * length, stop):
            if labels[at] != 0:
                total += 1 + ((at - next_free) >> gap_bits)
                next_free = at + 1
        counts[segment] = total


@njit(cache=True)
def _encode(
    labels: NDArray[Any], gap_bits: int, length: int, gaps: NDArray[np.uint16], entries: NDArray[Any]
) -> None:
    widest = (1 << gap_bits) - 1
    written = 0
    next_free = 0
    boundary = length
    for at in range(len(labels)):
        if at == boundary:
            next_free = at
            boundary += length
        if labels[at] != 0:
            run = at - next_free
            while run > widest:
                gaps[written] = widest
                entries[written] = 0
                written += 1
                run -= widest + 1
            gaps[written] = run
            entries[written] = labels[at]
            written += 1
            next_free = at + 1


@njit(cache=True)
def _decode(
    gaps: NDArray[Any],
    entries: NDArray[Any],
    counts: NDArray[np.int64],
    length: int,
    labels: NDArray[Any],
) -> bool:
    read = 0
    for segment in range(len(counts)):
        at = segment * length - 1
        stop = min((segment + 1) * length, len(labels))
        for _ in range(counts[segment]):
            at += int(gaps[read]) + 1
            if at >= stop:
                return False
            labels[at] = entries[read]
            read += 1
    return True
