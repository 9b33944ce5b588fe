"""The scaling rule against its own polynomials, and against the measured table it disagrees with."""

import pytest

from hwsim.energy.compare import rule_vs_measured
from hwsim.energy.scaling import area_factor, delay_factor, energy_factor, nominal_voltage
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError


def test_energy_worked_by_hand():
    """Stillmaker and Baas: 45 nm HP at 1.0 V: 1.018 - 0.3107 + 0.1539; 7 nm at 0.7 V likewise."""
    at_45 = 1.018 * 1.0**2 - 0.3107 * 1.0 + 0.1539
    at_7 = 0.1776 * 0.7**2 - 0.09097 * 0.7 + 0.02447
    assert energy_factor(45, 1.0, 7, 0.7) == pytest.approx(at_7 / at_45, rel=1e-12)
    assert 1 / energy_factor(45, 1.0, 7, 0.7) == pytest.approx(18.0, rel=0.01)


def test_delay_and_area_worked_by_hand():
    at_45 = -501.6 + 1567 - 1619 + 566.1
    at_32 = -1047 * 0.9**3 + 2982 * 0.9**2 - 2797 * 0.9 + 873.5
    assert delay_factor(45, 1.0, 32, 0.9) == pytest.approx(at_32 / at_45, rel=1e-9)
    assert area_factor(45, 7) == pytest.approx(0.059, rel=1e-12)
    assert area_factor(65, 45) == pytest.approx(1 / 1.5, rel=1e-12)


def test_a_node_between_two_lies_between_them():
    assert nominal_voltage(28) == pytest.approx(0.9)
    energies = [energy_factor(45, 0.9, node, 0.9) for node in (20, 24, 28, 30, 32)]
    assert energies == sorted(energies)
    assert area_factor(45, 20) < area_factor(45, 28) < area_factor(45, 32)


def test_there_and_back_again_is_nothing():
    assert energy_factor(45, 0.9, 16, 0.8) * energy_factor(16, 0.8, 45, 0.9) == pytest.approx(1)


def test_low_power_devices_are_another_curve():
    assert energy_factor(45, 1.0, 7, 0.7, "LP") != energy_factor(45, 1.0, 7, 0.7, "HP")


def test_the_rule_reaches_its_first_and_its_last_node():
    """Areas of the published table, where 45 nm is 1."""
    assert (area_factor(45, 180), area_factor(45, 7)) == (pytest.approx(19), pytest.approx(0.059))


@pytest.mark.parametrize(
    ("node", "voltage", "words"), [(5, 0.7, "7 to 180 nm"), (200, 1.0, "7 to 180 nm"), (45, 2.0, "V")]
)
def test_outside_the_rule_is_an_error(node, voltage, words):
    with pytest.raises(InputError, match=words):
        energy_factor(45, 0.9, node, voltage)


def test_the_rule_promises_far_more_than_was_measured():
    """Rule: 15x from 45 to 7 nm. Measured by Jouppi et al.: 2 to 4x for arithmetic."""
    table = rule_vs_measured(EnergyTable.load("45nm_horowitz"), EnergyTable.load("7nm")).set_index("action")
    arithmetic = table.loc[[a for a in table.index if a.startswith(("multiply", "add"))]]
    assert (arithmetic["rule_gain"] > 8).all()
    assert arithmetic["measured_gain"].between(2, 4.5).all()
    assert (table["rule_error"] < 0.5).all()
    assert not {"multiply_int4", "multiply_bf16", "add_bf16"} & set(table.index)  # estimates
    assert table.loc["multiply_fp32", "measured_gain"] == pytest.approx(3.7 / 1.31)
