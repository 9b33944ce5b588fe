"""Energy ladder: what one 32-bit word costs, from an adder to a radio.

Question. How far apart are computing with a word and moving it, and does a newer node close the gap?

Look for. In `energy_ladder`, nine powers of ten from adding a word to sending it over the internet,
and the place of DRAM: 173 multiplications. Open points rest on figures of low confidence. In
`memory_wall`, the famous 128 times between DRAM and SRAM: it holds for one bank of 32 KiB and
shrinks with the root of the capacity that is read through one port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from experiments.figures import energy_ladder as figures
from experiments.runs.phrases import number, size, span, times
from hwsim.energy.cacti import SOURCE, cacti_bank
from hwsim.energy.compare import rule_vs_measured
from hwsim.energy.dram import load_dram
from hwsim.energy.sram import bank_access
from hwsim.energy.table import SCALING_KINDS, EnergyTable

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
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
    """Write the ladder, the wall between SRAM and DRAM, the rule against measurement."""
    rungs, wall = ladder(), memory_wall()
    rule = rule_vs_measured(EnergyTable.load("45nm_horowitz"), EnergyTable.load("7nm"))
    run.write_csv("energy_ladder.csv", rungs)
    run.write_csv("memory_wall.csv", wall)
    run.write_csv("rule_vs_measured.csv", rule)


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


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "energy_ladder": figures.ladder(tables["energy_ladder"]),
        "memory_wall": figures.wall(tables["memory_wall"], tables["rule_vs_measured"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what a DRAM word is worth in arithmetic, how far the rule is off, and what capacity does."""
    rungs = tables["energy_ladder"].query("node == '45 nm'").set_index("label")["energy_pJ"]
    dram, mac = rungs["DRAM"], rungs["multiply, fp32"] + rungs["add, fp32"]
    rule = tables["rule_vs_measured"].set_index("action")
    logic, sram = (rule[rule.index.str.startswith("sram") == here] for here in (False, True))
    wall = tables["memory_wall"].query("model == '45nm table'").set_index("capacity_B")["ratio"]
    least, most = wall.index.min(), wall.index.max()
    return (
        f"A word from DRAM costs as much as {number(dram / mac)} fp32 multiply-adds at 45 nm.",
        f"From 45 nm to 7 nm, measured arithmetic became {span(logic['measured_gain'], times)} cheaper and "
        f"SRAM {span(sram['measured_gain'], times)}. A common scaling rule promises "
        f"{times(rule['rule_gain'].mean())} for all and is optimistic by "
        f"{span(1 / rule['rule_error'], times)}.",
        f"DRAM costs {times(wall[least])} as much as a bank of {size(least)}, but only {times(wall[most])} "
        f"as much as {size(most)} read through one port.",
    )
