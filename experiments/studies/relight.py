"""Relight: what compression gives back to a chip under a 250 W cap.

Question. A chip has more MACs than its power cap can feed. It runs networks dense, pruned, shared,
Huffman-coded and in INT8, at batch sizes from 1 to 1,024. Where does the power go, how many tiles does
it keep active, and how many inferences per second, joule and watt-hour of battery result?

Look for. In `relight`, the orange DRAM power turns blue, into MACs. In `floorplan`, a tile that does not
compute is loading or unfilled, stalled on memory, throttled, or power-gated. Dark tiles are those without
power: throttled and power-gated. In `blame`, one limit is removed at a time. In `watts`, compression does
nothing for some networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.figures import blame, floorplan, style
from experiments.figures import relight as figures
from experiments.runs import labels
from experiments.runs.parallel import in_order
from experiments.runs.phrases import listed, percent, span, times, watts
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

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.scenes import Scene
    from experiments.runs.tables import Tables
    from hwsim.analysis.tiles import SteadyRun

SHOWN, BATCH = "alexnet_fc", 64
"""Network and batch of the headline."""
LAYERS_AT = (1, 64)
STRATEGIES = ("dimming", "gating", "DVFS")
"""Ways to keep the cap; all but the first only where the chip is varied too."""
S_PER_H = 3600
KEYS = ("network", "stage", "batch")


def produce(run: Run) -> None:
    """Simulate everything and write tables."""
    runs, by_component, layers = all_tables()
    run.write_csv("runs.csv", runs)
    run.write_csv("watts.csv", by_component)
    run.write_csv("layers.csv", layers)
    run.write_csv("hand_model.csv", hand_model.compared(runs))


def batches(strategy: str) -> list[int]:
    """Batch sizes that are simulated with one of `STRATEGIES`."""
    usual = strategy == STRATEGIES[0]
    return sorted(
        {batch for scene in SCENES.values() for batch in (scene.batches if usual else scene.varied_at)}
    )


class Rows(NamedTuple):
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


def evaluate(scene: Scene, stage: str) -> Rows:
    """Simulate one network at one stage: all batches, strategies and variants of the chip."""
    tables = Rows([], [], [])
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
    for component, power_W in (found.watts | {"headroom": found.headroom_W}).items():
        yield {"component": component, "power_W": power_W}


def floorplans(runs: pd.DataFrame) -> Any:
    """Draw the tiles of the headline's network: at batch 1, and under the cap gated and dimmed."""
    rows = {
        "batch 1: the cap does not bind": _plans(runs, 1, "gating"),
        f"batch {BATCH}: tiles power-gated by the cap": _plans(runs, BATCH, "gating"),
        f"batch {BATCH}: all tiles throttled by DVFS (estimate)": _plans(runs, BATCH, "DVFS"),
    }
    look_up = hand_model.Runs(runs)
    dark, left = (
        look_up("power_gated_share", stage, BATCH, network=SHOWN, strategy="gating")
        for stage in ("dense", "huffman")
    )
    stalled = look_up("stalled_share", "dense", 1, network=SHOWN, strategy="gating")
    title = (
        f"{LABELS[SHOWN]}: dense weights stall {percent(stalled)} of the tiles at batch 1; at batch {BATCH} "
        f"the cap gates {percent(dark)} of them, {percent(left)} once compressed"
    )
    return floorplan.draw(title, rows, STAGES, chip_of().array_with(Tiled).tiles)


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


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    runs, stacks, cap_W = tables["runs"], tables["watts"], chip_of().power.cap_W
    dimming = runs[runs["strategy"] == "dimming"]
    base = dimming[dimming["variant"] == AS_IT_IS]
    shown = stacks[(stacks["network"] == SHOWN) & (stacks["batch"] == BATCH)]
    some = stacks[stacks["batch"].isin((1, 64, 1024))]
    varied = dimming[(dimming["network"] == SHOWN) & dimming["batch"].isin(LAYERS_AT)]
    return {
        "relight": figures.headline(base, shown, LABELS, cap_W),
        "watts": figures.stacks(base, some, LABELS, cap_W),
        "blame": blame.draw(varied, LABELS[SHOWN]),
        "floorplan": floorplans(runs),
    }


LITTLE = 1.2
"""A gain in speed up to here counts as little."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what compression gives at batch 64 and at batch 1, and where it gives little."""
    runs = tables["runs"]
    base = runs[(runs["strategy"] == "dimming") & (runs["variant"] == AS_IT_IS)]
    base = base.set_index(["network", "batch", "stage"]).sort_index()
    many, one = base.loc[(SHOWN, BATCH)], base.loc[(SHOWN, 1)]
    dense, coded, int8 = many.loc["dense"], many.loc["huffman"], many.loc["int8"]
    rates = base["inferences_per_s"].unstack("stage")
    little = (rates["huffman"] / rates["dense"]).dropna()
    little = little[little < LITTLE]
    weak = [f"{labels.network(network)} at batch {batch:,}" for network, batch in little.nsmallest(3).index]
    return (
        f"At batch {BATCH} DRAM takes {watts(dense['dram_W'])} of {watts(dense['power_W'])} for dense "
        f"fully-connected layers of AlexNet, and {watts(coded['dram_W'])} for Huffman-coded ones. That gives "
        f"{times(coded['inferences_per_s'] / dense['inferences_per_s'])} as many inferences per second.",
        f"At batch 1 the tiles stall {percent(one.loc['dense', 'stalled_share'])} of the time. Compression "
        f"gives {times(one.loc['huffman', 'inferences_per_s'] / one.loc['dense', 'inferences_per_s'])} the "
        "inferences per second and "
        f"{times(one.loc['huffman', 'inferences_per_J'] / one.loc['dense', 'inferences_per_J'])} as many "
        "per joule.",
        f"Dense INT8 gives {times(int8['inferences_per_J'] / dense['inferences_per_J'])} as many inferences "
        f"per joule at batch {BATCH}. Huffman coding gains least for {listed(weak)}: "
        f"{span(little.nsmallest(3), times)}.",
    )
