"""Energy ladder: what one 32-bit word costs, from an adder to a radio.

Question. How far apart are computing with a word and moving it, and does a newer node close the gap?

Look for. In `energy_ladder`, nine powers of ten from adding a word to sending it over the internet,
and the place of DRAM: 173 multiplications. Open points rest on figures of low confidence. In
`memory_wall`, the famous 128 times between DRAM and SRAM: it holds for one bank of 32 KiB and
shrinks with the root of the capacity that is read through one port.

Answer. A DRAM word costs as much as 140 multiply-adds at 45 nm. Measured, 7 nm makes arithmetic two to
four times cheaper and large SRAM seven times, while a popular scaling rule promises fifteen times
for all: at 7 nm the rule is off by two to eleven times, and always on the optimistic side. DRAM
got five times better by moving next to the chip (HBM2), not by scaling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from experiments.figures import energy_ladder as figures
from experiments.figures import style
from hwsim.energy.cacti import SOURCE, cacti_bank
from hwsim.energy.compare import rule_vs_measured
from hwsim.energy.dram import load_dram
from hwsim.energy.sram import bank_access
from hwsim.energy.table import SCALING_KINDS, EnergyTable

if TYPE_CHECKING:
    from experiments.runs.record import Run
    from hwsim.energy.table import EnergyConstant

WORD_BITS = 32


class Rung(NamedTuple):
    """One row of the ladder: a figure of a table, taken per word or as it is."""

    label: str
    group: str
    table: str
    action: str
    times: float = 1.0
    """How many of the action one word takes; a link needs a transceiver at each end."""


RUNGS = (
    Rung("add, int32", "arithmetic", "45nm", "add_int32"),
    Rung("multiply, int8", "arithmetic", "45nm", "multiply_int8"),
    Rung("add, fp32", "arithmetic", "45nm", "add_fp32"),
    Rung("multiply, int32", "arithmetic", "45nm", "multiply_int32"),
    Rung("multiply, fp32", "arithmetic", "45nm", "multiply_fp32"),
    Rung("register file", "on chip", "45nm", "register_32b"),
    Rung("1 mm of wire", "on chip", "45nm", "wire_bit_mm", WORD_BITS),
    Rung("SRAM, 32 KiB", "on chip", "45nm", "sram_32KiB_read_32b"),
    Rung("SRAM, 1 MiB", "on chip", "45nm_horowitz", "sram_1MiB_read_64b", 0.5),
    Rung("across the chip, 20 mm", "on chip", "45nm", "wire_bit_mm", 20 * WORD_BITS),
    Rung("next chip in the package", "links", "links", "link_package_28nm_bit", WORD_BITS),
    Rung("next card, PCIe", "links", "links", "link_board_pcie_bit", WORD_BITS),
    Rung("rack, copper", "links", "links", "link_copper_112G_bit", 2 * WORD_BITS),
    Rung("row of racks, optics", "links", "links", "link_optical_pluggable_bit", 2 * WORD_BITS),
    Rung("DRAM", "DRAM", "45nm", "dram_read_32b"),
    Rung("Wi-Fi, receive", "networks", "links", "radio_wifi_down_bit", WORD_BITS),
    Rung("LTE, send", "networks", "links", "radio_lte_up_bit", WORD_BITS),
    Rung("internet", "networks", "links", "network_internet_2020_bit", WORD_BITS),
)
NEWER = {
    "sram_32KiB_read_32b": ("sram_32KiB_read_64b", 0.5),
    "dram_read_32b": ("dram_hbm2_read_low_64b", 0.5),
}
"""Figures that have another name at 7 nm, and how many of that one word takes."""

CAPACITIES = tuple(1 << shift for shift in range(13, 27))
"""From 8 KiB to 64 MiB."""

DRAM_45NM, DRAM_7NM = "dram_read_32b", "HBM2-2000"


def produce(run: Run) -> None:
    """Write the ladder, the wall between SRAM and DRAM, the rule against measurement, two figures."""
    rungs, wall = ladder(), memory_wall()
    rule = rule_vs_measured(EnergyTable.load("45nm_horowitz"), EnergyTable.load("7nm"))
    run.write_csv("energy_ladder.csv", rungs)
    run.write_csv("memory_wall.csv", wall)
    run.write_csv("rule_vs_measured.csv", rule)
    style.save(figures.ladder(rungs), run.folder / "energy_ladder")
    style.save(figures.wall(wall, rule), run.folder / "memory_wall")


def ladder() -> pd.DataFrame:
    """One row a rung and node: label, group, node, energy_pJ, low_confidence, confidence, source.

    ``node`` is ``45 nm`` (links of any node included), ``7 nm`` as measured, or ``7 nm by rule``.
    Rungs are in the order of their energy at 45 nm.
    """
    newer = EnergyTable.load("7nm")
    rows = []
    for rung in sorted(RUNGS, key=lambda rung: rung.times * EnergyTable.load(rung.table)[rung.action].pJ):
        table = EnergyTable.load(rung.table)
        rows.append(_row(rung, "45 nm", table[rung.action], rung.times))
        action, times = NEWER.get(rung.action, (rung.action, rung.times))
        if rung.table != "links" and action in newer.constants:
            rows.append(_row(rung, "7 nm", newer[action], times))
        if rung.table != "links" and table[rung.action].kind in SCALING_KINDS:
            ruled = EnergyTable.load(f"{rung.table} to 7nm by stillmaker-baas")
            rows.append(_row(rung, "7 nm by rule", ruled[rung.action], rung.times))
    return pd.DataFrame(rows)


def _row(rung: Rung, node: str, constant: EnergyConstant, times: float) -> dict[str, object]:
    return {
        "label": rung.label,
        "group": rung.group,
        "node": node,
        "energy_pJ": times * constant.pJ,
        "low_confidence": constant.low_confidence,
        "confidence": constant.confidence,
        "source": constant.source,
    }


def memory_wall() -> pd.DataFrame:
    """DRAM over SRAM, a word each, by the capacity that is read through one port.

    Columns: model, capacity_B, sram_pJ, dram_pJ, ratio, low_confidence, source.
    """
    dram = EnergyTable.load("45nm")[DRAM_45NM].pJ
    near = WORD_BITS * load_dram(DRAM_7NM).pJ_per_bit
    rows = []
    for capacity in CAPACITIES:
        for name, dram_pJ in (("45nm", dram), ("45nm_horowitz", dram), ("7nm", near)):
            bank = bank_access(capacity, EnergyTable.load(name))
            word_pJ = WORD_BITS * bank.pJ
            rows.append((f"{name} table", capacity, word_pJ, dram_pJ, bank.low_confidence, bank.source))
        computed = cacti_bank(capacity, WORD_BITS, 45, "itrs-lstp", "ED^2")
        rows.append(("CACTI, 45 nm", capacity, computed.read_pJ, dram, False, SOURCE))
    columns = ["model", "capacity_B", "sram_pJ", "dram_pJ", "low_confidence", "source"]
    wall = pd.DataFrame(rows, columns=columns)
    return wall.assign(ratio=wall["dram_pJ"] / wall["sram_pJ"])
