"""Choose what runs together, how the batch is cut, and what stays on chip.

The search (`hwsim.mapping.segments`) sees kernels as tables (`hwsim.mapping.costs`). What it finds is put
into words here (`hwsim.mapping.residency`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arrays.base import OwnMapping
from hwsim.errors import InputError
from hwsim.mapping.costs import Costs
from hwsim.mapping.decoding import ways_to_decode
from hwsim.mapping.law import STRIPES, WHOLE
from hwsim.mapping.residency import Pass, Residency, Segment, buffer_bytes
from hwsim.mapping.segments import search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.machine.chip import Chip
    from hwsim.mapping.residency import LayerTiling
    from hwsim.mapping.segments import Found
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Workload

PER_OCTAVE = (16, 16, 8, 4, 1, 1)
"""Working memories that are tried: all of the on-chip memory, and so many in each octave below it.

They are roots of powers of two whatever the on-chip memory, so that a larger one has plans of a smaller one.
"""


def choose(chip: Chip, workload: Workload, batch: int, prices: PriceList) -> list[Plan]:
    """Find plans, those of least cost first.

    Parameters
    ----------
    chip : Chip
    workload : Workload
    batch : int
        Items of a batch.
    prices : PriceList

    Raises
    ------
    InputError
        If the streaming buffers, or a single kernel, do not fit on chip in any way.
    """
    capacity = 8.0 * (chip.sram.capacity_B - buffer_bytes(chip))
    spaces = _spaces(capacity)
    plans: list[Plan] = []
    ways = ways_to_decode(chip, workload, prices)
    for limit in _pass_sizes(chip, batch):
        first = Costs(chip, workload, batch, limit, prices, ways[0], spaces)
        for costs in (first, *map(first.with_cuts, ways[1:])):
            found = search(costs.tables, costs.terms, capacity, spaces, chip.sram.holds_weights, chip.fusion)
            plans += [Plan(costs, one) for one in found]
    if not plans:
        raise InputError(
            f"chip {chip.name}: sram.capacity_B = {chip.sram.capacity_B} holds no part of a layer of "
            f"workload {workload.name} at batch {batch}, expected more memory or smaller buffers"
        )
    plans.sort(key=lambda plan: plan.cost)
    return plans if len(ways) == 1 else _no_worse_than_one_place(plans)


def _no_worse_than_one_place(plans: list[Plan]) -> list[Plan]:
    """Leave out plans that are worse than the best one with decoders in the thriftier of both places.

    What runs then takes neither more joules nor more time than the plan of that place.
    """
    places: dict[bool, Plan] = {}
    for plan in plans:
        if plan.costs.place is not None:
            places.setdefault(plan.costs.place, plan)
    if len(places) < 2:
        return plans
    thrifty = min(places.values(), key=lambda plan: plan.joules)
    joules, ticks = thrifty.joules, thrifty.found.outlay.ticks
    return [
        plan
        for plan in plans
        if plan.costs.place is thrifty.costs.place
        or (plan.joules <= joules and plan.found.outlay.ticks <= ticks)
    ]


def _spaces(capacity: float) -> NDArray[np.float64]:
    """Working memories to try, in bits, largest first."""
    finest = PER_OCTAVE[0]
    top = math.ceil(finest * math.log2(max(capacity, 1.0))) - 1
    steps = [
        top - below
        for below in range(finest * len(PER_OCTAVE))
        if (top - below) % (finest // PER_OCTAVE[below // finest]) == 0
    ]
    return np.array([capacity, *(2.0 ** (step / finest) for step in steps)])


def _pass_sizes(chip: Chip, batch: int) -> list[int]:
    """Largest passes to try: an array with a mapping of its own fetches by the items of a pass."""
    if not isinstance(chip.array, OwnMapping):
        return [batch]
    return [*(1 << power for power in range((batch - 1).bit_length())), batch]


@dataclass(frozen=True)
class Plan:
    """A plan that the search has found.

    Parameters
    ----------
    costs : Costs
        What the search saw.
    found : Found
    """

    costs: Costs
    found: Found

    @property
    def cost(self) -> float:
        """Joules of a batch, time included, as the search estimates them."""
        return self.found.cost

    @property
    def joules(self) -> float:
        """Joules of a batch, with the static ones of its time, as the search estimates them."""
        chip, outlay = self.costs.chip, self.found.outlay
        return outlay.joules + outlay.ticks * chip.tick_s * chip.static_W

    @property
    def tick_J(self) -> float:
        """What a tick is worth."""
        return self.costs.terms.tick_J

    @cached_property
    def residency(self) -> Residency:
        """The plan in layers."""
        costs, found = self.costs, self.found
        layers = costs.workload.layers
        segments = self._segments()
        tilings: list[LayerTiling] = [None] * len(layers)
        for k, kernel in enumerate(costs.kernels):
            tilings[kernel.root] = costs.own.get(k)
        for segment, amount in zip(segments, found.division.amount, strict=True):
            if segment.mode == "cut" and not costs.own:
                k = segment.kernels.start
                tilings[costs.kernels[k].root] = costs.tilings.get((amount, k))
        pinned, pinned_bits, pinned_B = found.pinned.tolist(), [0] * len(layers), 0
        for k, kernel in enumerate(costs.kernels):
            for index in kernel.layers:
                stored = layers[index].weights
                if stored:
                    pinned_bits[index] = int(stored.total_bits * pinned[k])
                    if layers[index].like is None:
                        pinned_B += int(costs.cuts[index].on_chip_bits * pinned[k]) // 8
        return Residency(
            costs.batch,
            costs.kernels,
            segments,
            tuple(tilings),
            tuple(pinned_bits),
            self._kept(segments),
            pinned_B,
            int(found.held_bits) // 8,
            buffer_bytes(costs.chip),
            tuple(cut.once for cut in costs.cuts),
        )

    def _segments(self) -> tuple[Segment, ...]:
        batch, division = self.costs.batch, self.found.division
        ends = [*division.first[1:], len(self.costs.kernels)]
        segments = []
        for first, end, mode, amount in zip(
            division.first, ends, division.mode, division.amount, strict=True
        ):
            chosen = range(first, end)
            if mode == WHOLE:
                segments.append(Segment(chosen, "whole", _even(batch, amount)))
            elif mode == STRIPES:
                passes = (Pass(1, 1), Pass(1, batch - 1, fetches=False))
                segments.append(Segment(chosen, "stripes", passes[:batch], amount))
            else:
                times = int(self.costs.tables.blocks["passes"][amount, first])
                segments.append(Segment(chosen, "cut", _even(batch, times)))
        return tuple(segments)

    def _kept(self, segments: Sequence[Segment]) -> tuple[float, ...]:
        """Fraction of each layer's output that does not go through DRAM."""
        segment_of = {k: position for position, segment in enumerate(segments) for k in segment.kernels}
        kept = [1.0] * len(self.costs.workload.layers)
        last_uses = self.costs.graph.kernels["last_use"].tolist()
        for k, (kernel, last) in enumerate(zip(self.costs.kernels, last_uses, strict=True)):
            if last == len(self.costs.kernels):
                kept[kernel.last] = 0.0
            elif segment_of[last] != segment_of[k]:
                kept[kernel.last] = float(self.found.kept[k])
        return tuple(kept)


def _even(batch: int, passes: int) -> tuple[Pass, ...]:
    """Cut a batch into passes of equal size, the first ones one item larger where it does not divide."""
    size, larger = divmod(batch, passes)
    return tuple(part for part in (Pass(size + 1, larger), Pass(size, passes - larger)) if part.times)
