"""SRAM banks as CACTI 7.0 computes them: energy, leakage, area and access time.

The shipped table holds one bank with one read/write port, 1 KiB to 64 MiB, words of 32 to 512 bits,
at 45 and 22 nm, of high-performance and low-standby-power cells, sized for energy x delay^2 or for
least dynamic energy, at 350 K. Values between its points are interpolated in the logarithms of capacity
and width. There is no extrapolation. High-performance cells leak 200 to 7,000 times as much as
low-standby-power cells, and a write can cost as much as eight reads. So cell and access have no default.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy.scaling import area_factor
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "CACTI 7.0 (Balasubramonian et al., ACM TACO 14(2), 2017)"

KEYS = ("node_nm", "cell_type", "objective")
FIGURES = ("access_ns", "cycle_ns", "read_pJ", "write_pJ", "leakage_mW", "area_mm2")
COLUMNS = ("capacity_bytes", "width_bits", *KEYS, "temp_K", *FIGURES, "height_mm", "width_mm")

CELL_TYPES = ("itrs-hp", "itrs-lstp")
"""High-performance and low-standby-power cells."""

SMALLEST_BANK_B = 1024
"""Smaller memories are taken as parts of such a bank: CACTI has none."""

WORD_BITS, OBJECTIVE = 64, "ED^2"
"""Word and goal of the banks that memories of a chip are taken to be made of: chip files name none."""

Point = tuple[int, int]
"""Capacity in bytes, width in bits."""


@dataclass(frozen=True)
class CactiBank:
    """One bank with one read/write port.

    Parameters
    ----------
    capacity_B, width_bits : int
    node_nm : int
    cell_type : str
        ``itrs-hp`` (fast, leaky) or ``itrs-lstp`` (slow, tight).
    objective : str
        ``ED^2`` or ``min-dynamic-energy``: what the bank's organisation was chosen for.
    access_ns, cycle_ns : float
    read_pJ, write_pJ : float
        Per access of `width_bits`.
    leakage_W : float
        At 350 K.
    area_mm2 : float
    """

    capacity_B: int
    width_bits: int
    node_nm: int
    cell_type: str
    objective: str
    access_ns: float
    cycle_ns: float
    read_pJ: float
    write_pJ: float
    leakage_W: float
    area_mm2: float


def cacti_bank(capacity_B: int, width_bits: int, node_nm: int, cell_type: str, objective: str) -> CactiBank:
    """Bank of any capacity and width within the table.

    Raises
    ------
    InputError
        If the node, cell type or objective is not in the table, or capacity or width lie outside it.
    """
    curves = _table()
    key = (node_nm, cell_type, objective)
    if key not in curves:
        known = "; ".join(" ".join(map(str, k)) for k in sorted(curves))
        raise InputError(f"no CACTI table for {node_nm} {cell_type} {objective}, expected one of: {known}")
    points = curves[key]
    low_B, high_B, share = _around(capacity_B, sorted({c for c, _ in points}), "capacity in bytes")
    low_b, high_b, slant = _around(width_bits, sorted({w for _, w in points}), "width in bits")
    corners = [
        ((1 - share) * (1 - slant), (low_B, low_b)),
        ((1 - share) * slant, (low_B, high_b)),
        (share * (1 - slant), (high_B, low_b)),
        (share * slant, (high_B, high_b)),
    ]
    needed = [(weight, corner) for weight, corner in corners if weight > 0]
    if any(corner not in points for _, corner in needed):
        raise InputError(
            f"no CACTI solution for an SRAM bank of {capacity_B} B and {width_bits} bits: the table has none "
            "at 1024 B and 512 bits, expected a narrower or larger one"
        )
    figures = [
        math.exp(sum(weight * math.log(points[corner][i]) for weight, corner in needed))
        for i in range(len(FIGURES))
    ]
    access, cycle, read, write, leakage_mW, area = figures
    return CactiBank(capacity_B, width_bits, *key, access, cycle, read, write, leakage_mW * 1e-3, area)


class Memory(NamedTuple):
    """A memory of equal banks.

    Parameters
    ----------
    leakage_W : float
        At 350 K and at the CACTI node that is nearest: leakage has no rule that carries it further.
    area_mm2 : float
        Carried to the node of the chip by the area table of the scaling rule.
    """

    leakage_W: float
    area_mm2: float


@cache
def memory_of(capacity_B: int, bank_B: int, node_nm: int, cell_type: str) -> Memory:
    """Leakage and area of a memory by CACTI, in whole banks, without the wires between them.

    Parameters
    ----------
    capacity_B, bank_B : int
        Of the memory, and of one of its banks.
    node_nm : int
        Of the chip: 45 nm banks stand for 32 nm and above, 22 nm banks for everything below.
    cell_type : str
        One of `CELL_TYPES`.

    Raises
    ------
    InputError
        If a bank lies outside the CACTI table, or the node outside the scaling rule.
    """
    node = cacti_node(node_nm)
    bank = cacti_bank(max(bank_B, SMALLEST_BANK_B), WORD_BITS, node, cell_type, OBJECTIVE)
    banks = ceil_div(capacity_B, bank_B) * min(bank_B / SMALLEST_BANK_B, 1.0)
    return Memory(banks * bank.leakage_W, banks * bank.area_mm2 * area_factor(node, node_nm))


def write_to_read(capacity_B: int) -> float:
    """Energy of a write over that of a read, for a bank of a capacity.

    CACTI chooses another organisation for each capacity, so that single banks scatter. The ratio is a power
    of the capacity, fitted by least squares to all banks with the word and goal of `memory_of`, at both nodes
    and of both cells. A smaller bank has the ratio of the smallest one.

    Parameters
    ----------
    capacity_B : int
    """
    intercept, slope = _write_law()
    return math.exp(intercept + slope * math.log(max(capacity_B, SMALLEST_BANK_B)))


@cache
def _write_law() -> tuple[float, float]:
    """Intercept and slope of the logarithm of write over read in the logarithm of the capacity."""
    read, write = FIGURES.index("read_pJ"), FIGURES.index("write_pJ")
    banks = [
        (math.log(capacity_B), math.log(figures[write] / figures[read]))
        for (_, _, goal), points in _table().items()
        if goal == OBJECTIVE
        for (capacity_B, width), figures in points.items()
        if width == WORD_BITS
    ]
    sizes, ratios = zip(*banks, strict=True)
    slope, intercept = statistics.linear_regression(sizes, ratios)
    return intercept, slope


def cacti_node(node_nm: float) -> int:
    """Node of the CACTI table that stands for the node of a chip."""
    return 45 if node_nm >= 32 else 22


def leakage_by_cell(capacity_B: int, width_bits: int, objective: str) -> pd.DataFrame:
    """Leakage of one bank for every node and cell type: what residency costs depends on it."""
    import pandas as pd

    rows = [
        vars(cacti_bank(capacity_B, width_bits, node_nm, cell_type, objective))
        for node_nm, cell_type, goal in sorted(_table())
        if goal == objective
    ]
    return pd.DataFrame(rows)[["node_nm", "cell_type", "capacity_B", "leakage_W", "read_pJ", "access_ns"]]


def _around(value: int, known: list[int], what: str) -> tuple[int, int, float]:
    """Neighbours of a value and its logarithmic share of the way between them."""
    if not known[0] <= value <= known[-1]:
        raise InputError(
            f"SRAM bank: {what} is {value}, outside the CACTI table, expected {known[0]} to {known[-1]}"
        )
    high = next(point for point in known if point >= value)
    low = max((point for point in known if point <= value), default=high)
    share = 0.0 if low == high else math.log(value / low) / math.log(high / low)
    return low, high, share


@cache
def _table() -> dict[tuple[int, str, str], dict[Point, tuple[float, ...]]]:
    table: dict[tuple[int, str, str], dict[Point, tuple[float, ...]]] = {}
    for row in read_rows(resources.files("hwsim") / "data" / "cacti_sram.csv", COLUMNS):
        if not row.cells["read_pJ"]:
            continue
        key = (row.integer("node_nm"), row.text("cell_type"), row.text("objective"))
        point = (row.integer("capacity_bytes"), row.integer("width_bits"))
        table.setdefault(key, {})[point] = tuple(row.number(name) for name in FIGURES)
    return table
