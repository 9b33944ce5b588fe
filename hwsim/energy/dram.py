"""DRAM types: energy and timing, with sources.

A type uses one of two energy models. In the ``dynamic`` model the energy per bit includes row activation,
the array and the I/O; standby power is added separately, over time. In the ``all-in`` model the energy
per bit also includes standby power, so standby is zero. `hwsim.mapping.steps` uses the timings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from hwsim.csvfile import read_rows
from hwsim.energy.table import CONFIDENCE, LOW_CONFIDENCE
from hwsim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from hwsim.csvfile import Row

NUMBERS = (
    "pJ_per_bit",
    "bandwidth_GB_per_s",
    "latency_ns",
    "row_cycle_ns",
    "turnaround_ns",
    "standby_W",
)
SIZES = ("burst_B", "row_B", "banks")
TEXTS = ("type", "model", "source", "confidence", "timing_source", "timing_confidence", "note")


@dataclass(frozen=True)
class DramType:
    """One channel of one kind of DRAM.

    Parameters
    ----------
    type : str
    model : {"dynamic", "all-in"}
        What `pJ_per_bit` pays for: see the module.
    pJ_per_bit : float
    bandwidth_GB_per_s : float
        Of the data bus, peak.
    burst_B, row_B : int
        Smallest transfer, and bytes of an open row.
    banks : int
    latency_ns : float
        From request to first data, row closed.
    row_cycle_ns : float
        Least time between two rows of one bank.
    turnaround_ns : float
        Time lost when the bus changes direction.
    standby_W : float
        Power drawn at all times; zero in the ``all-in`` model.
    source, confidence, timing_source, timing_confidence, note : str
        Source and confidence of the energy, then of the timings.
    """

    type: str
    model: str
    pJ_per_bit: float
    bandwidth_GB_per_s: float
    burst_B: int
    row_B: int
    banks: int
    latency_ns: float
    row_cycle_ns: float
    turnaround_ns: float
    standby_W: float
    source: str
    confidence: str
    timing_source: str
    timing_confidence: str
    note: str = ""

    @property
    def low_confidence(self) -> bool:
        """Whether tables and plots that use the energy must mark it."""
        return self.confidence in LOW_CONFIDENCE


def dram_names() -> list[str]:
    """Names of the shipped types."""
    return list(_types())


def load_dram(name: str) -> DramType:
    """Type of DRAM by name.

    Raises
    ------
    InputError
        If there is no such type.
    """
    if name not in _types():
        raise InputError(f"no DRAM type {name!r}, expected one of {', '.join(_types())}")
    return _types()[name]


def dram_frame() -> pd.DataFrame:
    """One row per type, the columns of `DramType` and ``low_confidence``."""
    import pandas as pd

    return pd.DataFrame([vars(kind) | {"low_confidence": kind.low_confidence} for kind in _types().values()])


@cache
def _types() -> dict[str, DramType]:
    rows = read_rows(resources.files("hwsim") / "data" / "dram.csv", (*TEXTS, *NUMBERS, *SIZES))
    return {row.text("type"): _type_of(row) for row in rows}


def _type_of(row: Row) -> DramType:
    model = row.text("model", ("dynamic", "all-in"))
    standby_W = row.number("standby_W", high=0.0 if model == "all-in" else float("inf"))
    return DramType(
        row.text("type"),
        model,
        row.number("pJ_per_bit"),
        row.number("bandwidth_GB_per_s"),
        row.integer("burst_B", low=1),
        row.integer("row_B", low=1),
        row.integer("banks", low=1),
        row.number("latency_ns"),
        row.number("row_cycle_ns"),
        row.number("turnaround_ns"),
        standby_W,
        row.text("source"),
        row.text("confidence", CONFIDENCE),
        row.text("timing_source"),
        row.text("timing_confidence", CONFIDENCE),
        row.cells["note"],
    )
