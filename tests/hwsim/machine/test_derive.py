"""What follows from a changed key of a chip, worked out by hand; and what contradicts itself."""

import re
from itertools import pairwise

import pytest

from hwsim.energy.cacti import CELL_TYPES, cacti_bank, memory_of
from hwsim.energy.dram import load_dram
from hwsim.energy.scaling import area_factor, delay_factor
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.machine.families import taken
from hwsim.run import simulate
from hwsim.workload.networks import load_network

MIB = 1 << 20
REFERENCE, EDGE = load_chip("reference_250w"), load_chip("edge")


@pytest.mark.parametrize("name", chip_names())
def test_a_shipped_chip_says_its_cells_and_contradicts_nothing(name):
    chip = load_chip(name)
    assert chip.sram.cell in CELL_TYPES
    assert (chip.notes, chip.warnings) == ((), ())


@pytest.mark.parametrize("name", chip_names())
def test_a_change_to_the_same_value_changes_nothing(name):
    chip = load_chip(name)
    keys = ("sram.capacity_B", "sram.bank_B", "process.node_nm", "process.voltage_V", "dram.type")
    same = {key: getattr(getattr(chip, key.split(".")[0]), key.split(".")[1]) for key in keys}
    assert chip.replace(**same) == chip


def test_leakage_wire_and_die_follow_the_capacity():
    """160 banks of 64 KiB become 640: 480 more, each as CACTI has it, and a side twice as long."""
    chip = REFERENCE.replace(**{"sram.capacity_B": 40 * MIB})
    bank = cacti_bank(65536, 64, 45, "itrs-hp", "ED^2")
    assert chip.power.leakage_W == pytest.approx(7 + 480 * bank.leakage_W)
    assert chip.process.die_mm2 == pytest.approx(750 + 480 * bank.area_mm2)
    assert chip.sram.wire_mm == 10
    (note,) = chip.notes
    assert note.startswith("sram.capacity_B 10,485,760 -> 41,943,040: sram.wire_mm 5 -> 10 (")
    assert "power.leakage_W 7 -> 35.65 (CACTI 7.0 at 45 nm, itrs-hp cells)" in note
    assert "CACTI" in chip.sources["power.leakage_W"]


def test_more_memory_than_a_network_needs_costs_energy():
    """Pruned AlexNet lives on chip from 44 MiB: beyond, only wires and leakage grow."""
    pruned = load_network("alexnet", "pruned")
    reports = [
        simulate(REFERENCE.replace(**{"sram.capacity_B": size * MIB}), pruned) for size in (48, 64, 128)
    ]
    assert [report.requested_weight_bits for report in reports] == [0, 0, 0]
    spent = [report.joules_by("component") for report in reports]
    for less, more in pairwise(spent):
        grown = {name for name, joules in more.items() if joules > less[name] * (1 + 1e-9)}
        assert grown == {("sram",), ("static",)}
        assert all(joules == pytest.approx(less[name]) for name, joules in more.items() if name not in grown)


def test_what_is_changed_does_not_follow():
    changes = {"sram.capacity_B": 40 * MIB, "sram.wire_mm": 5.0, "power.leakage_W": 7.0}
    chip = REFERENCE.replace(**changes)
    assert (chip.sram.wire_mm, chip.power.leakage_W) == (5, 7)
    assert "wire" not in chip.notes[0]
    assert "leakage" not in chip.notes[0]


