"""Power cap sweep: what one chip does with 1 W to 1 kW, stage by stage.

Question. The fully-connected layers of AlexNet run on the 250 W reference chip, whose cap is moved
from 1 W to 1 kW. From which cap on does more power buy nothing, and how does that change with the
stage of compression and the batch size?

Look for. The watt at which each line goes flat: there something else than power has become the
limit. The left end, where the chip can just keep the cap at its lowest clock. The energy per
inference, which falls with the cap: what the chip draws at rest is shared by more inferences.

Answer. At batch 1 the dense network needs about 240 W to reach the 4,365 inferences per second its
DRAM can feed, the shared one less than 50 W for six times as many. At batch 64 more power helps up
to 365 W dense, where DRAM becomes the limit with a third of the tiles lit, and up to 422 W shared,
with nearly all of them lit. So compression moves the power that a network can use down at batch 1
and up at batch 64. Running slower does not save energy while the voltage stays: at 100 W a dense
inference at batch 64 costs 14% more than without a cap, a shared one 13%. Caps below the 15 W drawn
at rest, and those a few watts above it, are refused; `refused` in the table says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.figures import cap_sweep as figure
from experiments.figures import style
from experiments.runs.scenes import SCENES, chip_of
from hwsim.analysis.strategies import dimmed, voltage_scaled
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run
    from hwsim.analysis.tiles import Lighting
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
    possible = table[(table["strategy"] == "dimming") & table["refused"].isna()]
    chip = chip_of()
    drawn = figure.draw(possible, SCENE.label, chip.power.cap_W, chip.static_W)
    style.save(drawn, run.folder / "cap_sweep")


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


def _values(found: Lighting) -> dict[str, Any]:
    return {
        "inferences_per_s": found.inferences_per_s,
        "energy_per_inference_J": found.energy_per_inference_J,
        "clock_fraction": found.mean_speed,
        "full_clock_share": found.full_clock_share,
        "starved_share": found.tile_time.starved,
        "power_W": sum(found.watts.values()),
        "headroom_W": found.headroom_W,
        "limiter": found.report.limiter,
    }
