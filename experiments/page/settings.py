"""What the explorer can set: networks, stages and, by chip, batch, memory, DRAM, node and cap."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from experiments.figures import style
from experiments.runs.changes import options_of
from experiments.runs.scenes import SCENES, Scene
from hwsim.analysis.area import area_of
from hwsim.energy.dram import load_dram
from hwsim.machine.chip import load_chip
from hwsim.units import memory_size
from hwsim.workload.language import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Arithmetic, Workload

AXES = ("stage", "batch", "sram", "dram", "node", "cap")
"""Controls apart from the network, in the order in which a grid is laid out."""

MIB = 1 << 20

FORMS = {
    "bf16": ("bf16", "#222222", "in bf16"),
    "bf16-huffman": ("bf16, Huffman", "#D55E00", "in Huffman-coded bf16"),
    "int8": ("INT8", "#CC79A7", "in INT8"),
    "int4-g128": ("INT4", "#0072B2", "in INT4"),
}
"""Forms of the weights of a language model: label, colour, and what they are called in a sentence."""

SPOKEN = {
    "dense": "dense",
    "pruned": "pruned",
    "shared": "pruned and shared",
    "huffman": "pruned, shared and Huffman-coded",
    "int8": "in INT8",
}
"""Stages within a sentence."""

STAGES = {name: (*look, SPOKEN[name]) for name, look in style.STAGES.items()} | FORMS
"""Every stage and form of a network of the explorer: label, colour, and its name within a sentence."""


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
    words : tuple of str
        Options of ``hwsim run`` that choose it, where it is not a change of the chip.
    """

    label: str
    changes: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    value: float | None = None
    words: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in an address."""
        return self.label.replace(" ", "")


@dataclass(frozen=True)
class Machine:
    """A shipped chip, and what can be changed on it.

    Parameters
    ----------
    name : str
    title : str
        What people call it.
    sram_B : tuple of int
    drams : tuple of (str, str)
        Types, the chip's own first, and what people call them.
    caps_W : tuple of float
    arithmetic : str
        What a network in fp32 is computed in.
    nodes : bool
        Whether it is also shown with the prices of 7 nm.
    """

    name: str
    title: str
    sram_B: tuple[int, ...]
    drams: tuple[tuple[str, str], ...]
    caps_W: tuple[float, ...]
    arithmetic: Arithmetic = "fp32"
    nodes: bool = True

    @cached_property
    def chip(self) -> Chip:
        """The chip as it is shipped."""
        return load_chip(self.name)


MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            "edge",
            "edge chip, 0.5 W",
            tuple(1024 * size for size in (32, 64, 128, 256, 512, 1024)),
            (("DDR3-1600", "DDR3"), ("LPDDR4-3200", "LPDDR4")),
            (0.1, 0.2, 0.5),
        ),
        Machine(
            "phone",
            "phone processor, 2 W",
            tuple(1024 * size for size in (256, 512, 1024, 2048, 4096)),
            (("LPDDR4-3200", "LPDDR4"),),
            (0.5, 1.0, 2.0),
            arithmetic="fp16",
            nodes=False,
        ),
        Machine(
            "reference_250w",
            "250 W card",
            tuple(round(size * MIB) for size in (5, 10, 20, 40, 80, 160, 320)),
            (("hypothetical-20pJ", "DDR3-class"), ("GDDR6-14000", "GDDR6"), ("HBM2-2000", "HBM2")),
            (100.0, 250.0, 400.0),
        ),
        Machine(
            "a100_pcie",
            "A100-class card, 250 W",
            (40 * MIB,),
            (("HBM2-2000", "HBM2"),),
            (250.0,),
            arithmetic="fp16",
            nodes=False,
        ),
    )
}


class Shown(Protocol):
    """What the explorer asks of a network: see `Scene`."""

    @property
    def name(self) -> str:
        """Name in addresses and files."""

    @property
    def label(self) -> str:
        """Name for people."""

    @property
    def network(self) -> str:
        """What ``hwsim run`` calls it."""

    @property
    def first(self) -> str:
        """Layer it begins with; the whole network if empty."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages or forms that it comes in."""

    def workload(self, stage: str) -> Workload:
        """Load its layers at one stage."""


@dataclass(frozen=True)
class Token:
    """One token that a language model writes after `context` others."""

    name: str
    label: str
    network: str
    context: int
    first: str = ""
    stages: tuple[str, ...] = tuple(FORMS)

    def workload(self, stage: str) -> Workload:
        """Build the decode step with weights in one form."""
        return decode(self.network, self.context, weights=stage)


