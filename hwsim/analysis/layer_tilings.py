"""Best tiling and loop order of every matrix layer of a workload on a chip, with its memory traffic.

Each layer is analysed alone. Its weights and activations come from DRAM, and it has all on-chip memory
except the streaming buffers. A real run is different, because it keeps activations and weights on chip
where they fit (`hwsim.mapping.residency`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from hwsim.arrays.counting import PSUM_BITS
from hwsim.errors import InputError
from hwsim.mapping.residency import require_batch
from hwsim.mapping.tiling import Goal, Prices, best_tiling, problem_of
from hwsim.pricing import PriceList

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.mapping.tiling import Problem, Tiling
    from hwsim.workload.layer import Layer, Workload

GOALS: tuple[str, ...] = get_args(Goal)


@dataclass(frozen=True)
class LayerTiling:
    """One layer and the blocks chosen for it.

    Parameters
    ----------
    layer : Layer
    problem : Problem
    tiling : Tiling
    cost : ArrayCost
        Of the whole batch on the array.
    prices : Prices
        A bit moved between DRAM and the shared memory, and what the layer costs in any case.
    """

    layer: Layer
    problem: Problem
    tiling: Tiling
    cost: ArrayCost
    prices: Prices

    @property
    def weight_bits(self) -> float:
        """DRAM bits of weights; of the second operand, if the layer multiplies activations."""
        p = self.problem
        return p.groups * p.n * p.k * p.weight_bits * self.tiling.weight_fetches

    @property
    def input_bits(self) -> float:
        """DRAM bits of inputs."""
        p = self.problem
        return p.groups * p.m * p.k * p.input_bits * self.tiling.input_fetches

    @property
    def output_bits(self) -> float:
        """DRAM bits of outputs, leaving once."""
        p = self.problem
        return p.groups * p.m * p.n * float(p.output_bits)

    @property
    def psum_bits(self) -> float:
        """DRAM bits of partial sums that leave and come back."""
        p = self.problem
        return p.groups * p.m * p.n * 2.0 * PSUM_BITS * (self.tiling.psum_passes - 1)

    def energy_J(self, traffic_bits: float) -> float:
        """Joules of the batch if it moves `traffic_bits`."""
        return 1e-12 * float(self.prices.objective("energy", np.array(traffic_bits)))

    def cycles(self, traffic_bits: float) -> float:
        """Cycles of the batch if it moves `traffic_bits` while the array works."""
        return float(self.prices.objective("cycles", np.array(traffic_bits)))

    def above_bound(self, goal: Goal) -> float:
        """Value of a goal over its value at the lower bound of traffic: 1 is optimal."""
        found, least = self.prices.objective(
            goal, np.array([self.tiling.traffic_bits, self.tiling.least_bits])
        )
        return float(found / least)

    def bits_at(self, component: str) -> int:
        """Bits read and written at a level of memory on the chip."""
        return sum(
            count
            for (_, found, action), count in self.cost.counts.items()
            if found.partition("_")[0] == component and action.endswith("_bit")
        )


def best_tilings(chip: Chip, workload: Workload, batch: int = 1, goal: Goal = "energy") -> list[LayerTiling]:
    """Search the tiling of every matrix layer for the least `goal`.

    Parameters
    ----------
    batch : int
        Items, 1 to `residency.MAX_BATCH`.
    goal : {"traffic", "energy", "cycles", "edp"}
        DRAM bits, joules of DRAM and array, cycles with DRAM and array overlapped, or the product of
        the last two.

    Raises
    ------
    InputError
        If the goal is another one, the batch is out of range, the array cannot run a layer, or no block of
        it fits on chip.
    """
    if goal not in GOALS:
        raise InputError(f"goal {goal!r}, expected one of {', '.join(GOALS)}")
    require_batch(batch)
    prices = PriceList(chip)
    layers = [layer for layer in workload.layers if layer.kind != "vector"]
    return [_best(chip, layer, batch, goal, prices) for layer in layers]


def tiling_table(tilings: list[LayerTiling], goal: Goal) -> pd.DataFrame:
    """One row per layer: blocks, order, DRAM bits by tensor, reuse, bits at other levels, bounds.

    Reuse is MACs per element moved between DRAM and chip. ``above_bound`` is traffic over its lower
    bound, ``goal_above_bound`` the goal over what it would be at that bound. What comes from or goes
    to DRAM passes the shared memory on its way, and weights are read from it once a fetch.
    """
    rows = []
    for found in tilings:
        p, t = found.problem, found.tiling
        traffic = t.traffic_bits
        rows.append(
            {
                "layer": found.layer.name,
                "order": t.order,
                "block_m": t.m,
                "block_n": t.n,
                "block_k": t.k,
                "weight_dram_bits": found.weight_bits,
                "input_dram_bits": found.input_bits,
                "output_dram_bits": found.output_bits,
                "psum_dram_bits": found.psum_bits,
                "dram_bits": traffic,
                "sram_bits": found.bits_at("sram") + traffic + found.weight_bits,
                "scratchpad_bits": found.bits_at("scratchpad") + found.bits_at("spad"),
                "register_bits": found.bits_at("register"),
                "weight_reuse": p.m / t.weight_fetches,
                "input_reuse": p.n / t.input_fetches,
                "output_reuse": p.k / (2 * t.psum_passes - 1),
                "energy_J": found.energy_J(traffic),
                "cycles": found.cycles(traffic),
                "least_dram_bits": t.least_bits,
                "above_bound": t.above_bound,
                "goal_above_bound": found.above_bound(goal),
            }
        )
    return pd.DataFrame(rows)


def _best(chip: Chip, layer: Layer, batch: int, goal: Goal, prices: PriceList) -> LayerTiling:
    buffers_B = chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    problem, cost = problem_of(layer, batch), chip.array.cost(layer, batch)
    sram_bits = sum(count for (_, component, _), count in cost.counts.items() if component == "sram")
    searched = Prices(
        prices["dram", "read_bit"].pJ + prices["sram", "write_bit"].pJ,
        8 * chip.dram.bandwidth_GB_per_s / chip.process.clock_GHz,
        max(cost.cycles, sram_bits / (8 * chip.sram.bandwidth_B_per_cycle)),
        _on_chip_pJ(cost, layer, prices),
    )
    try:
        tiling = best_tiling(problem, 8 * (chip.sram.capacity_B - buffers_B), goal, searched)
    except InputError as error:
        raise InputError(f"layer {layer.name}: {error}") from error
    return LayerTiling(layer, problem, tiling, cost, searched)


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
