"""Huffman's algorithm as textbooks print it, beside the fast coder: as many bits, and each reads the other's.

First the textbook's: a heap of trees, and bits as a text of 0 and 1 (D. A. Huffman 1952, "A Method for the
Construction of Minimum-Redundancy Codes", Proceedings of the IRE 40(9)). Slow and plain on purpose.
"""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import count
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compress.codecs import huffman
from compress.codecs.bits import padded


def lengths_of(counts: dict[Any, int]) -> dict[Any, int]:
    """Bits of the code word of each symbol, by symbol: {symbol: times it occurs} in, {symbol: length} out."""
    order = count()  # breaks ties, so that the heap never compares trees
    heap: list[Any] = [(times, next(order), symbol) for symbol, times in counts.items()]
    heapq.heapify(heap)
    if len(heap) == 1:
        return dict.fromkeys(counts, 1)  # a code word of no bits could not be counted
    while len(heap) > 1:
        rarest, second = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (rarest[0] + second[0], next(order), (rarest[2], second[2])))
    lengths: dict[Any, int] = {}

    def descend(tree: Any, depth: int) -> None:
        if isinstance(tree, tuple):
            for branch in tree:
                descend(branch, depth + 1)
        else:
            lengths[tree] = depth

    if heap:
        descend(heap[0][2], 0)
    return lengths


def canonical(lengths: dict[Any, int]) -> dict[Any, str]:
    """Code word of each symbol as a text: shorter ones first, then by symbol, each the one before plus 1."""
    words: dict[Any, str] = {}
    word, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        word <<= length - before
        words[symbol] = f"{word:0{length}b}"
        word, before = word + 1, length
    return words


def encode(symbols: list[Any], words: dict[Any, str]) -> str:
    """Code words one after another."""
    return "".join(words[symbol] for symbol in symbols)


def decode(bits: str, words: dict[Any, str]) -> list[Any]:
    """Symbols again: a code word is complete as soon as it is one, as none begins another."""
    symbol_of = {word: symbol for symbol, word in words.items()}
    symbols: list[Any] = []
    word = ""
    for bit in bits:
        word += bit
        if word in symbol_of:
            symbols.append(symbol_of[word])
            word = ""
    assert word == "", f"{word} is no code word"
    return symbols


MOST_SYMBOLS, MOST_TIMES = 20, 60
"""Few enough that no code word reaches the limit of the fast coder, and that 1e-4 of the bits is no bit."""

frequencies = st.dictionaries(
    st.integers(0, 299), st.integers(1, MOST_TIMES), min_size=1, max_size=MOST_SYMBOLS
)


def fast_code(counts: dict[int, int]) -> huffman.Code:
    array = np.zeros(300, np.int64)
    array[list(counts)] = list(counts.values())
    return huffman.build(array)


def shuffled(counts: dict[int, int], seed: int) -> list[int]:
    symbols = np.repeat(list(counts), list(counts.values()))
    return np.random.default_rng(seed).permutation(symbols).tolist()


def test_a_sentence_by_hand() -> None:
    """Five a, two b, two r, one c and one d: 1, 3, 3, 3 and 3 bits, or 1, 2, 3, 4 and 4."""
    counts = Counter("abracadabra")
    lengths = lengths_of(counts)
    assert sum(lengths[letter] * times for letter, times in counts.items()) == 23
    words = canonical({"a": 1, "b": 2, "c": 3, "d": 3})
    assert words == {"a": "0", "b": "10", "c": "110", "d": "111"}
    assert encode("abad", words) == "0100111"
    assert decode("0100111", words) == list("abad")


@given(frequencies)
def test_both_take_the_same_number_of_bits(counts: dict[int, int]) -> None:
    lengths = lengths_of(counts)
    bits = sum(lengths[symbol] * times for symbol, times in counts.items())
    code = fast_code(counts)
    assert sum(int(code.lengths[symbol]) * times for symbol, times in counts.items()) == bits


@given(frequencies, st.integers(0, 9))
def test_each_reads_what_the_other_wrote(counts: dict[int, int], seed: int) -> None:
    """The lengths of a canonical code give its words: those of the fast coder give both the same."""
    code, symbols = fast_code(counts), shuffled(counts, seed)
    words = canonical({symbol: int(code.lengths[symbol]) for symbol in counts})
    bits = encode(symbols, words)

    out = np.zeros(len(bits) // 8 + 16, np.uint8)
    end = huffman.encode(np.array(symbols, np.uint16), code, out, 0)
    fast_bits = "".join(map(str, np.unpackbits(out, bitorder="little")[:end]))
    assert fast_bits == bits
    assert decode(fast_bits, words) == symbols

    stored = np.packbits(np.array(list(bits), np.uint8), bitorder="little")
    read, ends = huffman.decode(padded(stored), np.array([0]), np.array([len(symbols)]), code)
    assert read.tolist() == symbols
    assert ends.tolist() == [len(bits)]


@given(frequencies, st.integers(0, 9))
def test_the_fast_decoder_reads_the_textbook_s_own_code(counts: dict[int, int], seed: int) -> None:
    lengths, symbols = lengths_of(counts), shuffled(counts, seed)
    bits = encode(symbols, canonical(lengths))
    array = np.zeros(300, np.uint8)
    array[list(lengths)] = list(lengths.values())
    stored = np.packbits(np.array(list(bits), np.uint8), bitorder="little")
    code = huffman.code_from_lengths(array)
    read, _ = huffman.decode(padded(stored), np.array([0]), np.array([len(symbols)]), code)
    assert read.tolist() == symbols
