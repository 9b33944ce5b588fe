"""Shipped chips against the peaks their makers publish, their dies, and the DRAM they name."""

import re

import pytest

from hwsim.analysis.area import area_of
from hwsim.energy.dram import load_dram
from hwsim.machine.chip import chip_names, load_chip
from hwsim.machine.families import constants
from hwsim.run import simulate
from hwsim.workload.layer import fc
from hwsim.workload.networks import load_network

ARITHMETIC = {
    "edge": "fp32",
    "eie": "int16",
    "eyeriss": "int16",
    "p40": "int8",
    "phone": "int8",
    "reference_250w": "fp32",
    "tpu_v1": "int8",
    "tpu_v2": "bf16",
    "tpu_v3": "bf16",
    "tpu_v4i": "bf16",
    "turing_t4": "int8",
} | dict.fromkeys(
    (
        "a10",
        "a100_pcie",
        "a100_pcie_80gb",
        "a100_sxm",
        "a2",
        "a30",
        "h100_pcie",
        "h100_sxm",
        "h200_sxm",
        "jetson_orin",
        "l4",
        "l40s",
        "mi300x",
        "v100_sxm2",
    ),
    "fp16",
)
"""What the MACs of each chip were made to multiply."""

PUBLISHED = """
chip            W    mm2  fp64  fp32  tf32   fp16    fp8     int8    int4   bandwidth
a10             150  628  -     31.2  62.5   125     -       250     500    600
a100_pcie       250  826  19.5  19.5  156    312     -       624     1248   1555
a100_pcie_80gb  300  826  19.5  19.5  156    312     -       624     1248   1935
a100_sxm        400  826  19.5  19.5  156    312     -       624     1248   2039
a2              60   200  -     4.5   9      18      -       36      72     200
a30             165  826  10.3  10.3  82     165     -       330     661    933
h100_pcie       350  814  -     -     378    756     1513    1513    -      2000
h100_sxm        700  814  -     -     494.7  989.4   1978.9  1978.9  -      3350
h200_sxm        700  814  -     -     494.7  989.4   1978.9  1978.9  -      4800
jetson_orin     60   455  -     5.3   -      -       -       85      -      204.8
l4              72   294  -     30.3  60     121     242.5   242.5   -      300
l40s            350  608  -     91.6  183    362     733     733     733    864
mi300x          750  920  163.4 163.4 653.7  1307.4  2614.9  2614.9  -      5300
p40             250  471  -     11.8  -      -       -       47      -      346
turing_t4       70   545  -     8.1   -      65      -       130     260    320
v100_sxm2       300  815  7.8   15.7  -      125     -       -       -      900
"""
"""Data sheets: board limit, die, dense tera-operations per second by precision, GB/s.

An H100 multiplies fp64 and fp32 at a clock of its own, which its chip file does not have.
"""

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "fp8", "int8", "int4")

_HEADER, *_ROWS = (line.split() for line in PUBLISHED.strip().splitlines())
SHEETS = {row[0]: dict(zip(_HEADER[1:], row[1:], strict=True)) for row in _ROWS}
BOARDS = [name for name in chip_names() if load_chip(name).kernels.family]


def test_every_shipped_chip_is_checked_here():
    assert sorted(ARITHMETIC) == chip_names()


def peak_tera_ops(name: str, arithmetic: str) -> float:
    chip = load_chip(name)
    macs = chip.array.cost(fc("probe", 8, 8, arithmetic=arithmetic), 1).peak_macs_per_cycle
    return 2 * macs * chip.process.clock_GHz / 1e3


@pytest.mark.parametrize(
    ("name", "arithmetic", "tera_ops"),
    [
        ("eie", "int8", 0.102),  # Han et al., ISCA 2016, section VI: 102 GOP/s
        ("eyeriss", "int8", 0.0672),  # Chen et al., JSSC 2017, Table IV: 33.6 GMAC/s at 200 MHz
        ("tpu_v1", "int8", 92),  # Jouppi et al., ISCA 2017, Table 2
        ("tpu_v2", "bf16", 46),  # Jouppi et al., ISCA 2021, Table 1
        ("tpu_v3", "bf16", 123),
        ("tpu_v4i", "bf16", 138),
        ("tpu_v4i", "int8", 138),
    ],
)
def test_peak_rates_are_the_published_ones(name, arithmetic, tera_ops):
    assert peak_tera_ops(name, arithmetic) == pytest.approx(tera_ops, rel=0.01)


def test_every_board_with_a_data_sheet_is_in_the_table():
    assert sorted(SHEETS) == [name for name in BOARDS if not name.startswith("tpu")]


