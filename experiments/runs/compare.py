"""Two runs side by side, with one thing held equal.

In steady state a run is three figures: joules that every inference costs, watts that are drawn at
rest, and the highest rate. A machine that is faster than it need be idles between batches and
draws its watts at rest meanwhile, so energy and power at any lower rate follow exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from experiments.runs.names import SAME
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.report import Report

Hold = Literal["nothing", "throughput", "power", "area", "accuracy"]
HOLDS: tuple[Hold, ...] = get_args(Hold)


@dataclass(frozen=True)
class Side:
    """One of the two runs, at the rate and in the number of copies that the comparison asks for.

    Parameters
    ----------
    label : str
    report : Report
    copies : float
        Chips side by side; fractions count.
    rate : float
        Inferences per second of all copies together; their highest if infinite.
    test_error : float
        Fraction of test images; not a number if it was not measured.
    """

    label: str
    report: Report
    copies: float = 1.0
    rate: float = math.inf
    test_error: float = math.nan

    @property
    def action_J(self) -> float:
        """Joules of everything one inference does; what is drawn at rest is not in it."""
        report = self.report
        return report.energy_per_inference_J - report.chip.static_W / report.inferences_per_s

    @property
    def rest_W(self) -> float:
        """Watts of all copies when nothing happens."""
        return self.copies * self.report.chip.static_W

    @property
    def inferences_per_s(self) -> float:
        """Sustained rate of all copies together."""
        return min(self.rate, self.copies * self.report.inferences_per_s)

    @property
    def idles(self) -> bool:
        """Whether the rate is lower than it could be."""
        return self.inferences_per_s < self.copies * self.report.inferences_per_s * (1 - SAME)

    @property
    def power_W(self) -> float:
        """Average power of all copies together."""
        return self.rest_W + self.action_J * self.inferences_per_s

    @property
    def energy_J(self) -> float:
        """Joules of one inference, with its share of what is drawn at rest."""
        return self.power_W / self.inferences_per_s

    def values(self) -> dict[str, Any]:
        """One column of the table of the comparison."""
        report = self.report
        dram_bits = report.transferred_weight_bits + report.activation_bits
        return {
            "run": self.label,
            "weight_bytes": report.workload.weight_bits / 8,
            "weights_home": report.weights_home,
            "test_error": None if math.isnan(self.test_error) else self.test_error,
            "chips": self.copies,
            "die_mm2": self.copies * report.chip.process.die_mm2,
            "node_nm": report.chip.process.node_nm,
            "batch": report.batch,
            "inferences_per_s": self.inferences_per_s,
            "power_W": self.power_W,
            "rest_W": self.rest_W,
            "energy_J": self.energy_J,
            "inferences_per_J": 1 / self.energy_J,
            "latency_s": report.latency_s,
            "dram_bytes": dram_bits / report.batch / 8,
            "limiter": "idle" if self.idles else report.limiter,
        }

    def energy_by_component(self) -> dict[str, float]:
        """Joules of one inference by component; at this rate, ``static`` included."""
        energy = self.report.energy_by("component")
        return {str(name): float(joules) for name, joules in energy.items()} | {
            "static": self.rest_W / self.inferences_per_s
        }


@dataclass(frozen=True)
class Comparison:
    """Two sides, and what was done to hold one thing equal."""

    a: Side
    b: Side
    hold: Hold
    how: str

    @property
    def merit(self) -> str:
        """What `gain` counts."""
        by_rate = self.hold in ("power", "area")
        return "times the inferences per second" if by_rate else "times less energy per inference"

    @property
    def gain(self) -> float:
        """How many times better the second run is: by rate at equal power or area, else by energy."""
        if self.hold in ("power", "area"):
            return self.b.inferences_per_s / self.a.inferences_per_s
        return self.a.energy_J / self.b.energy_J


def compare(a: Side, b: Side, hold: Hold) -> Comparison:
    """Hold one thing equal; `hold` of accuracy takes sides that `most_frugal` has chosen.

    Raises
    ------
    InputError
        If it cannot be held equal.
    """
    return _HOLDERS[hold](a, b)


def _nothing(a: Side, b: Side) -> Comparison:
    return Comparison(a, b, "nothing", "each at its highest rate")


def _throughput(a: Side, b: Side) -> Comparison:
    rate = min(a.inferences_per_s, b.inferences_per_s)
    how = "the faster one idles between batches and draws its power at rest meanwhile"
    return Comparison(replace(a, rate=rate), replace(b, rate=rate), "throughput", how)


def _power(a: Side, b: Side) -> Comparison:
    power_W = min(a.power_W, b.power_W)
    how = "the hungrier one idles between batches until it draws no more on average than the other"
    return Comparison(_drawing(a, power_W), _drawing(b, power_W), "power", how)


def _drawing(side: Side, power_W: float) -> Side:
    if power_W <= side.rest_W:
        raise InputError(
            f"{side.label} draws {side.rest_W:.4g} W at rest and the other run {power_W:.4g} W at work: "
            "their power cannot be held equal"
        )
    return replace(side, rate=min((power_W - side.rest_W) / side.action_J, side.inferences_per_s))


def _area(a: Side, b: Side) -> Comparison:
    area = max(side.report.chip.process.die_mm2 for side in (a, b))
    a, b = (replace(side, copies=area / side.report.chip.process.die_mm2) for side in (a, b))
    how = f"as many copies of the smaller chip, each with its own DRAM, as fill the larger die, {area:g} mm2"
    return Comparison(a, b, "area", how)


def _accuracy(a: Side, b: Side) -> Comparison:
    worst = max(a.test_error, b.test_error)
    how = f"of each side the model that takes the least energy with at most {100 * worst:.2f}% test error"
    return Comparison(a, b, "accuracy", how)


_HOLDERS: dict[Hold, Callable[[Side, Side], Comparison]] = {
    "nothing": _nothing,
    "throughput": _throughput,
    "power": _power,
    "area": _area,
    "accuracy": _accuracy,
}


def most_frugal(sides: tuple[list[Side], list[Side]]) -> tuple[Side, Side]:
    """Choose the model of least energy on each side, no worse than what both sides can reach."""
    allowed = max(min(side.test_error for side in models) for models in sides)
    a, b = (
        min((side for side in models if side.test_error <= allowed), key=lambda side: side.energy_J)
        for models in sides
    )
    return a, b
