"""From the steps of every pass to one tile stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.engine.stream import MAC_ARRAY, VECTOR_UNIT, TileStream
from hwsim.mapping.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hwsim.machine.chip import Chip
    from hwsim.mapping.residency import Residency
    from hwsim.workload.layer import Workload

NOTHING = -1
"""No step to wait for."""


class _Block(NamedTuple):
    """Equal passes over a segment, one after the other, in a stream under construction."""

    start: int
    length: int
    times: int
    columns: dict[str, NDArray[np.int64]]
    feeds: NDArray[np.int64]
    spills: NDArray[np.int64]


def link_passes(
    chip: Chip, workload: Workload, residency: Residency, steps: Mapping[tuple[int, int], Sequence[Steps]]
) -> TileStream:
    """Put the passes in order and make each wait for the layers that feed it.

    A unit serves its steps in order, so that a layer's inputs from its own unit are there, and of those
    from the other unit the last one is what it waits for. Write-backs keep that order, too.

    Parameters
    ----------
    steps : dict of (int, int) to sequence of Steps
        Steps of the kernels of a segment, by the positions of the segment and of the pass in it.
    """
    blocks: list[_Block] = []
    ends: dict[int, int] = {}
    unit_of = [_unit(workload, root) for root in residency.root_of]
    start = 0
    for position, segment in enumerate(residency.segments):
        for at, part in enumerate(segment.passes):
            block = _block(
                workload, residency, position, steps[position, at], start, part.times, ends, unit_of
            )
            blocks.append(block)
            start += block.length * block.times
        last = blocks[-1]
        begin = last.start + last.length * (last.times - 1)
        lengths = [len(part.read) for part in steps[position, len(segment.passes) - 1]]
        for k, end in zip(segment.kernels, np.cumsum(lengths), strict=True):
            ends |= dict.fromkeys(residency.kernels[k].layers, begin + int(end) - 1)
    ns_per_tick = 1.0 / chip.process.clock_GHz

    def column(name: str) -> NDArray[np.int64]:
        return np.concatenate([_repeated(block.columns[name], block.times) for block in blocks])

    return TileStream(
        layer=column("layer"),
        unit=column("unit"),
        read=column("read"),
        decode=column("decode"),
        compute=column("compute"),
        write=column("write"),
        after=np.concatenate([_tiled(block.feeds, block) for block in blocks]),
        read_after=np.concatenate([_tiled(block.spills, block) for block in blocks]),
        latency=int(np.ceil(chip.dram.latency_ns / ns_per_tick)),
        turnaround=int(np.ceil(chip.dram.turnaround_ns / ns_per_tick)),
        fetch_depth=chip.buffers.fetch_depth,
        decode_depth=chip.buffers.decode_depth,
    )


def _block(
    workload: Workload,
    residency: Residency,
    position: int,
    steps: Sequence[Steps],
    start: int,
    times: int,
    ends: dict[int, int],
    unit_of: Sequence[int],
) -> _Block:
    """Steps of one pass over a segment, and what each of them waits for."""
    segment, layers = residency.segments[position], workload.layers
    kernels = [residency.kernels[k] for k in segment.kernels]
    lengths = np.array([len(part.read) for part in steps])
    here = dict(ends)
    for kernel, end in zip(kernels, np.cumsum(lengths), strict=True):
        here |= dict.fromkeys(kernel.layers, start + int(end) - 1)
    feeds, spills = [], []
    for kernel in kernels:
        inputs = {source for index in kernel.layers for source in layers[index].inputs}
        sources = [source for source in inputs if source >= 0 and residency.root_of[source] != kernel.root]
        feeds.append(max((here[s] for s in sources if unit_of[s] != unit_of[kernel.root]), default=NOTHING))
        spills.append(
            max(
                (ends[s] for s in sources if residency.segment_of[s] != position and residency.spills(s)),
                default=NOTHING,
            )
        )
    columns = {
        "layer": np.repeat([kernel.root for kernel in kernels], lengths),
        "unit": np.repeat([unit_of[kernel.root] for kernel in kernels], lengths),
        **{name: np.concatenate([getattr(part, name) for part in steps]) for name in Steps._fields},
    }
    return _Block(
        start, int(lengths.sum()), times, columns, np.repeat(feeds, lengths), np.repeat(spills, lengths)
    )


def _repeated(values: NDArray[np.int64], times: int) -> NDArray[np.int64]:
    return values if times == 1 else np.broadcast_to(values, (times, len(values))).ravel()


def _tiled(links: NDArray[np.int64], block: _Block) -> NDArray[np.int64]:
    """Links of all passes of a block: those into the pass itself move along, others stay."""
    if block.times == 1:
        return links
    shift = block.length * np.arange(block.times)[:, None]
    return np.where(links >= block.start, links + shift, links).ravel()


def _unit(workload: Workload, root: int) -> int:
    return VECTOR_UNIT if workload.layers[root].kind == "vector" else MAC_ARRAY
