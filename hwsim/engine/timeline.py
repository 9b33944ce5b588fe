"""Start and end of every operation of a tile stream, the same for both engines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ, DECODE, COMPUTE, WRITE = 0, 1, 2, 3
PHASES = ("read", "decode", "compute", "write")


@dataclass(frozen=True)
class Timeline:
    """Start and end of the four operations of every step, in ticks.

    Parameters
    ----------
    end : ndarray of int64, shape (4, n)
        Tick at which an operation has ended; rows are `READ`, `DECODE`, `COMPUTE`, `WRITE`.
    ticks : sequence of four ndarrays of int64, shape (n,) each
        How long each operation took.
    """

    end: NDArray[np.int64]
    ticks: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return self.end.shape[1]

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """Tick at which each operation started, shape (4, n)."""
        return self.end - np.stack(self.ticks)

    @property
    def makespan(self) -> int:
        """Ticks from the first fetch to the last write-back: the cold latency of one pass."""
        return int(self.end.max()) if len(self) else 0
