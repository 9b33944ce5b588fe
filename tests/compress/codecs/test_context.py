"""Context-mixing code: exact, near the entropy, bounded on anything."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.codecs import context
from compress.codecs.alphabet import alphabet_of
from compress.codecs.base import Labels
from compress.codecs.bits import padded
from compress.codecs.context import Neighbours
from compress.codecs.fields import ByteReader
from compress.codecs.mixed import CONTEXT, neighbours_of
from hwsim.errors import InputError

CODEBOOK = np.concatenate([np.arange(-7, 0), np.arange(1, 9)]).astype(np.float32)
matrices = hnp.arrays(
    np.uint16,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
    elements=st.one_of(st.just(0), st.just(0), st.integers(0, 15)),
)


def decoded(code: bytes, labels: np.ndarray, neighbours: Neighbours) -> np.ndarray:
    back = np.zeros_like(labels)
    nonzeros = int(np.count_nonzero(labels))
    end, _ = context.decode(padded(code), back, nonzeros, alphabet_of(CODEBOOK), neighbours)
    assert end == len(code)
    return back


def bound_bytes(labels: np.ndarray) -> float:
    """Entropy of an independent mask and of the non-zero labels (statistics not counted)."""
    density = np.count_nonzero(labels) / labels.size
    mask = -(density * np.log2(density) + (1 - density) * np.log2(1 - density)) * labels.size
    share = np.bincount(labels[labels > 0]) / np.count_nonzero(labels)
    share = share[share > 0]
    return float(mask - (share * np.log2(share)).sum() * np.count_nonzero(labels)) / 8


@given(matrices.filter(np.any), st.integers(1, 30), st.integers(1, 30))
def test_round_trip(labels: np.ndarray, width: int, area: int) -> None:
    neighbours = Neighbours(width, area)
    code = context.encode(labels, alphabet_of(CODEBOOK), neighbours)
    np.testing.assert_array_equal(decoded(code, labels, neighbours), labels)


def test_independent_weights_cost_their_entropy() -> None:
    """2% would do; learning the statistics of 256 x 512 weights takes less than 1%."""
    rng = np.random.default_rng(0)
    bell = np.exp(-0.5 * (CODEBOOK / 3) ** 2)
    labels = rng.choice(15, (256, 512), p=bell / bell.sum()).astype(np.uint16) + np.uint16(1)
    labels[rng.random(labels.shape) > 0.09] = 0
    code = context.encode(labels, alphabet_of(CODEBOOK), Neighbours(1, 512))
    assert bound_bytes(labels) <= len(code) <= 1.01 * bound_bytes(labels)


def test_clustered_masks_cost_far_less_than_independent_ones() -> None:
    rng = np.random.default_rng(0)
    density = np.repeat(np.array([0.01, 0.4]), [400, 50])[rng.permutation(450)]
    labels = (rng.random((200, 450)) < density).astype(np.uint16)
    code = context.encode(labels, alphabet_of(CODEBOOK), Neighbours(1, 450))
    assert len(code) < 0.75 * bound_bytes(labels)


def test_a_full_matrix_of_one_value_is_almost_free() -> None:
    labels = np.full((50, 60), 3, np.uint16)
    code = context.encode(labels, alphabet_of(np.ones(3)), Neighbours(1, 60))
    assert len(code) < 25


def test_unused_rows_and_columns_are_almost_free() -> None:
    labels = np.zeros((300, 300), np.uint16)
    labels[100, 200] = 1
    assert len(context.encode(labels, alphabet_of(CODEBOOK), Neighbours(1, 300))) < 12


def test_the_code_is_frozen() -> None:
    """Files of version 1 stay readable: whatever changes these bytes needs a new version."""
    mixed_up = np.arange(64 * 100, dtype=np.int64) * 2654435761 % 2**32 >> 9
    labels = np.where(mixed_up % 97 < 15, mixed_up % 97 + 1, 0).reshape(64, 100).astype(np.uint16)
    code = context.encode(labels, alphabet_of(CODEBOOK), Neighbours(10, 100))
    assert (len(code), zlib.crc32(code)) == (722, 113896389)


@pytest.mark.parametrize(
    ("labels", "positions"),
    [
        ([[0, 1], [1, 0]], 1),  # (0, 0) is coded; (0, 1) ends an empty row, (1, 0) an empty column
        ([[0, 1, 1], [1, 0, 0]], 3),  # row 0 is coded; (1, 0) ends an empty column
        ([[0, 0, 1], [1, 1, 0]], 2),  # (0, 0) and (0, 1); (0, 2) ends an empty row, then two columns
        ([[1, 1], [1, 1]], 0),
    ],
)
def test_positions_that_must_be_taken_cost_nothing(labels: list[list[int]], positions: int) -> None:
    """What is decided: each row and column is used or not, the positions left open; one value has no bits."""
    matrix, one = np.array(labels, np.uint16), alphabet_of(np.ones(1))
    code = context.encode(matrix, one, Neighbours(1, 9))
    back = np.zeros_like(matrix)
    _, decided = context.decode(padded(code), back, int(matrix.sum()), one, Neighbours(1, 9))
    assert decided == sum(matrix.shape) + positions
    np.testing.assert_array_equal(back, matrix)


def test_more_than_255_values() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1001, (40, 50)).astype(np.uint16)
    alphabet = alphabet_of(rng.standard_normal(1000))
    code = context.encode(labels, alphabet, Neighbours(5, 25))
    back = np.zeros_like(labels)
    context.decode(padded(code), back, int(np.count_nonzero(labels)), alphabet, Neighbours(5, 25))
    np.testing.assert_array_equal(back, labels)


@given(st.binary(max_size=80), st.integers(1, 200), st.integers(1, 4))
def test_any_bytes_are_refused_or_fill_the_matrix(data: bytes, nonzeros: int, values: int) -> None:
    labels = np.zeros((9, 21), np.uint16)
    with suppress(InputError):
        end, _ = context.decode(
            padded(data), labels, nonzeros, alphabet_of(CODEBOOK[:values]), Neighbours(3, 9)
        )
        assert end <= len(padded(data))
        assert labels.max() <= values


@pytest.mark.parametrize(
    ("values", "codes", "depth", "signed"),
    [
        ([0.5, -0.25, 0.125, -3], [1, 2, 0, 3], 1, True),
        ([3, 1, 2], [2, 0, 1], 2, False),
        ([-1, -2], [0, 1], 1, False),
        ([], [], 0, False),
        ([-0.0, 0.0], [1, 0], 0, True),
    ],
)
def test_values_are_ranked_by_sign_and_magnitude(
    values: list[float], codes: list[int], depth: int, signed: bool
) -> None:
    alphabet = alphabet_of(np.array(values))
    assert (alphabet.code[1:].tolist(), alphabet.depth, alphabet.signed) == (codes, depth, signed)
    assert alphabet.label[alphabet.code[1:]].tolist() == list(range(1, len(values) + 1))


def test_neighbours_by_shape() -> None:
    assert neighbours_of((50, 20, 5, 5)) == (Neighbours(5, 25),)
    assert neighbours_of((300, 784)) == (
        Neighbours(1, 784),
        Neighbours(28, 784),
        Neighbours(2, 4),
        Neighbours(4, 16),
        Neighbours(7, 49),
    )
    assert neighbours_of((10,)) == (Neighbours(1, 10),)


def test_a_wrong_number_of_nonzeros_is_refused() -> None:
    labels = np.zeros((4, 30), np.uint8)
    labels[1, 7] = labels[2, 9] = 1
    code = CONTEXT.encode(Labels(labels.ravel(), labels.shape, CODEBOOK))
    with pytest.raises(InputError, match="124 non-zeros declared in 120 weights"):
        CONTEXT.decode(ByteReader(bytes([124]) + code[1:]), labels.shape, CODEBOOK)
