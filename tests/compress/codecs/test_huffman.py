"""Canonical Huffman: optimal lengths, round trips, hostile input."""

from __future__ import annotations

import heapq
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.codecs import huffman
from compress.codecs.bits import padded, read_fixed, width_for, write_fixed
from hwsim.errors import InputError

streams = hnp.arrays(np.uint16, st.integers(0, 400), elements=st.integers(0, 30))


def encoded_runs(runs: list[np.ndarray], code: huffman.Code) -> tuple[np.ndarray, np.ndarray]:
    total = sum(len(run) for run in runs)
    out = np.zeros(2 * total + 16, np.uint8)
    bits = [0]
    for run in runs:
        bits.append(huffman.encode(run, code, out, bits[-1]))
    return out[: -(-bits[-1] // 8)], np.array(bits)


def decoded(runs: list[np.ndarray], code: huffman.Code) -> list[np.ndarray]:
    data, bits = encoded_runs(runs, code)
    counts = np.array([len(run) for run in runs])
    symbols, ends = huffman.decode(padded(data), bits[:-1], counts, code)
    assert ends.tolist() == bits[1:].tolist()
    return np.split(symbols, np.cumsum(counts)[:-1])


def tree_cost(counts: list[int]) -> int:
    """Bits of an unlimited Huffman code, by merging the two rarest until one is left."""
    heap = sorted(counts)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


def test_lengths_of_a_textbook_alphabet() -> None:
    """Counts 45, 13, 12, 16, 9, 5 (Cormen et al., figure 16.3) give lengths 1, 3, 3, 3, 4, 4."""
    code = huffman.build(np.array([45, 13, 12, 16, 9, 5]))
    assert code.lengths.tolist() == [1, 3, 3, 3, 4, 4]


def test_canonical_codes_are_in_order_of_length_then_symbol() -> None:
    code = huffman.Code(np.array([2, 1, 3, 3], np.uint8))
    written = [f"{int(c):0{n}b}"[::-1] for c, n in zip(code.reversed_codes, code.lengths, strict=True)]
    assert written == ["10", "0", "110", "111"]


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=60))
def test_optimal_where_the_limit_is_far(counts: list[int]) -> None:
    array = np.array(counts)
    bits = huffman.encoded_bits(huffman.build(array), array)
    best = tree_cost(counts)
    assert best <= bits <= best * (1 + huffman.LIMIT_COST)


def test_the_limit_holds_for_fibonacci_counts() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    code = huffman.build(np.array(fibonacci))
    assert code.lengths.max() <= huffman.MAX_LENGTH
    assert sum(2.0 ** -int(n) for n in code.lengths) == 1.0


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=300))
def test_within_one_bit_of_the_entropy(counts: list[int]) -> None:
    array = np.array(counts)
    share = array / array.sum()
    entropy = float(-(array * np.log2(share)).sum())
    bits = huffman.encoded_bits(huffman.build(array), array)
    assert entropy - 1e-6 <= bits < entropy + array.sum()


@given(st.lists(streams, min_size=1, max_size=9))
def test_round_trip_of_runs(runs: list[np.ndarray]) -> None:
    code = huffman.build(np.bincount(np.concatenate(runs), minlength=31))
    for run, back in zip(runs, decoded(runs, code), strict=True):
        np.testing.assert_array_equal(back, run)


@pytest.mark.parametrize("alphabet", [2, 200, 257, 4096])
def test_round_trip_of_long_runs(alphabet: int) -> None:
    rng = np.random.default_rng(alphabet)
    runs = [np.minimum(rng.geometric(0.02, 3000) - 1, alphabet - 1).astype(np.uint16) for _ in range(7)]
    code = huffman.build(np.bincount(np.concatenate(runs), minlength=alphabet))
    for run, back in zip(runs, decoded(runs, code), strict=True):
        np.testing.assert_array_equal(back, run)


def test_one_symbol_alphabet_takes_one_bit_each() -> None:
    run = np.full(1000, 3, np.uint16)
    code = huffman.build(np.bincount(run, minlength=8))
    assert huffman.encoded_bits(code, np.bincount(run, minlength=8)) == 1000
    np.testing.assert_array_equal(decoded([run], code)[0], run)


@given(st.binary(min_size=8, max_size=60))
def test_any_bits_are_a_lone_symbol(data: bytes) -> None:
    """Its code word is 0; nothing else has the word 1, and a damaged stream is decoded all the same."""
    code = huffman.build(np.array([0, 0, 0, 9]))
    count = 8 * len(data)
    symbols, ends = huffman.decode(padded(data), np.array([0]), np.array([count]), code)
    assert (symbols == 3).all()
    assert ends.tolist() == [count]


@given(hnp.arrays(np.int64, st.integers(0, 300), elements=st.one_of(st.just(0), st.integers(0, 1000))))
def test_code_lengths_survive_storing(counts: np.ndarray) -> None:
    code = huffman.build(counts)
    if not counts.any():
        return
    stored = huffman.pack_lengths(code)
    back, end = huffman.unpack_lengths(b"xy" + stored + b"z", 2, len(counts))
    assert end == 2 + len(stored)
    np.testing.assert_array_equal(back.lengths, code.lengths)


def test_a_smooth_table_is_stored_in_two_bits_a_symbol() -> None:
    """A bell of 32 symbols: 12 bytes of steps instead of the 16 of four bits each."""
    counts = np.exp(-0.5 * ((np.arange(32) - 15.5) / 5) ** 2) * 1e5
    assert len(huffman.pack_lengths(huffman.build(counts.astype(np.int64) + 1))) <= 12


@given(st.binary(max_size=60), st.integers(1, 40))
def test_any_table_is_read_or_refused(data: bytes, alphabet: int) -> None:
    try:
        code, end = huffman.unpack_lengths(data, 0, alphabet)
    except InputError:
        return
    assert end <= len(data)
    assert len(code.lengths) == alphabet


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bits_decode_within_bounds(data: bytes, count: int) -> None:
    code = huffman.build(np.array([10, 5, 3, 1]))
    starts = np.array([0, min(5, 8 * len(data))])
    with suppress(InputError):
        symbols, ends = huffman.decode(padded(data), starts, np.array([count, 3]), code)
        assert len(symbols) == count + 3
        assert symbols.max() < 4
        assert ends[0] <= 3 * count + 64


def test_more_symbols_than_bits_are_refused() -> None:
    code = huffman.build(np.array([1, 1]))
    with pytest.raises(InputError, match="no more than bits"):
        huffman.decode(padded(b"ab"), np.array([0]), np.array([10**12]), code)


@pytest.mark.parametrize("lengths", [[1, 1, 1], [2, 2, 2], [2], [0, 0], [15] * 2])
def test_incomplete_codes_are_refused(lengths: list[int]) -> None:
    with pytest.raises(InputError, match="Huffman"):
        huffman.code_from_lengths(np.array(lengths, np.uint8))


@given(st.integers(0, 32), st.integers(0, 20), st.data())
def test_fixed_fields_round_trip(width: int, start: int, data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(np.uint32, st.integers(0, 50), elements=st.integers(0, (1 << width) - 1)))
    out = np.zeros(256, np.uint8)
    end = write_fixed(values, width, out, start)
    assert end == start + width * len(values)
    back = np.empty_like(values)
    assert read_fixed(padded(out), start, width, back) == end
    np.testing.assert_array_equal(back, values)


def test_width_for_counts_symbols() -> None:
    assert [width_for(n) for n in (0, 1, 2, 3, 16, 17)] == [0, 0, 1, 2, 4, 5]
