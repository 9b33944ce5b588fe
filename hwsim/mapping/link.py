"""From the steps of every pass to one tile stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.engine.stream import MAC_ARRAY, VECTOR_UNIT, TileStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.machine.chip import Chip
    from hwsim.mapping.residency import Residency
    from hwsim.mapping.steps import Steps
    from hwsim.workload.layer import Workload


def link_passes(chip: Chip, workload: Workload, residency: Residency, steps: list[Steps]) -> TileStream:
    """Put the passes in order and make each wait for the layers that feed it.

    For every sub-batch, the leading layers run pass by pass, the others once; the last pass feeds those.
    A unit serves its steps in order, so that a layer's inputs from its own unit are there, and of those
    from the other unit the last one is what it waits for. Write-backs keep that order, too.
    """
    layers, lead = workload.layers, residency.lead
    rounds = residency.batch // residency.sub_batch
    passes = residency.sub_batch // residency.micro_batch if lead else 1
    lengths = np.array([len(part.read) for part in steps])
    ends = np.cumsum(lengths) - 1
    units = [VECTOR_UNIT if layer.kind == "vector" else MAC_ARRAY for layer in layers]
    sources = [[source for source in layer.inputs if source >= 0] for layer in layers]
    feeds = [
        max((int(ends[source]) for source in found if units[source] != unit), default=-1)
        for found, unit in zip(sources, units, strict=True)
    ]
    spills = [
        max((int(ends[source]) for source in found if residency.spilled[source]), default=-1)
        for found in sources
    ]
    first = int(lengths[:lead].sum())
    pass_of = np.concatenate(
        [np.repeat(np.arange(passes), first), np.full(int(lengths[lead:].sum()), passes - 1)]
    )
    starts = (first * pass_of + len(pass_of) * np.arange(rounds)[:, None]).ravel()

    def in_order(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.tile(np.concatenate([np.tile(values[:first], passes), values[first:]]), rounds)

    def of_layers(values: list[int]) -> NDArray[np.int64]:
        return in_order(np.repeat(np.array(values, np.int64), lengths))

    def link(values: list[int]) -> NDArray[np.int64]:
        found = of_layers(values)
        return np.where(found < 0, found, found + starts)

    read, decode, compute, write = (in_order(np.concatenate(arrays)) for arrays in zip(*steps, strict=True))
    ns_per_tick = 1.0 / chip.process.clock_GHz
    return TileStream(
        of_layers(list(range(len(layers)))),
        of_layers(units),
        read,
        decode,
        compute,
        write,
        link(feeds),
        link(spills),
        int(np.ceil(chip.dram.latency_ns / ns_per_tick)),
        int(np.ceil(chip.dram.turnaround_ns / ns_per_tick)),
        chip.buffers.fetch_depth,
        chip.buffers.decode_depth,
    )
