"""What the explorer can set: networks, stages and, by chip, memory, DRAM, node, cap and batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from experiments.runs.changes import options_of
from experiments.runs.scenes import SCENES, Scene
from hwsim.analysis.area import area_of
from hwsim.energy.dram import load_dram
from hwsim.energy.scaling import nominal_voltage
from hwsim.machine.chip import load_chip
from hwsim.units import memory_size
from hwsim.workload.networks import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsim.machine.chip import Chip

AXES = ("stage", "sram", "dram", "node", "cap", "batch")
"""Controls apart from the network, in the order in which a grid is laid out."""

MIB = 1 << 20


@dataclass(frozen=True)
class Choice:
    """One position of a control.

    Parameters
    ----------
    label : str
    changes : dict
        Keys of the chip, and what they become; none leave the chip as it is shipped.
    note : str
        What a reader should know of it.
    value : float or None
        Where it lies on an axis.
    """

    label: str
    changes: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Machine:
    """A shipped chip, and what can be changed on it.

    Parameters
    ----------
    name : str
    sram_B : tuple of int
    drams : tuple of (str, str)
        Types, the chip's own first, and what people call them.
    caps_W : tuple of float
    """

    name: str
    sram_B: tuple[int, ...]
    drams: tuple[tuple[str, str], ...]
    caps_W: tuple[float, ...]

    @cached_property
    def chip(self) -> Chip:
        """The chip as it is shipped."""
        return load_chip(self.name)


MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            "edge",
            tuple(1024 * size for size in (32, 64, 128, 256, 512, 1024)),
            (("DDR3-1600", "DDR3"), ("LPDDR4-3200", "LPDDR4"), ("LPDDR2-800", "LPDDR2, seldom used")),
            (0.1, 0.2, 0.5, 1.0),
        ),
        Machine(
            "reference_250w",
            tuple(round(size * MIB) for size in (5, 10, 20, 40, 80, 160, 320)),
            (("hypothetical-20pJ", "DDR3-class"), ("GDDR6-14000", "GDDR6"), ("HBM2-2000", "HBM2")),
            (100.0, 175.0, 250.0, 400.0),
        ),
    )
}


@dataclass(frozen=True)
class Network:
    """A network of the explorer, or the end of one, and the chip it is shown on."""

    scene: Scene
    machine: Machine
    batches: tuple[int, ...] = (1, 8, 64)

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.scene.name

    @property
    def label(self) -> str:
        """What people call it."""
        return self.scene.label.rstrip("*")

    def axes(self) -> dict[str, list[Choice]]:
        """Positions of every control of `AXES`."""
        machine = self.machine
        return {
            "stage": [Choice(stage) for stage in STAGES],
            "sram": [_sram(machine.chip, size) for size in machine.sram_B],
            "dram": [_dram(machine.chip, *names) for names in machine.drams],
            "node": nodes(machine.chip),
            "cap": [Choice(f"{cap:g} W", {"power.cap_W": cap}, value=cap) for cap in machine.caps_W],
            "batch": [Choice(str(batch), value=batch) for batch in self.batches],
        }

    def start(self) -> dict[str, int]:
        """Position at which each control starts: the dense network on the chip as it is shipped."""
        chip, machine = self.machine.chip, self.machine
        start = dict.fromkeys(AXES, 0)
        start["sram"] = machine.sram_B.index(chip.sram.capacity_B)
        start["cap"] = machine.caps_W.index(chip.power.cap_W)
        return start

    def command(self, point: Mapping[str, Choice]) -> list[str]:
        """Write the ``hwsim run`` that simulates a point, a choice of every control, word by word."""
        words = [
            *self.command_start.split(),
            "--stage",
            point["stage"].label,
            "--batch",
            point["batch"].label,
        ]
        if self.layer_option:
            words += ["--layers", self.layer_option]
        return words + options_of(self.changes(point))

    @property
    def command_start(self) -> str:
        """What is the same in the commands of all points."""
        return f"hwsim run {self.machine.name} {self.scene.network}"

    @property
    def layer_option(self) -> str:
        """Names of its layers, or nothing for the whole network."""
        if not self.scene.first:
            return ""
        return ",".join(layer.name for layer in self.scene.workload("dense").layers)

    def changes(self, point: Mapping[str, Choice]) -> dict[str, Any]:
        """Keys of the shipped chip that a point sets."""
        found: dict[str, Any] = {}
        for axis in AXES:
            found |= self.set_by(point[axis])
        return found

    def set_by(self, choice: Choice) -> dict[str, Any]:
        """Keys that a choice sets: all of them, lest one that it keeps follows another, or none."""
        changed = any(self.shipped(key) != value for key, value in choice.changes.items())
        return choice.changes if changed else {}

    def shipped(self, key: str) -> Any:
        """Value of a dotted key of the chip as it is shipped."""
        return attrgetter(key)(self.machine.chip)


BATCHES = {"vgg16": (1, 4, 16)}
"""Of networks that take long to simulate at larger ones."""

NETWORKS = {
    scene.name: Network(scene, MACHINES[machine], BATCHES.get(scene.name, Network.batches))
    for machine, scenes in (
        ("edge", (Scene("lenet300", "LeNet-300-100", "lenet300"), Scene("lenet5", "LeNet-5", "lenet5"))),
        ("reference_250w", tuple(SCENES.values())),
    )
    for scene in scenes
}


def nodes(chip: Chip) -> list[Choice]:
    """Where prices of logic and memory come from; wires and leakage follow, clock and tiles stay."""
    ruled, clock = nominal_voltage(7), {"process.clock_GHz": chip.process.clock_GHz}
    return [
        Choice("45 nm", note="prices of the shipped chip (Horowitz 2014, EIE 2016)"),
        Choice(
            "7 nm measured",
            {"process.node_nm": 7, "process.voltage_V": 0.7, "process.energy_table": "7nm"} | clock,
            "prices measured at 7 nm (Jouppi et al. 2021)",
        ),
        Choice(
            "7 nm by rule",
            {
                "process.node_nm": 7,
                "process.voltage_V": ruled,
                "process.energy_table": "45nm to 7nm by stillmaker-baas",
            }
            | clock,
            "45 nm prices carried to 7 nm by a scaling rule, which is optimistic",
        ),
    ]


def _sram(chip: Chip, size_B: int) -> Choice:
    """Give the chip a memory, and say which part of the die the arithmetic and it would take."""
    changes = {"sram.capacity_B": size_B}
    share = area_of(chip.replace(**changes), "fp32")["mm2"].sum() / chip.process.die_mm2
    note = f"arithmetic and memories would fill {share:.0%} of the die"
    return Choice(memory_size(size_B), changes, note if share > 1 else "", size_B)


def _dram(chip: Chip, name: str, label: str) -> Choice:
    """Give the chip another type of DRAM: as many channels as its bandwidth needs, at that bandwidth."""
    if name == chip.dram.type:
        return Choice(label, note=f"{chip.dram.energy_pJ_per_bit:g} pJ/bit")
    kind = load_dram(name)
    channels = ceil(chip.dram.bandwidth_GB_per_s / kind.bandwidth_GB_per_s)
    changes = {
        "dram.type": name,
        "dram.channels": channels,
        "dram.energy_pJ_per_bit": kind.pJ_per_bit,
        "dram.standby_W": round(channels * kind.standby_W, 6),
        "dram.burst_B": kind.burst_B,
        "dram.latency_ns": kind.latency_ns,
        "dram.turnaround_ns": kind.turnaround_ns,
    }
    return Choice(label, changes, f"{kind.pJ_per_bit:g} pJ/bit")
