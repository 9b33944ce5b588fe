"""Area of what a chip file describes: arithmetic and memories.

Arithmetic units are priced by a 45 nm table, memories by CACTI; both are carried to the chip's node
by the area table of the scaling rule. Wires between them, control, pads and PHYs are not counted,
so the sum should stay well below the die.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from hwsim.arrays.base import Tiled
from hwsim.arrays.counting import ACCUMULATOR
from hwsim.csvfile import read_rows
from hwsim.energy.cacti import memory_of
from hwsim.energy.mixing import MIXING
from hwsim.energy.scaling import area_factor
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import fc

if TYPE_CHECKING:
    from hwsim.machine.sections import Machine
    from hwsim.workload.layer import Arithmetic

COLUMNS = ("action", "um2", "node_nm", "source", "confidence", "note")

AREA_CELL = "itrs-hp"
"""Cells whose area memories are taken to have: the other cells of CACTI differ by a tenth."""


@dataclass(frozen=True)
class Part:
    """Equal components of a chip, and the area of one."""

    component: str
    count: int
    mm2_each: float

    @property
    def mm2(self) -> float:
        """Area of all of them."""
        return self.count * self.mm2_each


def parts_of(chip: Machine, arithmetic: Arithmetic) -> tuple[Part, ...]:
    """Components of a chip with their areas.

    Parameters
    ----------
    chip : Machine
    arithmetic : str
        What its MACs multiply: a chip file does not say.

    Raises
    ------
    InputError
        If no area is known for the arithmetic or a memory lies outside the CACTI table.
    """
    node = chip.process.node_nm
    array = chip.array
    macs = array.cost(fc("probe", 1, 1, arithmetic=arithmetic), 1).peak_macs_per_cycle
    tiles = array.tiles if isinstance(array, Tiled) else 1
    banks = ceil_div(chip.sram.capacity_B, chip.sram.bank_B)
    return (
        Part("MACs", macs, _mac_mm2(arithmetic, node)),
        Part("SRAM banks", banks, _memory_mm2(chip.sram.bank_B, node)),
        Part("scratchpads", 2 * tiles, _memory_mm2(chip.scratchpad.bank_B, node)),
        Part("decoder tables", chip.decoder.count, _memory_mm2(chip.decoder.table_B, node)),
        Part("decoder shifters", chip.decoder.count, unit_mm2("add_int32", node)),
    )


def mixer_mm2(chip: Machine) -> float:
    """Area that decoders of a context-mixing code take more, were they to resolve a bit in a cycle.

    The multipliers and adders of `hwsim.energy.mixing.MIXING` for each: no chip file says that it has them.
    """
    node, count = chip.process.node_nm, chip.decoder.count
    units = MIXING.multiplications * unit_mm2("multiply_int32", node)
    return count * (units + MIXING.additions * unit_mm2("add_int32", node))


def unit_mm2(action: str, node_nm: float) -> float:
    """Area of one arithmetic unit, carried to a node.

    Raises
    ------
    InputError
        If no area is known for `action`, or the node lies outside the scaling rule.
    """
    if action not in _units():
        raise InputError(f"no area is known for {action}, expected one of {', '.join(_units())}")
    um2, measured_nm = _units()[action]
    return um2 * 1e-6 * area_factor(measured_nm, node_nm)


def _mac_mm2(arithmetic: str, node_nm: float) -> float:
    actions = (f"multiply_{arithmetic}", f"add_{ACCUMULATOR[arithmetic]}")
    return sum(unit_mm2(action, node_nm) for action in actions)


def _memory_mm2(size_B: int, node_nm: int) -> float:
    return memory_of(size_B, size_B, node_nm, AREA_CELL).area_mm2


@cache
def _units() -> dict[str, tuple[float, float]]:
    rows = read_rows(resources.files("hwsim") / "data" / "area.csv", COLUMNS)
    return {row.text("action"): (row.number("um2"), row.number("node_nm")) for row in rows}
