"""Adaptive probabilities and their logistic mixing (Mahoney 2005, the PAQ compressors).

A *slot* estimates the probability of a 1 in one context: 22 bits of probability and 10 bits of
count in a word. It moves towards each bit by a share that falls as 1 / count, so it learns fast at
first. A *mixer* adds the estimates of several contexts in the logistic domain, with weights that
descend the coding cost. All arithmetic is in integers, so every machine decodes alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.words import lean
from hwsim.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.words import Scalar

STRETCH_UNIT = 256
"""Fixed-point one of the logistic domain."""

LIMIT = 2815
"""Largest logistic value, 11 in natural units: a probability of 1 - 1 / 60,000."""

WEIGHT_ONE = 1 << 16

_COUNT_BITS = 10
_COUNT_MASK = (1 << _COUNT_BITS) - 1


def _squash_table() -> NDArray[np.int32]:
    """Probability in 1 / 65536 of each logistic value ``-LIMIT..LIMIT``."""
    logistic = [65536 / (1 + math.exp(-value / STRETCH_UNIT)) for value in range(-LIMIT, LIMIT + 1)]
    return np.array([round(share) for share in logistic], np.int32)


SQUASH = _squash_table()

STRETCH = (np.searchsorted(SQUASH, np.arange(65536)) - LIMIT).clip(-LIMIT, LIMIT).astype(np.int16)
"""Logistic value of each probability in 1 / 65536: the inverse of `SQUASH`."""

_STEP = np.array([65536 // (count + 2) for count in range(_COUNT_MASK + 1)], np.int32)
"""Share that a slot moves after `count` bits, in 1 / 65536."""

_TRUST = np.array([256 * count // (count + 2) for count in range(_COUNT_MASK + 1)], np.int32)
"""How much a slot's estimate counts after `count` bits, in 1 / 256: one that saw nothing says nothing."""


@njit(cache=True)
def slots(count: Scalar, one: Scalar) -> NDArray[np.uint32]:
    """Return `count` slots that start at probability ``one / 65536``."""
    return np.full(count, np.uint32(one << (6 + _COUNT_BITS)), np.uint32)


@lean
def stretch(one: Scalar) -> Scalar:
    """Logistic value of a probability in 1 / 65536."""
    return np.int64(STRETCH[np.uint64(min(one, 65535))])


@lean
def opinion(slot: Scalar, base: Scalar) -> Scalar:
    """Logistic value of a slot beyond `base`, as far as it is to be trusted."""
    value = np.int64(STRETCH[slot >> np.uint32(6 + _COUNT_BITS)])
    return ((value - base) * np.int64(_TRUST[slot & np.uint32(_COUNT_MASK)])) >> 8


@lean
def moved(slot: Scalar, bit: Scalar, limit: Scalar) -> Scalar:
    """Slot after a bit; `limit` <= 1023 bounds the count, hence the memory."""
    count = slot & np.uint32(_COUNT_MASK)
    one = np.int64(slot >> np.uint32(_COUNT_BITS))
    one += (((bit << 22) - one) * np.int64(_STEP[count])) >> 16
    return np.uint32(one << _COUNT_BITS | min(np.int64(count) + 1, limit))


@lean
def mixed(base: Scalar, opinions: tuple[Scalar, ...], weights: NDArray[np.int64], first: Scalar) -> Scalar:
    """Probability in 1 / 65536 (1 to 65535) of `base` and opinions with the weights from `first` on."""
    total = np.int64(base) << 16
    for index in range(len(opinions)):
        total += opinions[index] * weights[np.uint64(first + index)]
    logistic: Scalar = min(max(total >> 16, -LIMIT), LIMIT)
    return np.int64(SQUASH[np.uint64(logistic + LIMIT)])


@lean
def learn(
    opinions: tuple[Scalar, ...],
    weights: NDArray[np.int64],
    first: Scalar,
    one: Scalar,
    bit: Scalar,
    rate: Scalar,
) -> None:
    """Move the weights down the gradient of the coding cost; `rate` is in 1 / 1024."""
    error = ((bit << 16) - one) * rate
    for index in range(len(opinions)):
        weights[np.uint64(first + index)] += (opinions[index] * error + (1 << 17)) >> 18
