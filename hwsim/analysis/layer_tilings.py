"""Best tiling and loop order of every matrix layer of a workload on a chip, with its memory traffic.

Each layer is analysed alone. Its weights and activations come from DRAM, and it has all on-chip memory
except the streaming buffers. A real run is different, because it keeps activations and weights on chip
where they fit (`hwsim.mapping.residency`). A layer that a run cuts is cut by
the same search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from hwsim.errors import InputError
from hwsim.mapping.problem import problem_of
from hwsim.mapping.residency import require_batch
from hwsim.mapping.stripes import Units, array_cost
from hwsim.mapping.tiling import best_of_each_order
from hwsim.pricing import PriceList

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.mapping.problem import Problem
    from hwsim.mapping.tiling import Buffering, Tiling
    from hwsim.workload.layer import Layer, Workload

Goal = Literal["traffic", "energy", "cycles", "edp"]

GOALS: tuple[str, ...] = get_args(Goal)


@dataclass(frozen=True)
class Objective:
    """What a layer costs, given its DRAM traffic. No goal grows when the traffic shrinks.

    Parameters
    ----------
    dram_pJ_per_bit, dram_bits_per_cycle : float
    array_cycles, array_pJ : float
        What the layer costs on the array in any case.
    """

    dram_pJ_per_bit: float
    dram_bits_per_cycle: float
    array_cycles: float
    array_pJ: float

    def energy_J(self, traffic_bits: float) -> float:
        """Joules of the batch if it moves `traffic_bits`."""
        return 1e-12 * (self.array_pJ + traffic_bits * self.dram_pJ_per_bit)

    def cycles(self, traffic_bits: float) -> float:
        """Cycles of the batch if it moves `traffic_bits` while the array works."""
        return max(self.array_cycles, traffic_bits / self.dram_bits_per_cycle)

    def value(self, goal: Goal, traffic_bits: float) -> float:
        """Value of a goal: bits, joules, cycles, or joules times cycles."""
        energy, cycles = self.energy_J(traffic_bits), self.cycles(traffic_bits)
        return {"traffic": traffic_bits, "energy": energy, "cycles": cycles, "edp": energy * cycles}[goal]


@dataclass(frozen=True)
class LayerTiling:
    """One layer, the blocks chosen for it, and the best ones of every other loop order.

    Parameters
    ----------
    layer : Layer
    problem : Problem
    tiling : Tiling
    others : tuple of Tiling
        Best of each other order, least traffic first.
    cost : ArrayCost
        Of the whole batch on the array.
    objective : Objective
    """

    layer: Layer
    problem: Problem
    tiling: Tiling
    others: tuple[Tiling, ...]
    cost: ArrayCost
    objective: Objective

    def above_bound(self, goal: Goal) -> float:
        """Value of a goal over its value at the lower bound of traffic: 1 is optimal."""
        least = self.objective.value(goal, self.tiling.least_bits)
        return self.objective.value(goal, self.tiling.traffic_bits) / least

    @property
    def next_best(self) -> Tiling | None:
        """Best tiling of any order that moves more than this one; None if every order moves as much."""
        return next((t for t in self.others if t.traffic_bits > self.tiling.traffic_bits), None)

    def bits_at(self, component: str) -> int:
        """Bits read and written at a level of memory on the chip."""
        return sum(
            count
            for (_, found, action), count in self.cost.counts.items()
            if found.partition("_")[0] == component and action.endswith("_bit")
        )


def best_tilings(
    chip: Chip,
    workload: Workload,
    batch: int = 1,
    buffering: Buffering = "streaming",
) -> list[LayerTiling]:
    """Search the tiling of every matrix layer for the least DRAM traffic, which is best for every goal.

    Parameters
    ----------
    batch : int
        Items, 1 to `residency.MAX_BATCH`.
    buffering : {"single", "streaming", "double"}
        What has two buffers: see `tiling.best_tiling`.

    Raises
    ------
    InputError
        If the batch is out of range, the array cannot run a layer, or no block of it fits on chip.
    """
    require_batch(batch)
    prices = PriceList(chip)
    layers = [layer for layer in workload.layers if layer.kind != "vector"]
    return [_best(chip, layer, batch, prices, buffering) for layer in layers]


def tiling_table(tilings: list[LayerTiling], goal: Goal) -> pd.DataFrame:
    """One row per layer: blocks, order, DRAM bits by tensor, reuse, bits at other levels, bounds.

    Reuse is MACs per element moved between DRAM and chip. ``above_bound`` is traffic over its lower
    bound, ``goal_above_bound`` the goal over what it would be at that bound. ``next_above_best`` is the
    goal of the next best order over that of the best. What comes from or goes to DRAM passes the shared
    memory on its way, and weights are read from it once a fetch.

    Raises
    ------
    InputError
        If the goal is not one of `GOALS`.
    """
    if goal not in GOALS:
        raise InputError(f"goal {goal!r}, expected one of {', '.join(GOALS)}")
    return pd.DataFrame([_row(found, goal) for found in tilings])


def orders_table(tilings: list[LayerTiling]) -> pd.DataFrame:
    """One row per layer and loop order, the best order first: blocks, fetches, DRAM bits and cost."""
    rows = [
        {
            "layer": found.layer.name,
            "order": t.order,
            **_blocks(t),
            "weight_fetches": t.weight_fetches,
            "input_fetches": t.input_fetches,
            "psum_passes": t.psum_passes,
            "needed_bits": t.needed_bits,
            "dram_bits": t.traffic_bits,
            "above_bound": t.above_bound,
            "energy_J": found.objective.energy_J(t.traffic_bits),
            "cycles": found.objective.cycles(t.traffic_bits),
        }
        for found in tilings
        for t in (found.tiling, *found.others)
    ]
    return pd.DataFrame(rows)


def _blocks(t: Tiling) -> dict[str, object]:
    return {
        "block_m": t.m,
        "block_n": t.n,
        "block_k": t.k,
        "block_groups": t.groups,
        "block_items": t.items,
        "block_rows": t.rows,
        "block_columns": t.columns,
        "keeps_halo": t.keeps_halo,
    }


def _row(found: LayerTiling, goal: Goal) -> dict[str, object]:
    p, t, price = found.problem, found.tiling, found.objective
    after, traffic = found.next_best, t.traffic_bits
    best = price.value(goal, traffic)
    macs = float(p.groups * p.m * p.n * p.k)
    return {
        "layer": found.layer.name,
        "order": t.order,
        **_blocks(t),
        "weight_fetches": t.weight_fetches,
        "input_fetches": t.input_fetches,
        "psum_passes": t.psum_passes,
        "needed_bits": t.needed_bits,
        "weight_dram_bits": t.weight_bits,
        "input_dram_bits": t.input_bits,
        "output_dram_bits": t.output_bits,
        "psum_dram_bits": t.psum_bits,
        "dram_bits": traffic,
        "sram_bits": found.bits_at("sram") + traffic + t.weight_bits,
        "scratchpad_bits": found.bits_at("scratchpad") + found.bits_at("spad"),
        "register_bits": found.bits_at("register"),
        "weight_reuse": p.m / t.weight_fetches,
        "input_reuse": macs * p.input_bits / t.input_bits,
        "output_reuse": p.k / (2 * t.psum_passes - 1),
        "energy_J": price.energy_J(traffic),
        "cycles": price.cycles(traffic),
        "least_dram_bits": t.least_bits,
        "above_bound": t.above_bound,
        "goal_above_bound": found.above_bound(goal),
        "next_order": after.order if after else None,
        "next_dram_bits": after.traffic_bits if after else None,
        "next_above_best": price.value(goal, after.traffic_bits) / best if after else None,
    }


def _best(chip: Chip, layer: Layer, batch: int, prices: PriceList, buffering: Buffering) -> LayerTiling:
    buffers_B = chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    problem, cost = problem_of(layer, batch), array_cost(Units.of(chip), layer, batch)
    sram_bits = sum(count for (_, component, _), count in cost.counts.items() if component == "sram")
    objective = Objective(
        prices["dram", "read_bit"].pJ + prices["sram", "write_bit"].pJ,
        8 * chip.dram.reached_GB_per_s / chip.process.clock_GHz,
        max(cost.cycles, sram_bits / (8 * chip.sram.bandwidth_B_per_cycle)),
        _on_chip_pJ(cost, layer, prices),
    )
    try:
        best, *others = best_of_each_order(problem, 8 * (chip.sram.capacity_B - buffers_B), buffering)
    except InputError as error:
        raise InputError(f"layer {layer.name}: {error}") from error
    return LayerTiling(layer, problem, best, tuple(others), cost, objective)


def _on_chip_pJ(cost: ArrayCost, layer: Layer, prices: PriceList) -> float:
    """Energy of the layer on chip, its stored weights read once from the shared memory.

    A word for the array's port is written to and read from the tile's scratchpad.
    """
    stored_bits = layer.weights.total_bits if layer.weights else 0
    total = prices.pJ("sram", "read_bit", stored_bits)
    for (_, component, action), count in cost.counts.items():
        if component == "array_port":
            bits = count * layer.operand_bits
            total += prices.pJ("scratchpad", "write_bit", bits) + prices.pJ("scratchpad", "read_bit", bits)
        else:
            total += prices.pJ(component, action, count)
    return total
