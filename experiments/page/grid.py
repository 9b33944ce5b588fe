"""Every point of the explorer, simulated: nothing on the page lies between two points.

Two points whose memories hold the same things differ in nothing but the memory's size, which costs
nothing in itself; under two caps that slow nothing down, a network whose plan has no alternative
runs the same. Such points share a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from experiments.page.settings import AXES
from hwsim.analysis.strategies import as_run
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from experiments.page.settings import Network
    from hwsim.report import Report
    from hwsim.workload.layer import Workload


@dataclass
class Grid:
    """Runs of one network, and which of them each point is.

    Parameters
    ----------
    index : list of int
        By point, the last of `AXES` fastest: a row of `rows`, or ``-1 - i`` for ``refused[i]``.
    rows : list of dict
        Figures of a run: numbers, or text of few kinds.
    refused : list of str
        Why points cannot be simulated.
    """

    index: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def extend(self, other: Grid) -> None:
        """Append the points of another grid."""
        rows, refused = len(self.rows), len(self.refused)
        self.index += [at + rows if at >= 0 else at - refused for at in other.index]
        self.rows += other.rows
        self.refused += other.refused


def stage_grid(network: Network, stage: str) -> Grid:
    """Simulate all points of one network at one stage."""
    return _Runs(network, stage).grid()


class _Runs:
    """Points of one stage, each simulated unless it is known to be a run that was."""

    def __init__(self, network: Network, stage: str) -> None:
        self._network = network
        self._workload: Workload = network.scene.workload(stage)
        self._axes = network.axes()
        self._grid = Grid()
        self._known: dict[tuple[object, ...], int] = {}
        self._unslowed: dict[tuple[object, ...], tuple[int, int]] = {}

    def grid(self) -> Grid:
        """Simulate in the order of the axes, caps rising."""
        others = AXES[1:]
        for place in product(*(range(len(self._axes[axis])) for axis in others)):
            self._grid.index.append(self._run_of(dict(zip(others, place, strict=True))))
        return self._grid

    def _run_of(self, at: dict[str, int]) -> int:
        """Index of a point's run; what a cap does not slow, no larger one changes."""
        key = (at["batch"], at["sram"], at["dram"], at["node"])
        if (capped := (*key, at["cap"])) not in self._known:
            cap, run = self._unslowed.get(key, (at["cap"] + 1, 0))
            if at["cap"] < cap:
                run, slowed = self._simulated(at)
                if not slowed:
                    self._unslowed[key] = (at["cap"], run)
            self._known[capped] = run
        return self._known[capped]

    def _simulated(self, at: dict[str, int]) -> tuple[int, bool]:
        """Simulate a point: its index, and whether the cap slows it."""
        point = {axis: self._axes[axis][place] for axis, place in at.items()}
        point["stage"] = self._axes["stage"][0]  # changes nothing of the chip
        chip = self._network.machine.chip.replace(**self._network.changes(point))
        try:
            report = simulate(chip, self._workload, self._network.batches[at["batch"]])
        except InputError as error:
            self._grid.refused.append(str(error))
            return -len(self._grid.refused), True
        self._grid.rows.append(values_of(report))
        return len(self._grid.rows) - 1, bool((report.capped.clocks < 1.0).any())


def values_of(report: Report) -> dict[str, Any]:
    """Return what the explorer shows of a run; energies are per inference, in joules."""
    found = as_run(report)
    residency = report.schedule.residency
    return {
        "inferences_per_s": report.inferences_per_s,
        "latency_s": report.latency_s,
        "pinned_B": residency.pinned_B,
        "activations_B": residency.activations_B,
        "buffers_B": residency.buffers_B,
        "weight_bits": report.transferred_weight_bits / report.batch,
        "activation_bits": report.activation_bits / report.batch,
        "clock": report.clock,
        **found.states._asdict(),
        **{"|".join(at): joules for at, joules in report.joules_by("tensor", "component").items()},
        "limiter": report.limiter,
        "weights_home": report.weights_home,
        "low_confidence": ", ".join(report.low_confidence),
    }
