"""Numba's compiler, for any place that the package is installed in, and plain Python until compiling pays.

Numba takes ten seconds to compile the search for a plan. Plain Python divides a small network in a part of a
second with the same code. A `Tiered` function therefore runs as plain Python until it is compiled.
"""

from __future__ import annotations

from functools import cache
from time import thread_time
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NO_PLACE = "cannot cache function"
"""Begin of what numba says where neither the package's folder nor a cache of the user can be written."""

PLAIN_TURNS = 1 << 14
"""Turns of loops, at most, in one call of plain Python: a part of a second."""


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


def tiered(
    patience_s: float = 1.0, turns: Callable[..., int] = lambda *_: 1
) -> Callable[[Callable[..., Any]], Tiered]:
    """Decorate a compiled function that Python calls: see `Tiered`.

    Parameters
    ----------
    patience_s : float
        Seconds of processor that plain Python may take for it in a process: a part of what compiling takes.
    turns : callable
        Of the function's arguments: about how many turns its loops have.
    """
    return lambda compiled: Tiered(compiled, patience_s, turns)


class Tiered:
    """A compiled function that runs as plain Python while its work is little and it is not compiled yet.

    Both give the same results, to the bit. Compiled functions may call it, too.

    Parameters
    ----------
    compiled : callable
        What `njit` returns.
    patience_s, turns
        See `tiered`.
    """

    def __init__(self, compiled: Any, patience_s: float, turns: Callable[..., int]) -> None:
        self.compiled = compiled
        self.py_func = getattr(compiled, "py_func", compiled)
        self._patience_s, self._turns = patience_s, turns
        self._left_s: float | None = None

    @property
    def _numba_type_(self) -> Any:
        """What numba takes the function for, where a compiled one calls it."""
        return self.compiled._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        """Run the function."""
        if self._left_s == 0:
            return self.compiled(*arguments)
        return self.chosen(*arguments)(*arguments)

    def chosen(self, *arguments: Any) -> Callable[..., Any]:
        """Return what runs the function for such arguments: ``compiled``, or `in_python`."""
        if not hasattr(self.compiled, "py_func"):  # numba is switched off
            return self.in_python
        if self._left_s is None:
            self._left_s = 0.0 if _is_kept(self.compiled) else self._patience_s
        if self._left_s > 0 and self._turns(*arguments) <= PLAIN_TURNS:
            return self.in_python
        return self.compiled

    def in_python(self, *arguments: Any) -> Any:
        """Run the function as plain Python, which takes arrays of records as `Records`."""
        begin = thread_time()
        with np.errstate(all="ignore"):  # as compiled code does
            result = _plain(self.py_func)(*arguments)
        self._left_s = max(0.0, (self._left_s or 0.0) - (thread_time() - begin))
        return result


def _is_kept(compiled: Any) -> bool:
    """Whether the function was compiled before: here, or by an earlier process that kept it on the disk."""
    kept = getattr(compiled._cache, "_cache_file", None)  # numba has no public question for it
    return bool(compiled.signatures or (kept is not None and kept._load_index()))


@cache
def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls no compiled ones, but what they were compiled from."""
    named: dict[str, Any] = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    called = {name: _plain(what.py_func) for name, what in named.items() if hasattr(what, "py_func")}
    return FunctionType(function.__code__, function.__globals__ | called, function.__name__)


class Records:
    """Records of an array as plain Python reads and writes them fast: ``records[k].field``, as compiled code.

    Parameters
    ----------
    array : ndarray of records
        Copied.
    """

    def __init__(self, array: NDArray[np.void]) -> None:
        self._rows: Any = _rows(array)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """Return the record at an index of one or two dimensions."""
        if isinstance(index, tuple):
            return self._rows[index[0]][index[1]]
        return self._rows[index]


def _rows(array: NDArray[np.void]) -> list[Any]:
    if array.ndim > 1:
        return [_rows(part) for part in array]
    names = array.dtype.names or ()
    return [SimpleNamespace(**dict(zip(names, record, strict=True))) for record in array.tolist()]
