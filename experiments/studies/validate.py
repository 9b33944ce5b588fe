"""Validation: published machines against this one.

Question. How far are simulated cycles, joules and bytes from measured silicon, and from a simulator
that is trusted?

Look for. Points on the diagonal, over five orders of magnitude, with one set of parameters a
machine and none of them fitted to a row. Then the points that are off it, and why.
"""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.figures import validation
from experiments.runs.phrases import SAME, listed, number
from hwsim.analysis import validation as comparison
from hwsim.analysis.fused_peers import against_fused_mappers
from hwsim.analysis.mappers import against_mappers
from hwsim.arrays.row_stationary import DRAM_SLACK, KEEP_ACTIVE
from hwsim.energy.spads import CELL, OBJECTIVE
from hwsim.machine.chip import load_chip

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.workload.layer import Layer

APPLICATIONS = ("MLP0", "MLP1", "LSTM0", "LSTM1", "CNN0")

CHIP_KEYS = (
    ("inferred", "Eyeriss", "eyeriss", "array.clock_pJ_per_cycle"),
    ("inferred", "Eyeriss", "eyeriss", "array.row_outputs"),
    ("assumed", "Eyeriss", "eyeriss", "array.buffer_B"),
    ("assumed", "EIE", "eie", "process.voltage_V"),
    ("assumed", "EIE", "eie", "array.seed"),
)
"""Keys of the validated chips that the papers do not print, and that the figures depend on."""


def produce(run: Run) -> None:
    """Write the comparison, the constants behind it."""
    table = judged(comparison.validate())
    run.write_csv("validate.csv", table)
    run.write_csv("constants.csv", constants())
    run.write_csv("mappers.csv", against_mappers())
    run.write_csv("fused_mappers.csv", against_fused_mappers())
    run.write_csv("mappings.csv", comparison.eyeriss_mappings())


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``verdict`` to a table of `hwsim.analysis.validation`: met, missed, not judged."""
    met = table["error_pct"].abs() <= table["bound_pct"]
    verdict = np.where(table["bound_pct"].isna(), "not judged", np.where(met, "met", "missed"))
    return table.assign(verdict=verdict)


def constants() -> pd.DataFrame:
    """Everything behind the comparison that no paper prints: kind, machine, name, value, reason.

    Kinds are ``inferred`` (calibrated: taken from published results, one value for all rows) and
    ``assumed`` (not from results). Nothing is fitted to a row.
    """
    rows = [
        (kind, machine, key, str(attrgetter(key)(load_chip(chip))), load_chip(chip).sources[key])
        for kind, machine, chip, key in CHIP_KEYS
    ]
    rows += [
        (
            "assumed",
            "EIE, Eyeriss",
            "cells of the memories in a PE",
            f"{CELL}, {OBJECTIVE}",
            "low standby power, balanced: neither paper names its cells",
        ),
        (
            "assumed",
            "EIE",
            "power of published energies, W",
            f"{comparison.EIE_POWER_W:g}",
            "published energy is published time x published chip power; it is no input of ours",
        ),
        (
            "inferred",
            "Eyeriss",
            "least share of the best PE use",
            f"{KEEP_ACTIVE:g}",
            "threshold of the mapper: the published mappings light 135 to 168 of 168 PEs",
        ),
        (
            "inferred",
            "Eyeriss",
            "DRAM reads over the least",
            f"{DRAM_SLACK:g}",
            "threshold of the mapper: mappings nearly as good are chosen by buffer accesses x cycles",
        ),
        (
            "assumed",
            "Eyeriss",
            "density of pooled outputs",
            f"{comparison.POOLED_DENSITY:g}",
            "densities are published before pooling only; it sets the coded size of pooled outputs",
        ),
        (
            "assumed",
            "TPU v1",
            "element-wise operations a cell output",
            f"{comparison.OPS_PER_CELL_OUTPUT}",
            "an LSTM cell: three products, a sum, two squashings",
        ),
    ]
    rows += [
        (
            "assumed",
            "TPU v1",
            f"layers of {application}",
            _shapes(comparison.tpu_layers(application)),
            "unpublished: chosen to give the layer and weight counts of the paper's Table 1",
        )
        for application in APPLICATIONS
    ]
    return pd.DataFrame(rows, columns=["kind", "machine", "name", "value", "reason"])


def _shapes(layers: list[Layer]) -> str:
    """Matrix shapes of layers, for example ``5 x (2000 x 2000)``, outputs first."""
    found = Counter((layer.filters, layer.depth) for layer in layers if layer.macs)
    return ", ".join(f"{count} x ({rows} x {columns})" for (rows, columns), count in found.items())


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"validate": validation.draw(tables["validate"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how many bounds are met, how near each machine is, and what other mappers find."""
    table, peers = tables["validate"], tables["mappers"]
    judged = table[table["verdict"] != "not judged"]
    met = judged["verdict"].eq("met").groupby(judged["source"], sort=False)
    told = [f"{source} {counted.sum()} of {len(counted)}" for source, counted in met]
    machines = judged[judged["source"] != "SCALE-Sim"]
    typical = machines["error_pct"].abs().groupby(machines["source"], sort=False).median()
    near = [f"{number(error)}% for {source}" for source, error in typical.items()]
    beaten = (peers["error_pct"] > 100 * SAME).sum()
    return (
        f"Bounds met: {listed(told)}. The other {len(table) - len(judged)} figures are shown and not judged.",
        f"The median error of judged figures is {listed(near)}. No parameter is fitted to a single row.",
        f"On {len(peers)} single layers ZigZag or AccelForge find a mapping with less DRAM traffic {beaten} "
        "times.",
    )
