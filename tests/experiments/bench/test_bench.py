"""Benchmarks: verdicts, what is timed is what is claimed, and clear words where a peer is missing."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from checkout import ROOT

from experiments.bench import commands, report
from experiments.bench import own as bench
from experiments.bench.measuring import Child, Measurement, cpu_s, run_child
from experiments.bench.sweeps import SWEEP
from experiments.cli import main as cli
from experiments.runs.point import Point
from experiments.sweep.file import load_sweep
from experiments.sweep.points import values_of
from hwsim.analysis.validation import validate_scalesim
from hwsim.errors import InputError

LEAST_AND_MOST = {"power.cap_W": min, "sram.capacity_B": max}
"""What leaves the least power for computing."""


@pytest.mark.parametrize(
    ("value", "target", "better", "verdict"),
    [
        (2.0, 2.0, "more", "met"),
        (1.9, 2.0, "more", "missed"),
        (2.0, 2.0, "less", "met"),
        (2.1, 2.0, "less", "missed"),
        (9.0, None, "less", ""),
    ],
)
def test_verdicts(value, target, better, verdict):
    assert Measurement("time", value, "s", target, better).verdict == verdict


def test_the_timed_sets_are_the_validated_ones():
    groups = bench.scalesim_groups()
    ours = sorted(cycles for group in groups for cycles in bench.our_cycles(group).values())
    table = validate_scalesim()
    of_sets = table[(table["metric"] == "compute_cycles") & table["network"].isin(bench.SETS)]
    assert ours == sorted(of_sets["published"])
    assert {group.network for group in groups} == set(bench.SETS)


def test_events_of_the_bare_pipeline_grow_with_its_items():
    few, more = (bench.events_of(bench.bare_pipeline(items)) for items in (100, 200))
    per_item = 4 + 3 + 3  # a timeout in every stage, a put and a get between two
    assert more - few == 100 * per_item


def test_a_quick_call_is_timed_by_repetition():
    calls = []
    assert 0 < cpu_s(lambda: calls.append(sum(range(1000))), runs=2) < 0.01
    assert len(calls) > 100


def test_a_child_that_fails_is_one_sentence():
    with pytest.raises(InputError, match="failed: ValueError: no such thing"):
        run_child([sys.executable, "-c", "raise ValueError('no such thing')"])
    with pytest.raises(InputError, match="cannot be run: No such file"):
        run_child(["/no/such/python"])


def test_a_child_gets_its_input_and_environment():
    code = "import os, sys; print(sys.stdin.read() + os.environ['WISH'])"
    done = run_child([sys.executable, "-c", code], "hello ", {"WISH": "world"})
    assert done.output == "hello world\n"
    assert done.cpu_s > 0


def test_a_command_is_measured_with_its_modules_compiled_as_users_have_them(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert commands._run_code("import sys; print(sys.dont_write_bytecode)").output == "False\n"


def test_without_the_peer_its_benchmark_is_skipped_with_a_word(capsys):
    assert cli.run(cli.HWSIM, ["bench", "scalesim", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {}
    assert "make bench" in printed.err


def test_results_are_recorded_and_a_missed_target_ends_with_1(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(bench.OWN, "light", lambda: [Measurement("time", 3.0, "s", 2.0, "less")])
    monkeypatch.setitem(bench.OWN, "memory", lambda: [Measurement("space", 3.0, "MB")])
    assert cli.run(cli.HWSIM, ["bench", "light", "memory"]) == 1
    assert "missed" in capsys.readouterr().out
    folder = tmp_path / "results" / "bench" / "light"
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "machine.json", "measurements.csv"}
    report.main()
    assert "0 targets met, 1 missed" in capsys.readouterr().out
    kept = pd.read_csv(tmp_path / "results" / "reference" / "bench" / "table.csv")
    assert kept["benchmark"].tolist() == ["light", "memory"]
    assert kept["value"].tolist() == [3.0, 3.0]


def test_a_benchmark_that_fails_keeps_the_others(capsys, tmp_path, monkeypatch):
    def fails():
        raise InputError("no such thing")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(bench.OWN, "light", fails)
    monkeypatch.setitem(bench.OWN, "memory", lambda: [Measurement("space", 3.0, "MB")])
    assert cli.run(cli.HWSIM, ["bench", "light", "memory"]) == 2
    printed = capsys.readouterr()
    assert "space" in printed.out
    assert "benchmark light: no such thing" in printed.err
    assert (tmp_path / "results" / "bench" / "memory" / "measurements.csv").is_file()
    assert not (tmp_path / "results" / "bench" / "light").exists()


def test_the_points_of_the_timed_sweep_can_run():
    points = [dict(point.changes) for point in load_sweep(SWEEP).samples()]
    changes = tuple((key, choose(point[key] for point in points)) for key, choose in LEAST_AND_MOST.items())
    for network in ("lenet5", "alexnet"):
        point = Point("reference_250w", network, "dense", 1, changes)
        assert values_of(point)["power_W"] <= dict(changes)["power.cap_W"]


def test_without_measurements_there_is_no_table(tmp_path):
    with pytest.raises(InputError, match="no benchmark in"):
        report.whole(tmp_path)


def test_commands_are_timed_from_nothing_compiled_and_warm(monkeypatch):
    caches = []

    def run(line, folder, environment=None):
        assert (folder / "model.dcz").is_file()
        caches.append(dict(environment or {}).get("NUMBA_CACHE_DIR"))
        assert caches[-1] is None or not any(Path(caches[-1]).iterdir())
        return Child("", 3.0 if caches[-1] else 0.5, 9.0)

    monkeypatch.setattr(commands, "_run", run)
    verdicts = {found.quantity: found.verdict for found in commands.first_use()}
    assert verdicts["dcz inspect model.dcz, the first ever"] == "missed"
    assert verdicts["dcz inspect model.dcz, warm"] == "met"
    assert len({cache for cache in caches if cache}) == len(commands.COMMANDS)


def test_a_command_of_minutes_tells_its_memory(monkeypatch):
    monkeypatch.setitem(commands.LONG, "page", ("hwsim chips", 120, 1024))
    spent, memory = commands.long("page")
    assert spent.verdict == memory.verdict == "met"
    assert memory.value > 10


def test_the_first_call_of_each_codec_is_one_that_succeeds(monkeypatch, capsys):
    for coding, way in commands.FIRST_CALLS:
        data = commands.CODECS[coding].encode(commands._labels())
        monkeypatch.setattr(sys, "stdin", io.StringIO(data.hex()))
        commands.print_first_call(coding, way)
        assert float(capsys.readouterr().out) >= 0


def test_an_unknown_benchmark(capsys):
    assert cli.run(cli.HWSIM, ["bench", "dreams"]) == 2
    assert "dreams" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("ended", [0, 1, 2])
def test_the_report_is_written_however_the_benchmarks_end(ended, tmp_path):
    """`make bench` with programs that only note what they were asked for."""
    asked, place = tmp_path / "asked", tmp_path / "bin"
    place.mkdir()
    for name, code in (("hwsim", ended), ("python", 0)):
        program = place / name
        program.write_text(f'#!/bin/sh\necho {name} "$1" "$2" >>"{asked}"\nexit {code}\n', encoding="utf-8")
        program.chmod(0o755)
    words = ["make", "--silent", "bench", f"BIN={place}", "PIP=true", "DEV="]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.read_text(encoding="utf-8").splitlines() == [
        "python -m venv",
        "hwsim bench --peer-python",
        "python -m experiments.bench.report",
    ]
    assert bool(done.returncode) == bool(ended)
