"""Physical constants of packages and circuits, as data with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from hwsim.csvfile import read_rows
from hwsim.energy.table import CONFIDENCE

COLUMNS = ("quantity", "value", "unit", "source", "confidence", "note")


@dataclass(frozen=True)
class Constant:
    """One constant: ``die.capacity``, 1.0, ``J/K``, and where it comes from."""

    quantity: str
    value: float
    unit: str
    source: str
    confidence: str
    note: str


@cache
def thermal_constants() -> dict[str, Constant]:
    """Shipped constants of heat flow, temperature limits and voltage, by quantity."""
    rows = read_rows(resources.files("hwsim") / "data" / "thermal.csv", COLUMNS)
    return {
        row.text("quantity"): Constant(
            row.text("quantity"),
            row.number("value"),
            row.text("unit"),
            row.text("source"),
            row.text("confidence", CONFIDENCE),
            row.cells["note"],
        )
        for row in rows
    }
