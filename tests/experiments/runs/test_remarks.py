"""What follows from changes, contradicts itself or changes nothing is said by every command that runs."""

import json

import pytest

from experiments.cli import main as cli
from experiments.runs.inert import inert_changes
from experiments.runs.point import Point
from experiments.sweep.points import values_of
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

LARGER = "sram.capacity_B=1048576"


def test_a_run_says_what_followed_and_what_changed_nothing(capsys):
    options = ["--stage", "huffman", "--set", LARGER, "--set", "process.die_mm2=1.0"]
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", *options, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    (note,) = found["notes"]
    assert note.startswith("sram.capacity_B 131,072 -> 1,048,576: sram.wire_mm 1 -> 2.828")
    over, inert = found["warnings"]
    assert over.endswith("more than process.die_mm2 = 1")
    assert inert == "process.die_mm2 = 1.0 changes no time, energy or traffic of this run"
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", *options]) == 0
    printed = capsys.readouterr().out
    said = printed.splitlines()
    first = said.index(f"follows: {note}")
    assert said[first + 1 : first + 3] == [f"warning: {over}", f"warning: {inert}"]


@pytest.mark.parametrize(
    ("stage", "matters"),
    [("dense", False), ("huffman", True)],
)
def test_decoders_matter_to_what_is_coded(stage, matters):
    chip, changes = load_chip("edge"), {"decoder.count": 1}
    report = simulate(chip.replace(**changes), load_network("lenet300", stage))
    assert (inert_changes(chip, changes, [report]) == ()) is matters


def test_a_row_of_a_sweep_says_so_too():
    changed = values_of(Point("edge", "lenet300", "dense", 1, (("sram.bank_B", 1 << 20),)))
    assert "power.leakage_W" in changed["notes"]
    assert "larger than the memory" in changed["warnings"]
    shipped = values_of(Point("edge", "lenet300", "dense", 1))
    assert (shipped["notes"], shipped["warnings"]) == ("", "")


def test_copies_of_a_chip_count_the_area_of_its_memory(tmp_path, capsys):
    """At equal area a chip with 32 MiB stands for many of those with 128 KiB."""
    runs = [f"edge:lenet300:dense:sram.capacity_B={32 << 20}", "edge:lenet300:dense"]
    assert cli.run(cli.HWSIM, ["compare", *runs, "--hold", "area", "-o", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["b"]["chips"] > 10
    assert "process.die_mm2" in found["a"]["notes"][0]
    assert found["b"]["notes"] == []
