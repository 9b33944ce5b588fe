"""Rooflines: what compute, bandwidth and the power cap allow each chip, and where layers lie.

Question. Every chip runs AlexNet and an LSTM at the precision it was made for, at batch 1 and 64. Which
of three roofs is each layer under: the peak of the arrays, DRAM bandwidth, or the power cap?

Look for. In `roofline`, the shaded wedge between what a chip could do and what its cap pays for: it is
widest at the ridge, where arrays and DRAM would both be busy. In `stages`, how compression moves the
same layers to the right, away from the bandwidth roof and up to the power roof. At batch 1 it leaves
them far below both, where loading weights into the arrays is the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.figures import roofline as figures
from experiments.runs import labels
from experiments.runs.assumed_stages import load_stage
from experiments.runs.phrases import listed, number, percent, span
from experiments.runs.scenes import CHIP, SCENES, chip_of
from hwsim.analysis.roofline import points, roofline
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.analysis.roofline import Roofline
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

NETWORKS = ("alexnet", "lstm_2x1500")
BATCHES = (1, 64)
STAGE_BATCHES = (1, 4, 16, 64, 256, 1024)
KEY = ("chip", "network", "stage", "batch")


class Native(NamedTuple):
    """What a chip was made for: the stage of its weights, how to call it, the layers it can run."""

    stage: str
    label: str
    kinds: tuple[str, ...] = ("conv", "fc", "matmul", "vector")


NATIVE = {
    "reference_250w": Native("dense", "fp32"),
    "p40": Native("int8", "int8"),
    "turing_t4": Native("int8", "int8"),
    "tpu_v1": Native("int8", "int8"),
    "tpu_v2": Native("bf16", "bf16"),
    "a100_pcie": Native("fp16", "fp16"),
    "phone": Native("int8", "int8"),
    "edge": Native("dense", "fp32"),
    "eyeriss": Native("int16", "int16"),
    "eie": Native("shared", "4 + 4 bits", ("fc",)),
}


def produce(run: Run) -> None:
    """Simulate two networks on every chip, and one network at every stage on the reference chip."""
    roofs, layers = all_chips()
    run.write_csv("roofs.csv", roofs_table(roofs))
    run.write_csv("layers.csv", layers)
    run.write_csv("stages.csv", by_stage())


def all_chips() -> tuple[dict[str, Roofline], pd.DataFrame]:
    """Roofs of every chip, and a row for each layer that ran on it."""
    roofs: dict[str, Roofline] = {}
    rows: list[dict[str, Any]] = []
    for chip in NATIVE:
        reports = native_runs(chip)
        roofs[chip] = roofline(reports)
        for report in reports:
            key = dict(
                zip(KEY, (chip, report.workload.name, report.workload.stage, report.batch), strict=True)
            )
            rows.extend(key | point for point in points(report))
    return roofs, pd.DataFrame(rows)


def native_runs(chip: str) -> list[Report]:
    """Runs of the networks on a chip, at the precision it was made for."""
    machine = load_chip(chip)
    return [
        simulate(machine, _workload(network, NATIVE[chip]), batch)
        for network in NETWORKS
        for batch in BATCHES
    ]


def _workload(network: str, native: Native) -> Workload:
    load: Any = load_stage if native.stage == "shared" else load_network
    whole: Workload = load(network, native.stage)
    return (
        whole
        if "conv" in native.kinds
        else whole.only([layer.name for layer in whole.layers if layer.kind in native.kinds])
    )


def by_stage() -> pd.DataFrame:
    """All fully-connected layers of AlexNet together at each stage and batch, on the reference chip."""
    scene = SCENES["alexnet_fc"]
    reports = [
        simulate(chip_of(), scene.workload(stage), batch)
        for stage in scene.stages
        if stage != "int8"
        for batch in STAGE_BATCHES
    ]
    rows = []
    for report in reports:
        macs = report.workload.macs * report.batch
        dram_B = (report.transferred_weight_bits + report.activation_bits) / 8
        rows.append(
            {
                "stage": report.workload.stage,
                "batch": report.batch,
                "intensity_MAC_per_B": macs / dram_B,
                "MAC_per_s": macs / report.period_s,
                "limiter": report.limiter,
            }
        )
    return pd.DataFrame(rows)


def roofs_table(roofs: dict[str, Roofline]) -> pd.DataFrame:
    """One row per chip."""
    rows = [
        {"chip": chip}
        | vars(roof)
        | {
            "ridge_MAC_per_B": roof.ridge,
            "energy_balance_MAC_per_B": roof.energy_balance,
            "active_at_most": min(1.0, roof.power_roof(float("inf")) / roof.peak_MAC_per_s),
            "active_at_ridge": min(1.0, roof.power_roof(roof.ridge) / roof.peak_MAC_per_s),
        }
        for chip, roof in roofs.items()
    ]
    return pd.DataFrame(rows)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "roofline": figures.panels(tables["roofs"], tables["layers"]),
        "chips": figures.powered(tables["roofs"]),
        "stages": figures.journey(tables["roofs"], tables["stages"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say which chips the cap limits, what a DRAM byte is worth, and where compression moves the layers."""
    roofs, stages = tables["roofs"].set_index("chip"), tables["stages"].set_index(["stage", "batch"])
    limited = roofs[roofs["active_at_most"] < 1]["active_at_most"]
    ridge = roofs[roofs["active_at_ridge"] < 1]["active_at_ridge"]
    own = roofs.loc[CHIP]
    alone = stages.xs(1, level="batch")["intensity_MAC_per_B"]
    return (
        "The power cap keeps these chips from using all MACs even without DRAM traffic: "
        f"{listed(labels.chip(str(name)) for name in limited.index)} ({span(limited, percent)} active). "
        f"Where compute and bandwidth roofs meet, {len(ridge)} of {len(roofs)} chips cannot power all of "
        "them.",
        f"On the {labels.chip(CHIP)} a byte from DRAM costs as much as "
        f"{number(own['dram_pJ_per_B'] / own['core_pJ_per_MAC'])} fp32 MACs. Layers with fewer MACs per "
        "byte spend most of their energy on DRAM.",
        f"Fully-connected layers of AlexNet at batch 1 do {number(alone['dense'])} MACs per byte dense, "
        f"{number(alone['pruned'])} pruned and {number(alone['shared'])} shared, where only activations "
        "come from DRAM.",
    )
