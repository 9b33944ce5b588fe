"""Augmentation: every image is shifted slightly, at random, each time it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.compiled import njit

if TYPE_CHECKING:
    from compress.nn.config import TrainConfig
    from compress.nn.ops.base import Array


def augmented(x: Array, config: TrainConfig, rng: np.random.Generator) -> Array:
    """Images moved as `config` says: by whole pixels alone, or turned and stretched too.

    Parameters
    ----------
    x : ndarray, shape (n, channels, height, width)
    """
    reach = config.shift_pixels
    if config.rotate_degrees or config.stretch:
        angles = np.radians(rng.uniform(-config.rotate_degrees, config.rotate_degrees, len(x)))
        scales = np.exp(rng.uniform(-config.stretch, config.stretch, (len(x), 2)))
        return warped(x, maps(angles, scales, rng.uniform(-reach, reach, (len(x), 2))))
    if reach:
        return shifted(x, rng.integers(-reach, reach + 1, (len(x), 2)))
    return x


def maps(angles: Array, scales: Array, moves: Array) -> Array:
    """Affine maps from places in the new image to places in the old one, about the centre.

    Parameters
    ----------
    angles : ndarray, shape (n,)
        Radians.
    scales, moves : ndarray, shape (n, 2)
        Vertical, horizontal: growth of the image, and pixels it moves down and to the right.

    Returns
    -------
    ndarray of float32, shape (n, 2, 3)
        ``old = maps[:, :, :2] @ new + maps[:, :, 2]``, places being (row, column) from the centre.
    """
    cosine, sine = np.cos(angles), np.sin(angles)
    turn = np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1) / scales[:, :, np.newaxis]
    back = -(turn @ moves[:, :, np.newaxis])
    return np.concatenate([turn, back], axis=2).astype(np.float32)


@njit(cache=True)
def warped(x, inverse):  # type: ignore[no-untyped-def]
    """Images seen through affine maps, bilinear between pixels; what comes in is zero.

    Parameters
    ----------
    x : ndarray, shape (n, channels, height, width)
    inverse : ndarray, shape (n, 2, 3)
        As `maps` gives them.
    """
    moved = np.zeros_like(x)
    height, width = x.shape[2:]
    middle, centre = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    for n in range(x.shape[0]):
        a, b, c = inverse[n, 0]
        d, e, f = inverse[n, 1]
        for row in range(height):
            for column in range(width):
                down, right = np.float32(row) - middle, np.float32(column) - centre
                v, h = a * down + b * right + c + middle, d * down + e * right + f + centre
                top, left = int(np.floor(v)), int(np.floor(h))
                if -1 <= top < height and -1 <= left < width:
                    low, far = v - np.float32(top), h - np.float32(left)
                    for channel in range(x.shape[1]):
                        image = x[n, channel]
                        total = np.float32(0)
                        if top >= 0 and left >= 0:
                            total += (1 - low) * (1 - far) * image[top, left]
                        if top >= 0 and left + 1 < width:
                            total += (1 - low) * far * image[top, left + 1]
                        if top + 1 < height and left >= 0:
                            total += low * (1 - far) * image[top + 1, left]
                        if top + 1 < height and left + 1 < width:
                            total += low * far * image[top + 1, left + 1]
                        moved[n, channel, row, column] = total
    return moved


@njit(cache=True)
def shifted(x, moves):  # type: ignore[no-untyped-def]
    """Images moved down and to the right by `moves` pixels each; what comes in is zero.

    Parameters
    ----------
    x : ndarray, shape (n, channels, height, width)
    moves : ndarray of int, shape (n, 2)
    """
    moved = np.zeros_like(x)
    height, width = x.shape[2:]
    for n in range(x.shape[0]):
        down, right = moves[n]
        for channel in range(x.shape[1]):
            for row in range(max(0, down), min(height, height + down)):
                for column in range(max(0, right), min(width, width + right)):
                    moved[n, channel, row, column] = x[n, channel, row - down, column - right]
    return moved
