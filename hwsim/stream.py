"""The tile stream: what a schedule hands to an engine, and the rules both engines follow.

A *step* is one slice of a layer: some weights come in, are decoded, are used by the array, and
perhaps some activations go out. Durations are in ticks of the nominal core clock. Every shared
resource serves its operations in a fixed order, which is what lets two engines agree to the tick:

1. The DRAM channel serves reads and writes in `channel_order`; changing direction costs
   `turnaround` ticks. Operations of zero ticks do not occupy the channel.
2. Read k starts when the channel is free, the buffer slot of step ``k - fetch_depth`` has been
   emptied (its decoding has ended) and write-back ``read_after[k]`` has ended. Its data arrive
   `latency` ticks after its last burst (at once when ``read[k] == 0``).
3. Decoding k starts when its data have arrived, decoding ``k - 1`` has ended and the decoded
   slot of step ``k - decode_depth`` has been emptied (its compute has ended).
4. Compute k starts when decoding k has ended, compute ``after[k]`` has ended and its unit is
   free. Each unit serves its steps in order.
5. Write-back k starts when compute k has ended and the channel reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

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
        Duration of each stage in ticks (>= 0).
    after : ndarray, shape (n,)
        Earlier step whose compute must have ended before this one computes; -1 for none.
    read_after : ndarray, shape (n,)
        Earlier step whose write-back must have ended before this one reads; -1 for none.
    latency, turnaround : int
        DRAM latency and direction-change penalty in ticks.
    fetch_depth, decode_depth : int
        Buffer slots for fetched and for decoded weights (>= 1).
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

    def __len__(self) -> int:
        return len(self.layer)

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
    """Service order of the DRAM channel: ``2 * k`` is read k, ``2 * k + 1`` is write-back k.

    A write-back is served as late as it can be without blocking: before the first read that
    needs its buffer slots or its data. Reads run ahead, so the array starves last.
    """
    n = len(stream)
    slots = stream.fetch_depth + stream.decode_depth
    due = np.maximum(np.arange(n) - slots, stream.read_after)
    due = np.maximum.accumulate(due) if n else due
    writes = np.flatnonzero(stream.write > 0)
    position = np.searchsorted(due, writes, side="left")
    reads = np.flatnonzero(stream.read > 0)
    keys = np.concatenate([reads * 2 + 1, position * 2])
    ops = np.concatenate([reads * 2, writes * 2 + 1])
    return ops[np.lexsort((ops, keys))].astype(np.int64)
