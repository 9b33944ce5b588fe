"""What follows from a changed key of a chip: leakage, wires, area, prices and clock.

A chip file gives a consistent set of numbers. Where one of them is changed, others that rest on it follow
by a law with a source, unless they are changed, too:

=================================  ====================================================================
changed                            follows
=================================  ====================================================================
``sram.capacity_B``                ``sram.bank_B`` if a bank would be larger than the memory;
                                   ``sram.wire_mm``, as the side of the memory;
                                   ``power.leakage_W`` and ``process.die_mm2``, by CACTI
``sram.bank_B``, ``sram.cell``     ``power.leakage_W``, ``process.die_mm2``
``process.node_nm``                ``process.voltage_V``, nominal at the node; ``process.energy_table``;
                                   ``process.clock_GHz`` and ``process.die_mm2`` by the scaling rule,
                                   ``sram.wire_mm`` as the side of the die; ``power.leakage_W``
``process.voltage_V``              ``process.energy_table``, ``process.clock_GHz``
``dram.type``                      price, standby, burst, latency and turn-around of the type
``dram.type`` or the die at its    what the chip takes from its family and rests on these
clock and voltage                  (`hwsim.machine.families`)
=================================  ====================================================================

The numbers of the chip file are the anchor. Leakage and area get the difference that CACTI sees between
the memory as it was and as it is. The clock is the old one over the ratio of the delays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from hwsim.energy.cacti import Memory, cacti_node, memory_of
from hwsim.energy.dram import load_dram
from hwsim.energy.scaling import area_factor, delay_factor, nominal_voltage
from hwsim.energy.table import SCALING_KINDS, EnergyTable
from hwsim.errors import InputError
from hwsim.machine.area import AREA_CELL
from hwsim.machine.families import base_of, taken, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hwsim.machine.sections import Machine

RULE = "stillmaker-baas"
NODE, VOLTAGE, TABLE, CLOCK, DIE = (
    f"process.{key}" for key in ("node_nm", "voltage_V", "energy_table", "clock_GHz", "die_mm2")
)
CAPACITY, BANK, CELL, WIRE = (f"sram.{key}" for key in ("capacity_B", "bank_B", "cell", "wire_mm"))
LEAKAGE, DRAM_TYPE = "power.leakage_W", "dram.type"

ON_DIE = (NODE, VOLTAGE, CLOCK, DIE, CAPACITY, BANK, CELL)

TRIGGERS = frozenset({*ON_DIE, DRAM_TYPE})
"""Keys that others rest on."""

INPUTS = TRIGGERS | {"dram.channels"}
"""Keys whose new values the laws take."""

LARGEST = 1e15
"""No key that others rest on is so large: it is refused with the rest of the chip."""

Cause = tuple[str, ...]


@dataclass
class _Changed:
    """A chip, the changes that were made to it, and what has followed from them so far."""

    chip: Machine
    changes: Mapping[str, Any]
    followed: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)

    def old(self, key: str) -> Any:
        return attrgetter(key)(self.chip)

    def new(self, key: str) -> Any:
        return self.changes[key] if key in self.changes else self.followed.get(key, self.old(key))

    def differing(self, *keys: str) -> Cause:
        """Those of `keys` that were changed to something else."""
        return tuple(key for key in keys if key in self.changes and self.changes[key] != self.old(key))

    def follow(self, cause: Cause, values: Mapping[str, tuple[Any, str]]) -> None:
        """Let keys follow, each with its value and the law that gives it; changed keys stay as they are."""
        for key, (value, how) in values.items():
            was = self.new(key)
            if key in self.changes or value == was:
                continue
            self.followed[key] = value
            self.sources[key] = f"derived: {how}, because {' and '.join(cause)} changed"
            self.tell(cause, f"{key} {_text(was)} -> {_text(value)} ({how})")

    def tell(self, cause: Cause, what: str) -> None:
        """Note what a cause does."""
        self.told.setdefault(self.named(cause), []).append(what)

    def named(self, cause: Cause) -> str:
        """Write the changes that things follow from."""
        return " and ".join(f"{key} {_text(self.old(key))} -> {_text(self.new(key))}" for key in cause)


@dataclass(frozen=True)
class Followed:
    """What follows from changes: values by key, their sources, and a sentence for each cause."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]
    notes: tuple[str, ...]


NOTHING = Followed({}, {}, ())


def followed(chip: Machine, changes: Mapping[str, Any]) -> Followed:
    """Values that follow from changes of a chip.

    Parameters
    ----------
    chip : Machine
        As it was.
    changes : mapping of str to value
        Dotted keys, and what they become; they are not checked yet.

    Raises
    ------
    InputError
        If a node or voltage is changed for which no table of energies follows.
    """
    if not TRIGGERS & changes.keys():
        return NOTHING
    changed = _Changed(chip, changes)
    if not all(_is_sound(value, changed.old(key)) for key, value in changes.items() if key in INPUTS):
        return NOTHING  # refused with the rest of the chip
    _follow_dram(changed)
    try:
        _follow_process(changed)
    except InputError as error:
        cause = changed.named(changed.differing(NODE, VOLTAGE))
        raise InputError(f"chip {chip.name}: {cause}: {error}") from error
    _follow_memory(changed)
    _follow_family(changed)
    notes = tuple(f"{cause}: {', '.join(what)}" for cause, what in changed.told.items())
    return Followed(changed.followed, changed.sources, notes)


def _follow_family(changed: _Changed) -> None:
    for constant in taken(changed.chip.kernels.family, changed.chip.sources):
        cause = changed.differing(*([DRAM_TYPE] if constant.per == DRAM_TYPE else ON_DIE))
        base = base_of(changed.new, constant.per)
        if cause and base is not None:
            changed.follow(cause, {constant.key: value_of(constant, base)})


