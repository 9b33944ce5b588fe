"""The energy ladder: figures of the tables, per word, in order."""

import pytest

from experiments.figures import energy_ladder as figures
from experiments.studies import energy_ladder


def test_rungs_are_words_of_the_tables_and_rise():
    table = energy_ladder.ladder()
    old = table[table["node"] == "45 nm"].set_index("label")["energy_pJ"]
    assert old["DRAM"] == 640
    assert old["1 mm of wire"] == pytest.approx(32 * 0.12)
    assert old["row of racks, optics"] == pytest.approx(2 * 32 * 18)
    assert old["SRAM, 1 MiB"] == 50
    assert old.is_monotonic_increasing
    new = table[table["node"] == "7 nm"].set_index("label")["energy_pJ"]
    assert new["multiply, fp32"] == 1.31
    assert new["DRAM"] == 125
    assert "internet" not in new


def test_the_rule_scales_logic_but_no_wire_and_no_link():
    table = energy_ladder.ladder()
    ruled = set(table[table["node"] == "7 nm by rule"]["label"])
    assert "multiply, fp32" in ruled
    assert "SRAM, 32 KiB" in ruled
    assert not ruled & {"1 mm of wire", "DRAM", "rack, copper"}


def test_the_famous_ratio_holds_for_one_bank_and_shrinks_with_the_root_of_its_capacity():
    wall = energy_ladder.memory_wall()
    law = wall[wall["model"] == "45nm table"].set_index("capacity_B")["ratio"]
    assert law[32 << 10] == pytest.approx(128)
    assert law[8 << 20] == pytest.approx(8)
    assert (wall["ratio"] > 1).all()


def test_every_rung_is_drawn_once_and_low_confidence_is_open():
    table = energy_ladder.ladder()
    axes = figures.ladder(table).axes[0]
    assert len(axes.get_yticklabels()) == table["label"].nunique()
    markers = [line for line in axes.lines if line.get_marker() in ("o", "v")]
    drawn = table[table["node"] != "7 nm by rule"]
    assert len(markers) == len(drawn)
    assert sum(line.get_markerfacecolor() == "white" for line in markers) == drawn["low_confidence"].sum()
