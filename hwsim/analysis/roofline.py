"""Rooflines with three roofs: compute, memory bandwidth and power.

At arithmetic intensity I (MACs per byte of DRAM traffic), the MAC rate of a chip is at most

- its peak,
- bandwidth times I (Williams, Waterman and Patterson, CACM 52(4), 2009),
- dynamic power divided by the energy per MAC, ``(cap - static) / (core + dram / I)``: the energy on the
  core plus DRAM energy per MAC (after Choi, Bedard, Fowler and Vuduc, IPDPS 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.machine.cap import Cap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.layer_run import LayerRun
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
        """MACs per second that the power cap allows."""
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
    for all of them, at the nominal voltage. Within a window of the cap, and at a lower voltage, a layer may
    lie above the roof of power.

    Raises
    ------
    InputError
        If none of the reports has a layer with MACs.
    """
    runs = [run for report in reports for run in report.runs if run.macs]
    if not runs:
        raise InputError("roofline: no layer with MACs, expected at least one")
    chip, prices = reports[0].chip, reports[0].prices
    cap = Cap.of(chip)
    return Roofline(
        peak_MAC_per_s=max(run.work.cost.peak_macs_per_cycle for run in runs) / chip.tick_s,
        bandwidth_B_per_s=1e9 * chip.dram.reached_GB_per_s,
        dynamic_W=cap.budget_W,
        core_pJ_per_MAC=min(_core_pJ(run) for run in runs),
        dram_pJ_per_B=prices.pJ("dram", "read_bit", 8) * cap.counts("dram"),
        low_confidence=any(report.low_confidence for report in reports),
    )


def points(report: Report) -> list[dict[str, Any]]:
    """Where the layers of a run lie: one row for each layer with MACs.

    `intensity` is infinite where nothing crosses DRAM. `MAC_per_s` counts MACs that the array
    performs, over the time in which the layer's busiest resource is busy under the cap.
    """
    rows = []
    for run in report.runs:
        if not run.macs:
            continue
        dram_B = (run.work.transferred_weight_bits + run.work.activation_bits) / 8
        rows.append(
            {
                "layer": run.layer.name,
                "kind": run.layer.kind,
                "intensity_MAC_per_B": run.macs / dram_B if dram_B else float("inf"),
                "MAC_per_s": run.macs / (run.busy_ticks * report.chip.tick_s),
                "core_pJ_per_MAC": _core_pJ(run),
                "limiter": run.bound_by,
            }
        )
    return rows


def layer_roofs(report: Report) -> list[dict[str, Any]]:
    """Seconds per inference that each layer needs of each resource; the largest is its roof.

    One row per layer, for a table; `power_s` is the time in which the cap lets its energy be spent.
    """
    chip, cap = report.chip, Cap.of(report.chip)
    rows = []
    for run in report.runs:
        work = run.work
        per_tick = chip.tick_s / report.batch
        on_array = run.layer.kind != "vector"
        rows.append(
            {
                "layer": run.layer.name,
                "kind": run.layer.kind,
                "limiter": run.bound_by,
                "clock_fraction": run.clock,
                "compute_s": per_tick * (work.cost.compute_cycles if on_array else work.ticks["vector"]),
                "array_load_s": per_tick * (work.cost.load_cycles if on_array else 0),
                "bandwidth_s": per_tick * work.ticks["dram"],
                "decoder_s": per_tick * work.ticks["decoder"],
                "sram_s": per_tick * work.ticks["sram"],
                "power_s": run.counted_J(cap) / cap.budget_W / report.batch,
            }
        )
    return rows


def _core_pJ(run: LayerRun) -> float:
    """Energy per MAC, including everything on the die."""
    return run.prices.on_die_pJ(run.work.counts) / run.macs