@dataclass(frozen=True)
class Network:
    """A network of the explorer, or the end of one, and the chip it is shown on."""

    scene: Shown
    machine: Machine
    batches: tuple[int, ...] = (1, 64)

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
            "stage": [self._stage(stage) for stage in self.scene.stages],
            "batch": [
                Choice(str(batch), value=batch, words=("--batch", str(batch))) for batch in self.batches
            ],
            "sram": [_sram(machine, size) for size in machine.sram_B],
            "dram": [_dram(machine.chip, *names) for names in machine.drams],
            "node": nodes(machine),
            "cap": [Choice(f"{cap:g} W", {"power.cap_W": cap}, value=cap) for cap in machine.caps_W],
        }

    def _stage(self, stage: str) -> Choice:
        option = "--weights" if isinstance(self.scene, Token) else "--stage"
        return Choice(stage, words=(option, stage))

    def start(self) -> dict[str, int]:
        """Position at which each control starts: the dense network on the chip as it is shipped."""
        chip, machine = self.machine.chip, self.machine
        start = dict.fromkeys(AXES, 0)
        start["sram"] = machine.sram_B.index(chip.sram.capacity_B)
        start["cap"] = machine.caps_W.index(chip.power.cap_W)
        return start

    def command(self, point: Mapping[str, Choice]) -> list[str]:
        """Write the ``hwsim run`` that simulates a point, a choice of every control, word by word."""
        words = self.command_start.split()
        for axis in AXES:
            words += self.options(point[axis])
        return words + (["--layers", self.layer_option] if self.layer_option else [])

    @property
    def command_start(self) -> str:
        """What is the same in the commands of all points."""
        scene = self.scene
        context = f" --context {scene.context}" if isinstance(scene, Token) else ""
        return f"hwsim run {self.machine.name} {scene.network}{context}"

    @property
    def layer_option(self) -> str:
        """Names of its layers, or nothing for the whole network."""
        if not self.scene.first:
            return ""
        return ",".join(layer.name for layer in self.scene.workload("dense").layers)

    def options(self, choice: Choice) -> list[str]:
        """Write the options of ``hwsim run`` that make a choice."""
        return [*choice.words, *options_of(self.set_by(choice))]

    def changes(self, point: Mapping[str, Choice]) -> dict[str, Any]:
        """Keys of the shipped chip that a point sets."""
        found: dict[str, Any] = {}
        for axis in AXES:
            found |= self.set_by(point[axis])
        return found

    def set_by(self, choice: Choice) -> dict[str, Any]:
        """Keys that a choice sets: all or none of them, so that no key follows another."""
        changed = any(self.shipped(key) != value for key, value in choice.changes.items())
        return choice.changes if changed else {}

    def shipped(self, key: str) -> Any:
        """Value of a dotted key of the chip as it is shipped."""
        return attrgetter(key)(self.machine.chip)


TOKEN = Token("token", "Llama 3 8B, one token", "llama-3-8b", 1024)

NETWORKS = {
    scene.name: Network(scene, MACHINES[machine], batches)
    for machine, batches, scenes in (
        (
            "edge",
            (1, 64),
            (Scene("lenet300", "LeNet-300-100", "lenet300"), Scene("lenet5", "LeNet-5", "lenet5")),
        ),
        (
            "phone",
            (1, 16),
            (
                Scene("squeezenet", "SqueezeNet", "squeezenet1_0"),
                Scene("mobilenet", "MobileNet v2", "mobilenet_v2"),
            ),
        ),
        ("reference_250w", (1, 64), tuple(SCENES[name] for name in ("alexnet_fc", "alexnet", "lstm"))),
        ("reference_250w", (1, 16), (SCENES["vgg16"],)),
        ("a100_pcie", (1, 64), (TOKEN,)),
    )
    for scene in scenes
}


@dataclass(frozen=True)
class Preset:
    """A network and a chip to begin with: which stage is shown beside the first, and what it is about."""

    title: str
    network: str
    stage: str
    batch: int


PRESETS = (
    Preset("Phone", "squeezenet", "huffman", 1),
    Preset("Edge CNN", "lenet5", "huffman", 1),
    Preset("250 W card", "alexnet_fc", "huffman", 1),
    Preset("LLM token", "token", "int4-g128", 1),
)


def nodes(machine: Machine) -> list[Choice]:
    """Where prices of logic and memory come from; wires and leakage follow, clock and tiles stay."""
    chip = machine.chip
    shipped = Choice(f"{chip.process.node_nm:g} nm", note=f"prices of the table {chip.process.energy_table}")
    measured = Choice(
        "7 nm",
        {
            "process.node_nm": 7,
            "process.voltage_V": 0.7,
            "process.energy_table": "7nm",
            "process.clock_GHz": chip.process.clock_GHz,
        },
        "prices measured at 7 nm (Jouppi et al. 2021)",
    )
    return [shipped, measured] if machine.nodes else [shipped]


def _sram(machine: Machine, size_B: int) -> Choice:
    """Give the chip a memory, and say which part of the die the arithmetic and it would take."""
    chip, changes = machine.chip, {"sram.capacity_B": size_B}
    share = area_of(chip.replace(**changes), machine.arithmetic)["mm2"].sum() / chip.process.die_mm2
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
