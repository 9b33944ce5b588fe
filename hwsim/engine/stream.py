"""The tile stream: what a schedule hands to an engine, and the rules both engines follow.

A *step* is one slice of a layer: some weights come in, are decoded, are used by the array, and
perhaps some activations go out. Durations are in ticks of the nominal core clock. Every shared
resource serves its operations in a fixed order, which is what lets two engines agree to the tick:

1. The DRAM channel serves reads and write-backs in `channel_order`. After a transfer, one in the
   other direction can start `turnaround` ticks later at the earliest. A read of zero ticks takes
   its turn but moves nothing: it costs no time and no turn-around.
2. Read k starts when its turn has come, the fetch slot of step ``k - fetch_depth`` has been
   emptied (its decoding has ended) and write-back ``read_after[k]`` has ended. Its data arrive
   `latency` ticks after its last burst (at once when ``read[k] == 0``).
3. Decoding k starts when its data have arrived, decoding ``k - 1`` has ended and the decoded
   slot of step ``k - decode_depth`` has been emptied (its compute has ended): slots form a ring.
4. Compute k starts when decoding k has ended, compute ``after[k]`` has ended and its unit is
   free. Each unit serves its steps in order.
5. Write-back k starts when compute k has ended and its turn has come; one of zero ticks has no
   turn and ends with its compute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAC_ARRAY, VECTOR_UNIT = 0, 1


@dataclass(frozen=True)
class TileStream:
    """Struct of arrays, one element a step; all int64.

    Parameters
    ----------
    layer : ndarray, shape (n,)
        Index of the layer a step belongs to.
    unit : ndarray, shape (n,)
        `MAC_ARRAY` or `VECTOR_UNIT`: which resource computes the step.
    read, decode, compute, write : ndarray, shape (n,)
        Duration of each phase in ticks (>= 0).
    after : ndarray, shape (n,)
        Earlier step whose compute must have ended before this one computes; -1 for none.
    read_after : ndarray, shape (n,)
        Earlier step whose write-back must have ended before this one reads; -1 for none.
    latency, turnaround : int
        DRAM latency and direction-change penalty in ticks.
    fetch_depth, decode_depth : int
        Buffer slots for fetched and for decoded weights (>= 1).

    Raises
    ------
    InputError
        If the arrays differ in length, a duration is negative, a dependency is not an earlier
        step, or a depth is below 1.
    """

    layer: NDArray[np.int64]
    unit: NDArray[np.int64]
    read: NDArray[np.int64]
    decode: NDArray[np.int64]
    compute: NDArray[np.int64]
    write: NDArray[np.int64]
    after: NDArray[np.int64]
    read_after: NDArray[np.int64]
    latency: int
    turnaround: int
    fetch_depth: int
    decode_depth: int

    def __post_init__(self) -> None:
        n = len(self.layer)
        for name in ("unit", "read", "decode", "compute", "write", "after", "read_after"):
            if getattr(self, name).shape != (n,):
                raise InputError(
                    f"tile stream: {name} has shape {getattr(self, name).shape}, expected ({n},)"
                )
        for name in ("read", "decode", "compute", "write"):
            if n and int(getattr(self, name).min()) < 0:
                raise InputError(f"tile stream: {name} has a negative duration, expected at least 0 ticks")
        for name in ("after", "read_after"):
            links = getattr(self, name)
            if n and (int(links.min()) < -1 or bool((links >= np.arange(n)).any())):
                raise InputError(f"tile stream: {name} must name an earlier step, or -1 for none")
        if n and not 0 <= int(self.unit.min()) <= int(self.unit.max()) <= VECTOR_UNIT:
            raise InputError(f"tile stream: unit must be {MAC_ARRAY} (array) or {VECTOR_UNIT} (vector)")
        for name, least in (("latency", 0), ("turnaround", 0), ("fetch_depth", 1), ("decode_depth", 1)):
            if getattr(self, name) < least:
                raise InputError(f"tile stream: {name} is {getattr(self, name)}, expected at least {least}")

    def __len__(self) -> int:
        return len(self.layer)

    @property
    def slots(self) -> int:
        """Steps that fetched and decoded buffers hold together."""
        return self.fetch_depth + self.decode_depth

    def first(self, steps: int) -> TileStream:
        """The first `steps` steps; they depend on earlier ones only, so nothing is cut off from its cause."""
        names = ("layer", "unit", "read", "decode", "compute", "write", "after", "read_after")
        return replace(self, **{name: getattr(self, name)[:steps] for name in names})

    def repeat(self, times: int) -> TileStream:
        """Run the stream `times` times back to back, as a steady flow of inferences.

        The next inference may prefetch while the last one computes; its dependencies stay its own.
        """
        n = len(self)
        shift = np.repeat(np.arange(times, dtype=np.int64) * n, n)

        def link(values: NDArray[np.int64]) -> NDArray[np.int64]:
            tiled = np.tile(values, times)
            return np.where(tiled < 0, tiled, tiled + shift)

        return replace(
            self,
            layer=np.tile(self.layer, times),
            unit=np.tile(self.unit, times),
            read=np.tile(self.read, times),
            decode=np.tile(self.decode, times),
            compute=np.tile(self.compute, times),
            write=np.tile(self.write, times),
            after=link(self.after),
            read_after=link(self.read_after),
        )


def channel_order(stream: TileStream) -> NDArray[np.int64]:
    """Service order of the DRAM channel, flat: ``2 * k`` is read k, ``2 * k + 1`` is write-back k.

    Reads keep the order of their steps. A write-back of at least one tick is served as late as it
    can be without blocking: just before the first read that needs its data, or the compute of its
    step to have ended (``fetch_depth + decode_depth`` steps later). Reads run ahead, so the array
    starves last. Every operation depends on earlier ones only, so the order cannot deadlock.
    """
    steps = np.arange(len(stream))
    due = np.maximum.accumulate(np.maximum(steps - stream.slots, stream.read_after))
    writes = np.flatnonzero(stream.write > 0)
    before = np.searchsorted(due, writes, side="left")
    keys = np.concatenate([steps * 2 + 1, before * 2])
    ops = np.concatenate([steps * 2, writes * 2 + 1])
    return ops[np.lexsort((ops, keys))].astype(np.int64)
