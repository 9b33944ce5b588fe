"""Stored forms of a tensor: what each holds, and the array it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from compress.codecs.base import rows_of
from compress.format.tensors import DenseTensor, PrunedTensor, QuantizedTensor, SharedTensor
from hwsim.errors import InputError


def test_shared_labels_look_up_the_codebook() -> None:
    tensor = SharedTensor(np.array([[0, 2], [1, 0]]), np.array([-0.5, 0.25], np.float32))
    assert tensor.to_array().tolist() == [[0.0, 0.25], [-0.5, 0.0]]
    assert tensor.to_array().dtype == np.float32
    assert (tensor.nonzeros, tensor.shape) == (2, (2, 2))


def test_quantized_scale_per_tensor_and_per_output() -> None:
    q = np.array([[1, -2], [3, 0]], np.int8)
    assert QuantizedTensor(q, np.float32(0.5)).to_array().tolist() == [[0.5, -1.0], [1.5, 0.0]]
    per_output = QuantizedTensor(q, np.array([1, 2], np.float32), bits=4)
    assert per_output.to_array().tolist() == [[1.0, -2.0], [6.0, 0.0]]


def test_pruned_negative_zero_becomes_zero() -> None:
    values = PrunedTensor(np.array([-0.0, 1.0], np.float32)).to_array()
    assert not np.signbit(values[0])


def test_half_precision_is_read_as_float32() -> None:
    assert DenseTensor(np.array([0.1], np.float16)).to_array()[0] == np.float32(np.float16(0.1))


def test_arrays_cannot_be_written() -> None:
    source = np.zeros(3, np.float32)
    tensor = DenseTensor(source)
    with pytest.raises(ValueError, match="read-only"):
        tensor.values[0] = 1
    source[0] = 1


def test_rows_are_outputs() -> None:
    assert rows_of((20, 1, 5, 5)) == (20, 25)
    assert rows_of((10,)) == (1, 10)
    assert rows_of(()) == (1, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseTensor(np.zeros(2, np.float64)),
        lambda: PrunedTensor(np.zeros(2, np.float64)),
        lambda: PrunedTensor(np.zeros(2, np.float32), gap_bits=0),
        lambda: SharedTensor(np.array([2]), np.ones(1, np.float32)),
        lambda: SharedTensor(np.array([0.5]), np.ones(1, np.float32)),
        lambda: SharedTensor(np.array([-1]), np.ones(1, np.float32)),
        lambda: SharedTensor(np.array([1]), np.ones((1, 1), np.float32)),
        lambda: SharedTensor(np.array([1]), np.ones(1, np.float32), coding="zip"),
        lambda: QuantizedTensor(np.array([8], np.int8), np.float32(1), bits=4),
        lambda: QuantizedTensor(np.array([1, 2], np.int8), np.ones(3, np.float32)),
        lambda: QuantizedTensor(np.array([1], np.int8), np.float32(1), bits=9),
        lambda: QuantizedTensor(np.array([1], np.int8), np.float32(np.inf)),
    ],
)
def test_what_cannot_be_stored_is_refused(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]
