"""Constants of families of chips: they fill in what a chip file leaves out, and nothing else."""

import tomllib
from importlib import resources

import pytest

from hwsim.energy.dram import load_dram
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.machine.families import completed, constants, family_names

MOST = 10
"""Constants that may be fitted in all."""


def file_of(name):
    """Tables of a shipped chip file as they are written."""
    path = resources.files("hwsim") / "data" / "chips" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def test_few_constants_are_fitted_and_none_to_a_row():
    found = constants()
    assert len(found) <= MOST
    assert len({(constant.family, constant.key) for constant in found}) == len(found)
    assert {constant.family for constant in found} == set(family_names())


@pytest.mark.parametrize("name", chip_names())
def test_what_a_file_leaves_out_is_the_constant_of_its_family(name):
    tables, chip = file_of(name), load_chip(name)
    process = tables["process"]
    for constant in constants():
        table, _, key = constant.key.partition(".")
        if constant.family == chip.kernels.family and key not in tables[table]:
            base = {
                "": 1.0,
                "die": process["die_mm2"] * process["voltage_V"] ** 2 * process["clock_GHz"],
                "dram.type": load_dram(tables["dram"]["type"]).pJ_per_bit,
            }[constant.per]
            assert getattr(getattr(chip, table), key) == pytest.approx(constant.value * base, abs=1e-6)
            assert f"family {constant.family}" in chip.sources[constant.key]


def test_what_a_file_says_stays():
    tables = file_of("edge") | {"kernels": {"family": "gpu", "time_us": 1.25}}
    tables["dram"]["efficiency"] = 0.5
    found = completed(tables, "my.toml")
    assert (found["kernels"]["time_us"], found["dram"]["efficiency"]) == (1.25, 0.5)
    assert "kernels.time_us" not in found["sources"]
    assert "efficiency" not in tables["kernels"]


def test_a_chip_without_a_family_gets_no_constants():
    tables = file_of("edge")
    assert completed(tables, "edge") is tables
    assert load_chip("edge").kernel_ticks == 0


def test_power_of_the_clock_tree_stays_when_the_cap_changes():
    chip = load_chip("a100_pcie")
    assert chip.replace(**{"power.cap_W": 175.0}).power.clock_W == chip.power.clock_W > 0


def test_boards_of_one_die_have_the_clock_power_of_the_die():
    """826 mm2 at 0.85 V and 1.41 GHz are 841.5 W per nF and mm2, whatever the limit of the board."""
    (constant,) = (c for c in constants() if (c.family, c.key) == ("gpu", "power.clock_W"))
    chips = [load_chip(name) for name in ("a100_pcie", "a100_pcie_80gb", "a100_sxm")]
    assert len({chip.power.cap_W for chip in chips}) == 3
    for chip in chips:
        assert chip.power.clock_W == pytest.approx(constant.value * 841.47, rel=1e-4)


def test_an_unknown_family_is_one_sentence():
    with pytest.raises(
        InputError, match=r"my.toml: key kernels.family: found 'npu', expected one of gpu, tpu"
    ):
        completed({"kernels": {"family": "npu"}}, "my.toml")