def _is_sound(value: Any, old: Any) -> bool:
    if isinstance(old, str):
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < LARGEST


def _follow_dram(changed: _Changed) -> None:
    cause = changed.differing(DRAM_TYPE)
    if not cause:
        return
    name = changed.new(DRAM_TYPE)
    try:
        kind = load_dram(name)
    except InputError:
        return  # refused with the rest of the chip
    how = f"the table of DRAM types, {name}"
    channels = changed.new("dram.channels")
    if "dram.energy_pJ_per_bit" not in {
        c.key for c in taken(changed.chip.kernels.family, changed.chip.sources)
    }:
        changed.follow(cause, {"dram.energy_pJ_per_bit": (kind.pJ_per_bit, how)})
    changed.follow(
        cause,
        {
            "dram.standby_W": (round(channels * kind.standby_W, 6), f"{how}, {channels} channels"),
            "dram.burst_B": (kind.burst_B, how),
            "dram.latency_ns": (kind.latency_ns, how),
            "dram.turnaround_ns": (kind.turnaround_ns, how),
        },
    )


def _follow_process(changed: _Changed) -> None:
    cause = changed.differing(NODE, VOLTAGE)
    if not cause:
        return
    was, node = changed.old(NODE), changed.new(NODE)
    if node != was:
        changed.follow((NODE,), {VOLTAGE: (round(nominal_voltage(node), 4), "nominal at the node")})
    corners = (was, changed.old(VOLTAGE), node, changed.new(VOLTAGE))
    if TABLE not in changed.changes:
        changed.follow(cause, {TABLE: (_table_at(changed, *corners), "prices at that node and voltage")})
    if CLOCK not in changed.changes:
        clock = changed.old(CLOCK) / delay_factor(*corners)
        changed.follow(cause, {CLOCK: (clock, f"delay of a gate by {RULE}")})
    if node != was:
        ratio = area_factor(was, node)
        die = {DIE: (changed.old(DIE) * ratio, f"area by {RULE}")}
        changed.follow((NODE,), die | {WIRE: (changed.old(WIRE) * sqrt(ratio), "as the side of the die")})


def _table_at(changed: _Changed, was_nm: int, was_V: float, node_nm: int, volts: float) -> str:
    """Name of the table of energies at a node and voltage: a measured one, or the chip's carried there."""
    table = EnergyTable.load(changed.old(TABLE))
    if (was_nm, was_V) not in _corners(table):
        raise InputError(
            f"energy table {table.name!r} stands in for {was_nm} nm at {was_V:g} V, and no rule carries it "
            f"on, expected {TABLE} to be changed, too"
        )
    measured = f"{node_nm:g}nm"
    base = measured if measured in EnergyTable.names() else table.base
    if (node_nm, volts) in _corners(EnergyTable.load(base)):
        return base
    name = f"{base} to {node_nm:g}nm at {round(volts, 4):g}V by {table.rule or RULE}"
    return EnergyTable.load(name).name


def _corners(table: EnergyTable) -> set[tuple[float | None, float | None]]:
    """Nodes and voltages of the figures that a rule can carry."""
    return {(figure.node_nm, figure.voltage_V) for figure in table if figure.kind in SCALING_KINDS}


def _follow_memory(changed: _Changed) -> None:
    cause = changed.differing(CAPACITY, BANK, CELL, NODE)
    if not cause:
        return
    was_B, size_B = changed.old(CAPACITY), changed.new(CAPACITY)
    if size_B < changed.new(BANK) <= was_B:
        changed.follow((CAPACITY,), {BANK: (size_B, "no bank is larger than the memory")})
    if WIRE not in changed.changes:
        wire_mm = changed.new(WIRE) * sqrt(size_B / was_B)
        changed.follow((CAPACITY,), {WIRE: (wire_mm, "as the side of the memory")})
    if not (changed.new(CELL) or LEAKAGE in changed.changes):
        changed.tell(cause, f"{LEAKAGE} stays ({CELL} does not name the cells)")
    try:
        changed.follow(cause, dict(_silicon(changed)))
    except InputError as error:
        changed.tell(cause, f"leakage and area of the memory stay ({error})")


def _silicon(changed: _Changed) -> Iterator[tuple[str, tuple[float, str]]]:
    """Area and leakage of the chip with another memory on it."""
    node, cell = changed.new(NODE), changed.new(CELL)
    at = f"CACTI 7.0 at {cacti_node(node)} nm"
    if DIE not in changed.changes:
        # a change of node has carried the whole die, and the memory as it was with it
        then_mm2 = _memory(changed.old, node, AREA_CELL).area_mm2
        yield DIE, (changed.new(DIE) + _memory(changed.new, node, AREA_CELL).area_mm2 - then_mm2, at)
    if cell and LEAKAGE not in changed.changes:
        then_W = _memory(changed.old, changed.old(NODE), changed.old(CELL) or cell).leakage_W
        now_W = _memory(changed.new, node, cell).leakage_W
        yield LEAKAGE, (_with_other(changed.new(LEAKAGE), then_W, now_W), f"{at}, {cell} cells")


def _memory(values: Callable[[str], Any], node_nm: int, cell: str) -> Memory:
    return memory_of(values(CAPACITY), values(BANK), node_nm, cell)


def _with_other(leakage_W: float, then_W: float, now_W: float) -> float:
    """Leakage of a chip whose memory leaks `now_W` by CACTI where it leaked `then_W`.

    A chip file may say less than CACTI computes for its memory alone. A memory that leaks less then takes
    the whole leakage down with it in proportion: the difference could leave less than nothing.
    """
    less = now_W < then_W and leakage_W < then_W
    return leakage_W * now_W / then_W if less else leakage_W + now_W - then_W


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
