"""Memory that work may take: added up before it begins, and refused with the sum where it is too much.

A small file can stand for a large network: zeros cost next to nothing in a compressed file and four bytes
each once they are read. Work on such a file asks here first.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.units import memory_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_B = 3 << 30
"""Memory that work may take unless it is told otherwise."""

_most = ContextVar("most", default=MOST_B)


def allow_memory(most_B: int) -> None:
    """Let what follows in this thread take so much memory.

    Parameters
    ----------
    most_B : int
        Bytes.

    Raises
    ------
    InputError
        If it is less than one byte.
    """
    if most_B < 1:
        raise InputError(f"memory is {most_B} bytes, expected at least 1")
    _most.set(most_B)


@contextmanager
def same_memory_after() -> Iterator[None]:
    """Let `allow_memory` within the ``with`` block end with it."""
    before = _most.get()
    try:
        yield
    finally:
        _most.set(before)


def require_memory(what: str, parts_B: Mapping[str, float]) -> None:
    """Refuse work that would take more memory than is allowed.

    Parameters
    ----------
    what : str
        What is to be done, or the file that asks for it.
    parts_B : dict of str to float
        Bytes by what takes them, at the moment when most are taken.

    Raises
    ------
    InputError
        If the sum is more than `allow_memory` allowed.
    """
    total_B = sum(parts_B.values())
    if total_B > _most.get():
        parts = [f"{memory_size(part)} of {name}" for name, part in parts_B.items() if part]
        total = f" = {memory_size(total_B)}" if len(parts) > 1 else ""
        raise InputError(
            f"{what} would take {' + '.join(parts)}{total} in memory, expected at most "
            f"{memory_size(_most.get())}: `--max-memory SIZE` before the command allows more"
        )
