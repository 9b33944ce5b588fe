"""Energy of an SRAM bank by a power law of its capacity (for banks of CACTI see `hwsim.energy.cacti`).

The law goes through one published bank. At 45 nm it is 5 pJ x sqrt(bank / 32 KiB) per 32 bits. The energy is
never below that of a register file. A write costs what a read costs times a ratio of CACTI.

The law of the 7 nm table is that of the 45 nm table divided by the published gain from 45 to 7 nm at the same
capacity. A newer node therefore never costs more. A node between the two, reached by the published trend, has
an exponent between the two.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy import trend
from hwsim.energy.cacti import SOURCE as CACTI
from hwsim.energy.cacti import write_to_read
from hwsim.energy.table import EnergyConstant, published_trend
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.energy.table import EnergyTable

LAW_COLUMNS = (
    "table",
    "node_nm",
    "anchor",
    "anchor_bank_B",
    "exponent",
    "fitted_from_B",
    "exponent_below",
    "max_bank_B",
    "source",
    "confidence",
    "note",
)
DEFAULT_LAW = "45nm"
"""Law used for a table without its own law. That table needs a constant for the same anchor."""

REGISTER = "register_32b"


class BankLaw(NamedTuple):
    """Energy of a bank as a power of its capacity, fixed by one published bank.

    Parameters
    ----------
    node_nm : float
        Node of the table that the law belongs to.
    anchor : str
        Action with the energy of the published bank.
    anchor_bank_B, max_bank_B : int
        Capacity of the published bank, and of the largest bank.
    exponent, exponent_below : float
        Power of the capacity, from `fitted_from_B` on and below it.
    fitted_from_B : int
        Smallest bank that `exponent` was fitted to.
    source, confidence : str
    """

    node_nm: float
    anchor: str
    anchor_bank_B: int
    exponent: float
    fitted_from_B: int
    exponent_below: float
    max_bank_B: int
    source: str
    confidence: str

    def of(self, bank_B: int) -> tuple[float, str]:
        """Energy of a bank relative to the published one, and how it is written."""
        fitted_B = max(bank_B, self.fitted_from_B) if self.exponent_below != self.exponent else bank_B
        powers = [(fitted_B, self.anchor_bank_B, self.exponent), (bank_B, fitted_B, self.exponent_below)]
        factor = prod((size_B / base_B) ** power for size_B, base_B, power in powers)
        written = [f" x ({size} B / {base} B)^{power:.3g}" for size, base, power in powers if size != base]
        return factor, "".join(written)


def bank_access(bank_B: int, table: EnergyTable, action: str = "read_bit") -> EnergyConstant:
    """Energy of one bit read from or written to a bank, without the wires to it.

    The note of the constant says how it was derived.

    Parameters
    ----------
    bank_B : int
        Capacity of the bank that is read, not of the whole memory.
    table : EnergyTable
    action : {"read_bit", "write_bit"}

    Raises
    ------
    InputError
        If the action is another one, the bank is empty or larger than the law reaches, or the table lacks the
        law's anchor.
    """
    if action not in ("read_bit", "write_bit"):
        raise InputError(f"a memory has no action {action!r}, expected 'read_bit' or 'write_bit'")
    law = _law_of(table)
    if not 1 <= bank_B <= law.max_bank_B:
        raise InputError(f"SRAM bank of {bank_B} B: outside the law, expected 1 to {law.max_bank_B} B")
    anchor, register = table[law.anchor], table[REGISTER]
    relative, written = law.of(bank_B)
    pJ, source = anchor.pJ_per_bit * relative, f"{anchor.source}; {law.source}"
    note = f"bank of {bank_B} B: {anchor.pJ:.4g} pJ / {anchor.bits} bits{written}"
    if action == "write_bit":
        ratio = write_to_read(bank_B)
        pJ, source, note = pJ * ratio, f"{source}; {CACTI}", f"{note} x {ratio:.3g} for a write"
    if pJ < register.pJ_per_bit:
        pJ, source = register.pJ_per_bit, register.source
        note = f"bank of {bank_B} B, a register file: {register.pJ:.4g} pJ / {register.bits} bits"
    low = next((f for f in (anchor, register) if f.low_confidence), anchor)
    return EnergyConstant(
        f"sram_{bank_B}B_{action}",
        pJ,
        "memory",
        1,
        anchor.node_nm,
        anchor.voltage_V,
        source,
        low.confidence if low.low_confidence else "derived",
        f"{note} = {pJ:.4g} pJ/bit",
    )


def _law_of(table: EnergyTable) -> BankLaw:
    """Law of a table: that of its base, whose exponent the published trend moves with the node."""
    law = _laws().get(table.base) or _laws()[DEFAULT_LAW]
    node_nm = table[law.anchor].node_nm
    if table.rule != trend.RULE or node_nm is None:
        return law
    line = published_trend()
    older, newer = _laws()["45nm"], _laws()["7nm"]
    moved = line.share(node_nm) - line.share(law.node_nm)
    return law._replace(exponent=law.exponent + moved * (newer.exponent - older.exponent))


@cache
def _laws() -> dict[str, BankLaw]:
    rows = read_rows(resources.files("hwsim") / "data" / "sram_laws.csv", LAW_COLUMNS)
    return {
        row.text("table"): BankLaw(
            row.number("node_nm"),
            row.text("anchor"),
            row.integer("anchor_bank_B", low=1),
            row.number("exponent"),
            row.integer("fitted_from_B", low=1),
            row.number("exponent_below"),
            row.integer("max_bank_B", low=1),
            row.text("source"),
            row.text("confidence"),
        )
        for row in rows
    }
