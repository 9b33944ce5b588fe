"""Shipped chips against the peaks their makers publish, their dies, and the DRAM they name."""

import re

import pytest

from hwsim.analysis.area import area_of
from hwsim.energy.dram import dram_names, load_dram
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.run import simulate
from hwsim.workload.layer import fc
from hwsim.workload.networks import load_network

ARITHMETIC = {
    "a100_pcie": "fp16",
    "edge": "fp32",
    "eie": "int16",
    "eyeriss": "int16",
    "p40": "int8",
    "phone": "int8",
    "reference_250w": "fp32",
    "tpu_v1": "int8",
    "tpu_v2": "bf16",
    "turing_t4": "int8",
}
"""What the MACs of each chip multiply."""


def test_every_shipped_chip_is_checked_here():
    assert sorted(ARITHMETIC) == chip_names()


@pytest.mark.parametrize(
    ("name", "tera_ops"),
    [
        ("a100_pcie", 312),  # data sheet, fp16 with tensor cores
        ("eie", 0.102),  # Han et al., ISCA 2016, section VI: 102 GOP/s
        ("eyeriss", 0.0672),  # Chen et al., JSSC 2017, Table IV: 33.6 GMAC/s at 200 MHz
        ("p40", 47),  # data sheet, INT8
        ("tpu_v1", 92),  # Jouppi et al., ISCA 2017, Table 2
        ("tpu_v2", 46),  # Jouppi et al., ISCA 2021, Table 1
        ("turing_t4", 130),  # data sheet, INT8
    ],
)
def test_peak_rates_are_the_published_ones(name, tera_ops):
    chip = load_chip(name)
    macs = chip.array.cost(fc("probe", 8, 8, arithmetic="int8"), 1).peak_macs_per_cycle
    assert 2 * macs * chip.process.clock_GHz / 1e3 == pytest.approx(tera_ops, rel=0.01)


@pytest.mark.parametrize("name", chip_names())
def test_arithmetic_and_memories_fit_the_die(name):
    table = area_of(load_chip(name), ARITHMETIC[name])
    assert 0 < table["mm2"].sum() <= 0.9 * load_chip(name).process.die_mm2


def test_area_worked_by_hand():
    """48 x 1,024 multipliers of 7,700 um2 and adders of 4,184 um2; 160 banks of 0.184 mm2 (CACTI)."""
    table = area_of(load_chip("reference_250w"), "fp32").set_index("component")["mm2"]
    assert table["MACs"] == pytest.approx(49_152 * 0.011_884, rel=1e-12)
    assert table["SRAM banks"] == pytest.approx(160 * 0.18366, rel=1e-3)
    with pytest.raises(InputError, match="multiply_int4"):
        area_of(load_chip("phone"), "int4")


@pytest.mark.parametrize("name", chip_names())
def test_every_source_is_a_citation_a_derivation_or_a_choice(name):
    for key, source in load_chip(name).sources.items():
        assert re.match(r"design choice: \S|derived: \S|JEDEC \S|.*\b20\d\d\b", source), key


@pytest.mark.parametrize("name", chip_names())
def test_a_named_dram_type_has_the_price_of_its_row(name):
    dram = load_chip(name).dram
    if dram.type in dram_names():
        row = load_dram(dram.type)
        assert (dram.energy_pJ_per_bit, dram.burst_B) == (row.pJ_per_bit, row.burst_B)
        assert row.model == "dynamic"


@pytest.mark.parametrize("name", ["a100_pcie", "p40", "phone", "tpu_v1", "tpu_v2", "turing_t4"])
def test_a_network_runs_on_it_under_its_cap(name):
    chip = load_chip(name)
    report = simulate(chip, load_network("alexnet", ARITHMETIC[name]), batch=4)
    assert report.power_W <= chip.power.cap_W * (1 + 1e-9)
    assert report.inferences_per_s > 0
