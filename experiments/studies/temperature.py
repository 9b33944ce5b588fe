"""Temperature: what a cap on the board does to the die, and how compression moves the heat.

Question. A cap limits the power of a board, but chips fail by temperature. Is 250 W cool enough, what
happens at 300 W, and does compression, which turns DRAM's watts into those of MACs, heat the die?

Look for. In `temperature`, the lines that reach the slowdown limit. On the right, the two ways a die can
fail: more power than the board carries off, and leakage that feeds on its own heat. All parameters of
the board are estimates of low confidence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.figures import temperature as figures
from experiments.runs import labels
from experiments.runs.phrases import listed, quantity, watts
from experiments.runs.scenes import SCENES, chip_of
from hwsim.energy.constants import thermal_constants
from hwsim.power.thermal import Board, Leakage, equilibrium_C, heat
from hwsim.run import simulate

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

SCENE, BATCH, STAGES = "alexnet_fc", 64, ("dense", "huffman")
CAPS_W = (200.0, 250.0, 300.0, 350.0)
SECONDS, INTERVAL_S = 400, 1e-3
"""Played from a cold board; the interval is short against the die's 6 ms."""
SHOWN_EVERY = 500
LEAKAGES_W = tuple(float(value) for value in np.geomspace(2, 120, 25))


def produce(run: Run) -> None:
    """Write every cap and stage, the temperatures over time, and what leakage leaves."""
    table, curves = every_cap()
    limits = by_leakage()
    run.write_csv("caps.csv", table)
    run.write_csv("curves.csv", curves)
    run.write_csv("leakage.csv", limits)


def every_cap() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Heat of each stage under each cap: a table of outcomes, and die temperatures over time.

    The power is that of the steady state: batches are hundreds of times shorter than anything the die can
    follow.
    """
    board, chip = Board.default(), chip_of()
    leakage = Leakage.default(chip.power.leakage_W)
    on_die = {"dram": thermal_constants()["dram.phy_share"].value, "static": 0.0}
    rows, curves = [], []
    for stage in STAGES:
        workload = SCENES[SCENE].workload(stage)
        for cap_W in CAPS_W:
            report = simulate(chip.replace(**{"power.cap_W": cap_W}), workload, BATCH)
            rate = report.inferences_per_s
            joules = report.joules_by("component").items()
            dynamic_W = rate * sum(on_die.get(name, 1.0) * spent_J for (name,), spent_J in joules)
            found = heat(board, np.full(round(SECONDS / INTERVAL_S), dynamic_W), INTERVAL_S, leakage)
            last = found.throttled[len(found.throttled) // 2 :]
            rows.append(
                {
                    "stage": stage,
                    "cap_W": cap_W,
                    "die_W": dynamic_W,
                    "equilibrium_C": equilibrium_C(board, dynamic_W, leakage),
                    "hottest_C": float(found.node_C[:, 0].max()),
                    "leakage_W": float(found.leakage_W[-1]),
                    "throttled_share": float(last.mean()),
                    "inferences_per_s": rate * (1 - (1 - board.slowdown_clock) * float(last.mean())),
                    "without_heat_per_s": rate,
                    "sustained": found.sustained,
                    "low_confidence": True,
                }
            )
            curves.append(
                pd.DataFrame(
                    {
                        "stage": stage,
                        "cap_W": cap_W,
                        "time_s": found.time_s[::SHOWN_EVERY],
                        "die_C": found.node_C[::SHOWN_EVERY, 0],
                    }
                )
            )
    return pd.DataFrame(rows), pd.concat(curves, ignore_index=True)


def by_leakage() -> pd.DataFrame:
    """Dynamic power a die may draw, by its leakage at 85 degC: leakage_W, sustained_W, runaway_W."""
    board = Board.default()
    rows = []
    for leakage_W in LEAKAGES_W:
        leakage = Leakage.default(leakage_W)
        rows.append(
            {
                "leakage_W": leakage_W,
                "sustained_W": sustained_W(board, leakage),
                "runaway_W": runaway_W(board, leakage),
            }
        )
    return pd.DataFrame(rows)


def sustained_W(board: Board, leakage: Leakage) -> float:
    """Dynamic power that keeps the die at the operating limit: heat out, less leakage there."""
    out_W = (board.operating_C - board.inlet_C) / sum(board.resistance_K_per_W)
    return out_W - leakage.W(board.operating_C)


def runaway_W(board: Board, leakage: Leakage) -> float:
    """Dynamic power above which no temperature balances the die.

    There one more watt of leakage heats the die until it leaks one more.
    """
    resistance = sum(board.resistance_K_per_W)
    leaks_W = math.exp(-1.0) / (leakage.per_K * resistance)
    without_C = leakage.reference_C + math.log(leaks_W / leakage.reference_W) / leakage.per_K
    return (without_C - board.inlet_C) / resistance


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"temperature": figures.temperature(tables["curves"], tables["leakage"], Board.default())}


CAP_W = 250.0
"""The cap of the reference chip."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how compression heats the die, whether a higher cap throttles, and when leakage runs away."""
    caps = tables["caps"].set_index(["stage", "cap_W"])
    usual = caps.xs(CAP_W, level="cap_W")
    dense, coded = usual.loc["dense"], usual.loc["huffman"]
    hottest = caps["hottest_C"].idxmax()
    throttled = caps[caps["throttled_share"] > 0]
    limits = tables["leakage"]
    told = (
        listed(f"{stage} at {watts(cap)}" for stage, cap in throttled.index) if len(throttled) else "no case"
    )
    return (
        f"Compression heats the die. Under {watts(CAP_W)} dense weights leave {watts(dense['die_W'])} on it "
        f"({dense['equilibrium_C']:.0f} °C), and Huffman-coded ones {watts(coded['die_W'])} "
        f"({coded['equilibrium_C']:.0f} °C).",
        f"The hottest case is {labels.STAGES[hottest[0]]} under {watts(hottest[1])}: "
        f"{caps.loc[hottest, 'hottest_C']:.1f} °C. Temperature throttles {told}.",
        f"Thermal runaway is far off: it takes more than {quantity(limits['runaway_W'].iloc[0], 'W')} if "
        f"the die leaks {watts(limits['leakage_W'].iloc[0])}, and "
        f"{quantity(limits['runaway_W'].iloc[-1], 'W')} if it leaks {watts(limits['leakage_W'].iloc[-1])}.",
    )
