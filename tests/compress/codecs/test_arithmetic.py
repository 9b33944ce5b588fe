"""The binary arithmetic coder and its adaptive probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from compress.codecs.arithmetic import (
    decode_bit,
    encode_bit,
    end_decoder,
    end_encoder,
    start_decoder,
    start_encoder,
)
from compress.codecs.mixing import LIMIT, SQUASH, STRETCH, STRETCH_UNIT, moved, slots


@njit
def _encode(bits, ones, data):  # type: ignore[no-untyped-def]
    coder = start_encoder()
    for index in range(len(bits)):
        coder = encode_bit(coder, data, ones[index], bits[index])
    return end_encoder(coder, data)


@njit
def _decode(ones, data, start):  # type: ignore[no-untyped-def]
    coder = start_decoder(data, start)
    bits = np.zeros(len(ones), np.int64)
    for index in range(len(ones)):
        bits[index], coder = decode_bit(coder, data, ones[index])
    return bits, end_decoder(coder)


def encoded(bits: np.ndarray, ones: np.ndarray) -> np.ndarray:
    data = np.zeros(2 * len(bits) + 16, np.uint8)
    return data[: _encode(bits, ones, data)]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 65535)), max_size=300), st.binary(max_size=9))
def test_bits_come_back_and_the_end_is_known_whatever_follows(
    pairs: list[tuple[int, int]], behind: bytes
) -> None:
    bits = np.array([bit for bit, _ in pairs], np.int64)
    ones = np.array([one for _, one in pairs], np.int64)
    code = encoded(bits, ones)
    data = np.concatenate([[7, 7], code, np.frombuffer(behind, np.uint8)]).astype(np.uint8)
    decoded, end = _decode(ones, data, 2)
    np.testing.assert_array_equal(decoded, bits)
    assert end == 2 + len(code)


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("one", [1, 65535])
def test_carries_run_through_long_codes(bit: int, one: int) -> None:
    bits, ones = np.full(2000, bit), np.full(2000, one)
    decoded, _ = _decode(ones, np.append(encoded(bits, ones), np.zeros(8, np.uint8)), 0)
    np.testing.assert_array_equal(decoded, bits)


def test_length_is_the_information_and_at_most_two_bytes() -> None:
    rng = np.random.default_rng(0)
    ones = rng.integers(1, 65536, 20000)
    bits = (rng.random(20000) * 65536 < ones).astype(np.int64)
    information = -np.log2(np.where(bits, ones, 65536 - ones) / 65536).sum()
    assert information / 8 <= len(encoded(bits, ones)) <= information / 8 + 2


def test_too_short_a_buffer_is_told_by_the_end() -> None:
    bits, ones = np.zeros(1000, np.int64), np.full(1000, 60000)
    data = np.zeros(100, np.uint8)
    assert _encode(bits, ones, data) > len(data)


def test_logistic_table_does_not_depend_on_the_last_digit_of_exp() -> None:
    """No entry is so near to a rounding edge that another C library could round it otherwise."""
    exact = [65536 / (1 + math.exp(-value / STRETCH_UNIT)) for value in range(-LIMIT, LIMIT + 1)]
    assert min(abs(share % 1 - 0.5) for share in exact) > 1e-7
    assert SQUASH.min() >= 1
    assert SQUASH.max() <= 65535


def test_stretch_inverts_squash() -> None:
    assert STRETCH[32768] == 0
    inner = np.arange(-1000, 1001)
    assert np.abs(STRETCH[SQUASH[inner + LIMIT]] - inner).max() <= 1
    assert (np.diff(STRETCH) >= 0).all()


def test_slots_learn_fast_at_first_then_keep_a_mean() -> None:
    slot = slots(1, 1 << 15)[0]
    after_one = int(moved(slot, 1, 900)) >> 10
    assert after_one == 3 * 2**20  # as (1 + 1/2) / (1 + 1), of Krichevsky and Trofimov
    bits = np.random.default_rng(0).random(3000) < 0.1
    for bit in bits:
        slot = np.uint32(moved(slot, int(bit), 900))
    assert abs((int(slot) >> 10) / 2**22 - 0.1) < 0.02
