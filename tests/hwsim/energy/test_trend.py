"""The line through the published tables at 45 and 7 nm: closed forms, and what others say of nodes."""

from importlib import resources
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.energy.compare import trend_vs_claims
from hwsim.energy.table import SCALING_KINDS, EnergyTable, published_trend
from hwsim.machine.chip import chip_names, load_chip

OLD, NEW = EnergyTable.load("45nm"), EnergyTable.load("7nm")


def at(node_nm, base="7nm"):
    return EnergyTable.load(f"{base} to {node_nm:g}nm by published-trend")


def test_a_node_between_the_two_worked_by_hand():
    """fp32 multiplies: 3.7 pJ at 45 nm and 1.31 pJ at 7 nm, a power of the node in between."""
    power = log(3.7 / 1.31) / log(45 / 7)
    assert at(16)["multiply_fp32"].pJ == pytest.approx(1.31 * (16 / 7) ** power)
    assert at(5)["multiply_fp32"].pJ == pytest.approx(1.31 * (5 / 7) ** power)


@pytest.mark.parametrize("node_nm", [45, 16, 12, 8, 7, 5, 4])
def test_both_tables_lead_to_the_same_energy(node_nm):
    older, newer = at(node_nm, "45nm"), at(node_nm)
    for constant in newer:
        if constant.kind == "arithmetic":
            assert constant.pJ == pytest.approx(older[constant.action].pJ)


def test_the_line_goes_through_both_tables():
    for constant in OLD:
        if constant.kind in SCALING_KINDS and constant.action in NEW.constants and constant.node_nm == 45:
            assert at(45)[constant.action].pJ == pytest.approx(constant.pJ)
            assert at(7, "45nm")[constant.action].pJ == pytest.approx(NEW[constant.action].pJ)


@given(st.floats(4, 45), st.floats(4, 45))
def test_a_newer_node_takes_less(one_nm, other_nm):
    newer, older = sorted((one_nm, other_nm))
    trend = published_trend()
    for action, exponent in trend.exponents.items():
        assert exponent > 0, action
    assert trend.nominal_voltage(newer) <= trend.nominal_voltage(older)


def test_a_voltage_costs_its_square():
    """The supply at 12 nm on the line is 0.9 V less 0.71 of the 0.2 V to 7 nm."""
    share = log(45 / 12) / log(45 / 7)
    assert at(12)["add_fp32"].voltage_V == pytest.approx(0.9 - 0.2 * share, abs=1e-3)
    faster = EnergyTable.load("7nm to 12nm at 0.9V by published-trend")["add_fp32"]
    assert faster.pJ / at(12)["add_fp32"].pJ == pytest.approx((0.9 / at(12)["add_fp32"].voltage_V) ** 2)
    assert at(4)["add_fp32"].voltage_V == 0.7


def test_a_node_below_the_newer_table_is_an_estimate():
    assert at(12)["add_fp32"].confidence == "scaled"
    assert at(5)["add_fp32"].confidence == "estimate"
    assert at(12)["multiply_int4"].confidence == "estimate"
    assert "by published-trend from 7 nm" in at(5)["add_fp32"].source


def test_an_action_of_one_table_takes_the_mean_of_the_others(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "action,value_pJ,kind,bits,node_nm,voltage_V,source,confidence,note\n"
        "divide_fp32,10,arithmetic,32,45,0.9,somebody,verified,\n"
    )
    carried = EnergyTable.load(f"{path} to 7nm by published-trend")["divide_fp32"]
    assert carried.pJ == pytest.approx(10 * (7 / 45) ** published_trend().mean_exponent)


def test_wires_and_dram_stay():
    assert at(5)["wire_bit_mm"] == NEW["wire_bit_mm"]
    assert at(5)["dram_ddr4_read_64b"] == NEW["dram_ddr4_read_64b"]


def test_foundries_claim_at_least_as_much_and_a_vendor_the_same():
    """From 28 to 5 nm NVIDIA says 2.5x. Foundries speak of their best case at each step."""
    claims = trend_vs_claims()
    foundries = claims[(claims["kind"] == "foundry") & (claims["claimed"] < 1)]
    assert (foundries["trend"] > foundries["claimed"] * 0.95).all()
    assert (foundries["trend"] < 1).all()
    (vendor,) = claims[claims["kind"] == "vendor"].to_dict("records")
    assert vendor["trend"] == pytest.approx(vendor["claimed"], rel=0.1)


@pytest.mark.parametrize("name", chip_names())
def test_no_chip_is_priced_at_another_node(name):
    chip = load_chip(name)
    table = EnergyTable.load(chip.process.energy_table)
    assert table["multiply_fp32"].node_nm == chip.process.node_nm


def test_a_chip_file_with_the_table_of_another_node_is_warned_of(tmp_path):
    shipped = resources.files("hwsim") / "data" / "chips" / "phone.toml"
    file = tmp_path / "phone.toml"
    file.write_text(
        shipped.read_text(encoding="utf-8").replace("node_nm = 7", "node_nm = 5"), encoding="utf-8"
    )
    (warning,) = load_chip(file).warnings
    assert "'7nm' holds prices at 7 nm, not at process.node_nm = 5" in warning
