"""The main job on a small part of the data: one path from images to joules."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from compress.format.container import read
from compress.lowering import container_bits, workload_of
from compress.nn.datasets import Split, load_dataset
from compress.pipeline.recipe import load_recipe
from compress.pipeline.run import compress
from experiments.runs.record import recording
from experiments.studies.demo import STAGES, run_demo, shortened
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share


@pytest.fixture(scope="module")
def small():
    """The demo's recipe with one epoch a step, and 2,000 images to train and 1,000 to test on."""
    data = load_dataset("mnist")
    train, test = (Split(part.x[:n], part.y[:n]) for part, n in ((data.train, 2000), (data.test, 1000)))
    return shortened(load_recipe("lenet300-demo"), 1000), replace(data, train=train, test=test)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    target = tmp_path_factory.mktemp("demo") / "run"
    with recording("demo", target, seed=3) as run:
        run_demo(run, *small, seed=3)
    return target


def test_the_run_folder_holds_what_the_readme_promises(folder):
    names = {path.name for path in folder.iterdir()}
    promised = {"stages.csv", "energy.csv", "energy.png", "energy.svg", "manifest.json", "trace.json"}
    assert promised | {f"{stage}.dcz" for stage in STAGES} <= names
    assert json.loads((folder / "manifest.json").read_text())["seed"] == 3


def test_every_stage_is_smaller_and_its_energy_is_the_sum_of_its_parts(folder):
    stages = pd.read_csv(folder / "stages.csv")
    executed = stages[stages["test_error_pct"].notna()]
    assert list(executed["stage"]) == list(STAGES)
    assert executed["file_bytes"].is_monotonic_decreasing
    for _, row in executed.iterrows():
        assert row["file_bytes"] == (folder / f"{row['stage']}.dcz").stat().st_size
    parts = stages.filter(like="energy_J_").sum(axis=1)
    np.testing.assert_allclose(parts, stages["energy_J"], rtol=1e-9)


def test_the_file_is_the_network_that_was_compressed(small, folder):
    recipe, data = small
    for artifact in compress(recipe, data, seed=3):
        stored, _ = read(folder / f"{artifact.stage}.dcz")
        logits = stored.to_network().forward(data.test.x[:100])
        assert np.array_equal(logits, artifact.to_network().forward(data.test.x[:100]))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("batch", [1, 4])
def test_requested_bits_are_stored_bits_times_fetches(folder, stage, batch):
    path = folder / f"{stage}.dcz"
    artifact, layout = read(path)
    workload = workload_of(artifact, layout=layout)
    assert workload.weight_bits + container_bits(layout) == 8 * path.stat().st_size

    nothing_fits = load_chip("edge").replace(**{"sram.capacity_B": 4096 + 4 * 1084 * batch})
    report = simulate(nothing_fits, workload, batch)
    residency = report.schedule.residency
    assert report.weights_home != "on chip"
    stored = sum(
        (layer.weights.total_bits - residency.pinned_bits[i]) * residency.dram_fetches(i)
        for i, layer in enumerate(workload.layers)
        if layer.weights
    )
    assert report.requested_weight_bits == stored
