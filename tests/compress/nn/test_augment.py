"""Augmentation by hand: maps of places, whole and fractional moves, turns and stretches."""

from __future__ import annotations

import numpy as np
import pytest

from compress.nn.augment import augmented, maps, shifted, warped
from compress.nn.config import TrainConfig
from compress.nn.datasets import load_dataset
from hwsim.errors import InputError

STILL = np.zeros(1), np.ones((1, 2)), np.zeros((1, 2))


@pytest.fixture(scope="module")
def images():
    return load_dataset("mnist").test.x[:20]


def test_nothing_moves_without_a_turn_a_stretch_or_a_move():
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    np.testing.assert_array_equal(warped(x, maps(*STILL)), x)


def test_whole_moves_are_shifts(images):
    moves = np.random.default_rng(0).integers(-3, 4, (len(images), 2))
    inverse = maps(np.zeros(len(images)), np.ones((len(images), 2)), moves)
    np.testing.assert_array_equal(warped(images, inverse), shifted(images, moves))


def test_half_a_pixel_is_the_mean_of_two():
    x = np.array([[[[0.0, 4.0, 8.0]]]], np.float32)
    inverse = maps(np.zeros(1), np.ones((1, 2)), np.array([[0.0, 0.5]]))
    np.testing.assert_allclose(warped(x, inverse), [[[[0.0, 2.0, 6.0]]]])


def test_a_quarter_turn(images):
    angle = np.full(len(images), np.pi / 2)
    inverse = maps(angle, np.ones((len(images), 2)), np.zeros((len(images), 2)))
    np.testing.assert_allclose(warped(images, inverse), np.rot90(images, axes=(2, 3)), atol=1e-5)


def test_twice_as_wide():
    x = np.array([[[[1.0, 2.0, 3.0, 4.0]]]], np.float32)
    wide = warped(x, maps(np.zeros(1), np.array([[1.0, 2.0]]), np.zeros((1, 2))))
    np.testing.assert_allclose(wide, [[[[1.75, 2.25, 2.75, 3.25]]]])


def test_the_same_generator_moves_alike_and_stays_in_range(images):
    config = TrainConfig(1, shift_pixels=1, rotate_degrees=10.0, stretch=0.1)
    one, two = (augmented(images, config, np.random.default_rng(seed)) for seed in (5, 5))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != augmented(images, config, np.random.default_rng(6)).tobytes()
    assert 0.0 <= one.min() <= one.max() <= 1.0 + 1e-6
    assert abs(one.sum() / images.sum() - 1) < 0.2
    assert augmented(images, TrainConfig(1), np.random.default_rng(0)) is images


def test_a_negative_turn_is_refused():
    with pytest.raises(InputError, match="rotate_degrees is -1, expected at least 0"):
        TrainConfig(1, rotate_degrees=-1)
