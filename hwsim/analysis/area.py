"""Area of the arithmetic units and memories of a chip, compared with its die.

Areas of arithmetic units come from a 45 nm table, areas of memories from CACTI. Both are scaled to the
chip's node by the area table of the scaling rule. Wires, control, pads and PHYs are not counted, so the sum
should be well below the die area.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from hwsim.arrays.base import Tiled
from hwsim.arrays.counting import ACCUMULATOR
from hwsim.csvfile import read_rows
from hwsim.energy.cacti import cacti_bank
from hwsim.energy.scaling import area_factor
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import fc

if TYPE_CHECKING:
    import pandas as pd

    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Arithmetic

COLUMNS = ("action", "um2", "node_nm", "source", "confidence", "note")

SMALLEST_BANK_B = 1024
"""Smaller memories are taken as parts of such a bank: CACTI has none."""

WORD_BITS = 64
CELLS = ("itrs-hp", "ED^2")
"""Word, cells and goal of the banks that memories are taken to be made of: chip files name none."""


def area_of(chip: Chip, arithmetic: Arithmetic) -> pd.DataFrame:
    """Area of what the chip file describes.

    Parameters
    ----------
    chip : Chip
    arithmetic : str
        What its MACs multiply: a chip file does not say.

    Returns
    -------
    DataFrame
        component, count, mm2_each, mm2 and share of the die, one row per component.

    Raises
    ------
    InputError
        If no area is known for the arithmetic or a memory lies outside the CACTI table.
    """
    import pandas as pd

    node = chip.process.node_nm
    array = chip.array
    macs = array.cost(fc("probe", 1, 1, arithmetic=arithmetic), 1).peak_macs_per_cycle
    tiles = array.tiles if isinstance(array, Tiled) else 1
    banks = ceil_div(chip.sram.capacity_B, chip.sram.bank_B)
    rows = [
        ("MACs", macs, _mac_mm2(arithmetic, node)),
        ("SRAM banks", banks, _memory_mm2(chip.sram.bank_B, node)),
        ("scratchpads", 2 * tiles, _memory_mm2(chip.scratchpad.bank_B, node)),
        ("decoder tables", chip.decoder.count, _memory_mm2(chip.decoder.table_B, node)),
    ]
    table = pd.DataFrame(rows, columns=["component", "count", "mm2_each"])
    table["mm2"] = table["count"] * table["mm2_each"]
    table["share"] = table["mm2"] / chip.process.die_mm2
    return table


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


def _memory_mm2(size_B: int, node_nm: float) -> float:
    measured = 45 if node_nm >= 32 else 22
    bank = cacti_bank(max(size_B, SMALLEST_BANK_B), WORD_BITS, measured, *CELLS)
    return bank.area_mm2 * min(size_B / SMALLEST_BANK_B, 1.0) * area_factor(measured, node_nm)


@cache
def _units() -> dict[str, tuple[float, float]]:
    rows = read_rows(resources.files("hwsim") / "data" / "area.csv", COLUMNS)
    return {row.text("action"): (row.number("um2"), row.number("node_nm")) for row in rows}
