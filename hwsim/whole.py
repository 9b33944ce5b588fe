"""Integer arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
