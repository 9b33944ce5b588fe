"""Whole numbers: arithmetic, and reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DIGITS = 18
"""A number of so many digits fits in 64 bits."""


@overload
def ceil_div(a: int, b: int) -> int: ...
@overload
def ceil_div(a: int, b: NDArray[np.int64]) -> NDArray[np.int64]: ...
@overload
def ceil_div(a: NDArray[np.int64], b: int | NDArray[np.int64]) -> NDArray[np.int64]: ...
def ceil_div(a: int | NDArray[np.int64], b: int | NDArray[np.int64]) -> int | NDArray[np.int64]:
    """Quotient of two integers, rounded up.

    Compiled code calls it as ``njit(cache=True)(ceil_div)``: this module imports neither numba nor numpy.

    Parameters
    ----------
    a : int or ndarray of int64
    b : int or ndarray of int64
        Not 0.
    """
    return -(-a // b)


def whole_of(text: str) -> int | None:
    """Whole number that a text of decimal digits names; None for any other text, or more digits than 18."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None
