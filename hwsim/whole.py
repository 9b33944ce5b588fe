"""Whole numbers: arithmetic, and reading them."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, overload

from hwsim.errors import InputError, require_type, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DIGITS = 18
"""A number of so many digits fits in 64 bits."""
MOST = 10**MAX_DIGITS - 1


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


def require_whole(found: object, what: str, expected: str, least: int = 0) -> None:
    """Check a whole number: an argument of the API.

    Parameters
    ----------
    found : object
        Python's own, or one of numpy's.
    what, expected : str
        Name of the argument, and description of the numbers it accepts, for the message.
    least : int

    Raises
    ------
    InputError
        If `found` is no whole number, is less than `least`, or has more than 18 digits.
    """
    require_type(found, Integral, what, expected)
    if not least <= found <= MOST:  # type: ignore[operator]
        limit = f" and at most {MAX_DIGITS} digits" if found > MOST else ""
        raise InputError(f"{what} is {shown(found)}, expected {expected}{limit}")
