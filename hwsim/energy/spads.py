"""Energy of the scratchpads inside PEs: a CACTI bank of the same size and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.cacti import SOURCE, cacti_bank
from hwsim.energy.sram import bank_access
from hwsim.energy.table import EnergyConstant, EnergyTable
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.arrays.base import Memory

MIN_BANK_B = 1 << 10
MIN_WIDTH_BITS = 32
CELL, OBJECTIVE = "itrs-lstp", "ED^2"


def spad_access(memory: Memory, action: str, table: EnergyTable) -> EnergyConstant:
    """Energy of one bit read from, or written to, a memory inside a PE.

    A memory below CACTI's smallest bank is a register file; a word narrower than its narrowest
    costs a whole access of that one. The 45 nm constant is carried to another table as that table's
    own bank of the same size is.

    Parameters
    ----------
    memory : Memory
    action : {"read_bit", "write_bit"}
    table : EnergyTable

    Raises
    ------
    InputError
        If the action is another one, or CACTI or the table has no such bank.
    """
    if action not in ("read_bit", "write_bit"):
        raise InputError(f"a memory has no action {action!r}, expected 'read_bit' or 'write_bit'")
    register = table["register_32b"]
    if memory.bank_B < MIN_BANK_B:
        pJ, source, node_nm = register.pJ_per_bit, register.source, register.node_nm
        confidence = register.confidence
        note = f"{memory.bank_B} B, a register file: {register.pJ:g} pJ / {register.bits} bits"
    else:
        bank = cacti_bank(memory.bank_B, max(memory.word_bits, MIN_WIDTH_BITS), 45, CELL, OBJECTIVE)
        access = bank.read_pJ if action == "read_bit" else bank.write_pJ
        carried = bank_access(memory.bank_B, table)
        factor = carried.pJ / bank_access(memory.bank_B, EnergyTable.load("45nm")).pJ
        pJ, source, node_nm = factor * access / memory.word_bits, f"{SOURCE}, {CELL}", carried.node_nm
        confidence = carried.confidence
        note = f"{access:.4g} pJ an access of {memory.word_bits} bits in {memory.bank_B} B x {factor:.3g}"
    return EnergyConstant(
        f"spad_{memory.bank_B}B_{action}",
        pJ,
        "memory",
        1,
        node_nm,
        register.voltage_V,
        source,
        confidence,
        f"{note} = {pJ:.4g} pJ/bit",
    )
