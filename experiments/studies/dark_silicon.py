"""Dark silicon by node: how much of a die 250 W power, and how compression raises that.

Question. A die of 750 mm2 under 250 W is scaled from 45 to 7 nm and filled with multipliers. How much of
it can be active if its clock rises with gate speed? What do published estimates say? What is the best
use of the power: few tiles at full clock, all tiles throttled, or cheaper arithmetic?

Look for. In `dark_silicon`, our lines rise: tiles times clock grow faster than energy per operation falls.
From 32 to 22 nm they are nearly flat, because the rule lowers the clock there. Streaming uncompressed
weights darkens the die further, because the energy of DRAM does not scale. The stars at 7 nm are measured
energies, not those of the scaling rule. In `gated_throttled_specialised`, throttling loses its lead once
the supply voltage cannot fall further.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from experiments.figures import dark_silicon as figures
from experiments.runs.phrases import percent, span, times
from hwsim.analysis.dark import carried, powered, work_of
from hwsim.analysis.dark_published import compare, published, roadmaps
from hwsim.energy.table import EnergyTable
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.machine.chip import Chip

CHIP, NETWORK, BATCH = "reference_250w", "alexnet", 64
STAGES = ("dense", "huffman", "int8")
NODES_NM = (45, 32, 22, 16, 14, 10, 7)
MEASURED = {7: "7nm"}
"""Nodes for which there is a measured table, and its name."""

BOARD = "a100_pcie"
"""A chip at the last node as it is built: its 16-bit MACs per area, and its clock."""


def produce(run: Run) -> None:
    """Write the die by node and as chips are built, the published figures beside ours."""
    chip = load_chip(CHIP)
    table = by_node(chip)
    roads = pd.DataFrame([found._asdict() | {"dark": found.dark} for found in roadmaps()])
    run.write_csv("by_node.csv", table)
    run.write_csv("as_built.csv", as_built(chip))
    run.write_csv("roadmaps.csv", roads)
    run.write_csv("published.csv", compare())


def by_node(
    chip: Chip, die_mm2: float | None = None, cap_W: float | None = None, batch: int = BATCH
) -> pd.DataFrame:
    """Carry `chip` from node to node, and power it under a cap at each stage of the network.

    Parameters
    ----------
    chip : Chip
    die_mm2, cap_W : float, optional
        The chip's own by default.
    batch : int

    Returns
    -------
    DataFrame
        node_nm, energies (``rule`` or ``measured``), stage, the fields of `Die`, static_W, those of `Work`
        and `Powered`, dark (power-gated), and low_confidence (of a price; the voltages of throttling always
        are).
    """
    cap = Cap.of(chip if cap_W is None else chip.replace(**{"power.cap_W": cap_W}))
    rows = []
    for node in NODES_NM:
        die = carried(chip, node, die_mm2)
        for energies, name in _tables(chip, node).items():
            prices = EnergyTable.load(name)
            for stage in STAGES:
                report = simulate(chip, load_network(NETWORK, stage), batch, table=prices)
                work = work_of(report)
                found = powered(die, work, cap)
                key = {"node_nm": node, "energies": energies, "stage": stage}
                marks = {"dark": found.dark, "low_confidence": bool(report.low_confidence)}
                rows.append(key | vars(die) | work._asdict() | found._asdict() | marks)
    table = pd.DataFrame(rows)
    table.insert(table.columns.tolist().index("voltage_V") + 1, "static_W", cap.static_W)
    return table


def as_built(chip: Chip, batch: int = BATCH) -> pd.DataFrame:
    """Power the die at the last node as densely and as fast as chips are built, beside what the rule says.

    Parameters
    ----------
    chip : Chip
    batch : int

    Returns
    -------
    DataFrame
        energies, stage, density and clock (``rule``, or ``built`` as `BOARD` is), MACs of the die, clock_GHz,
        active (fraction of the tiles at full clock).
    """
    board, node, cap = load_chip(BOARD), NODES_NM[-1], Cap.of(chip)
    die = carried(chip, node)
    built = board.array.peak_macs_per_cycle / board.process.die_mm2 * chip.process.die_mm2
    tiles = {"rule": die.tiles, "built": round(built / die.macs_per_tile)}
    clocks = {"rule": die.clock_GHz, "built": board.process.clock_GHz}
    rows = []
    for energies, name in _tables(chip, node).items():
        prices = EnergyTable.load(name)
        for stage in STAGES:
            work = work_of(simulate(chip, load_network(NETWORK, stage), batch, table=prices))
            for density, clock in product(tiles, clocks):
                found = replace(die, tiles=tiles[density], clock_GHz=clocks[clock])
                rows.append(
                    {
                        "energies": energies,
                        "stage": stage,
                        "density": density,
                        "clock": clock,
                        "macs": found.tiles * found.macs_per_tile,
                        "clock_GHz": found.clock_GHz,
                        "active": powered(found, work, cap).active,
                    }
                )
    return pd.DataFrame(rows)


def _tables(chip: Chip, node: int) -> dict[str, str]:
    """Energy tables for a node: carried there by the rule, and measured if there is one."""
    own = chip.process.energy_table
    tables = {"rule": own if node == chip.process.node_nm else f"{own} to {node}nm by stillmaker-baas"}
    return tables | ({"measured": MEASURED[node]} if node in MEASURED else {})


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    table = tables["by_node"]
    return {
        "dark_silicon": figures.dark(table, tables["roadmaps"], published()),
        "gated_throttled_specialised": figures.strategies(table),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how much of the die the cap powers, how that hangs on its design, and what helps."""
    nodes, built = tables["by_node"], tables["as_built"]
    rule = nodes[nodes["energies"] == "rule"].set_index(["node_nm", "stage"])
    first, last = NODES_NM[0], NODES_NM[-1]
    measured = built[(built["energies"] == "measured") & (built["density"] == built["clock"])]
    real = measured[measured["density"] == "built"].set_index("stage")["active"]
    packed = measured[measured["density"] == "rule"].set_index("stage")["active"]
    rates = rule["active_MAC_per_s"].unstack("stage")
    gain = rates["int8"] / rates["huffman"]
    return (
        f"By the scaling rule, the cap powers {percent(rule.loc[(first, 'dense'), 'active'])} of the die "
        f"for dense AlexNet at {first} nm and {percent(rule.loc[(last, 'dense'), 'active'])} at {last} nm. "
        f"Compressed, it is {percent(rule.loc[(first, 'huffman'), 'active'])} and "
        f"{percent(rule.loc[(last, 'huffman'), 'active'])}.",
        f"The dark share is a matter of design. With measured energies at {last} nm the cap powers "
        f"{percent(packed['dense'])} of a die as dense and fast as the rule allows, and "
        f"{percent(real['dense'])} of one built like an A100.",
        f"Less energy per operation helps at every node: dense INT8 runs {span(gain, times)} as fast as the "
        f"compressed fp32 network.",
    )
