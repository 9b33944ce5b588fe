"""One run: a workload on a chip at a batch size, from schedule to joules under the cap.

Everything is in steady state: a long run of equal batches back to back. The clock is the highest
step at which the power averaged over a batch stays under the cap.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hwsim.engines.event import run_event
from hwsim.engines.fast import run_fast, steady_period
from hwsim.errors import InputError
from hwsim.pricing import PriceList
from hwsim.schedule import Schedule, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.arrays.base import Action
    from hwsim.chip import Chip
    from hwsim.energy import EnergyTable
    from hwsim.schedule import LayerWork
    from hwsim.stream import TileStream
    from hwsim.workload import Workload

Engine = Literal["fast", "event"]
ENGINES = {"fast": run_fast, "event": run_event}

OFF_DIE = ("dram",)
"""Components whose dynamic energy a cap on the die alone leaves out."""


@dataclass(frozen=True)
class Report:
    """What one run costs. Figures are per batch unless their name says per inference.

    Parameters
    ----------
    chip, workload, batch
        What was run.
    schedule : Schedule
    clock : float
        Fraction of the nominal clock at which power stays under the cap.
    nominal_period_s, period_s : float
        Seconds between two batches in steady state, at the nominal clock and under the cap.
    latency_s : float
        First fetch to last write-back of one batch, under the cap.
    cold_start_s : float
        Seconds to load what stays on chip, once.
    prices : PriceList
    """

    chip: Chip
    workload: Workload
    batch: int
    schedule: Schedule
    clock: float
    nominal_period_s: float
    period_s: float
    latency_s: float
    cold_start_s: float
    prices: PriceList

    @cached_property
    def actions(self) -> pd.DataFrame:
        """Tidy table of everything that happens: layer, tensor, component, action, count, energy_J.

        The counts are of one batch. Static energy has the layer ``-`` and the component ``static``.
        """
        rows: list[tuple[str, str, str, str, float, float]] = [
            (layer.name, *action, count, 1e-12 * count * self.prices[action[1], action[2]].pJ)
            for layer, work in zip(self.workload.layers, self.schedule.work, strict=True)
            for action, count in work.counts.items()
            if count
        ]
        rows.append(("-", "-", "static", "second", self.period_s, self.chip.static_W * self.period_s))
        return pd.DataFrame(rows, columns=["layer", "tensor", "component", "action", "count", "energy_J"])

    @cached_property
    def energy_per_inference_J(self) -> float:
        """Joules of one inference, static power over its share of the period included."""
        return float(self.actions["energy_J"].sum()) / self.batch

    @property
    def power_W(self) -> float:
        """Average power of the whole board."""
        return self.energy_per_inference_J * self.batch / self.period_s

    @property
    def inferences_per_s(self) -> float:
        """Sustained throughput."""
        return self.batch / self.period_s

    def energy_by(self, *keys: str) -> pd.Series:
        """Joules per inference grouped by columns of `actions`."""
        return self.actions.groupby(list(keys), sort=False)["energy_J"].sum() / self.batch

    @property
    def requested_weight_bits(self) -> int:
        """DRAM bits of weights asked for per batch: stored bits times fetches."""
        return sum(work.requested_weight_bits for work in self.schedule.work)

    @property
    def transferred_weight_bits(self) -> int:
        """The same in whole bursts, as priced."""
        return sum(work.transferred_weight_bits for work in self.schedule.work)

    @property
    def activation_bits(self) -> int:
        """DRAM bits of activations per batch, in whole bursts."""
        return sum(work.activation_bits for work in self.schedule.work)

    @property
    def weights_home(self) -> str:
        """Where the weights live: ``on chip``, ``DRAM``, or how much of them is pinned."""
        pinned = [
            pin
            for pin, layer in zip(self.schedule.residency.pinned, self.workload.layers, strict=True)
            if layer.weights
        ]
        if all(pinned):
            return "on chip"
        if not any(pinned):
            return "DRAM"
        return f"{sum(pinned)} of {len(pinned)} layers on chip"

    @property
    def limiter(self) -> str:
        """What sets the rate of the whole run."""
        if self.clock < 1.0:
            return "power"
        busy: Counter[str] = Counter()
        for work in self.schedule.work:
            for resource, ticks in work.ticks.items():
                busy[resource] += work.passes * ticks
        resource = max(busy, key=lambda name: busy[name])
        if busy[resource] * self.chip.tick_s < 0.5 * self.nominal_period_s:
            return "dependencies"
        slowest = max(self.schedule.work, key=lambda work: work.passes * work.ticks.get(resource, 0))
        return _limiter(resource, slowest)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per layer: cycles, utilisation, DRAM bits, energy per inference, limiter."""
        energy = self.energy_by("layer")
        rows = []
        for index, (layer, work) in enumerate(zip(self.workload.layers, self.schedule.work, strict=True)):
            rows.append(
                {
                    "layer": layer.name,
                    "kind": layer.kind,
                    "macs": layer.macs,
                    "weights_on_chip": self.schedule.residency.pinned[index],
                    "compute_cycles": work.passes * work.cost.cycles,
                    "dram_cycles": work.passes * work.ticks["dram"],
                    "decoder_cycles": work.passes * work.ticks["decoder"],
                    "utilisation": work.cost.utilisation,
                    "requested_weight_bits": work.requested_weight_bits,
                    "activation_bits": work.activation_bits,
                    "energy_J": float(energy.get(layer.name, 0.0)),
                    "limiter": layer_limiter(work),
                }
            )
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, object]:
        """One row of a table of runs: all figures per inference."""
        return {
            "chip": self.chip.name,
            "network": self.workload.name,
            "stage": self.workload.stage,
            "batch": self.batch,
            "weight_bytes": self.workload.weight_bits / 8,
            "weights_home": self.weights_home,
            "requested_weight_bits": self.requested_weight_bits / self.batch,
            "transferred_weight_bits": self.transferred_weight_bits / self.batch,
            "activation_bits": self.activation_bits / self.batch,
            "energy_J": self.energy_per_inference_J,
            "power_W": self.power_W,
            "latency_cycles": round(self.latency_s / self.chip.tick_s),
            "inferences_per_s": self.inferences_per_s,
            "clock_fraction": self.clock,
            "limiter": self.limiter,
        }