@pytest.mark.parametrize("name", chip_names())
def test_leakage_and_area_grow_with_the_memory_and_never_fall_below_nothing(name):
    chip = load_chip(name)
    sizes = [chip.sram.capacity_B // 64, chip.sram.capacity_B // 2, 2 * chip.sram.capacity_B]
    small, half, large = (chip.replace(**{"sram.capacity_B": size}) for size in sizes)
    ordered = [small, half, chip, large]
    assert [c.power.leakage_W for c in ordered] == sorted(c.power.leakage_W for c in ordered)
    assert [c.process.die_mm2 for c in ordered] == sorted(c.process.die_mm2 for c in ordered)
    assert small.power.leakage_W >= 0


def test_a_leakage_below_that_of_cacti_falls_with_the_memory():
    """7 W are less than the 9.5 W that CACTI sees in 10 MiB of fast cells: half the memory, half of 7 W."""
    assert REFERENCE.replace(**{"sram.capacity_B": 5 * MIB}).power.leakage_W == pytest.approx(3.5)


def test_no_bank_is_larger_than_the_memory():
    chip = EDGE.replace(**{"sram.capacity_B": 4096})
    assert chip.sram.bank_B == 4096
    assert EDGE.replace(**{"sram.capacity_B": 65536}).sram.bank_B == EDGE.sram.bank_B


def test_cells_set_the_leakage():
    fast = EDGE.replace(**{"sram.cell": "itrs-hp"})
    slow_W, fast_W = (memory_of(131072, 32768, 45, cell).leakage_W for cell in ("itrs-lstp", "itrs-hp"))
    assert fast.power.leakage_W == pytest.approx(0.005 + fast_W - slow_W)
    unnamed = EDGE.replace(**{"sram.cell": ""})
    larger = unnamed.replace(**{"sram.capacity_B": MIB})
    assert larger.power.leakage_W == unnamed.power.leakage_W
    assert "power.leakage_W stays (sram.cell does not name the cells)" in larger.notes[-1]


def test_a_node_brings_its_voltage_table_clock_area_and_wires():
    chip = EDGE.replace(**{"process.node_nm": 28})
    ratio = area_factor(45, 28)
    assert chip.process.energy_table == "45nm to 28nm at 0.9V by stillmaker-baas"
    assert chip.process.clock_GHz == pytest.approx(0.2 / delay_factor(45, 0.9, 28, 0.9))
    assert chip.process.die_mm2 == pytest.approx(6 * ratio)
    assert chip.sram.wire_mm == pytest.approx(ratio**0.5)
    measured = EDGE.replace(**{"process.node_nm": 7})
    assert (measured.process.energy_table, measured.process.voltage_V) == ("7nm", 0.7)


def test_a_voltage_brings_its_table_and_clock():
    chip = EDGE.replace(**{"process.voltage_V": 0.8})
    table = EnergyTable.load(chip.process.energy_table)
    assert table["multiply_fp32"].voltage_V == 0.8
    assert table["multiply_fp32"].pJ < EnergyTable.load("45nm")["multiply_fp32"].pJ
    assert chip.process.clock_GHz == pytest.approx(0.2 / delay_factor(45, 0.9, 45, 0.8))


def test_a_table_that_a_rule_made_stays_with_its_rule():
    chip = load_chip("p40")
    assert chip.process.energy_table == "7nm to 16nm at 0.85V by foundry-claims"
    slower = chip.replace(**{"process.voltage_V": 0.8})
    assert slower.process.energy_table == "7nm to 16nm at 0.8V by foundry-claims"
    assert chip.replace(**{"process.node_nm": 7}).process.energy_table == "7nm"


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("edge", {"process.node_nm": 3}, r"chip edge: process\.node_nm 45 -> 3: .* 7 to 180 nm"),
        ("edge", {"process.voltage_V": 0.2}, r"process\.voltage_V 0\.9 -> 0\.2: .* 0\.5 to 1\.25 V"),
        ("edge", {"sram.capacity_B": "x"}, r"key sram\.capacity_B: found 'x'"),
        ("edge", {"dram.type": "x"}, r"key dram\.type: found 'x'"),
        ("edge", {"dram.type": "HBM2-2000", "dram.channels": "x"}, r"key dram\.channels: found 'x'"),
        ("edge", {"process.node_nm": 1 << 60}, r"key process\.node_nm"),
    ],
)
def test_what_nothing_follows_from_is_refused(name, changes, expected):
    with pytest.raises(InputError, match=expected) as error:
        load_chip(name).replace(**changes)
    assert "\n" not in str(error.value)


def test_a_table_that_stands_in_is_not_carried_on():
    chip = load_chip("a100_pcie").replace(**{"process.energy_table": "7nm"})
    with pytest.raises(InputError, match=r"'7nm' stands in for 7 nm at 0\.85 V, .* expected process"):
        chip.replace(**{"process.voltage_V": 0.8})


