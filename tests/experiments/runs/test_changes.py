"""Changes to a chip from the command line, and what `hwsim run` then says."""

import json

import pytest

from experiments.cli import main as cli
from experiments.runs.changes import options_of, parse_changes
from experiments.runs.workloads import open_workloads
from hwsim.analysis.strategies import gated
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network


def test_values_are_toml_and_what_is_not_is_text():
    texts = ["a.b=1", "c=2.5", "d=true", 'e="x y"', "f=45nm to 7nm by stillmaker-baas", "g=1\nh=2"]
    expected = {"a.b": 1, "c": 2.5, "d": True, "e": "x y", "f": texts[4][2:], "g": "1\nh=2"}
    assert parse_changes(texts) == expected


def test_options_read_back_as_the_changes_they_were():
    changes = {
        "sram.capacity_B": 65536,
        "power.cap_W": 0.35,
        "array.gate_zeros": True,
        "dram.type": "HBM2-2000",
    }
    options = options_of(changes)
    assert options[:2] == ["--set", "sram.capacity_B=65536"]
    assert parse_changes(options[1::2]) == changes


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["sram"], "change 'sram': expected KEY=VALUE"),
        (["=1"], "expected KEY=VALUE"),
        (["a=[1]"], "change 'a=\\[1\\]': found a list or a table"),
        (["a={b = 1}"], "found a list or a table"),
        (["a=1", "a=2"], "change 'a=2': a is changed twice"),
    ],
)
def test_what_is_no_change_is_named(texts, message):
    with pytest.raises(InputError, match=message):
        parse_changes(texts)


def test_run_takes_changes_and_says_how_tiles_spend_their_time(capsys):
    arguments = ["run", "reference_250w", "alexnet", "--layers", "fc6", "--stage", "dense", "--batch", "64"]
    assert cli.run(cli.HWSIM, [*arguments, "--set", "power.cap_W=150", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    chip = load_chip("reference_250w").replace(**{"power.cap_W": 150})
    report = simulate(chip, load_network("alexnet", "dense").only(["fc6"]), 64)
    assert found["changes"] == {"power.cap_W": 150}
    assert found["energy_J"] == report.energy_per_inference_J
    assert [tiles["strategy"] for tiles in found["tiles"]] == ["dimming", "gating", "DVFS"]
    expected = gated(report)
    assert found["tiles"][1]["power_gated"] == expected.states.power_gated > 0
    assert found["tiles"][1]["energy_J"] == expected.energy_per_inference_J


def test_an_array_without_tiles_cannot_gate_them(capsys):
    assert (
        cli.run(cli.HWSIM, ["run", "eie", "alexnet", "--layers", "fc6", "--stage", "huffman", "--json"]) == 0
    )
    (found,) = json.loads(capsys.readouterr().out)
    assert [tiles["strategy"] for tiles in found["tiles"]] == ["dimming", "DVFS"]


def test_a_chip_that_cannot_be_so_is_refused(capsys):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--set", "sram.capacity=1"]) == 2
    assert "no key 'sram.capacity' to change" in capsys.readouterr().err


def test_assumed_stages_open_when_they_are_asked_for_by_name():
    (pruned,) = open_workloads("lstm_2x1500", "pruned")
    assert pruned.provenance.startswith("assumed")
    assert [found.stage for found in open_workloads("lstm_2x1500")] == ["dense", "int8"]
    (half,) = open_workloads("lstm_2x1500", "fp16")
    assert half.stage == "fp16"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64k", 65536),
        ("10MiB", 10 * 2**20),
        ("64kB", 64000),
        ("1.5M", 3 * 2**19),
        ("2GB", 2 * 10**9),
        ("7", 7),
    ],
)
def test_bytes_may_have_a_prefix(text, size):
    assert parse_changes([f"sram.capacity_B={text}"]) == {"sram.capacity_B": size}


def test_a_prefix_is_for_bytes_alone():
    assert parse_changes(["power.cap_W=64k"]) == {"power.cap_W": "64k"}
