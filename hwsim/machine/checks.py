"""What contradicts itself in a chip: numbers that each are possible, and together are not.

A contradiction is a warning, not an error: a what-if may want it. A chip file that has a reason says so
in its ``[sources]``, and is not warned of it. An energy table of another node always is a contradiction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.dram import load_dram
from hwsim.energy.table import SCALING_KINDS, EnergyTable
from hwsim.errors import InputError
from hwsim.machine.area import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hwsim.machine.sections import Machine
    from hwsim.workload.layer import Arithmetic

SET_TO = "design choice: set to"
"""How the source of a key begins that has been changed from what the chip file says."""

CHOICE = "design choice"
DERIVED = "derived"

DIE = "process.die_mm2"

FIELD_MM = (26, 33)
"""Exposure field of optical and EUV scanners (IRDS, Lithography, 2020): no die is larger."""

PRICE_SPREAD = 2.0
"""Published prices of a bit of one type of DRAM differ by so much (notes of the table of types)."""


def contradictions(chip: Machine) -> tuple[str, ...]:
    """Sentences on what cannot be together, whatever runs on the chip."""
    return (*_bank(chip), *_die(chip), *_dram(chip), *_energies(chip))


def over_the_die(chip: Machine, arithmetics: Iterable[Arithmetic]) -> tuple[str, ...]:
    """Say it in a sentence if MACs and memories need more than the die.

    Parameters
    ----------
    chip : Machine
    arithmetics : iterable of str
        What the MACs multiply: those that need the most area count.
    """
    found = [(area, arithmetic) for arithmetic in set(arithmetics) for area in _area_mm2(chip, arithmetic)]
    area_mm2, arithmetic = max(found, default=(0.0, ""))
    die_mm2 = chip.process.die_mm2
    if area_mm2 <= die_mm2:
        return ()
    return (
        f"{arithmetic} MACs and memories take {area_mm2:.4g} mm2, more than process.die_mm2 = {die_mm2:.4g}",
    )


def _area_mm2(chip: Machine, arithmetic: Arithmetic) -> Iterator[float]:
    """Area of MACs and memories; nothing where none is known."""
    try:
        yield sum(part.mm2 for part in parts_of(chip, arithmetic))
    except InputError:
        return


def _bank(chip: Machine) -> Iterator[str]:
    sram = chip.sram
    if sram.bank_B > sram.capacity_B:
        yield (
            f"sram.bank_B = {sram.bank_B:,} is larger than the memory, sram.capacity_B = {sram.capacity_B:,}"
        )


def _die(chip: Machine) -> Iterator[str]:
    width_mm, height_mm = FIELD_MM
    if chip.process.die_mm2 > width_mm * height_mm and not _is_published(chip, DIE):
        yield (
            f"process.die_mm2 = {chip.process.die_mm2:.4g} is more than lithography exposes at once, "
            f"{width_mm} mm x {height_mm} mm = {width_mm * height_mm} mm2"
        )


def _dram(chip: Machine) -> Iterator[str]:
    dram, kind = chip.dram, load_dram(chip.dram.type)
    ratio = dram.energy_pJ_per_bit / kind.pJ_per_bit
    if not 1 / PRICE_SPREAD <= ratio <= PRICE_SPREAD and _is_choice(chip, "dram.energy_pJ_per_bit"):
        yield (
            f"dram.energy_pJ_per_bit = {dram.energy_pJ_per_bit:g} contradicts the table of DRAM types: "
            f"{kind.pJ_per_bit:g} for {kind.type}"
        )
    most = dram.channels * kind.bandwidth_GB_per_s
    if dram.bandwidth_GB_per_s > most and _is_choice(
        chip, "dram.bandwidth_GB_per_s", "dram.channels", "dram.type"
    ):
        yield (
            f"dram.bandwidth_GB_per_s = {dram.bandwidth_GB_per_s:g} is more than the {most:g} that "
            f"dram.channels = {dram.channels} of {kind.type} have"
        )


def _is_choice(chip: Machine, *keys: str) -> bool:
    """Whether a key is the chip file's own choice, or changed: no publication says it."""
    return any(chip.sources.get(key, "").startswith(CHOICE) for key in keys)


def _is_published(chip: Machine, key: str) -> bool:
    """Whether the source of a key is a citation: a package of several dies is no contradiction."""
    return not chip.sources.get(key, CHOICE).startswith((CHOICE, DERIVED))


def _energies(chip: Machine) -> Iterator[str]:
    process = chip.process
    table = EnergyTable.load(process.energy_table)
    nodes = {f.node_nm for f in table if f.kind in SCALING_KINDS and f.node_nm and f.voltage_V}
    if nodes and process.node_nm not in nodes:
        found = " and ".join(f"{node:g} nm" for node in sorted(nodes))
        yield (
            f"process.energy_table = {table.name!r} holds prices at {found}, "
            f"not at process.node_nm = {process.node_nm}, expected a table of that node or a name such as "
            "'TABLE to NODEnm by published-trend'"
        )
