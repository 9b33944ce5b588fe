"""Numba's compiler, for any place that the package is installed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

NO_PLACE = "cannot cache function"
"""Begin of what numba says where neither the package's folder nor a cache of the user can be written."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function to be compiled by `numba.njit`, and kept on the disk where there is a place for it.

    Where there is none, as in a read-only installation of a user without a home, each process compiles.

    Parameters
    ----------
    **options
        Of `numba.njit`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(**options)(function)
        except RuntimeError as error:
            if not str(error).startswith(NO_PLACE):
                raise
            return numba.njit(**options | {"cache": False})(function)

    return compiled
