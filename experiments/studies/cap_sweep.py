"""Power cap sweep: what one chip does with 1 W to 1 kW, stage by stage.

Question. The fully-connected layers of AlexNet run on the 250 W reference chip. Its power cap goes
from 1 W to 1 kW. From which cap on does more power gain nothing? How does that depend on the stage
of compression and on the batch size?

Look for. The cap at which each line goes flat: from there on, something other than power is the
limit. The left end is the least cap that the chip can keep at its lowest clock. The energy per
inference falls as the cap rises, because more inferences share leakage and standby.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.figures import cap_sweep as figure
from experiments.runs.phrases import costs, limit, moves, percent, times, watts
from experiments.runs.scenes import SCENES, chip_of
from hwsim.analysis.strategies import dimmed, voltage_scaled
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.workload.layer import Workload

SCENE = SCENES["alexnet_fc"]
BATCHES = (1, 64)
CAPS_W = sorted([250.0, *np.round(np.geomspace(1.0, 1000.0, 49), 3).tolist()])


def produce(run: Run) -> None:
    """Run every stage at every cap and batch size, dimmed and with DVFS."""
    table = pd.DataFrame(
        [row for stage in SCENE.stages for batch in BATCHES for row in swept(SCENE.workload(stage), batch)]
    )
    run.write_csv("cap_sweep.csv", table)


def swept(workload: Workload, batch: int) -> Iterator[dict[str, Any]]:
    """Run one workload at every cap; a cap below the least the chip can keep gives a row that says so."""
    for cap_W in CAPS_W:
        key = {"stage": workload.stage, "batch": batch, "cap_W": cap_W}
        chip = chip_of().replace(**{"power.cap_W": cap_W})
        try:
            report = simulate(chip, workload, batch)
        except InputError as error:
            yield key | {"strategy": "none", "refused": str(error)}
            continue
        for found in (dimmed(report), voltage_scaled(report)):
            yield key | {"strategy": found.strategy} | _values(found)


def _values(found: SteadyRun) -> dict[str, Any]:
    return {
        "inferences_per_s": found.inferences_per_s,
        "energy_per_inference_J": found.energy_per_inference_J,
        "clock_fraction": found.mean_speed,
        "peak_share": found.peak_share,
        "stalled_share": found.states.stalled,
        "power_W": sum(found.watts.values()),
        "headroom_W": found.headroom_W,
        "limiter": found.report.limiter,
    }


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    table, chip = tables["cap_sweep"], chip_of()
    possible = table[(table["strategy"] == "dimming") & table["refused"].isna()]
    return {"cap_sweep": figure.draw(possible, SCENE.label, chip.power.cap_W, chip.static_W)}


SLOW_W = 100.0
"""A cap well below what the chip could use, in watts."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how much power each stage can use, alone and in a batch, and what a low cap costs."""
    table = tables["cap_sweep"]
    table = table[table["strategy"] == "dimming"]
    one, many = (table[table["batch"] == batch] for batch in BATCHES)
    free, freed = one.groupby("stage").last(), many.groupby("stage").last()
    slow = many[many["cap_W"] >= SLOW_W].groupby("stage").first()
    gain = free.loc["huffman", "inferences_per_s"] / free.loc["dense", "inferences_per_s"]
    extra = slow.loc["dense", "energy_per_inference_J"] / freed.loc["dense", "energy_per_inference_J"]
    verb = moves(freed.loc["dense", "power_W"], freed.loc["pruned", "power_W"])
    return (
        f"At batch 1 the dense layers can use {watts(free.loc['dense', 'power_W'])} and are then "
        f"{limit(free.loc['dense', 'limiter'])}. The Huffman-coded ones need "
        f"{watts(free.loc['huffman', 'power_W'])} and run {times(gain)} as many inferences per second.",
        f"At batch {BATCHES[1]} the dense layers can use {watts(freed.loc['dense', 'power_W'])} and reach "
        f"{percent(freed.loc['dense', 'peak_share'])} of the peak MAC rate. Pruning {verb} this power: "
        f"{watts(freed.loc['pruned', 'power_W'])} at {percent(freed.loc['pruned', 'peak_share'])} of the "
        "peak.",
        f"At batch {BATCHES[1]} a dense inference under {watts(slow.loc['dense', 'cap_W'])} costs "
        f"{costs(extra)} energy than without a cap: leakage and standby last longer.",
    )
