"""Rooflines with a third roof: the rate at which MACs can run for compute, bandwidth and power.

Over arithmetic intensity I (MACs per byte of DRAM traffic), a chip runs at most at

- its peak,
- bandwidth times I (Williams, Waterman and Patterson, CACM 52(4), 2009),
- dynamic power over the energy of a MAC, which is that on the core plus that of its share of a
  byte: ``(cap - static) / (core + dram / I)`` (after Choi, Bedard, Fowler and Vuduc, IPDPS 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.report import layer_limiter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.mapping.work import LayerWork
    from hwsim.report import Report


@dataclass(frozen=True)
class Roofline:
    """The roofs of one chip.

    Parameters
    ----------
    peak_MAC_per_s : float
    bandwidth_B_per_s : float
    dynamic_W : float
        What the cap leaves for work.
    core_pJ_per_MAC, dram_pJ_per_B : float
        What counts against the cap; a cap on the die alone does not count DRAM.
    low_confidence : bool
        Whether a price behind them is of low confidence.
    """

    peak_MAC_per_s: float
    bandwidth_B_per_s: float
    dynamic_W: float
    core_pJ_per_MAC: float
    dram_pJ_per_B: float
    low_confidence: bool = False

    def bandwidth_roof(self, intensity: float) -> float:
        """MACs per second that DRAM can feed."""
        return self.bandwidth_B_per_s * intensity

    def power_roof(self, intensity: float) -> float:
        """MACs per second that the cap pays for."""
        return 1e12 * self.dynamic_W / (self.core_pJ_per_MAC + self.dram_pJ_per_B / intensity)

    def attainable(self, intensity: float) -> float:
        """MACs per second below all three roofs."""
        return min(self.peak_MAC_per_s, self.bandwidth_roof(intensity), self.power_roof(intensity))

    @property
    def ridge(self) -> float:
        """Intensity at which bandwidth no longer limits the peak."""
        return self.peak_MAC_per_s / self.bandwidth_B_per_s

    @property
    def energy_balance(self) -> float:
        """Intensity at which DRAM takes as much energy as the core, and below it more."""
        return self.dram_pJ_per_B / self.core_pJ_per_MAC


def roofline(reports: Sequence[Report]) -> Roofline:
    """Roofs of the chip that `reports` ran on.

    The core's energy per MAC is that of the layer which needs the least, so that the roof is one
    for all of them.

    Raises
    ------
    InputError
        If none of the reports has a layer with MACs.
    """
    runs = [(report, work) for report in reports for work in report.schedule.work if work.cost.macs]
    if not runs:
        raise InputError("roofline: no layer with MACs, expected at least one")
    chip, prices = reports[0].chip, reports[0].prices
    return Roofline(
        peak_MAC_per_s=max(work.cost.peak_macs_per_cycle for _, work in runs) / chip.tick_s,
        bandwidth_B_per_s=1e9 * chip.dram.bandwidth_GB_per_s,
        dynamic_W=chip.power.cap_W - prices.capped_static_W,
        core_pJ_per_MAC=min(_core_pJ(work, report) for report, work in runs),
        dram_pJ_per_B=prices.pJ("dram", "read_bit", 8) * (chip.power.scope == "board"),
        low_confidence=any(report.low_confidence for report in reports),
    )


def points(report: Report) -> list[dict[str, Any]]:
    """Where the layers of a run lie: one row for each layer with MACs.

    `intensity` is infinite where nothing crosses DRAM. `MAC_per_s` counts MACs that the array
    performs, over the time in which the layer's busiest resource is busy under the cap.
    """
    rows = []
    tick_s = report.chip.tick_s
    runs = zip(report.workload.layers, report.schedule.work, report.capped.clocks.tolist(), strict=True)
    for layer, work, clock in runs:
        if not work.cost.macs:
            continue
        macs = work.passes * work.cost.macs
        dram_B = (work.transferred_weight_bits + work.activation_bits) / 8
        core = max(ticks for resource, ticks in work.ticks.items() if resource != "dram")
        seconds = work.passes * max(core / clock, work.ticks["dram"]) * tick_s
        rows.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "intensity_MAC_per_B": macs / dram_B if dram_B else float("inf"),
                "MAC_per_s": macs / seconds,
                "core_pJ_per_MAC": _core_pJ(work, report),
                "limiter": layer_limiter(work, clock),
            }
        )
    return rows


def _core_pJ(work: LayerWork, report: Report) -> float:
    """Energy of one MAC, all that happens on the die included."""
    return report.prices.on_die_pJ(work.counts) / (work.passes * work.cost.macs)
