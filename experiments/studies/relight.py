"""Relight: what compression gives back to a chip under a 250 W cap.

Question. A chip has more MACs than its power cap can feed. It runs networks dense, pruned, shared,
Huffman-coded and in INT8, at batch sizes from 1 to 1,024. Where does the power go, how many tiles does
it keep active, and how many inferences per second, joule and watt-hour of battery result?

Look for. In `relight`, the orange DRAM power turns blue, into MACs. In `floorplan`, a tile that does not
compute is loading or unfilled, stalled on memory, throttled, or power-gated. Dark tiles are those without
power: throttled and power-gated. In `blame`, one limit is removed at a time. In `watts`, compression does
nothing for some networks.

Answer. With the energy of HBM2 (3.9 pJ per bit) the dense fully-connected layers of AlexNet at batch 64 are
memory-bound: they reach 34% of the peak MAC rate at 154 W, of which DRAM takes 32 W, and no tile is dark.
Compressed, they reach 84% of the peak and the cap: 2.5x the inferences per second and 1.5x per joule. INT8
without compression reaches 98% of the peak at 91 W: 2.9x per second and 4.9x per joule. At batch 1
compression gives 5.8x per second and 8.5x per joule, INT8 4.1x and 4.4x.
All other figures are those of the chip's own DRAM. It is a hypothetical part as wide as HBM whose bits cost
as much as those of DDR3, 20 pJ. For the fully-connected layers of AlexNet at batch 64, DRAM takes 141 of
250 W from the dense network, which leaves 29% of the peak MAC rate. It is 41 W and 68% when pruned, 7 W and
82% when shared, 5 W and 82% with Huffman coding: 2.8x the inferences per second and per joule. INT8 without
compression reaches 98% of the peak, at 173 W, and 4.8x per joule. The cap is the limit of the dense network
there: infinite bandwidth gains it nothing. Without the cap it gains 1.15x, and is then memory-bound.
At batch 1 bandwidth is the limit: the tiles stall 83% of the time and none is dark. Compression gives 5.8x
the inferences per second and 26x per joule. Then loading weights into the arrays is the limit: tiles load
97% of the time and compute 3%. It gains little where weights are reused anyway: 1.15x at batch 1,024, 1.04x
for VGG-16 at batch 64, and 1.13x for a Llama layer at batch 64, where keys and values are most of the
traffic. The whole of AlexNet at batch 1,024 is 1% faster compressed than dense. Huffman coding adds at most
1% of speed to sharing. It costs a Llama layer 43% at batch 1, where the decoder is the bottleneck. DVFS is
1.2x as fast as power-gating for both. `hand_model.csv` compares with a model on paper, line by line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.figures import blame, floorplan, style
from experiments.figures import relight as figures
from experiments.runs.parallel import in_order
from experiments.runs.scenes import AS_IT_IS, LABELS, SCENES, VARIANTS, chip_of
from experiments.studies import hand_model
from hwsim.analysis.roofline import layer_roofs
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.arrays.base import Tiled
from hwsim.run import simulate
from hwsim.units import engineering
from hwsim.workload.networks import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run
    from experiments.runs.scenes import Scene
    from hwsim.analysis.tiles import SteadyRun

SHOWN, BATCH = "alexnet_fc", 64
"""Network and batch of the headline."""
LAYERS_AT = (1, 64)
STRATEGIES = ("dimming", "gating", "DVFS")
"""Ways to keep the cap; all but the first only where the chip is varied too."""
S_PER_H = 3600
KEYS = ("network", "stage", "batch")


def produce(run: Run) -> None:
    """Simulate everything and write tables and figures."""
    runs, watts, layers = all_tables()
    run.write_csv("runs.csv", runs)
    run.write_csv("watts.csv", watts)
    run.write_csv("layers.csv", layers)
    run.write_csv("hand_model.csv", hand_model.compared(runs))

    cap_W = chip_of().power.cap_W
    dimming = runs[runs["strategy"] == "dimming"]
    base = dimming[dimming["variant"] == AS_IT_IS]
    shown = watts[(watts["network"] == SHOWN) & (watts["batch"] == BATCH)]
    style.save(figures.headline(base, shown, LABELS, cap_W), run.folder / "relight")
    some = watts[watts["batch"].isin((1, 64, 1024))]
    style.save(figures.stacks(base, some, LABELS, cap_W), run.folder / "watts")
    varied = dimming[(dimming["network"] == SHOWN) & dimming["batch"].isin(LAYERS_AT)]
    style.save(blame.draw(varied, LABELS[SHOWN]), run.folder / "blame")
    style.save(floorplans(runs), run.folder / "floorplan")


def batches(strategy: str) -> list[int]:
    """Batch sizes that are simulated with one of `STRATEGIES`."""
    usual = strategy == STRATEGIES[0]
    return sorted(
        {batch for scene in SCENES.values() for batch in (scene.batches if usual else scene.varied_at)}
    )


class Tables(NamedTuple):
    """Rows of the three tables."""

    runs: list[dict[str, Any]]
    watts: list[dict[str, Any]]
    layers: list[dict[str, Any]]


def all_tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Simulate all networks at all stages, on all cores: tables of runs, watts and layers."""
    jobs = [(scene, stage) for scene in SCENES.values() for stage in scene.stages]
    parts = in_order(evaluate, jobs)
    runs, watts, layers = ([row for part in parts for row in part[index]] for index in range(3))
    return pd.DataFrame(runs), pd.DataFrame(watts), pd.DataFrame(layers)


