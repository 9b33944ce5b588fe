"""SRAM by law and by CACTI, DRAM by type: closed forms, and refusals instead of extrapolation."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.energy.cacti import cacti_bank, leakage_by_cell, write_to_read
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
    """A bank of 8 MiB costs 16x as much as one of 32 KiB at 45 nm, and 2.4x at 7 nm."""
    at_7 = EnergyTable.load("7nm")
    assert bank_access(8 * MIB, DEFAULT).pJ / bank_access(32 * KIB, DEFAULT).pJ == 16
    assert bank_access(8 * MIB, at_7).pJ / bank_access(32 * KIB, at_7).pJ == pytest.approx(256**0.159)
    assert bank_access(32 * KIB, at_7).low_confidence


CACHES = (("sram_8KiB_read_64b", 8 * KIB), ("sram_32KiB_read_64b", 32 * KIB), ("sram_1MiB_read_64b", MIB))


def test_a_fitted_law_passes_near_the_rows_it_was_fitted_to():
    figures = EnergyTable.load("45nm_horowitz")
    for action, bank_B in CACHES:
        assert 64 * bank_access(bank_B, figures).pJ == pytest.approx(figures[action].pJ, rel=0.05)


def test_from_45_to_7_nm_a_bank_gains_what_the_published_caches_gain():
    """Horowitz over Jouppi et al.: 1.33x at 8 KiB, 2.35x at 32 KiB, 7.1x at 1 MiB."""
    older, newer = EnergyTable.load("45nm_horowitz"), EnergyTable.load("7nm")
    for action, bank_B in CACHES:
        published = older[action].pJ / newer[action].pJ
        ours = bank_access(bank_B, DEFAULT).pJ / bank_access(bank_B, newer).pJ
        assert ours == pytest.approx(published, rel=0.11)
    smallest = bank_access(8 * KIB, DEFAULT).pJ / bank_access(8 * KIB, newer).pJ
    assert bank_access(2 * KIB, DEFAULT).pJ / bank_access(2 * KIB, newer).pJ == pytest.approx(smallest)


def test_a_bank_worked_by_hand_at_7_nm():
    """5 pJ / 32 bits x 8.5 / 20 x (8 / 32)^0.159, and the square root of (4 / 8) below 8 KiB."""
    at_7 = EnergyTable.load("7nm")
    assert bank_access(8 * KIB, at_7).pJ == pytest.approx(5 / 32 * 8.5 / 20 * 0.25**0.159)
    assert bank_access(4 * KIB, at_7).pJ == pytest.approx(5 / 32 * 8.5 / 20 * 0.25**0.159 * 0.5**0.5)
    assert "(8192 B / 32768 B)^0.159 x (4096 B / 8192 B)^0.5 = " in bank_access(4 * KIB, at_7).note


def test_a_small_bank_is_near_another_published_one():
    """Dally, Turakhia and Han give 50 fJ/bit for 8 KiB at 14 nm."""
    published = EnergyTable.load("7nm")["sram_8KiB_local_read_64b"].pJ_per_bit
    ours = bank_access(8 * KIB, EnergyTable.load("7nm to 14nm by published-trend")).pJ
    assert ours == pytest.approx(published, rel=0.35)


NODES = (45, 28, 16, 12, 8, 7, 5, 4)
BY_NODE = [EnergyTable.load(f"7nm to {node}nm by published-trend") for node in NODES]
BY_NODE[0], BY_NODE[NODES.index(7)] = DEFAULT, EnergyTable.load("7nm")

banks = st.integers(1, 64 * MIB)


@given(banks, banks, st.sampled_from(["read_bit", "write_bit"]), st.sampled_from(BY_NODE))
def test_a_larger_bank_never_costs_less(one_B, other_B, action, table):
    small, large = sorted((one_B, other_B))
    assert bank_access(small, table, action).pJ <= bank_access(large, table, action).pJ * (1 + 1e-12)


@given(banks, st.sampled_from(["read_bit", "write_bit"]))
def test_a_newer_node_costs_less(bank_B, action):
    energies = [bank_access(bank_B, table, action).pJ for table in BY_NODE]
    assert all(newer < older for older, newer in pairwise(energies))


def test_a_write_costs_a_read_times_the_ratio_of_cacti():
    """Near 1.06 at 32 KiB; more for small banks, whose bit lines swing fully, and less for large ones."""
    for bank_B in (4 * KIB, 32 * KIB, MIB):
        read, write = (bank_access(bank_B, DEFAULT, f"{action}_bit").pJ for action in ("read", "write"))
        assert write / read == pytest.approx(write_to_read(bank_B))
    assert write_to_read(32 * KIB) == pytest.approx(1.06, rel=0.01)
    assert write_to_read(KIB) > write_to_read(32 * KIB) > write_to_read(64 * MIB)
    assert write_to_read(64) == write_to_read(KIB)
    assert "for a write" in bank_access(4 * KIB, DEFAULT, "write_bit").note
    with pytest.raises(InputError, match="no action 'erase'"):
        bank_access(KIB, DEFAULT, "erase")


def test_the_write_ratio_is_between_those_of_the_banks_it_was_fitted_to():
    for capacity_B in (KIB << step for step in range(17)):
        ratios = [
            bank.write_pJ / bank.read_pJ
            for node in (45, 22)
            for cell in ("itrs-hp", "itrs-lstp")
            for bank in (cacti_bank(capacity_B, 64, node, cell, "ED^2"),)
        ]
        assert min(ratios) / 1.7 < write_to_read(capacity_B) < max(ratios) * 1.45


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
