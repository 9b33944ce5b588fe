"""The main job: train, compress, execute and simulate, from images to joules.

What it teaches: a dense network streams from DRAM and pays for it; each compression step moves it
closer to the arrays, until it lives on chip and arithmetic is what is left to pay for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from compress.format.container import read
from compress.format.execution import executable
from compress.lowering import workload_of
from compress.nn.statistics import input_densities
from compress.nn.train import evaluate
from compress.pipeline.recipe import Training
from compress.pipeline.run import compress
from experiments.figures import energy as energy_figure
from experiments.runs.timelines import trace_of
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.whole import ceil_div
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compress.nn.datasets import Dataset
    from compress.pipeline.recipe import Recipe
    from compress.pipeline.run import OnProgress
    from experiments.runs.record import Run
    from hwsim.report import Report

SMALL_CHIP, LARGE_CHIP = "edge", "reference_250w"
LARGE_NETWORK = "alexnet"
BATCHES = (1, 64)
STAGES = ("dense", "pruned", "shared", "huffman")
DENSITY_IMAGES = 1000
"""Test images on which activation densities are measured; labels are not looked at."""


@dataclass(frozen=True)
class Row:
    """One stage of one network: what it costs and, if it was executed, what it is worth."""

    label: str
    report: Report
    file_bytes: int | None = None
    ratio: float | None = None
    test_error_pct: float | None = None

    def values(self) -> dict[Any, Any]:
        """One row of ``stages.csv``."""
        summary = self.report.summary()
        energy = self.report.energy_by("component").add_prefix("energy_J_").to_dict()
        return (
            {"run": self.label, "network": summary.pop("network"), "stage": summary.pop("stage")}
            | {"file_bytes": self.file_bytes, "ratio": self.ratio, "test_error_pct": self.test_error_pct}
            | summary
            | {"passes": self.report.schedule.work[0].passes}
            | energy
            | {"provenance": self.report.workload.provenance}
        )


def run_demo(
    run: Run,
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    on_progress: OnProgress = lambda progress: None,
) -> list[Row]:
    """Fill a run folder: the stages as files, ``stages.csv``, ``energy.csv``, the figure, a trace.

    Parameters
    ----------
    run : Run
    recipe : Recipe
        Its stages are executed on the test images and simulated on the small chip; the published
        statistics of a large network are simulated on the large one.
    dataset : Dataset
    seed : int
    on_progress : callable
        Told of each epoch; see `compress.pipeline.run.Progress`.
    """
    rows = [*compressed_rows(run.folder, recipe, dataset, seed, on_progress), *published_rows()]
    run.write_csv("stages.csv", pd.DataFrame([row.values() for row in rows]))
    energy = energy_table(rows)
    run.write_csv("energy.csv", energy)
    energy_figure.save(energy[energy["network"].isin(drawn(rows))], run.folder / "energy")
    executed = [row.report for row in rows if row.file_bytes is not None]
    run.write_json("trace.json", trace_of([executed[0], executed[-1]]))
    return rows


def shortened(recipe: Recipe, times: int = 6) -> Recipe:
    """Return the same path with a fraction of the epochs, for a quick look."""
    steps = tuple(
        step.model_copy(update={"epochs": ceil_div(step.epochs, times)})
        if isinstance(step, Training)
        else step
        for step in recipe.steps
    )
    return recipe.model_copy(update={"steps": steps})


def compressed_rows(
    folder: Path, recipe: Recipe, dataset: Dataset, seed: int, on_progress: OnProgress
) -> Iterator[Row]:
    """Train and compress; write each stage, read it back, execute and simulate what was read."""
    chip = load_chip(SMALL_CHIP)
    for artifact in compress(recipe, dataset, seed=seed, on_progress=on_progress):
        path = folder / f"{artifact.stage}.dcz"
        artifact.save(path)
        stored, layout = read(path)
        network = executable(stored)
        densities = input_densities(network, dataset.test.x[:DENSITY_IMAGES])
        yield Row(
            f"{recipe.network} on {chip.name}",
            simulate(chip, workload_of(stored, layout=layout, input_density=densities)),
            path.stat().st_size,
            layout.ratio,
            100 * evaluate(network, dataset.test),
        )


def published_rows() -> Iterator[Row]:
    """Simulate the large network from published statistics: whole, and its fully-connected part."""
    chip = load_chip(LARGE_CHIP)
    for fully_connected in (False, True):
        for batch in BATCHES:
            for stage in STAGES:
                workload = load_network(LARGE_NETWORK, stage)
                part = ""
                if fully_connected:
                    workload = workload.only(layer.name for layer in workload.layers if layer.kind == "fc")
                    part = ", fully-connected part"
                label = f"{LARGE_NETWORK}{part}, batch {batch}, on {chip.name}"
                yield Row(label, simulate(chip, workload, batch))


def drawn(rows: list[Row]) -> list[str]:
    """Labels of the runs in the figure: one of each kind, the memory-bound extreme left out."""
    labels = list(dict.fromkeys(row.label for row in rows))
    return [label for label in labels if "part, batch 1," not in label]


def energy_table(rows: list[Row]) -> pd.DataFrame:
    """Tidy joules per inference: network, stage, component, energy_J."""
    tables = [
        row.report.energy_by("component")
        .rename("energy_J")
        .reset_index()
        .assign(network=row.label, stage=row.report.workload.stage)
        for row in rows
    ]
    return pd.concat(tables)[["network", "stage", "component", "energy_J"]]
