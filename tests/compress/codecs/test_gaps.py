"""Relative indices with fillers, against positions worked out by hand."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.codecs import gaps
from hwsim.errors import InputError

sparse = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 300),
    elements=st.one_of(st.just(0), st.just(0), st.integers(0, 255)),
)


def test_figure_2_of_deep_compression() -> None:
    """Han et al., figure 2: non-zeros at 1, 4 and 15 with 3-bit gaps need one filler, at 12."""
    labels = np.zeros(16, np.uint8)
    labels[[1, 4, 15]] = [34, 9, 17]
    encoded, entries, counts = gaps.encode(labels, 3, 16)
    assert encoded.tolist() == [1, 2, 7, 2]
    assert entries.tolist() == [34, 9, 0, 17]
    assert counts.tolist() == [4]


def test_the_count_restarts_in_each_segment() -> None:
    labels = np.array([0, 0, 5, 0, 0, 0, 7, 0], np.uint8)
    encoded, entries, counts = gaps.encode(labels, 2, 4)
    assert (encoded.tolist(), entries.tolist(), counts.tolist()) == ([2, 2], [5, 7], [1, 1])


@given(sparse, st.integers(1, 12), st.integers(1, 301))
def test_round_trip(labels: np.ndarray, gap_bits: int, length: int) -> None:
    encoded, entries, counts = gaps.encode(labels, gap_bits, length)
    decoded = gaps.decode(encoded, entries, counts, length, len(labels))
    np.testing.assert_array_equal(decoded, labels)
    assert np.all(encoded < 1 << gap_bits)
    assert len(counts) == max(-(-len(labels) // length), 1)


@given(sparse, st.integers(1, 12))
def test_cost_estimates_equal_the_encoding(labels: np.ndarray, gap_bits: int) -> None:
    encoded, entries, _ = gaps.encode(labels, gap_bits, max(len(labels), 1))
    runs = gaps.zero_runs(labels)
    assert gaps.fillers(runs, gap_bits) == np.count_nonzero(entries == 0)
    expected = np.bincount(encoded, minlength=1 << gap_bits)
    np.testing.assert_array_equal(gaps.gap_counts(runs, gap_bits), expected)


@given(
    hnp.arrays(np.uint16, 12, elements=st.integers(0, 20)),
    st.integers(1, 12),
    st.integers(0, 60),
)
def test_any_gaps_stay_inside_or_are_refused(encoded: np.ndarray, length: int, size: int) -> None:
    segments = max(-(-size // length), 1)
    counts = np.full(segments, 12 // segments, np.int64)
    with suppress(InputError):
        assert len(gaps.decode(encoded, encoded, counts, length, size)) == size


def test_a_gap_out_of_its_segment_is_refused() -> None:
    with pytest.raises(InputError, match="out of its segment"):
        gaps.decode(np.array([4], np.uint16), np.array([1], np.uint8), np.array([1, 0]), 4, 8)