def layer_limiter(work: LayerWork) -> str:
    """Which resource a layer keeps busy longest."""
    return _limiter(max(work.ticks, key=lambda name: work.ticks[name]), work)


def _limiter(resource: str, work: LayerWork) -> str:
    if resource == "array":
        return "array load" if work.cost.load_cycles > work.cost.compute_cycles else "compute"
    return {"dram": "bandwidth"}.get(resource, resource)


def simulate(
    chip: Chip,
    workload: Workload,
    batch: int = 1,
    engine: Engine = "fast",
    table: EnergyTable | None = None,
) -> Report:
    """Run `workload` on `chip`.

    Parameters
    ----------
    batch : int
        Items per batch.
    engine : {"fast", "event"}
        Both give the same cycles; the event engine is the readable, slow one.
    table : EnergyTable, optional
        Prices other than the chip's own.

    Raises
    ------
    InputError
        If a layer cannot run on the chip's array, or the cap is below what the chip draws at its
        lowest clock.
    """
    schedule = build(chip, workload, batch)
    prices = PriceList(chip, table)
    energy_J = _capped_energy_J(chip, schedule, prices)
    static_W = chip.static_W if chip.power.scope == "board" else chip.power.leakage_W

    def period_s(step: int) -> float:
        return float(steady_period(slowed(schedule.stream, step, chip.power.clock_steps))) * chip.tick_s

    def fits(step: int) -> bool:
        return energy_J / period_s(step) + static_W <= chip.power.cap_W

    step = _highest(fits, chip.power.clock_steps)
    if step == 0:
        least = energy_J / period_s(1) + static_W
        raise InputError(
            f"chip {chip.name}: power.cap_W is {chip.power.cap_W:g} W, but {workload.name} draws "
            f"{least:.3g} W at the lowest clock, expected a cap of at least that"
        )
    timeline = ENGINES[engine](slowed(schedule.stream, step, chip.power.clock_steps))
    return Report(
        chip,
        workload,
        batch,
        schedule,
        step / chip.power.clock_steps,
        period_s(chip.power.clock_steps),
        period_s(step),
        timeline.makespan * chip.tick_s,
        _cold_start_s(chip, workload, schedule),
        prices,
    )


def slowed(stream: TileStream, step: int, steps: int) -> TileStream:
    """The stream with the core at ``step / steps`` of its clock; DRAM keeps its pace."""
    return replace(
        stream, decode=-(-stream.decode * steps // step), compute=-(-stream.compute * steps // step)
    )


def _highest(fits: Callable[[int], bool], steps: int) -> int:
    """Largest step that fits, 0 if none does; a slower clock never draws more."""
    low, high = 0, steps
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _capped_energy_J(chip: Chip, schedule: Schedule, prices: PriceList) -> float:
    """Dynamic joules of one batch that count against the cap."""
    counts: Counter[Action] = Counter()
    for work in schedule.work:
        counts.update(work.counts)
    priced = prices.energy_pJ(counts)
    return 1e-12 * sum(
        pJ for action, pJ in priced.items() if chip.power.scope == "board" or action[1] not in OFF_DIE
    )


def _cold_start_s(chip: Chip, workload: Workload, schedule: Schedule) -> float:
    bits = sum(
        layer.weights.total_bits
        for layer, pinned in zip(workload.layers, schedule.residency.pinned, strict=True)
        if layer.weights and pinned
    )
    return bits / 8 / (chip.dram.bandwidth_GB_per_s * 1e9)
