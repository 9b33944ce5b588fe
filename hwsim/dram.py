"""DRAM types as data, and how long a transfer keeps a channel busy.

Energy follows one of two models, never both. In the ``dynamic`` model a bit pays for its row
activation, the array and the I/O, and standby power is drawn apart for as long as time passes. In
the ``all-in`` model a bit pays its share of background power too, and nothing is drawn apart.

A transfer takes as long as the data bus or the banks need, whichever is longer: bursts follow each
other on the bus; a row that is opened keeps its bank for a row cycle, and banks take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy import CONFIDENCE, LOW_CONFIDENCE
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
        Lost when the bus changes direction.
    standby_W : float
        Drawn apart from transfers; zero in the ``all-in`` model.
    source, confidence, timing_source, timing_confidence, note : str
        Of the energy, and of all the rest.
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


class Transfer(NamedTuple):
    """What a transfer does to the channels it is spread over.

    Parameters
    ----------
    bursts, row_misses : int
        Bursts moved, and rows opened for them; the other bursts hit an open row.
    ticks : int
        Time the channels are busy.
    """

    bursts: int
    row_misses: int
    ticks: int

    @property
    def row_hits(self) -> int:
        """Bursts that find their row open."""
        return self.bursts - self.row_misses


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


def transfer(
    kind: DramType, size_B: int, run_B: int, channels: int = 1, ticks_per_ns: float = 1.0
) -> Transfer:
    """Move `size_B` bytes in contiguous runs of `run_B`, spread over `channels`.

    Parameters
    ----------
    kind : DramType
    size_B : int
    run_B : int
        Length of each contiguous run; runs lie in different rows. ``run_B >= size_B`` is a stream.
    channels : int
        Bursts alternate between channels.
    ticks_per_ns : float
        Clock of the caller in GHz.

    Raises
    ------
    InputError
        If the size is negative or a run or the number of channels is below 1.
    """
    if size_B < 0 or run_B < 1 or channels < 1:
        raise InputError(
            f"DRAM transfer of {size_B} B in runs of {run_B} B over {channels} channels: expected a size of "
            "at least 0 and at least 1 of the others"
        )
    runs, rest = divmod(size_B, run_B)
    bursts = runs * -(-run_B // kind.burst_B) + -(-rest // kind.burst_B)
    row_misses = runs * -(-run_B // kind.row_B) + -(-rest // kind.row_B)
    burst_ns = Fraction(kind.burst_B) / Fraction(str(kind.bandwidth_GB_per_s))
    bus_ns = bursts * burst_ns / channels
    banks_ns = row_misses * Fraction(str(kind.row_cycle_ns)) / (kind.banks * channels)
    busy = max(bus_ns, banks_ns) * Fraction(str(ticks_per_ns))
    return Transfer(bursts, row_misses, -(-busy.numerator // busy.denominator))


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
