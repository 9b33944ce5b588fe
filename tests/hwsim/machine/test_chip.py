"""Chip files: what is shipped loads, what is wrong is named in one sentence."""

import re
from dataclasses import fields
from importlib import resources

import numpy as np
import pytest

from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.pricing import PriceList

EDGE = (resources.files("hwsim") / "data" / "chips" / "edge.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", chip_names())
def test_every_shipped_chip_loads_and_names_itself(name):
    assert load_chip(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "key", "found", "expected"),
    [
        ("lanes = 16", "lanez = 16", "vector.lanez", "unknown key", "lanes"),
        ("lanes = 16", "lanes = -16", "vector.lanes", "-16", "greater than or equal to 1"),
        ("lanes = 16", 'lanes = "16"', "vector.lanes", "'16'", "a valid integer"),
        ("lanes = 16", "lanes = 16.5", "vector.lanes", "16.5", "a valid integer"),
        ("[vector]\nlanes = 16\n", "", "vector", "nothing found", "a value"),
        ("[array]", "[[array]]", "array", "kind", "a table"),
        ('kind = "gemm"', 'kind = "gem"', "array.kind", "'gem'", "gemm"),
        ('kind = "gemm"', 'kind = ["gemm"]', "array.kind", "['gemm']", "gemm"),
        ("rows = 16", "rows = 0", "array", "rows is 0", "at least 1"),
        ("rows = 16", "rowz = 16", "array.rowz", "unknown key", "rows"),
        ("clock_GHz = 0.2", "clock_GHz = nan", "process.clock_GHz", "nan", "finite"),
        ("clock_GHz = 0.2", "clock_GHz = inf", "process.clock_GHz", "inf", "finite"),
        ("clock_GHz = 0.2", "clock_GHz = 1e-9", "process.clock_GHz", "1e-09", "equal to 0.000001"),
        (
            "bandwidth_GB_per_s = 1.6",
            "bandwidth_GB_per_s = 1e-300",
            "dram.bandwidth_GB_per_s",
            "1e-300",
            "equal to 0.000001",
        ),
        ("latency_ns = 60.0", "latency_ns = 1e300", "dram.latency_ns", "1e+300", "equal to 1000000000"),
        ("lanes = 16", f"lanes = {1 << 63}", "vector.lanes", str(1 << 63), "less than or equal to"),
        ("rows = 16", f"rows = {1 << 63}", "array.rows", str(1 << 63), "less than or equal to"),
        ('scope = "board"', 'scope = "rack"', "power.scope", "'rack'", "'board' or 'die'"),
        ('"array.rows" =', '"array.rowz" =', "array.rows", "no entry in [sources]", "a citation"),
    ],
)
def test_a_bad_key_is_named_with_what_was_found_and_expected(tmp_path, old, new, key, found, expected):
    path = tmp_path / "bad.toml"
    assert old in EDGE
    path.write_text(EDGE.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(str(path))) as error:
        load_chip(path)
    message = str(error.value)
    assert f"key {key}" in message
    assert found in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"x = [", b"\xff\xfe", b"", b'name = "a"\nname = "b"\n'])