@pytest.mark.parametrize("name", SHEETS)
def test_a_board_is_as_its_data_sheet_says(name):
    chip, sheet = load_chip(name), SHEETS[name]
    stated = {arithmetic: float(sheet[arithmetic]) for arithmetic in PRECISIONS if sheet[arithmetic] != "-"}
    peaks = {arithmetic: peak_tera_ops(name, arithmetic) for arithmetic in stated}
    assert peaks == pytest.approx(stated, rel=0.02)
    assert chip.process.die_mm2 == pytest.approx(float(sheet["mm2"]), rel=0.01)
    assert (chip.power.cap_W, chip.dram.bandwidth_GB_per_s) == (float(sheet["W"]), float(sheet["bandwidth"]))


@pytest.mark.parametrize("name", BOARDS)
def test_the_powers_of_a_board_are_plausible(name):
    """A die of 100 to 1,000 mm2 sheds up to 1 W/mm2. At rest a board draws less than half of its limit."""
    chip = load_chip(name)
    assert 100 <= chip.process.die_mm2 <= 1000
    assert 0.1 <= chip.power.cap_W / chip.process.die_mm2 <= 1.0
    assert 0.05 * chip.power.cap_W <= chip.static_W <= 0.5 * chip.power.cap_W


STATED = {"jetson_orin": {"power.clock_W"}}
"""Constants that a chip file states itself: the die of a Jetson is more than its GPU."""


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_lets_its_family_say_what_no_data_sheet_does(name):
    chip = load_chip(name)
    given = {f"{c.key}" for c in constants() if c.family == chip.kernels.family}
    taken = {key for key, source in chip.sources.items() if source.startswith("family ")}
    assert taken == given - STATED.get(name, set())


@pytest.mark.parametrize("network", ["resnet18", "lenet300"])
@pytest.mark.parametrize("name", BOARDS)
def test_a_board_runs_a_cnn_and_an_mlp_at_batch_1(name, network):
    chip = load_chip(name)
    report = simulate(chip, load_network(network, ARITHMETIC[name]))
    assert chip.static_W < report.power_W <= chip.power.cap_W * (1 + 1e-9)
    assert 0 < report.latency_s < 0.01


def test_a_phone_multiplies_fp16_at_half_its_rate_of_int8():
    """An image network is limited by its MACs there: fp16 takes nearly twice as long."""
    halved, whole = (simulate(load_chip("phone"), load_network("resnet18", a)) for a in ("fp16", "int8"))
    assert 1.5 * whole.latency_s < halved.latency_s < 2.5 * whole.latency_s


@pytest.mark.parametrize("name", [name for name in chip_names() if load_chip(name).process.node_nm >= 7])
def test_arithmetic_and_memories_fit_the_die(name):
    """The rule of areas ends at 7 nm."""
    table = area_of(load_chip(name), ARITHMETIC[name])
    assert 0 < table["mm2"].sum() <= 0.9 * load_chip(name).process.die_mm2


def test_area_worked_by_hand():
    """48 x 1,024 multipliers of 7,700 um2 and adders of 4,184 um2; 160 banks of 0.184 mm2 (CACTI)."""
    table = area_of(load_chip("reference_250w"), "fp32").set_index("component")["mm2"]
    assert table["MACs"] == pytest.approx(49_152 * 0.011_884, rel=1e-12)
    assert table["SRAM banks"] == pytest.approx(160 * 0.18366, rel=1e-3)
    narrow, wide = (area_of(load_chip("phone"), a).set_index("component")["mm2"] for a in ("int4", "int8"))
    assert narrow["MACs"] < wide["MACs"]


@pytest.mark.parametrize("name", chip_names())
def test_every_source_is_a_citation_a_derivation_or_a_choice(name):
    for key, source in load_chip(name).sources.items():
        assert re.match(r"design choice: \S|derived: \S|JEDEC \S|family \S|.*\b20\d\d\b", source), key


@pytest.mark.parametrize("name", chip_names())
def test_a_dram_type_gives_the_price_unless_a_family_multiplies_it(name):
    chip = load_chip(name)
    row = load_dram(chip.dram.type)
    family = [c for c in constants() if (c.family, c.key) == (chip.kernels.family, "dram.energy_pJ_per_bit")]
    factor = family[0].value if family else 1
    assert chip.dram.energy_pJ_per_bit == pytest.approx(factor * row.pJ_per_bit)
    assert chip.dram.burst_B == row.burst_B
    assert row.model == "dynamic"


@pytest.mark.parametrize("name", ["a100_pcie", "p40", "phone", "tpu_v1", "tpu_v2", "turing_t4"])
def test_a_network_runs_on_it_under_its_cap(name):
    chip = load_chip(name)
    report = simulate(chip, load_network("alexnet", ARITHMETIC[name]), batch=4)
    assert report.power_W <= chip.power.cap_W * (1 + 1e-9)
    assert report.inferences_per_s > 0
