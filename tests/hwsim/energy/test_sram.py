"""SRAM by law and by CACTI, DRAM by type: closed forms, and refusals instead of extrapolation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.energy.cacti import cacti_bank, leakage_by_cell
from hwsim.energy.dram import dram_frame, dram_names, load_dram
from hwsim.energy.sram import bank_access
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError

KIB, MIB = 1 << 10, 1 << 20
DEFAULT = EnergyTable.load("45nm")


@pytest.mark.parametrize(
    ("bank_B", "pJ_per_32_bits"), [(32 * KIB, 5.0), (8 * KIB, 2.5), (128 * KIB, 10.0), (8 * MIB, 80.0)]
)
def test_the_square_root_law(bank_B, pJ_per_32_bits):
    assert bank_access(bank_B, DEFAULT).pJ * 32 == pytest.approx(pJ_per_32_bits, rel=1e-12)


def test_a_tiny_memory_is_a_register_file():
    """5 pJ x sqrt(bank / 32 KiB) falls below 1 pJ under 1,311 B."""
    assert bank_access(1312, DEFAULT).pJ > 1 / 32
    assert bank_access(1310, DEFAULT).pJ == 1 / 32
    assert "register file" in bank_access(64, DEFAULT).note


def test_the_derivation_can_be_read():
    figure = bank_access(64 * KIB, DEFAULT)
    assert figure.note == "bank of 65536 B: 5 pJ / 32 bits x (65536 B / 32768 B)^0.5 = 0.221 pJ/bit"
    assert "EIE" in figure.source
    assert not figure.low_confidence


def test_other_tables_have_other_laws():
    """128x a 32 KiB bank against 8 MiB is 16x at 45 nm and twice at 7 nm."""
    at_7 = EnergyTable.load("7nm")
    assert bank_access(8 * MIB, DEFAULT).pJ / bank_access(32 * KIB, DEFAULT).pJ == 16
    assert bank_access(8 * MIB, at_7).pJ / bank_access(32 * KIB, at_7).pJ == pytest.approx(256**0.132)
    assert bank_access(32 * KIB, at_7).low_confidence


@pytest.mark.parametrize(("table", "tolerance"), [("45nm_horowitz", 0.05), ("7nm", 0.12)])
def test_a_fitted_law_passes_near_the_rows_it_was_fitted_to(table, tolerance):
    figures = EnergyTable.load(table)
    for action, bank_B in (
        ("sram_8KiB_read_64b", 8 * KIB),
        ("sram_32KiB_read_64b", 32 * KIB),
        ("sram_1MiB_read_64b", MIB),
    ):
        assert 64 * bank_access(bank_B, figures).pJ == pytest.approx(figures[action].pJ, rel=tolerance)


def test_the_law_follows_a_scaled_table():
    scaled = EnergyTable.load("45nm to 28nm by stillmaker-baas")
    ratio = scaled["sram_32KiB_read_32b"].pJ / 5
    assert bank_access(MIB, scaled).pJ == pytest.approx(ratio * bank_access(MIB, DEFAULT).pJ)


@pytest.mark.parametrize("bank_B", [0, -1, 65 * MIB])
def test_a_bank_outside_the_law_is_refused(bank_B):
    with pytest.raises(InputError, match="outside the law"):
        bank_access(bank_B, DEFAULT)


def test_a_point_of_the_cacti_table_comes_back_as_it_is():
    bank = cacti_bank(32 * KIB, 64, 45, "itrs-hp", "ED^2")
    assert (bank.read_pJ, bank.write_pJ, bank.area_mm2) == pytest.approx((14.9248, 12.6898, 0.09492))
    assert bank.leakage_W == pytest.approx(32.8606e-3)


def test_between_two_points_it_is_their_geometric_mean():
    middle = cacti_bank(math.isqrt(32 * 128) * KIB, 64, 45, "itrs-hp", "ED^2")
    assert middle == cacti_bank(64 * KIB, 64, 45, "itrs-hp", "ED^2")
    near, far = (cacti_bank(c * KIB, 64, 22, "itrs-lstp", "ED^2") for c in (16, 32))
    between = cacti_bank(round(math.sqrt(16 * 32) * KIB), 64, 22, "itrs-lstp", "ED^2")
    assert between.read_pJ == pytest.approx(math.sqrt(near.read_pJ * far.read_pJ), rel=1e-4)


@given(st.integers(2 * KIB, 64 * MIB), st.integers(32, 512))
def test_interpolation_stays_within_the_table(capacity_B, width_bits):
    bank = cacti_bank(capacity_B, width_bits, 22, "itrs-hp", "min-dynamic-energy")
    corners = [
        cacti_bank(c, w, 22, "itrs-hp", "min-dynamic-energy")
        for c in (1 << (capacity_B.bit_length() - 1), min(1 << capacity_B.bit_length(), 64 * MIB))
        for w in (1 << (width_bits.bit_length() - 1), min(1 << width_bits.bit_length(), 512))
    ]
    for name in ("read_pJ", "write_pJ", "leakage_W", "area_mm2", "access_ns"):
        values = [getattr(corner, name) for corner in corners]
        assert min(values) * (1 - 1e-9) <= getattr(bank, name) <= max(values) * (1 + 1e-9)


def test_cell_types_leak_thousands_of_times_apart():
    leak = leakage_by_cell(32 * KIB, 64, "ED^2").set_index(["node_nm", "cell_type"])["leakage_W"]
    assert leak[45, "itrs-hp"] / leak[45, "itrs-lstp"] == pytest.approx(5779, rel=0.01)
    assert leak[22, "itrs-hp"] / leak[22, "itrs-lstp"] > 200


@pytest.mark.parametrize(
    ("bank", "words"),
    [
        ((512, 64, 45, "itrs-hp", "ED^2"), "capacity in bytes is 512"),
        ((128 * MIB, 64, 45, "itrs-hp", "ED^2"), "1024 to 67108864"),
        ((4096, 16, 45, "itrs-hp", "ED^2"), "width in bits is 16"),
        ((1024, 512, 45, "itrs-hp", "ED^2"), "no CACTI solution"),
        ((4096, 64, 28, "itrs-hp", "ED^2"), "no CACTI table for 28"),
        ((4096, 64, 45, "lop", "ED^2"), "itrs-lstp"),
    ],
)
def test_outside_the_cacti_table_is_an_error(bank, words):
    with pytest.raises(InputError, match=words):
        cacti_bank(*bank)


@pytest.mark.parametrize("name", dram_names())
def test_every_type_follows_one_energy_model(name):
    kind = load_dram(name)
    assert (kind.standby_W == 0) == (kind.model == "all-in")
    assert kind.source
    assert kind.timing_source


def test_published_prices_per_bit():
    prices = dram_frame().set_index("type")["pJ_per_bit"]
    assert prices["DDR3-1600"] * 32 == 640
    assert prices["GDDR5-7000"] == 14.0
    assert prices["HBM2-2000"] == 3.9
    with pytest.raises(InputError, match="HBM2-2000"):
        load_dram("HBM9")