def test_a_file_that_is_no_chip_is_refused(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        load_chip(path)


def test_an_unknown_chip_lists_the_shipped_ones():
    with pytest.raises(InputError, match="reference_250w"):
        load_chip("nonesuch")


def test_a_replaced_key_is_validated_again():
    chip = load_chip("edge")
    assert chip.replace(**{"sram.capacity_B": 4096}).sram.capacity_B == 4096
    assert chip.replace(**{"array.rows": 8}).array.rows == 8
    with pytest.raises(InputError, match=r"sram\.capacity_B"):
        chip.replace(**{"sram.capacity_B": 0})
    with pytest.raises(InputError, match=r"sram\.capacityB"):
        chip.replace(**{"sram.capacityB": 1})


def test_a_key_takes_one_number_of_numpy_and_no_array_of_them():
    chip = load_chip("edge")
    for one in (np.int16(4096), np.array(4096), np.array(4096, ">i8")):
        assert chip.replace(**{"sram.capacity_B": one}) == chip.replace(**{"sram.capacity_B": 4096})
    with pytest.raises(InputError, match=r"power.cap_W is an array of shape \(2, 3\), expected one value"):
        chip.replace(**{"power.cap_W": np.zeros((2, 3), ">f4")})


def test_standby_is_not_paid_twice():
    """A bit of this type pays its share of background power: 70 pJ, where DDR3-1600 takes 20 and standby."""
    changes = {"dram.type": "DDR3-1600-low-use", "dram.energy_pJ_per_bit": 70.0}
    with pytest.raises(InputError, match=r"key dram.standby_W: found 0.01, .* expected 0"):
        load_chip("edge").replace(**changes, **{"dram.standby_W": 0.01})
    assert load_chip("edge").replace(**changes).dram.standby_W == 0


@pytest.mark.parametrize("name", chip_names())
def test_every_key_can_be_changed_even_one_that_the_file_leaves_out(name):
    chip = load_chip(name)
    changes = {f"array.{f.name}": getattr(chip.array, f.name) for f in fields(chip.array)}
    changes["sram.holds_weights"] = chip.sram.holds_weights
    assert changes.keys() < chip.keys
    assert chip.replace(**changes).array == chip.array


def test_a_changed_default_stays_changed_and_says_where_it_comes_from():
    narrow = load_chip("edge").replace(**{"array.operand_bits": 16}).replace(**{"array.gate_zeros": True})
    assert (narrow.array.operand_bits, narrow.array.gate_zeros) == (16, True)
    assert narrow.sources["array.operand_bits"].startswith("design choice: changed from the default")
    assert load_chip("phone").replace(**{"array.gate_zeros": False}).array.gate_zeros is False
    with pytest.raises(InputError, match=r"array\.operand_bits: found 'few'"):
        load_chip("edge").replace(**{"array.operand_bits": "few"})


@pytest.mark.parametrize("path", ["name.e", "name.a.b", "sram", "sources", "array.cost", "sources.a", ""])
def test_what_is_no_key_cannot_be_changed(path):
    with pytest.raises(InputError, match=f"no key '{path}' to change"):
        load_chip("edge").replace(**{path: 1})


@pytest.mark.parametrize("scaled", ["", " to 28nm by stillmaker-baas"])
def test_an_energy_table_lies_beside_its_chip_file(tmp_path, monkeypatch, scaled):
    folder = tmp_path / "two words"
    folder.mkdir()
    shipped = (resources.files("hwsim") / "data" / "energy" / "45nm.csv").read_text(encoding="utf-8")
    (folder / "mine.csv").write_text(re.sub(r"^multiply_fp32,[\d.]+", "multiply_fp32,8", shipped, flags=re.M))
    (folder / "mine.toml").write_text(
        EDGE.replace('energy_table = "45nm"', f'energy_table = "mine.csv{scaled}"'), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    chip = load_chip("two words/mine.toml")
    assert chip.process.energy_table == f"two words/mine.csv{scaled}"
    table = EnergyTable.load(chip.process.energy_table)
    plain = EnergyTable.load(f"45nm{scaled}")
    assert table["multiply_fp32"].pJ == pytest.approx(plain["multiply_fp32"].pJ * 8 / 3.7)
    assert table["add_fp32"].pJ == plain["add_fp32"].pJ
    assert PriceList(chip.replace(**{"sram.wire_mm": 1.0})).table.name == table.name


def test_an_absolute_path_of_an_energy_table_stays(tmp_path):
    path = tmp_path / "there.toml"
    path.write_text(EDGE.replace('energy_table = "45nm"', 'energy_table = "/nowhere/mine.csv"'))
    chip = load_chip(path)
    assert chip.process.energy_table == "/nowhere/mine.csv"
    with pytest.raises(InputError, match=r"/nowhere/mine\.csv: cannot be read"):
        PriceList(chip)
