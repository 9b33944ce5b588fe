"""Remember results by the object that they were worked out from, however large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Same(Generic[Thing]):
    """A key for `functools.lru_cache`: equal to that of the same object only, which it keeps alive.

    Parameters
    ----------
    thing : object
        It must not change.
    """

    thing: Thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing
