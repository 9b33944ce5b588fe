"""Sweeps: the points of each method, tables that do not depend on who ran them, kills, failures."""

import ast
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from importlib import resources
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT

from compress.format.container import Artifact
from compress.nn.lenets import build
from experiments.cli import main as cli
from experiments.runs import parallel
from experiments.runs.assumed_stages import USUAL, Assumed, assumed_stage
from experiments.runs.parallel import in_order
from experiments.runs.record import sha256
from experiments.sweep import run as sweep_run
from experiments.sweep.file import load_sweep, sweep_names
from experiments.sweep.points import PACKAGES
from experiments.sweep.run import run_sweep
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network


def results_of_processes(function, calls, workers):
    return list(parallel.results("processes", function, calls, workers, ""))


GRID = """
name = "small"
method = "grid"
[axes]
chip = ["edge"]
network = ["lenet300", "lenet5"]
stage = ["dense", "huffman"]
batch = [1, 8]
sram.capacity_B = [262144, 1048576]
"power.cap_W" = { low = 1.0, high = 4.0, count = 3, scale = "log" }
"""
DRAWN = """
name = "drawn"
method = "METHOD"
points = 40
[axes]
chip = ["edge"]
network = ["lenet5"]
batch = { low = 1, high = 40 }
"power.cap_W" = { low = 1.0, high = 4.0 }
"""
FAILING = """
name = "failing"
method = "grid"
[axes]
chip = ["edge"]
network = ["lenet5"]
stage = ["dense", "nonsense"]
"power.cap_W" = [2.0, -1.0]
"""

LEFT_OUT = """
name = "left-out"
method = "grid"
[axes]
chip = ["phone"]
network = ["lenet5"]
stage = ["int8"]
array.gate_zeros = [true, false]
"""


@pytest.fixture
def plan(tmp_path):
    def load(text):
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return load_sweep(path)

    return load


def tables(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_grid_is_the_product_of_its_axes(plan):
    points = plan(GRID).samples()
    assert len(set(points)) == len(points) == 2 * 2 * 2 * 2 * 3
    assert sorted({dict(point.changes)["power.cap_W"] for point in points}) == pytest.approx([1, 2, 4])


def test_a_latin_hypercube_has_one_sample_in_each_slice(plan):
    points = plan(DRAWN.replace("METHOD", "latin-hypercube")).samples()
    slices = sorted(int((dict(point.changes)["power.cap_W"] - 1) / 3 * 40) for point in points)
    assert slices == list(range(40))


@pytest.mark.parametrize("method", ["random", "latin-hypercube"])
def test_samples_depend_on_the_seed_alone(plan, method):
    text = DRAWN.replace("METHOD", method)
    points = plan(text).samples()
    assert points == plan(text).samples()
    assert points != plan(f"seed = 1\n{text}").samples()
    assert all(type(point.batch) is int and 1 <= point.batch <= 40 for point in points)


def test_rows_are_the_simulators(plan, tmp_path):
    swept = run_sweep(plan(GRID), output=tmp_path / "out")
    row = swept.table.iloc[-1]
    chip = load_chip("edge").replace(
        **{"sram.capacity_B": int(row["sram.capacity_B"]), "power.cap_W": row["power.cap_W"]}
    )
    report = simulate(chip, load_network(row["network"], row["stage"]), int(row["batch"]))
    assert row["energy_J"] == report.energy_per_inference_J
    assert row["inferences_per_s"] == report.inferences_per_s


COMPRESSED = """
name = "compressed"
method = "grid"
[axes]
chip = ["edge"]
network = ["lenet5"]
stage = ["shared"]
compression = { density = [0.1, 0.5], value_bits = [2, 4] }
"""


def test_density_and_widths_are_the_simulators(plan, tmp_path):
    swept = run_sweep(plan(COMPRESSED), output=tmp_path / "out")
    assert list(swept.table.columns[4:6]) == ["compression.density", "compression.value_bits"]
    for _, row in swept.table.iterrows():
        assumed = Assumed(row["compression.density"], row["compression.value_bits"], USUAL.gap_bits, "test")
        workload = assumed_stage("lenet5", "shared", assumed)
        assert row["weight_bytes"] == workload.weight_bits / 8
        assert row["energy_J"] == simulate(load_chip("edge"), workload).energy_per_inference_J
    assert swept.table["weight_bytes"].is_unique


def test_what_has_no_density_fails_with_the_reason(plan, tmp_path):
    text = COMPRESSED.replace('"shared"', '"shared", "dense"').replace("0.5", "1.5")
    swept = run_sweep(plan(text), output=tmp_path / "out")
    assert len(swept.table) == 2
    assert set(swept.failed["stage"]) == {"shared", "dense"}
    assert swept.failed["reason"].str.contains("compression.density is 1.5|no density").all()


GOVERNED = """
name = "governed"
method = "grid"
[axes]
chip = ["reference_250w"]
network = ["alexnet"]
stage = ["shared"]
batch = [8]
governor = ["dimming", "gating", "DVFS"]
power.cap_W = [80.0, 250.0]
"""


def test_governors_are_the_simulators(plan, tmp_path):
    swept = run_sweep(plan(GOVERNED), output=tmp_path / "out")
    rows = swept.table.set_index(["governor", "power.cap_W"])
    for cap_W in (80.0, 250.0):
        chip = load_chip("reference_250w").replace(**{"power.cap_W": cap_W})
        report = simulate(chip, load_network("alexnet", "shared"), 8)
        for name, strategy in (("dimming", dimmed), ("gating", gated), ("DVFS", voltage_scaled)):
            found = strategy(report)
            row = rows.loc[(name, cap_W)]
            assert row["energy_J"] == pytest.approx(found.energy_per_inference_J, rel=1e-12)
            assert row["power_gated_share"] == found.states.power_gated
        assert rows.loc[("DVFS", cap_W), "inferences_per_s"] == report.inferences_per_s
        assert rows.loc[("DVFS", cap_W), "energy_J"] <= rows.loc[("dimming", cap_W), "energy_J"]


def test_governors_that_look_at_windows(plan, tmp_path):
    """A cap far off changes nothing; a low one is kept in every window, and costs time."""
    names = '"race-to-idle", "windowed-clock", "windowed-gating", "uncapped"'
    text = GOVERNED.replace('"dimming", "gating", "DVFS"', names)
    text = text.replace('"reference_250w"', '"edge"').replace('"alexnet"', '"lenet5"')
    text = text.replace("[80.0, 250.0]", "[0.2, 99.0]") + "power.window_us = [20.0, 200.0]\n"
    rows = run_sweep(plan(text), output=tmp_path / "out").table
    capped, heedless = rows[rows["governor"] != "uncapped"], rows[rows["governor"] == "uncapped"]
    (free, slow), (_, all_alike) = (
        (found[found["power.cap_W"] == 99.0], found[found["power.cap_W"] == 0.2])
        for found in (capped, heedless)
    )
    report = simulate(load_chip("edge"), load_network("lenet5", "shared"), 8)
    assert free["inferences_per_s"].to_numpy() == pytest.approx(report.inferences_per_s, rel=0.02)
    assert free["energy_J"].to_numpy() == pytest.approx(report.energy_per_inference_J, rel=0.02)
    assert (slow["peak_window_W"] <= 0.2 * 1.01).all()
    assert (slow["power_W"] <= 0.2 * 1.001).all()  # batches do not end with windows
    assert (slow["inferences_per_s"].to_numpy() < free["inferences_per_s"].to_numpy()).all()
    beyond = (rows["peak_window_W"] - rows["power.cap_W"]).clip(lower=0)
    assert rows["overshoot_W"].to_numpy() == pytest.approx(beyond.to_numpy())
    assert all_alike["inferences_per_s"].to_numpy() == pytest.approx(report.inferences_per_s, rel=0.02)
    assert (all_alike["overshoot_W"] > 0).all()


def test_a_compressed_file_can_be_swept(plan, tmp_path):
    network = build("lenet300", np.random.default_rng(0))
    path = tmp_path / "small.dcz"
    Artifact.of(network, "dense").save(path)
    text = GRID.replace('"lenet300", "lenet5"', f'"{path}"').replace('stage = ["dense", "huffman"]', "")
    swept = run_sweep(plan(text), output=tmp_path / "out")
    assert len(swept.table) == 12
    assert (swept.table["network"] == str(path)).all()


def test_one_or_two_workers_give_the_same_bytes(plan, tmp_path):
    run_sweep(plan(GRID), output=tmp_path / "one", backend="serial")
    run_sweep(plan(GRID), output=tmp_path / "two", workers=2)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_a_sweep_that_has_every_row_does_nothing_with_two_workers_either(plan, tmp_path):
    first = run_sweep(plan(GRID), output=tmp_path / "swept", workers=1)
    again = run_sweep(plan(GRID), output=tmp_path / "swept", workers=2)
    assert again.reused == len(first.table)
    assert again.table.equals(first.table)


def test_files_of_one_name_in_two_folders_are_two_inputs(plan, tmp_path, monkeypatch):
    """Workers outlive the sweep that started them: they keep its current folder, and what they read there."""
    text = GRID.replace('"lenet300", "lenet5"', '"small.dcz"').replace('stage = ["dense", "huffman"]', "")
    text = text.replace('"edge"', '"edge.toml"')
    shipped = (resources.files("hwsim") / "data" / "chips" / "edge.toml").read_text(encoding="utf-8")
    networks, chips, energies = ["lenet300", "lenet300", "lenet5"], [1, 2, 2], []
    for number, (network, factor) in enumerate(zip(networks, chips, strict=True)):
        folder = tmp_path / str(max(number, 1))  # the last two in the same folder
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        priced = shipped.replace("energy_pJ_per_bit = 20.0", f"energy_pJ_per_bit = {20.0 * factor}")
        assert (priced == shipped) == (factor == 1)
        (folder / "edge.toml").write_text(priced, encoding="utf-8")
        Artifact.of(build(network, np.random.default_rng(0)), "dense").save(folder / "small.dcz")
        swept = run_sweep(plan(text), output=tmp_path / f"out{number}", workers=2)
        assert swept.failed.empty
        assert set(swept.table["network"]) == {"small.dcz"}
        run_sweep(plan(text), output=tmp_path / f"serial{number}", backend="serial")
        assert tables(tmp_path / f"serial{number}") == tables(tmp_path / f"out{number}")
        energies.append(swept.table["energy_J"].tolist())
    assert all(a != b for first, second in pairwise(energies) for a, b in zip(first, second, strict=True))


def _threads(_):
    return [os.environ[f"{library}_NUM_THREADS"] for library in ("OMP", "OPENBLAS", "MKL")]


@pytest.mark.parametrize("call", [results_of_processes, in_order])
def test_a_worker_has_one_blas_thread_whatever_the_environment_says(monkeypatch, call):
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "7")
    assert call(_threads, [(0,), (1,)], 2) == [["1", "1", "1"]] * 2


