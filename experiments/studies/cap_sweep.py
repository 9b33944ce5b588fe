"""Power cap sweep: what one chip does with 1 W to 1 kW, stage by stage.

Question. The fully-connected layers of AlexNet run on the 250 W reference chip. Its power cap goes
from 1 W to 1 kW. From which cap on does more power gain nothing? How does that depend on the stage
of compression and on the batch size?

Look for. The cap at which each line goes flat: from there on, something other than power is the
limit. The left end is the least cap that the chip can keep at its lowest clock. The energy per
inference falls as the cap rises, because more inferences share leakage and standby.

Answer. At batch 1 the dense network can use 195 W. It is then memory-bound, at 4,499 inferences per
second. The shared network needs 44 W for 5.8 times as many, so compression lowers the power that the
network can use. At batch 64 the dense network can use 285 W. It is then memory-bound, at 34% of the peak
MAC rate. The pruned, shared and Huffman-coded networks reach 98% of the peak. Pruning raises the power
that the network can use, to 353 W. Sharing and Huffman coding lower it again, to 298 W and 295 W. Running
slower at the same voltage does not save energy: at 100 W and batch 64 a dense inference costs 11% more
than without a cap, and a shared one 12% more. A cap below 15 W, the leakage and standby, is refused. So is
one that leaves the workload less than 0.01 to 0.1 W. `refused` in the table gives the reason.
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