def test_a_type_of_dram_brings_its_figures():
    kind = load_dram("LPDDR4-3200")
    chip = EDGE.replace(**{"dram.type": "LPDDR4-3200", "dram.channels": 2})
    dram = chip.dram
    assert (dram.energy_pJ_per_bit, dram.burst_B, dram.latency_ns) == (8.5, kind.burst_B, kind.latency_ns)
    assert dram.standby_W == 2 * kind.standby_W
    assert dram.bandwidth_GB_per_s == 1.6
    assert chip.warnings == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"sram.bank_B": MIB},
            "sram.bank_B = 1,048,576 is larger than .*, sram.capacity_B = 131,072",
        ),
        ({"dram.energy_pJ_per_bit": 2.0}, "dram.energy_pJ_per_bit = 2 contradicts .* 20 for DDR3-1600"),
        (
            {"dram.bandwidth_GB_per_s": 20.0},
            "dram.bandwidth_GB_per_s = 20 is more than the 12.8 .*",
        ),
        (
            {"process.energy_table": "7nm"},
            "process.energy_table = '7nm' holds prices at 7 nm, not .* = 45, expected .* by published-trend'",
        ),
        ({"process.die_mm2": 1000.0}, "process.die_mm2 = 1000 is more than .* = 858 mm2"),
    ],
)
def test_a_contradiction_is_a_sentence(changes, expected):
    (warning,) = EDGE.replace(**changes).warnings
    assert re.fullmatch(expected, warning)


def test_a_package_of_several_dies_may_be_larger_than_a_field_if_it_is_published():
    """The eight compute dies of an MI300X have 920 mm2, which AMD says; a what-if of as much is warned of."""
    chip = load_chip("mi300x")
    assert (chip.process.die_mm2, chip.warnings) == (920, ())
    (warning,) = chip.replace(**{"process.die_mm2": 921.0}).warnings
    assert warning.startswith("process.die_mm2 = 921 is more than lithography exposes at once")


def test_dram_of_another_type_does_not_hide_behind_the_source_of_the_old_one():
    chip = load_chip("tpu_v1").replace(**{"dram.type": "LPDDR4-3200"})
    assert chip.warnings == (
        "dram.bandwidth_GB_per_s = 34 is more than the 12.8 that dram.channels = 2 of LPDDR4-3200 have",
    )


def test_what_does_not_fit_the_die_is_a_warning_of_the_run():
    """64 x 64 multipliers and adders of 0.0119 mm2 take 48.7 mm2 of a die of 6."""
    dense = load_network("lenet300", "dense")
    assert simulate(EDGE, dense).warnings == ()
    (warning,) = simulate(EDGE.replace(**{"array.rows": 64, "array.cols": 64}), dense).warnings
    assert warning.startswith("fp32 MACs and memories take 49.")
    assert warning.endswith("more than process.die_mm2 = 6")


def test_a_changed_price_no_longer_cites_the_old_source():
    chip = EDGE.replace(**{"dram.energy_pJ_per_bit": 18.0})
    assert chip.sources["dram.energy_pJ_per_bit"] == "design choice: set to 18.0"


def test_changes_of_changes_keep_their_notes():
    chip = EDGE.replace(**{"sram.capacity_B": MIB}).replace(**{"power.cap_W": 1.0})
    assert len(chip.notes) == 1
    assert len(chip.replace(**{"process.voltage_V": 0.8}).notes) == 2


def test_what_comes_from_a_family_follows_what_it_multiplies():
    """The clock power of a GPU goes with the area, the clock and the square of the voltage of its die."""
    chip = load_chip("a100_sxm")
    held = {constant.key: constant.value for constant in taken("gpu", chip.sources)}
    slower = chip.replace(**{"process.clock_GHz": 0.705})
    assert slower.power.clock_W == pytest.approx(chip.power.clock_W / 2)
    lower = chip.replace(**{"process.voltage_V": 0.7, "process.clock_GHz": 1.0, "process.die_mm2": 400.0})
    assert lower.power.clock_W == pytest.approx(held["power.clock_W"] * 400 * 0.7**2 * 1.0)
    assert "power.clock_W" in {constant.key for constant in taken("gpu", lower.sources)}
    assert lower.replace(**{"process.clock_GHz": 2.0}).power.clock_W == pytest.approx(2 * lower.power.clock_W)


def test_another_dram_keeps_the_factor_of_the_family():
    chip = load_chip("a100_sxm").replace(**{"dram.type": "GDDR6-14000"})
    (factor,) = (c.value for c in taken("gpu", chip.sources) if c.key == "dram.energy_pJ_per_bit")
    assert chip.dram.energy_pJ_per_bit == pytest.approx(7.0 * factor)
    stated = load_chip("a100_sxm").replace(**{"dram.energy_pJ_per_bit": 5.0})
    assert stated.replace(**{"dram.type": "GDDR6-14000"}).dram.energy_pJ_per_bit == 7.0


def test_a_key_that_is_set_does_not_follow():
    chip = load_chip("a100_sxm").replace(**{"process.clock_GHz": 0.705, "power.clock_W": 90.0})
    assert chip.power.clock_W == 90.0