def evaluate(scene: Scene, stage: str) -> Tables:
    """Simulate one network at one stage: all batches, strategies and variants of the chip."""
    tables = Tables([], [], [])
    workload = scene.workload(stage)
    for batch in scene.batches:
        key = dict(zip(KEYS, (scene.name, stage, batch), strict=True))
        varied = batch in scene.varied_at
        for variant in VARIANTS if varied else [AS_IT_IS]:
            report = simulate(chip_of(variant), workload, batch)
            found = dimmed(report)
            tables.runs.append(key | {"variant": variant} | _run(found))
            if variant == AS_IT_IS:
                others = [strategy(report) for strategy in (gated, voltage_scaled) if varied]
                tables.runs.extend(key | {"variant": variant} | _run(other) for other in others)
                tables.watts.extend(key | row for row in _watts(found))
                if batch in LAYERS_AT:
                    tables.layers.extend(key | row for row in layer_roofs(report) if row["kind"] != "vector")
    return tables


def _run(found: SteadyRun) -> dict[str, Any]:
    report = found.report
    return {
        "strategy": found.strategy,
        "inferences_per_s": found.inferences_per_s,
        "inferences_per_J": 1 / found.energy_per_inference_J,
        "inferences_per_Wh": S_PER_H / found.energy_per_inference_J,
        "power_W": sum(found.watts.values()),
        "dram_W": found.watts["dram"],
        "headroom_W": found.headroom_W,
        "peak_share": found.peak_share,
        **{f"{state}_share": share for state, share in found.states._asdict().items()},
        "limiter": report.limiter,
        "weights_home": report.weights_home,
        "sram_weights_share": report.schedule.residency.pinned_B / report.chip.sram.capacity_B,
        "stage_source": "assumed" if report.workload.provenance.startswith("assumed") else "published",
    }


def _watts(found: SteadyRun) -> Iterator[dict[str, Any]]:
    for component, watts in (found.watts | {"headroom": found.headroom_W}).items():
        yield {"component": component, "power_W": watts}


def floorplans(runs: pd.DataFrame) -> Any:
    """Draw the tiles of the headline's network: at batch 1, and under the cap gated and dimmed."""
    rows = {
        f"{LABELS[SHOWN]}, batch 1: the cap does not bind": _plans(runs, 1, "gating"),
        f"{LABELS[SHOWN]}, batch {BATCH}: tiles gated by the cap": _plans(runs, BATCH, "gating"),
        f"{LABELS[SHOWN]}, batch {BATCH}: all tiles throttled by DVFS (low confidence)": _plans(
            runs, BATCH, "DVFS"
        ),
    }
    return floorplan.draw(rows, STAGES, chip_of().array_with(Tiled).tiles)


def _plans(runs: pd.DataFrame, batch: int, strategy: str) -> list[floorplan.Floorplan]:
    look_up = hand_model.Runs(runs)
    plans = []
    for stage in STAGES:
        found = {
            name: look_up(name, stage, batch, network=SHOWN, strategy=strategy)
            for name in runs.select_dtypes("number").columns
            if name != "batch"
        }
        plans.append(
            floorplan.Floorplan(
                {state: found[f"{state}_share"] for state in style.TILES},
                found["sram_weights_share"],
                found["dram_W"],
                chip_of().power.cap_W,
                engineering(found["inferences_per_s"], "/s"),
            )
        )
    return plans
