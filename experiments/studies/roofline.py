"""Rooflines: what compute, bandwidth and the power cap allow each chip, and where layers lie.

Question. Every chip runs AlexNet and an LSTM at the precision it was made for, at batch 1 and 64. Which
of three roofs is each layer under: the peak of the arrays, DRAM bandwidth, or the power cap?

Look for. In `roofline`, the shaded wedge between what a chip could do and what its cap pays for: it is
widest at the ridge, where arrays and DRAM would both be busy. In `stages`, how compression moves the
same layers to the right, away from the bandwidth roof and up to the power roof. At batch 1 it leaves
them far below both, where loading weights into the arrays is the limit.

Answer. However little DRAM traffic there is, the 45 nm reference chip and the T4 can power at most 84% of
their MACs at full clock. All other chips power all of their MACs where DRAM is idle. At the ridge P40, TPU
v1 and TPU v2 power all, the edge chip and the phone 87%, A100 79%, T4 57% and the reference chip 53%. A
fp32 MAC takes 5.7 pJ on the die here, so a DRAM byte at 160 pJ costs as much as 28 MACs: below 28 MACs
per byte most of the energy is DRAM's. Fully-connected layers at batch 1 lie at 0.26 MACs per byte dense,
at 2.5 pruned, and at over 1,400 shared, where nothing but activations crosses DRAM. Large batches bring
the shared network back to 550 MACs per byte, because activations take the place of pinned weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.figures import roofline as figures
from experiments.figures import style
from experiments.runs.assumed_stages import load_stage
from experiments.runs.scenes import CHIP, SCENES, chip_of
from hwsim.analysis.roofline import points, roofline
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.units import LOW
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from experiments.runs.record import Run
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
    subtitles = {
        chip: native.label + (LOW if roofs[chip].low_confidence else "") for chip, native in NATIVE.items()
    }
    style.save(figures.panels(roofs, layers, subtitles), run.folder / "roofline")
    roof, stages = by_stage()
    run.write_csv("stages.csv", stages)
    title = f"{SCENES['alexnet_fc'].label} on {CHIP}: compression moves them right, to the cap"
    style.save(figures.journey(roof, stages, title), run.folder / "stages")


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


def by_stage() -> tuple[Roofline, pd.DataFrame]:
    """Roofs of the reference chip, and all fc layers of AlexNet together at each stage and batch."""
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
    return roofline(reports), pd.DataFrame(rows)


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
