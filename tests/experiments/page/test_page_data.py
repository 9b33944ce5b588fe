"""The page's numbers are the simulator's: every point of the grid is a run, every lesson adds up."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import shlex
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from page_support import SMALL, small_settings

from experiments.cli import main as cli
from experiments.page import lessons, pruning
from experiments.page.grid import Grid, stage_grid, values_of
from experiments.page.pack import NO_ROW, packed, script
from experiments.page.settings import AXES, FORMS, NETWORKS, Token
from hwsim.analysis.strategies import as_run
from hwsim.errors import InputError
from hwsim.run import simulate
from hwsim.tile_states import TileStates

CHECKED = 25
"""Points of each grid that are simulated again."""


pytestmark = pytest.mark.xdist_group("page data")  # one process simulates the points for all


@pytest.fixture(scope="module")
def grids() -> dict[str, Grid]:
    found = {}
    with small_settings():
        for name, network in SMALL.items():
            grid = Grid()
            for stage in network.scene.stages:
                grid.extend(stage_grid(network, stage))
            found[name] = grid
    return found


def points(name):
    """Every point of a network, in the order of its grid."""
    axes = SMALL[name].axes()
    return [
        dict(zip(AXES, chosen, strict=True)) for chosen in itertools.product(*(axes[axis] for axis in AXES))
    ]


@pytest.mark.parametrize("name", SMALL)
def test_points_are_runs_of_the_simulator(grids, name):
    every = points(name)
    grid, network = grids[name], SMALL[name]
    assert len(grid.index) == len(every)
    assert sorted(set(grid.index)) == list(range(-len(grid.refused), len(grid.rows)))
    for at in random.Random(1).sample(range(len(every)), CHECKED):
        point = every[at]
        chip = network.machine.chip.replace(**network.changes(point))
        run = partial(simulate, chip, network.scene.workload(point["stage"].label), int(point["batch"].label))
        if grid.index[at] < 0:
            with pytest.raises(InputError, match=re.escape(grid.refused[-grid.index[at] - 1])):
                run()
        else:
            assert grid.rows[grid.index[at]] == values_of(run())


def test_points_share_a_run_only_where_nothing_differs(grids):
    """Caps that slow nothing change nothing; a memory in which the same things fit leaks."""
    grid, every = grids["alexnet_fc"], points("alexnet_fc")
    assert len(grid.rows) + len(grid.refused) < len(every)
    place = {
        (point["stage"].label, point["sram"].label, point["cap"].label): grid.index[at]
        for at, point in enumerate(every)
        if (point["batch"].label, point["dram"].label, point["node"].label) == ("1", "DDR3-class", "45 nm")
    }
    assert place["huffman", "10 MiB", "250 W"] != place["huffman", "320 MiB", "250 W"]
    assert "power.cap_W is 100 W" in grid.refused[-place["huffman", "320 MiB", "100 W"] - 1]
    assert place["dense", "10 MiB", "250 W"] != place["dense", "320 MiB", "250 W"]
    assert place["dense", "10 MiB", "100 W"] != place["dense", "10 MiB", "250 W"]


def test_figures_add_up():
    network = SMALL["alexnet_fc"]
    report = simulate(network.machine.chip, network.scene.workload("dense"), 64)
    row = values_of(report)
    joules = sum(value for name, value in row.items() if "|" in name)
    assert joules == pytest.approx(report.energy_per_inference_J, rel=1e-12)
    assert joules * row["inferences_per_s"] == pytest.approx(sum(as_run(report).watts.values()), rel=1e-12)
    assert sum(row[state] for state in TileStates._fields) == pytest.approx(1)


def test_a_point_that_cannot_run_says_why():
    network = SMALL["lenet300"]
    starving = replace(network, machine=replace(network.machine, caps_W=(0.01, 0.5)))
    grid = stage_grid(starving, "dense")
    assert grid.refused
    assert all("power.cap_W is 0.01 W, expected at least" in reason for reason in grid.refused)
    assert [at < 0 for at in grid.index[:4]] == [True, False, True, False]  # caps change fastest
    assert sorted(at for at in grid.index if at < 0) == list(range(-len(grid.refused), 0))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_command_of_a_point_gives_its_joules(name, capsys):
    network = NETWORKS[name]
    if isinstance(network.scene, Token):  # half the layers, whose plan takes a fraction of the time
        network = replace(network, scene=replace(network.scene, network="llama-3.2-1b"))
    axes = network.axes()
    choose = random.Random(name)
    point = {axis: choose.choice(choices) for axis, choices in axes.items()} | {"batch": axes["batch"][0]}
    words = network.command(point)
    assert cli.run(cli.HWSIM, [*words[1:], "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    chip = network.machine.chip.replace(**network.changes(point))
    row = values_of(simulate(chip, network.scene.workload(point["stage"].label)))
    assert told["energy_J"] == pytest.approx(
        sum(value for key, value in row.items() if "|" in key), rel=1e-12
    )
    assert told["inferences_per_s"] == row["inferences_per_s"]
    assert shlex.split(shlex.join(words)) == words


@pytest.mark.parametrize("name", NETWORKS)
def test_controls_start_at_the_chip_as_it_is_shipped(name):
    network = NETWORKS[name]
    axes, start = network.axes(), network.start()
    assert network.changes({axis: axes[axis][start[axis]] for axis in AXES}) == {}


def test_columns_read_back():
    grid = Grid(
        [0, -1, 1],
        [{"x": 0.1, "z": 0, "limiter": "power"}, {"x": -2.5, "y": 3, "z": 0.0, "limiter": "compute"}],
        ["too low"],
    )
    found = packed(grid)

    def column(text, kind):
        return np.frombuffer(base64.b64decode(text), kind).tolist()

    assert column(found["index"], "<u2") == [0, NO_ROW, 1]
    assert column(found["numbers"]["x"], "<f4") == [np.float32(0.1), -2.5]
    assert column(found["numbers"]["y"], "<f4") == [0, 3]
    assert found["numbers"].keys() == {"x", "y"}  # a column of zeros is left out
    limiter = found["texts"]["limiter"]
    assert [limiter["values"][code] for code in column(limiter["codes"], "u1")] == ["power", "compute"]
    assert found["refused"] == ["too low"]


def test_scripts_say_what_they_hand_over():
    assert script("grids", "a", {"b": [1.5, "µ"]}) == 'hwsim.grids["a"] = {"b":[1.5,"µ"]};\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        script("grids", "a", float("nan"))


def test_lesson_1_a_dram_word_is_even_with_arithmetic_after_139_uses():
    found = lessons.dram()
    assert found["word_pJ"]["DDR3"] == 640
    assert 638 < 139 * found["mac_pJ"] < 640 < 140 * found["mac_pJ"]
    assert {rung["label"] for rung in found["rungs"]} == set(lessons.RUNGS)


def test_lesson_2_keeps_what_it_says_it_keeps():
    with small_settings():
        found = pruning.pruning()
    for run in found["runs"]:
        size = 300 * 784
        zeros = {step: seen["zeros"] for step, seen in run["steps"].items()}
        assert zeros["dense"] < 10
        assert zeros["pruned"] == zeros["retrained"] == pytest.approx((1 - run["density"]) * size, abs=10)
        assert zeros["dense again"] < 0.5 * size
    whole, half, tenth = found["runs"]
    assert whole["stored_bytes"] == 4 * found["weights"] > half["stored_bytes"] > tenth["stored_bytes"]
    assert tenth["stored_bytes"] > found["weights"] * 0.1 * 37 / 8
    assert half["steps"]["dense"] == whole["steps"]["dense"]


def test_lesson_3_by_hand():
    found = lessons.sharing()
    two = found["shared"][1]
    assert two["stored_bits"] == 16 * 2 + 4 * 32
    weights, labels = np.array(found["weights"]), np.array(two["labels"])
    for label, shared in enumerate(two["codebook"]):
        assert shared == pytest.approx(weights[labels == label].mean(), abs=1e-4)
        total = np.array(found["gradient"])[labels == label].sum()
        assert two["tuned"][label] == pytest.approx(shared - total, abs=2e-4)


def test_lesson_3_the_matrix_is_the_convolution():
    found = lessons.sharing()
    kernel, image = np.array(found["kernel"], float), np.random.default_rng(0).random((6, 6))
    matrix = np.array(found["convolution"], float)
    matrix[matrix < 0] = 0
    by_hand = [(kernel * image[r : r + 3, c : c + 3]).sum() for r in range(4) for c in range(4)]
    np.testing.assert_allclose(matrix @ image.ravel(), by_hand)


def test_lesson_4_codes_are_prefix_codes_between_entropy_and_one_bit_more():
    for code in lessons.huffman_codes():
        assert sum(2.0**-length for length in code["lengths"]) == 1
        assert code["entropy_bits"] <= code["mean_bits"] < code["entropy_bits"] + 1
    assert lessons.huffman_codes()[0]["mean_bits"] == 4


def test_lesson_4_more_decoders_never_slow_a_layer_down():
    for stage in ("shared", "huffman"):
        rates = [row["inferences_per_s"] for row in lessons.decoder() if row["stage"] == stage]
        assert rates == sorted(rates)


def test_lesson_6_keeps_every_cap_and_gives_more_for_more(monkeypatch):
    monkeypatch.setattr(lessons, "CAPS_W", (100, 250))
    monkeypatch.setattr(lessons, "CAPPED_BATCHES", (64,))
    rows = lessons.capping()
    assert len(rows) == 5 * 2 * 3
    for low, high in zip(rows, rows[3:], strict=False):
        assert sum(high["watts"].values()) <= high["cap_W"]
        if low["stage"] == high["stage"]:
            assert high["shares"]["computing"] >= low["shares"]["computing"]


def test_lesson_7_says_when_the_cap_binds(monkeypatch):
    monkeypatch.setattr(lessons, "FORMS", {name: FORMS[name] for name in ("bf16", "int4-g128")})
    monkeypatch.setattr(lessons, "TOKEN", replace(lessons.TOKEN, network="llama-3.2-1b"))
    found = lessons.token()
    rows = {(row["pass"], row["form"]): row for row in found["rows"]}
    assert all(sum(row["watts"].values()) <= found["cap_W"] * (1 + 1e-6) for row in rows.values())
    assert rows["writing, batch 1", "bf16"]["clock"] > rows["reading a prompt", "bf16"]["clock"]
    for label in lessons.PASSES:
        assert rows[label, "INT4"]["energy_J"] < rows[label, "bf16"]["energy_J"]


def test_lessons_are_named(capsys):
    assert json.loads(lessons.main(["huffman"])) == lessons.huffman_codes()
    with pytest.raises(Exception, match="lesson 'x': expected one of dram, pruning"):
        lessons.main(["x"])