@pytest.mark.parametrize("after", [0, 1, 17, 41])
def test_an_interrupted_sweep_goes_on_and_does_nothing_twice(plan, tmp_path, monkeypatch, after):
    run_sweep(plan(GRID), output=tmp_path / "whole")
    ran = []
    run_batch = sweep_run.run_batch

    def counting(batch, digest, folder, seed):
        if len(ran) >= after and not resumed:
            raise KeyboardInterrupt
        ran.extend(key for key, _ in batch)
        return run_batch(batch, digest, folder, seed)

    monkeypatch.setattr(sweep_run, "run_batch", counting)
    resumed = False
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(GRID), output=tmp_path / "cut")
    resumed, before = True, len(ran)
    swept = run_sweep(plan(GRID), output=tmp_path / "cut")
    assert swept.reused == before >= after
    assert len(ran) == len(set(ran)) == 48
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


def workers_left():
    """Processes of sweeps whose coordinator was killed: their parent is now the first process."""
    listed = subprocess.run(["ps", "-eo", "ppid,args"], check=True, capture_output=True, text=True).stdout
    mine = [line for line in listed.splitlines() if sys.executable in line and "popen_loky_posix" in line]
    return [line for line in mine if line.split()[0] == "1"]


@pytest.mark.slow
def test_killed_at_random_moments_the_table_is_the_same(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(GRID.replace("count = 3", "count = 60").replace('"lenet300", ', ""), encoding="utf-8")

    def command(name):
        code = "from experiments.cli.main import hwsim; hwsim()"
        return [sys.executable, "-c", code, "sweep", str(path), "--workers", "2", "-o", str(tmp_path / name)]

    subprocess.run(command("whole"), check=True, capture_output=True)
    chance = random.Random(5)
    for _ in range(5):
        process = subprocess.Popen(command("cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        store = tmp_path / "cut.sqlite"
        while not store.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 6))
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(3)
    assert not workers_left()
    subprocess.run(command("cut"), check=True, capture_output=True)
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


def test_a_key_that_the_chip_file_leaves_out_can_be_swept(plan, tmp_path):
    swept = run_sweep(plan(LEFT_OUT), output=tmp_path / "out")
    assert len(swept.failed) == 0
    assert sorted(swept.table["array.gate_zeros"]) == [False, True]


def test_failed_points_are_reported_and_never_stored(plan, tmp_path, capsys):
    plan(FAILING)
    arguments = [
        "sweep",
        str(tmp_path / "sweep.toml"),
        "--workers",
        "1",
        "-o",
        str(tmp_path / "out"),
        "--json",
    ]
    for reused in (0, 1):
        assert cli.run(cli.HWSIM, arguments) == 1
        printed = capsys.readouterr()
        counts = json.loads(printed.out)
        assert (counts["points"], counts["reused"], counts["failed"]) == (1, reused, 3)
        assert "nonsense" in printed.err
    failed = pd.read_csv(tmp_path / "out" / "failed.csv")
    assert failed["reason"].str.contains("power.cap_W|nonsense").all()
    with sqlite3.connect(tmp_path / "out.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM finished").fetchone() == (1,)
    connection.close()


def test_the_manifest_has_the_digest_of_every_file_read(plan, tmp_path):
    chip = tmp_path / "mine.toml"
    chip.write_text((resources.files("hwsim") / "data" / "chips" / "edge.toml").read_text(encoding="utf-8"))
    chips = json.dumps(["edge", str(chip)])
    plan(f'name = "own"\nmethod = "grid"\n[axes]\nnetwork = ["lenet5"]\nchip = {chips}')
    file = tmp_path / "sweep.toml"
    assert cli.run(cli.HWSIM, ["sweep", str(file), "--backend", "serial", "-o", str(tmp_path / "out")]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"] == {str(path): sha256(path) for path in (chip, file)}


def test_the_command_ends_well_when_no_point_failed(plan, tmp_path, capsys):
    plan(GRID)
    arguments = ["sweep", str(tmp_path / "sweep.toml"), "--backend", "serial", "-o", str(tmp_path / "out")]
    assert cli.run(cli.HWSIM, arguments) == 0
    assert capsys.readouterr().out.startswith("48 points, 0 reused, 0 failed\n")
    assert pd.read_csv(tmp_path / "out" / "failed.csv").columns[-1] == "reason"


def test_a_programming_error_fails_its_point_with_its_kind(plan, tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("experiments.sweep.points.simulate", broken)
    swept = run_sweep(plan(GRID), output=tmp_path / "out")
    assert len(swept.failed) == 48
    assert set(swept.failed["reason"]) == {"ZeroDivisionError: nothing to divide by"}
    assert pd.read_csv(tmp_path / "out" / "table.csv").empty


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("name =", "nme ="), "unknown key"),
        (('"grid"', '"gird"'), "method"),
        (('method = "grid"', 'method = "grid"\npoints = 3'), "points"),
        (('"grid"', '"random"'), "points"),
        (('"grid"', '"random"\npoints = 3'), "count"),
        (("batch = [1, 8]", "batch = [0]"), "batch"),
        (("batch = [1, 8]", 'governor = ["gate"]'), "governor"),
        (("batch = [1, 8]", "compression.bits = [1]"), "compression.bits"),
        (("batch = [1, 8]", "batch = []"), "batch"),
        (("batch = [1, 8]", "batch = 8"), "a list"),
        (('chip = ["edge"]', ""), "axes.chip"),
        (('chip = ["edge"]', "chip = [1]"), "axes.chip"),
        (('chip = ["edge"]', 'chip = ["egde"]'), "egde"),
        (("sram.capacity_B", "sram.capacity"), "no chip of the sweep"),
        (("sram.capacity_B", "array.cost"), "no chip of the sweep"),
        (("sram.capacity_B", "sram"), "no chip of the sweep"),
        (("low = 1.0", "low = 5.0"), "low below high"),
        (("low = 1.0", "low = -1.0"), "logarithmic"),
        (("low = 1.0", "low = nan"), "power.cap_W"),
        (("count = 3", "count = 999999"), "at most"),
        (("count = 3", "cuont = 3"), "unknown key"),
        (('"small"', '"../small"'), "name"),
        (("[axes]", "[axes"), "TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(plan, change, said):
    assert change[0] in GRID
    with pytest.raises(InputError, match=said) as refused:
        plan(GRID.replace(*change))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", sweep_names())
def test_shipped_sweeps_are_valid(name):
    assert load_sweep(name).name == name
    assert load_sweep(name).samples()


def test_one_sweep_at_a_time_and_only_into_a_store(plan, tmp_path):
    store = tmp_path / "out.sqlite"
    with sqlite3.connect(store, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="another sweep"):
            run_sweep(plan(GRID), output=tmp_path / "out")
        connection.execute("COMMIT")
    connection.close()
    store.unlink()
    store.write_bytes(b"not a database, whatever its name says" * 40)
    with pytest.raises(InputError, match="not a database"):
        run_sweep(plan(GRID), output=tmp_path / "out")


def test_a_row_damaged_on_the_disk_is_simulated_anew(plan, tmp_path):
    whole = run_sweep(plan(GRID), output=tmp_path / "out")
    before = tables(tmp_path / "out")
    store = tmp_path / "out.sqlite"
    with sqlite3.connect(store) as connection:
        first, second, third, *_ = connection.execute("SELECT key, row FROM finished ORDER BY key").fetchall()
        another, changed = second[1], second[1].replace("1", "2")
        for row, (key, _) in zip((another, changed, b"\xff"), (first, second, third), strict=True):
            connection.execute("UPDATE finished SET row = ? WHERE key = ?", (row, key))
    connection.close()
    again = run_sweep(plan(GRID), output=tmp_path / "out")
    assert again.reused == len(whole.table) - 3
    assert tables(tmp_path / "out") == before


def test_dask_is_missed_in_one_sentence(plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"hwsim\[cluster\]"):
        run_sweep(plan(GRID), output=tmp_path / "out", backend="dask", scheduler="tcp://127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of distributed are not ours
def test_a_dask_cluster_gives_the_same_bytes(plan, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs hwsim[cluster]")
    run_sweep(plan(GRID), output=tmp_path / "here")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster:
        run_sweep(
            plan(GRID),
            output=tmp_path / "there",
            backend="dask",
            workers=2,
            scheduler=cluster.scheduler_address,
        )
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


def test_the_key_of_a_row_covers_every_module_it_depends_on():
    """What is imported, directly or not, lies in the packages whose sources the key digests."""
    seen, ahead = set(), {"experiments.sweep.points"}
    while ahead:
        seen |= ahead
        sources = [ROOT / f"{name.replace('.', '/')}.py" for name in ahead]
        trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources if source.is_file()]
        found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ahead = {node.module for node in found if (node.module or "").startswith("experiments.")} - seen
    packages = {f"{name.replace('/', '.')}." for name in PACKAGES}
    assert len(seen) > 3
    assert [name for name in seen if not any(name.startswith(package) for package in packages)] == []
