"""Energy of an SRAM bank by a power law of its capacity (for banks of CACTI see `hwsim.energy.cacti`).

The law goes through one published bank. At 45 nm it is 5 pJ x sqrt(bank / 32 KiB) per 32 bits. A write
costs as much as a read. The energy is never below that of a register file.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy.table import EnergyConstant
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.energy.table import EnergyTable

LAW_COLUMNS = (
    "table",
    "anchor",
    "anchor_bank_B",
    "exponent",
    "max_bank_B",
    "source",
    "confidence",
    "note",
)
DEFAULT_LAW = "45nm"
"""Law used for a table without its own law. That table needs a constant for the same anchor."""

REGISTER = "register_32b"


class BankLaw(NamedTuple):
    """Energy of a bank as a power of its capacity, fixed by one published bank."""

    anchor: str
    anchor_bank_B: int
    exponent: float
    max_bank_B: int
    source: str
    confidence: str


def bank_access(bank_B: int, table: EnergyTable) -> EnergyConstant:
    """Energy of one bit read from or written to a bank, without the wires to it.

    The note of the constant says how it was derived.

    Parameters
    ----------
    bank_B : int
        Capacity of the bank that is read, not of the whole memory.
    table : EnergyTable

    Raises
    ------
    InputError
        If the bank is empty or larger than the law reaches, or the table lacks the law's anchor.
    """
    law = _laws().get(table.base) or _laws()[DEFAULT_LAW]
    if not 1 <= bank_B <= law.max_bank_B:
        raise InputError(f"SRAM bank of {bank_B} B: outside the law, expected 1 to {law.max_bank_B} B")
    anchor, register = table[law.anchor], table[REGISTER]
    by_law = anchor.pJ_per_bit * (bank_B / law.anchor_bank_B) ** law.exponent
    if by_law < register.pJ_per_bit:
        pJ, source = register.pJ_per_bit, register.source
        note = f"bank of {bank_B} B, a register file: {register.pJ:g} pJ / {register.bits} bits"
    else:
        pJ, source = by_law, f"{anchor.source}; {law.source}"
        note = (
            f"bank of {bank_B} B: {anchor.pJ:g} pJ / {anchor.bits} bits "
            f"x ({bank_B} B / {law.anchor_bank_B} B)^{law.exponent:g}"
        )
    low = next((f for f in (anchor, register) if f.low_confidence), anchor)
    return EnergyConstant(
        f"sram_{bank_B}B_access_bit",
        pJ,
        "memory",
        1,
        anchor.node_nm,
        anchor.voltage_V,
        source,
        low.confidence if low.low_confidence else "derived",
        f"{note} = {pJ:.4g} pJ/bit",
    )


@cache
def _laws() -> dict[str, BankLaw]:
    rows = read_rows(resources.files("hwsim") / "data" / "sram_laws.csv", LAW_COLUMNS)
    return {
        row.text("table"): BankLaw(
            row.text("anchor"),
            row.integer("anchor_bank_B", low=1),
            row.number("exponent"),
            row.integer("max_bank_B", low=1),
            row.text("source"),
            row.text("confidence"),
        )
        for row in rows
    }
