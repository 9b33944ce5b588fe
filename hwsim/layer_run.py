"""One layer of a run: its work, its clock and its energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.energy.components import component_of

if TYPE_CHECKING:
    from hwsim.arrays.base import Action
    from hwsim.machine.cap import Cap
    from hwsim.mapping.work import LayerWork
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer

BOUND_BY = {"dram": "bandwidth", "sram": "SRAM bandwidth", "kernel": "kernel time"}
"""Names of limiters that differ from the name of the resource."""


@dataclass(frozen=True)
class LayerRun:
    """One layer of a run.

    Parameters
    ----------
    index : int
        Index of the layer in the workload.
    layer : Layer
    work : LayerWork
    clock : float
        Fraction of the nominal clock that the power cap allows the layer.
    core_scale : float
        Energy of an action on the core at that clock, relative to its energy at the nominal voltage.
    pinned_bits : int
        Bits of its stored weights that stay on chip.
    prices : PriceList
    """

    index: int
    layer: Layer
    work: LayerWork
    clock: float
    core_scale: float
    pinned_bits: int
    prices: PriceList

    @property
    def macs(self) -> int:
        """MACs of a batch that the array performs."""
        return self.work.cost.macs

    @property
    def pinned(self) -> float:
        """Fraction of its stored weights that stays on chip; 0 where there are none."""
        weights = self.layer.weights
        return self.pinned_bits / weights.total_bits if weights and weights.total_bits else 0.0

    @property
    def core_ticks(self) -> int:
        """Ticks of a batch that the busiest resource of the core takes at the nominal clock."""
        return self.work.core_ticks

    @property
    def busy_ticks(self) -> float:
        """Ticks of a batch that the busiest resource takes under the cap: the layer alone needs no more."""
        return max(self.work.core_ticks / self.clock, self.work.ticks["dram"])

    @property
    def bound_by(self) -> str:
        """What limits the layer: its busiest resource, or power if the cap has made that one slower."""
        cost = self.work.cost
        ticks = {
            name: ticks if name == "dram" else ticks / self.clock for name, ticks in self.work.ticks.items()
        }
        resource = max(ticks, key=lambda name: ticks[name])
        if self.clock < 1.0 and resource != "dram":
            return "power"
        if resource == "array":
            return "array load" if cost.load_cycles > cost.compute_cycles else "compute"
        return BOUND_BY.get(resource, resource)

    def joules(self) -> dict[Action, float]:
        """Dynamic joules per batch by action, at the voltage of its clock."""
        return self.joules_at(self.core_scale)

    def joules_at(self, core_scale: float) -> dict[Action, float]:
        """Dynamic joules per batch by action, at an energy of core actions relative to nominal."""
        joules = self.prices.joules(self.work.counts)
        if core_scale == 1:
            return joules
        return {
            action: value * (core_scale if component_of(action[1]).core_voltage else 1.0)
            for action, value in joules.items()
        }

    def counted_J(self, cap: Cap) -> float:
        """Dynamic joules per batch that count against a cap, at the voltage of its clock."""
        return sum(joules for (_, component, _), joules in self.joules().items() if cap.counts(component))
