"""`hwsim energy` and `hwsim tile`: what they print is what the tables and the search say."""

import json

import pytest

from experiments.cli import main as cli
from hwsim.analysis.layer_tilings import best_tilings, orders_table, tiling_table
from hwsim.energy.table import EnergyTable
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network


def printed(capsys, *arguments: str) -> str:
    assert cli.run(cli.HWSIM, list(arguments)) == 0
    return capsys.readouterr().out


def test_every_figure_is_listed_with_its_source_and_low_confidence_is_marked(capsys):
    lines = printed(capsys, "energy").splitlines()
    for figure in EnergyTable.load("45nm"):
        (line,) = [line for line in lines if line.split()[:1] == [figure.action] and "[" in line]
        number = line.split("[")[1].split("]")[0]
        assert f"[{number}] {figure.source}" in lines
        assert ("*" in line.split(figure.kind)[0]) == figure.low_confidence


def test_one_action_is_explained_by_ratios_and_by_other_tables(capsys):
    text = printed(capsys, "energy", "--op", "dram_read_32b")
    assert "640 pJ = 32 bits x 20 pJ/bit" in text
    assert "times sram_32KiB_read_32b  128" in text
    assert "dram_read_high_64b" in text
    explained = json.loads(printed(capsys, "energy", "--op", "add_fp32", "--table", "7nm", "--json"))
    assert explained["pJ"] == 0.38
    assert {found["table"]: found["pJ"] for found in explained["related"]}["45nm"] == 0.9


def test_the_rule_is_held_against_measurement_wherever_it_was_used(capsys):
    assert "rule/measured" not in printed(capsys, "energy")
    assert "rule/measured" in printed(capsys, "energy", "--table", "7nm")
    assert "rule/measured" in printed(capsys, "energy", "--table", "45nm to 28nm by stillmaker-baas")


def test_json_is_the_whole_table(capsys):
    figures = json.loads(printed(capsys, "energy", "--table", "links", "--json"))
    assert [figure["action"] for figure in figures] == [figure.action for figure in EnergyTable.load("links")]


def test_tilings_are_printed_with_their_sums(capsys):
    workload = load_network("lenet5")
    tilings = best_tilings(load_chip("edge"), workload, 2)
    table = tiling_table(tilings, "edp")
    rows = json.loads(printed(capsys, "tile", "edge", "lenet5", "--goal", "edp", "--batch", "2", "--json"))
    assert [row["dram_bits"] for row in rows] == table["dram_bits"].tolist()
    text = printed(capsys, "tile", "edge", "lenet5")
    assert all(text.count(f"\n{row['layer']} ") == 3 for row in rows)
    assert text.count("\nall ") == 2


def test_every_loop_order_is_printed_where_it_is_wanted(capsys):
    rows = json.loads(printed(capsys, "tile", "edge", "alexnet", "--orders", "--json"))
    found = orders_table(best_tilings(load_chip("edge"), load_network("alexnet")))
    assert [row["dram_bits"] for row in rows] == found["dram_bits"].tolist()
    text = printed(capsys, "tile", "edge", "alexnet", "--orders")
    assert text.count("\nconv1 ") == 3 + 6
    assert "next best loops" in text


def test_a_rule_of_mapping_stands_beside_what_it_passes_over(capsys):
    rows = json.loads(printed(capsys, "tile", "eyeriss", "vgg16", "--json"))
    assert all(row["dram_words"] >= (row["better_dram_words"] or 0) for row in rows)
    better = [row for row in rows if row["product"]]
    assert better
    assert all(row["product"] < 1 for row in better)
    text = printed(capsys, "tile", "eyeriss", "vgg16")
    assert f"passes over a better mapping in {len(better)} of {len(rows)} layers" in text
    assert "passes over" not in printed(capsys, "tile", "edge", "lenet5")
    assert "passes over" in printed(capsys, "run", "eyeriss", "lenet5", "--explain", "mapping")


@pytest.mark.parametrize("arguments", [["energy", "--op", "x"], ["tile", "edge", "lenet5", "--goal", "x"]])
def test_what_does_not_exist_ends_with_2(capsys, arguments):
    assert cli.run(cli.HWSIM, arguments) == 2
    assert "expected one of" in capsys.readouterr().err
